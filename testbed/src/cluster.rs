//! A throwaway PostgreSQL server: own folder, own port, gone when its owner is.

use std::{
    fs,
    io::{self, Write},
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::tls::Authority;

/// Stops PostgreSQL at once and removes its folder as soon as the pipe on its standard input closes, which the kernel
/// does however the owner ends. `$1` is PostgreSQL's process id, `$2` the folder.
const WATCHDOG: &str = r#"
read -r _
kill -QUIT "$1" 2>/dev/null
tries=0
while kill -0 "$1" 2>/dev/null && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.05; done
rm -rf "$2"
"#;

/// Puts a disk in memory of `$1` megabytes in place of the folder `$2`, with what it holds, and runs the rest, which must
/// not believe itself to be root.
const SMALL_DISK: &str = r#"
size=$1 folder=$2
shift 2
cp -a "$folder" "$folder.full"
mount -t tmpfs -o "size=${size}m,mode=700" small "$folder"
cp -a "$folder.full/." "$folder"
exec unshare --user --map-user=1000 --map-group=1000 "$@"
"#;

/// Who may connect to a server with TLS: over TCP only who encrypts.
const ENCRYPTED_ONLY: &str = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";

/// The longest wait for PostgreSQL to accept connections.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A running throwaway PostgreSQL server.
///
/// It has a superuser `postgres` and a role `odoo` that may create databases, as an Odoo server's role may. Local
/// connections need no password, those over TCP do.
#[derive(Debug)]
pub struct Cluster {
    clients: Clients,
    password: String,
    /// What a client must trust, where connections are encrypted.
    authority: Option<PathBuf>,
    postgres: Child,
    watchdog: Child,
    /// Held while the template database is made or copied.
    pub(crate) template: Mutex<bool>,
}

/// What makes a server other than usual.
#[derive(Clone, Copy, Debug, Default)]
struct Special<'a> {
    /// Its databases lie on a disk of so many megabytes.
    disk: Option<u32>,
    /// It encrypts, with a certificate of this one.
    authority: Option<&'a Authority>,
}

/// How to run PostgreSQL's client programs against a [`Cluster`].
#[derive(Clone, Debug)]
pub struct Clients {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Clients {
    /// A client program that connects over the Unix socket as `role`.
    pub fn command(&self, program: &str, role: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env("PGHOST", &self.folder).env("PGPORT", self.port.to_string()).env("PGUSER", role);
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command
    }

    /// Runs SQL as the given role; gives the rows as text, columns separated by `|`.
    pub fn sql_as(&self, role: &str, database: &str, sql: &str) -> io::Result<String> {
        let mut psql = self.command("psql", role);
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        psql.args(["--dbname", database, "--command", sql]);
        run(&mut psql)
    }
}

impl Cluster {
    /// Starts a server. Takes about two seconds.
    pub fn start() -> io::Result<Self> {
        Self::start_as(Special::default())
    }

    fn start_as(special: Special<'_>) -> io::Result<Self> {
        let bin = postgres_bin()?;
        let account = Account::find()?;
        let folder = short_temp_folder()?;
        account.own(folder.path())?;
        let password = format!("{:032x}", rand::random::<u128>());
        initialise(&bin, folder.path(), &account, &password)?;
        if let Some(authority) = special.authority {
            encrypt(folder.path(), authority, &account)?;
        }
        let mut last = io::Error::other("PostgreSQL was not started");
        for _attempt in 0..5 {
            let port = free_port()?;
            match launch(&bin, folder.path(), port, &account, special) {
                Ok(postgres) => {
                    let folder = folder.keep();
                    let watchdog = watch(&postgres, &folder)?;
                    let template = Mutex::new(false);
                    let clients = Clients { bin, folder, port };
                    let authority = special.authority.map(Authority::certificate);
                    let cluster = Self { clients, password, authority, postgres, watchdog, template };
                    let role = format!("CREATE ROLE odoo LOGIN CREATEDB PASSWORD '{}'", cluster.password);
                    cluster.sql_as("postgres", "postgres", &role)?;
                    return Ok(cluster);
                }
                // Another process may have taken the port meanwhile.
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Starts a server whose databases lie on a disk of so many megabytes, which only its processes see; what belongs to
    /// no database is elsewhere, as without room for that PostgreSQL ends. An error where the system gives no user
    /// namespaces.
    pub fn start_on_a_small_disk(megabytes: u32) -> io::Result<Self> {
        Self::start_as(Special { disk: Some(megabytes), ..Special::default() })
    }

    /// Starts a server with a certificate of the authority for `localhost`, which takes nothing over TCP that is not
    /// encrypted.
    pub fn start_encrypted(authority: &Authority) -> io::Result<Self> {
        Self::start_as(Special { authority: Some(authority), ..Special::default() })
    }

    /// Fills the small disk of a server but for so many megabytes.
    pub fn fill_disk(&self, leaving: u32) -> io::Result<()> {
        // It ends with an error, as it fills all that there is.
        self.on_disk(&format!("cat /dev/zero >\"$1\" 2>/dev/null || truncate --size=-{leaving}M \"$1\""))
    }

    /// Gives the room back.
    pub fn empty_disk(&self) -> io::Result<()> {
        self.on_disk("rm \"$1\"")
    }

    /// Runs a script with a file of the small disk, as the account whose disk it is.
    fn on_disk(&self, script: &str) -> io::Result<()> {
        let ballast = seen_by(&self.postgres, &self.clients.folder.join("data/base/ballast"));
        run(Account::find()?.command(Path::new("sh")).args(["-c", script, "sh"]).arg(ballast)).map(drop)
    }

    /// Kills one of its processes with SIGKILL, as the kernel does when memory runs out: all others end, and it starts
    /// anew. Returns when it answers again.
    pub fn crash(&self) -> io::Result<()> {
        let writer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'";
        let pid = self.sql_as("postgres", "postgres", writer)?;
        run(Command::new("kill").args(["-KILL", &pid]))?;
        let deadline = Instant::now() + START_TIMEOUT;
        while self.sql_as("postgres", "postgres", writer).map_or(true, |now| now.is_empty() || now == pid) {
            if Instant::now() > deadline {
                return Err(io::Error::other("PostgreSQL does not answer again after its crash"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The one server that all tests of a process share.
    ///
    /// # Panics
    /// When PostgreSQL cannot be started: no test could run then.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED
            .get_or_init(|| Self::start().unwrap_or_else(|error| panic!("the test PostgreSQL did not start: {error}")))
    }

    /// Connection URL of role `odoo` over TCP, without a database; as safe as can be where connections are encrypted.
    pub fn url(&self) -> String {
        match &self.authority {
            None => self.url_with("127.0.0.1", ""),
            Some(file) => self.url_with("localhost", &format!("?sslmode=verify-full&sslrootcert={}", file.display())),
        }
    }

    /// The same with another name of the host and other parameters, such as `?sslmode=require`.
    pub fn url_with(&self, host: &str, parameters: &str) -> String {
        format!("postgres://odoo:{}@{host}:{}/{parameters}", self.password, self.port())
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.clients.port
    }

    /// The password of roles `odoo` and `postgres`.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The folder of the matching client programs (`pg_dump`, `psql` …).
    pub fn bin(&self) -> &Path {
        &self.clients.bin
    }

    /// The folder of the Unix socket.
    pub fn socket_folder(&self) -> &Path {
        &self.clients.folder
    }

    /// A folder that is removed with the server: the data folder of an Odoo, with its `filestore`.
    pub fn data_dir(&self) -> PathBuf {
        self.clients.folder.join("odoo")
    }

    /// Runs SQL as role `odoo`; gives the rows as text, columns separated by `|`.
    pub fn sql(&self, database: &str, sql: &str) -> io::Result<String> {
        self.sql_as("odoo", database, sql)
    }

    /// Runs SQL as the given role.
    pub fn sql_as(&self, role: &str, database: &str, sql: &str) -> io::Result<String> {
        self.clients.sql_as(role, database, sql)
    }

    /// The client programs.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Creates a database owned by role `odoo`, from `template` when given.
    pub fn create_database(&self, name: &str, template: Option<&str>) -> io::Result<()> {
        let template = template.unwrap_or("template1");
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\"")).map(drop)
    }

    /// Removes a database, ending its sessions; only a superuser may end an autovacuum so.
    pub fn drop_database(&self, name: &str) -> io::Result<()> {
        let sql = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
        self.sql_as("postgres", "postgres", &sql).map(drop)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // The watchdog has told PostgreSQL to stop by the time that this returns.
        let _ = self.postgres.wait();
        let _ = self.watchdog.wait();
    }
}

/// The folder of the newest installed PostgreSQL server's programs.
pub fn postgres_bin() -> io::Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    found.sort();
    let from_config = Command::new("pg_config").arg("--bindir").output().ok();
    let from_config = from_config.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let mut candidates = found.into_iter().rev().map(|(_, bin)| bin).chain(from_config);
    candidates.find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists()).ok_or_else(|| {
        io::Error::other("no PostgreSQL server is installed: install the package `postgresql` (15 or later)")
    })
}

/// The account that PostgreSQL runs as: it refuses to run as root.
struct Account(Option<(u32, u32)>);

impl Account {
    fn find() -> io::Result<Self> {
        let own = run(Command::new("id").arg("-u"))?;
        if own.trim() != "0" {
            return Ok(Self(None));
        }
        for name in ["postgres", "nobody"] {
            let ids = (run(Command::new("id").args(["-u", name])), run(Command::new("id").args(["-g", name])));
            if let (Ok(user), Ok(group)) = ids
                && let (Ok(user), Ok(group)) = (user.trim().parse(), group.trim().parse())
            {
                return Ok(Self(Some((user, group))));
            }
        }
        Err(io::Error::other("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`"))
    }

    fn own(&self, path: &Path) -> io::Result<()> {
        match self.0 {
            Some((user, group)) => std::os::unix::fs::chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command
    }
}

/// A Unix socket's path has at most 107 bytes, and macOS-like long `TMPDIR`s exceed that.
fn short_temp_folder() -> io::Result<TempDir> {
    let standard = std::env::temp_dir();
    let parent = if standard.as_os_str().len() > 60 { PathBuf::from("/tmp") } else { standard };
    let folder = tempfile::Builder::new().prefix("hf-pg-").tempdir_in(parent)?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
    Ok(folder)
}

fn initialise(bin: &Path, folder: &Path, account: &Account, password: &str) -> io::Result<()> {
    let password_file = folder.join("password");
    fs::File::create(&password_file)?.write_all(password.as_bytes())?;
    account.own(&password_file)?;
    let mut initdb = account.command(&bin.join("initdb"));
    initdb.current_dir(folder).arg("--pgdata").arg(folder.join("data"));
    initdb.args(["--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
    initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256"]).arg("--pwfile").arg(&password_file);
    run(&mut initdb)?;
    fs::remove_file(password_file)
}

/// Gives the server a certificate and its key, which must be nobody else's, and lets only in who encrypts.
fn encrypt(folder: &Path, authority: &Authority, account: &Account) -> io::Result<()> {
    let issued = authority.issue("localhost")?;
    for (from, name) in [(&issued.certificate, "server.crt"), (&issued.key, "server.key")] {
        let file = folder.join("data").join(name);
        fs::copy(from, &file)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        account.own(&file)?;
    }
    fs::write(folder.join("data/pg_hba.conf"), ENCRYPTED_ONLY)
}

fn launch(bin: &Path, folder: &Path, port: u16, account: &Account, special: Special<'_>) -> io::Result<Child> {
    let log = fs::File::create(folder.join("log"))?;
    let mut postgres = match special.disk {
        None => account.command(&bin.join("postgres")),
        Some(megabytes) => {
            let mut unshare = account.command(Path::new("unshare"));
            unshare.args(["--user", "--map-root-user", "--mount", "sh", "-ec", SMALL_DISK, "sh"]);
            unshare.arg(megabytes.to_string()).arg(folder.join("data/base")).arg(bin.join("postgres"));
            unshare
        }
    };
    postgres.current_dir(folder).process_group(0).stdout(log.try_clone()?).stderr(log);
    postgres.arg("-D").arg(folder.join("data"));
    let port_setting = format!("port={port}");
    let sockets = format!("unix_socket_directories={}", folder.display());
    // Nothing here needs to survive a power cut.
    let settings = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB"];
    // As many panels with their pools as there are tests at once on a large machine.
    let settings = settings.into_iter().chain(["listen_addresses=127.0.0.1", "max_connections=500", &port_setting]);
    for setting in settings.chain([sockets.as_str()]).chain(special.authority.map(|_| "ssl=on")) {
        postgres.args(["-c", setting]);
    }
    let mut child = postgres.spawn()?;
    match wait_until_ready(&mut child, folder) {
        Ok(()) => Ok(child),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// A path as a process sees it.
fn seen_by(process: &Child, path: &Path) -> PathBuf {
    let relative = path.strip_prefix("/").unwrap_or(path);
    Path::new("/proc").join(process.id().to_string()).join("root").join(relative)
}

/// PostgreSQL writes `ready` into its pid file once it accepts connections.
fn wait_until_ready(child: &mut Child, folder: &Path) -> io::Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let status = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
        if status.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
            return Ok(());
        }
        if child.try_wait()?.is_some() || Instant::now() > deadline {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            return Err(io::Error::other(format!("PostgreSQL did not start: {log}")));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn watch(postgres: &Child, folder: &Path) -> io::Result<Child> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", WATCHDOG, "watchdog"]).arg(postgres.id().to_string()).arg(folder);
    shell.current_dir("/").process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Runs a program to its end; an error holds what it wrote to standard error.
pub(crate) fn run(command: &mut Command) -> io::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| io::Error::other(format!("{name} could not be run: {error}")))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("{name} ended with {}: {}", output.status, stderr.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
