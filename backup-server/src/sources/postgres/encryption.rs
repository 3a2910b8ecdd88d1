//! How a connection to PostgreSQL is encrypted: `sslmode` and `sslrootcert`, meant the same here and by `pg_dump`.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use backup_api::{Problem, ProblemCode};
use sqlx::{
    error::DatabaseError,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::super::{tls, words};

/// Where distributions keep what the system trusts: Debian and Alpine, Fedora, openSUSE, others.
const TRUSTED: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A file that cannot be. libpq looks into the home of the server's account for what is not named, which shall decide
/// nothing: with a `root.crt` there, `require` would verify, and fail.
const NOWHERE: &str = "/dev/null/none";

/// How a connection is encrypted, and who must vouch for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    Disable,
    Prefer,
    Require,
    VerifyCa(PathBuf),
    /// `None` for the authorities that the system trusts.
    VerifyFull(Option<PathBuf>),
}

impl Encryption {
    /// What the parameters of a connection URL mean to libpq.
    pub fn parse(mode: Option<&str>, roots: Option<&str>) -> Result<Self, &'static str> {
        let of_system = roots == Some("system");
        let file = roots.filter(|_| !of_system).map(PathBuf::from);
        let mode = mode.map(str::parse).transpose().map_err(|_: sqlx::Error| {
            "The sslmode in the connection URL is none of disable, prefer, require, verify-ca and verify-full."
        })?;
        Ok(match (mode, file) {
            (Some(PgSslMode::VerifyFull), file) => Self::VerifyFull(file),
            (None, _) if of_system => Self::VerifyFull(None),
            (_, None) if of_system => {
                return Err("sslrootcert=system in the connection URL needs sslmode=verify-full.");
            }
            (Some(PgSslMode::VerifyCa), None) => {
                return Err("sslmode=verify-ca in the connection URL needs sslrootcert=FILE, a path on the backup \
                            server, for any public authority would do otherwise; or use verify-full.");
            }
            (Some(PgSslMode::VerifyCa | PgSslMode::Require), Some(file)) => Self::VerifyCa(file),
            (Some(PgSslMode::Require), None) => Self::Require,
            (Some(PgSslMode::Disable), _) => Self::Disable,
            // Who takes what comes does not mind what is tried first.
            (Some(PgSslMode::Allow | PgSslMode::Prefer) | None, _) => Self::Prefer,
        })
    }

    /// Whether the name in the server's certificate counts.
    pub fn is_by_name(&self) -> bool {
        matches!(self, Self::VerifyFull(_))
    }

    /// For our own connection; an error when the file of the authorities cannot be used.
    pub fn apply(&self, options: PgConnectOptions) -> Result<PgConnectOptions, Problem> {
        let options = options.ssl_mode(match self {
            Self::Disable => PgSslMode::Disable,
            Self::Prefer => PgSslMode::Prefer,
            Self::Require => PgSslMode::Require,
            Self::VerifyCa(_) => PgSslMode::VerifyCa,
            Self::VerifyFull(_) => PgSslMode::VerifyFull,
        });
        let Some(file) = self.roots() else { return Ok(options) };
        check(file).map_err(|what| words::stop(ProblemCode::NotEncrypted, what))?;
        Ok(options.ssl_root_cert(file))
    }

    /// For libpq.
    pub fn environment(&self) -> [(&'static str, OsString); 3] {
        let (mode, roots) = match self {
            Self::Disable => ("disable", NOWHERE.into()),
            Self::Prefer => ("prefer", NOWHERE.into()),
            Self::Require => ("require", NOWHERE.into()),
            Self::VerifyCa(file) => ("verify-ca", file.clone().into()),
            Self::VerifyFull(file) => ("verify-full", file.clone().map_or_else(trusted, Into::into)),
        };
        [("PGSSLMODE", mode.into()), ("PGSSLROOTCERT", roots), ("PGSSLCERT", NOWHERE.into())]
    }

    /// Why a connection is not encrypted as it should be, or must be and is not.
    pub fn problem(&self, error: &sqlx::Error, place: &str, host: &str) -> Option<Problem> {
        let said = error.as_database_error().map_or("", DatabaseError::message);
        let message = if said.contains("no pg_hba.conf entry") && is_plain(said) {
            format!(
                "PostgreSQL at {place} lets nobody in who does not encrypt, or not this user from this host ({said}). \
                 Write sslmode=require or sslmode=verify-full into the connection URL, or have a line added to its \
                 pg_hba.conf."
            )
        } else if matches!(error, sqlx::Error::Tls(why) if why.to_string().contains("does not support TLS")) {
            format!(
                "PostgreSQL at {place} does not encrypt (ssl = off), as sslmode in the connection URL wants it. Turn ssl on \
                 there, or write sslmode=prefer if nobody listens in between."
            )
        } else {
            tls::refused_certificate(error, host, &self.trust())?
        };
        Some(words::stop(ProblemCode::NotEncrypted, message))
    }

    fn roots(&self) -> Option<&Path> {
        match self {
            Self::VerifyCa(file) | Self::VerifyFull(Some(file)) => Some(file),
            _ => None,
        }
    }

    /// How an authority comes to be trusted.
    fn trust(&self) -> String {
        match self.roots() {
            Some(file) => format!(
                "Put the certificate of the authority (CA) that issued it, which the administrator of PostgreSQL has, into \
                 the file {} on the backup server, or name another one with sslrootcert.",
                file.display()
            ),
            None => {
                "If its authority (CA) is your own, put the authority's certificate into a file on the backup server \
                     and name it in the connection URL: sslrootcert=/path/to/ca.pem."
                    .to_owned()
            }
        }
    }
}

/// Whether PostgreSQL says that a connection was not encrypted; before version 14 it said so in other words.
fn is_plain(said: &str) -> bool {
    said.ends_with("no encryption") || said.ends_with("SSL off")
}

/// Whether there are certificates in a file: libpq and the library here do not say what is wrong with it.
fn check(file: &Path) -> Result<(), String> {
    let shown = file.display();
    match fs::read_to_string(file) {
        Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => Ok(()),
        Ok(_) => Err(format!(
            "The file {shown}, which sslrootcert in the connection URL names, holds no certificate. Put the one of the \
             authority (CA) there, in the format PEM (-----BEGIN CERTIFICATE-----)."
        )),
        Err(error) => Err(format!(
            "The file {shown}, which sslrootcert in the connection URL names, cannot be read on the backup server: {error}. \
             Put the certificate of the authority (CA) there, and let the backup server's account read it."
        )),
    }
}

/// What the system trusts, as our own connection takes it: libpq knows `system` only from version 16 on.
fn trusted() -> OsString {
    let named = env::var_os("SSL_CERT_FILE");
    let usual = || TRUSTED.into_iter().find(|file| Path::new(file).is_file()).map(Into::into);
    named.or_else(usual).unwrap_or_else(|| "system".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_mean_what_they_mean_to_libpq() {
        use Encryption::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        let file = || PathBuf::from("/ca.pem");
        for (mode, roots, meant) in [
            (None, None, Prefer),
            (Some("allow"), None, Prefer),
            (Some("disable"), Some("/ca.pem"), Disable),
            (Some("REQUIRE"), None, Require),
            (Some("require"), Some("/ca.pem"), VerifyCa(file())),
            (Some("verify-ca"), Some("/ca.pem"), VerifyCa(file())),
            (Some("verify-full"), Some("/ca.pem"), VerifyFull(Some(file()))),
            (Some("verify-full"), None, VerifyFull(None)),
            (Some("verify-full"), Some("system"), VerifyFull(None)),
            (None, Some("system"), VerifyFull(None)),
        ] {
            assert_eq!(Encryption::parse(mode, roots), Ok(meant), "{mode:?} {roots:?}");
        }
        for (mode, roots) in
            [("verify-ca", None), ("verify-ca", Some("system")), ("require", Some("system")), ("on", None)]
        {
            Encryption::parse(Some(mode), roots).unwrap_err();
        }
    }
}
