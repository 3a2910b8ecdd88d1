//! The address of a PostgreSQL server: to connect here, and for `pg_dump`'s environment.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use backup_api::{Problem, ProblemCode, Secret, Severity};
use sqlx::{ConnectOptions, PgConnection, error::DatabaseError, postgres::PgConnectOptions};
use url::Url;

use super::{
    super::{AddressPolicy, words},
    encryption::Encryption,
    sockets::{notice_when_gone, with_socket},
};

const EXAMPLE: &str = "Write it as postgres://user:password@host:5432/ or postgres://user@/?host=/var/run/postgresql.";

/// Where a server listens and as whom to connect.
#[derive(Clone, Debug)]
pub(crate) struct ServerAddress {
    endpoint: Endpoint,
    port: u16,
    user: String,
    password: Option<Secret>,
    encryption: Encryption,
}

#[derive(Clone, Debug)]
enum Endpoint {
    Socket(PathBuf),
    Host(String),
}

/// A connection, and how `pg_dump` reaches the same server.
pub(crate) struct Connected {
    /// The connection.
    pub connection: PgConnection,
    /// Environment variables for `pg_dump`; one of them is the password.
    pub environment: Vec<(&'static str, OsString)>,
}

impl ServerAddress {
    /// Reads a connection URL. The database in it is ignored.
    pub fn parse(url: &Secret) -> Result<Self, Problem> {
        let invalid = |what: &str| words::stop(ProblemCode::InvalidAddress, format!("{what} {EXAMPLE}"));
        // A socket needs no host name, but a URL with a user must have one.
        let url = url.reveal().replacen("@/", "@localhost/", 1);
        let url = Url::parse(&url).map_err(|error| invalid(&format!("The connection URL is invalid: {error}.")))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(invalid("The connection URL must start with postgres://."));
        }
        let decode = |text: &str| percent_decode(text).ok_or_else(|| invalid("The connection URL has a bad % escape."));
        let mut host = decode(url.host_str().unwrap_or_default())?;
        let mut user = decode(url.username())?;
        let mut port = url.port().unwrap_or(5432);
        let (mut ssl_mode, mut roots) = (None, None);
        for (key, value) in url.query_pairs() {
            match &*key {
                "host" => host = value.into_owned(),
                "user" => user = value.into_owned(),
                "port" => port = value.parse().map_err(|_| invalid("The port in the connection URL is no number."))?,
                "sslmode" => ssl_mode = Some(value.into_owned()),
                "sslrootcert" => roots = Some(value.into_owned()),
                "dbname" | "application_name" | "connect_timeout" => {}
                other => {
                    return Err(invalid(&format!("The connection URL has a parameter “{other}” that is not known.")));
                }
            }
        }
        let endpoint = match host.as_str() {
            "" => return Err(invalid("The connection URL names no host.")),
            socket if socket.starts_with('/') => Endpoint::Socket(socket.into()),
            name => Endpoint::Host(name.trim_start_matches('[').trim_end_matches(']').to_owned()),
        };
        if user.is_empty() {
            return Err(invalid("The connection URL names no user."));
        }
        let password = url.password().map(decode).transpose()?.map(Secret::new);
        let encryption = Encryption::parse(ssl_mode.as_deref(), roots.as_deref()).map_err(invalid)?;
        Ok(Self { endpoint, port, user, password, encryption })
    }

    /// The same server as somebody else.
    pub fn with_login(&self, user: &str, password: Secret) -> Self {
        Self { user: user.to_owned(), password: Some(password), ..self.clone() }
    }

    /// Whether it is the machine that this process runs on.
    pub fn is_local(&self) -> bool {
        match &self.endpoint {
            Endpoint::Socket(_) => true,
            Endpoint::Host(host) => {
                host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// Connects to a database.
    pub async fn connect(&self, database: &str, policy: &AddressPolicy, limit: Duration) -> Result<Connected, Problem> {
        let mut options = PgConnectOptions::new_without_pgpass().port(self.port).username(&self.user);
        options = options.password(self.password.as_ref().map_or("", Secret::reveal)).database(database);
        options = options.application_name("holdfast").disable_statement_logging();
        match &self.endpoint {
            Endpoint::Socket(folder) => {
                // A socket is never encrypted, whatever the URL wants; so says libpq.
                let options = Encryption::Disable.apply(options.socket(folder))?;
                let connection = self.dial(&options, database, limit).await?;
                Ok(Connected { connection, environment: self.environment(database, &[]) })
            }
            Endpoint::Host(host) => {
                let options = self.encryption.apply(options)?;
                let addresses = policy.resolve(host, self.port).await;
                let addresses = addresses.map_err(|error| words::stop(ProblemCode::Unreachable, error.to_string()))?;
                self.dial_one_of(host, &addresses, &options, database, limit).await
            }
        }
    }

    async fn dial_one_of(
        &self,
        host: &str,
        addresses: &[SocketAddr],
        options: &PgConnectOptions,
        database: &str,
        limit: Duration,
    ) -> Result<Connected, Problem> {
        // The certificate's name is compared with the host that is dialled; only then is the name needed, and all of its
        // addresses are tried at once.
        if self.encryption.is_by_name() {
            let connection = self.dial(&options.clone().host(host), database, limit).await?;
            return Ok(Connected { connection, environment: self.environment(database, addresses) });
        }
        let mut last = words::stop(ProblemCode::Unreachable, format!("The host “{host}” has no address."));
        for address in addresses {
            match self.dial(&options.clone().host(&address.ip().to_string()), database, limit).await {
                Ok(connection) => {
                    return Ok(Connected { connection, environment: self.environment(database, &[*address]) });
                }
                Err(problem) if problem.code == ProblemCode::Unreachable => last = problem,
                Err(problem) => return Err(problem),
            }
        }
        Err(last)
    }

    async fn dial(&self, options: &PgConnectOptions, database: &str, limit: Duration) -> Result<PgConnection, Problem> {
        let dialled = tokio::time::timeout(limit, async {
            let mut connection = options.connect().await?;
            with_socket(&mut connection, notice_when_gone).await;
            Ok::<_, sqlx::Error>(connection)
        });
        match dialled.await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.problem(&error, database)),
            Err(_) => Err(words::stop(
                ProblemCode::Unreachable,
                format!(
                    "PostgreSQL at {} did not answer within {} seconds. Check host, port and firewall.",
                    self.place(),
                    limit.as_secs()
                ),
            )),
        }
    }

    /// What an error of connecting means to an administrator.
    fn problem(&self, error: &sqlx::Error, database: &str) -> Problem {
        let (place, user) = (self.place(), &self.user);
        if let Some(problem) = self.encryption.problem(error, &place, self.host()) {
            return problem;
        }
        let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default();
        let said = error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
        let (code, message) = match &*code {
            "28000" if said.contains("no pg_hba.conf entry") => (
                ProblemCode::WrongCredentials,
                format!(
                    "PostgreSQL at {place} lets user “{user}” not in from here ({said}). Have a line for this user and host \
                     added to its pg_hba.conf; with sslmode=disable in the URL if it takes only what is not encrypted."
                ),
            ),
            "28P01" | "28000" => (
                ProblemCode::WrongCredentials,
                format!("PostgreSQL at {place} refuses user “{user}” ({said}). Check user and password in the URL."),
            ),
            "3D000" => (
                ProblemCode::UnknownDatabase,
                format!("There is no database “{database}” on {place}. Check its name; capitals count."),
            ),
            "42501" => (
                ProblemCode::InsufficientPrivilege,
                format!("User “{user}” may not connect to database “{database}” ({said}). Grant it CONNECT."),
            ),
            // A full disk has no code of its own when PostgreSQL cannot even write what it keeps for a connection.
            _ if &*code == "53100" || said.contains("could not write init file") => (
                ProblemCode::DiskFull,
                format!("The disk of PostgreSQL at {place} is full ({said}). Free some space there, then try again."),
            ),
            "" => (
                ProblemCode::Unreachable,
                format!("PostgreSQL at {place} cannot be reached: {said}. Check host, port and firewall."),
            ),
            _ => (ProblemCode::Unreachable, format!("PostgreSQL at {place} does not accept the connection: {said}.")),
        };
        Problem { severity: Severity::Stop, code, message }
    }

    fn host(&self) -> &str {
        match &self.endpoint {
            Endpoint::Socket(_) => "localhost",
            Endpoint::Host(host) => host,
        }
    }

    fn place(&self) -> String {
        match &self.endpoint {
            Endpoint::Socket(folder) => folder.display().to_string(),
            Endpoint::Host(host) => format!("{host}:{}", self.port),
        }
    }

    /// For libpq. The password goes here and never into arguments, which every user of the host can read.
    fn environment(&self, database: &str, addresses: &[SocketAddr]) -> Vec<(&'static str, OsString)> {
        let mut variables: Vec<(&'static str, OsString)> = vec![
            ("PGPORT", self.port.to_string().into()),
            ("PGUSER", self.user.clone().into()),
            ("PGDATABASE", database.into()),
            ("PGAPPNAME", "holdfast".into()),
            // Neither a password file nor a service file of the server's account shall decide anything.
            ("PGPASSFILE", "/dev/null".into()),
        ];
        match &self.endpoint {
            Endpoint::Socket(folder) => variables.push(("PGHOST", folder.clone().into())),
            // Of several addresses, each has its host.
            Endpoint::Host(host) => {
                let addresses = addresses.iter().map(|address| address.ip().to_string());
                let (hosts, addresses): (Vec<&str>, Vec<String>) = addresses.map(|address| (&**host, address)).unzip();
                variables.push(("PGHOST", hosts.join(",").into()));
                variables.push(("PGHOSTADDR", addresses.join(",").into()));
            }
        }
        variables.extend(self.password.as_ref().map(|password| ("PGPASSWORD", password.reveal().into())));
        variables.extend(self.encryption.environment());
        variables
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<ServerAddress, Problem> {
        ServerAddress::parse(&Secret::new(url))
    }

    #[test]
    fn urls_over_tcp_and_sockets_are_read() {
        let address = parse("postgres://odoo:p%40ss@db.example.com:5433/ignored?sslmode=require").unwrap();
        assert_eq!(address.place(), "db.example.com:5433");
        let environment =
            address.environment("acme", &["10.0.0.5:5433".parse().unwrap(), "[fd00::5]:5433".parse().unwrap()]);
        let get = |name| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_str().unwrap());
        assert_eq!(get("PGPASSWORD"), Some("p@ss"));
        assert_eq!(get("PGDATABASE"), Some("acme"));
        assert_eq!(get("PGSSLMODE"), Some("require"));
        assert_eq!(get("PGHOST"), Some("db.example.com,db.example.com"));
        assert_eq!(get("PGHOSTADDR"), Some("10.0.0.5,fd00::5"));
        let address = parse("postgresql://odoo@localhost/?host=/run/postgresql").unwrap();
        assert_eq!(address.place(), "/run/postgresql");
        assert_eq!(parse("postgres://odoo:pw@/acme?host=/run/postgresql&port=5433").unwrap().port, 5433);
        assert_eq!(parse("postgres:///?host=/run/postgresql&user=odoo").unwrap().place(), "/run/postgresql");
        assert_eq!(parse("postgres://odoo@%2Frun%2Fpostgresql/").unwrap().place(), "/run/postgresql");
        assert!(parse("postgres://odoo@[::1]:5432/").is_ok());
    }

    #[test]
    fn a_url_that_cannot_be_used_says_how_to_write_one() {
        for bad in [
            "",
            "localhost",
            "http://a/",
            "postgres://",
            "postgres://host/",
            "postgres://u@h/?options=-c%20x=y",
            "postgres://u@h/?sslmode=verify-ca",
        ] {
            let problem = parse(bad).unwrap_err();
            assert_eq!(problem.code, ProblemCode::InvalidAddress, "{bad}");
            assert!(problem.message.contains("postgres://user:password@host"), "{}", problem.message);
        }
    }
}
