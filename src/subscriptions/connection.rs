//! How a database is reached: checked, sealed, shown without its secrets, and made into a [`Source`].

use backup_api::{DatabaseName, Secret, Source};
use url::Url;
use uuid::Uuid;

use super::{ConnectionView, SubscriptionInput};
use crate::{
    error::{AppError, AppResult},
    server::Panel,
};

/// Where a master password is sealed for.
const MASTER_PASSWORD: &str = "subscriptions.master_password";
/// Where a PostgreSQL URL is sealed for.
const POSTGRES_URL: &str = "subscriptions.postgres_url";
/// What stands in place of a password.
const HIDDEN: &str = "…";
/// Query parameters of a PostgreSQL URL that are secret.
const SECRET_PARAMETERS: [&str; 2] = ["password", "sslpassword"];

/// The columns that say how a database is reached.
#[derive(Clone, Debug, sqlx_macros::FromRow)]
pub struct Stored {
    /// `odoo_http` or `postgres`.
    pub connection: String,
    /// Address of Odoo.
    pub odoo_url: String,
    /// Sealed.
    pub master_password: Option<Vec<u8>>,
    /// Sealed.
    pub postgres_url: Option<Vec<u8>>,
    /// For the form.
    pub redacted_postgres_url: String,
    /// Filestore folder.
    pub filestore: String,
    /// Addons folders, one a line.
    pub addons: String,
}

impl Stored {
    /// What the form shows.
    pub fn view(&self) -> ConnectionView {
        if self.connection == "odoo_http" {
            ConnectionView::OdooHttp { url: self.odoo_url.clone(), has_master_password: self.master_password.is_some() }
        } else {
            ConnectionView::Postgres {
                redacted_url: self.redacted_postgres_url.clone(),
                filestore: self.filestore.clone(),
                addons: self.addons.clone(),
            }
        }
    }

    /// What the backup server is told.
    pub fn source(&self, panel: &Panel, row: Uuid, database: DatabaseName) -> AppResult<Source> {
        let open = |place, sealed: &Option<Vec<u8>>| match sealed {
            Some(sealed) => panel.secrets.open_sealed(place, row, sealed).map_err(AppError::from),
            None => Ok(Secret::new("")),
        };
        if self.connection == "odoo_http" {
            let master_password = open(MASTER_PASSWORD, &self.master_password)?;
            return Ok(Source::OdooHttp { url: self.odoo_url.clone(), database, master_password });
        }
        Ok(Source::Postgres {
            url: open(POSTGRES_URL, &self.postgres_url)?,
            database,
            filestore: Some(self.filestore.clone()).filter(|folder| !folder.is_empty()),
            addons: self.addons.lines().map(ToOwned::to_owned).collect(),
        })
    }

    /// Checks the form's fields; secrets that it leaves empty stay as in `before`.
    pub fn of_input(panel: &Panel, row: Uuid, input: &SubscriptionInput, before: Option<&Self>) -> AppResult<Self> {
        match input.connection.as_str() {
            "odoo_http" => odoo(panel, row, input, before),
            "postgres" => postgres(panel, row, input, before),
            _ => Err(AppError::field("connection", "Choose how the database is reached.")),
        }
    }
}

fn odoo(panel: &Panel, row: Uuid, input: &SubscriptionInput, before: Option<&Stored>) -> AppResult<Stored> {
    let url = odoo_url(&input.odoo_url)?;
    let before = before.filter(|before| before.connection == "odoo_http");
    let kept = before.and_then(|before| before.master_password.clone().map(|sealed| (sealed, &before.odoo_url)));
    let master_password = match (input.master_password.as_str(), kept) {
        ("", None) => {
            return Err(AppError::field(
                "master_password",
                "Enter Odoo's master password (admin_passwd in its configuration).",
            ));
        }
        // A stored password goes only where it was entered for: whoever may change the address must not learn it.
        ("", Some((_, known))) if !same_origin(known, &url) => {
            return Err(AppError::field(
                "master_password",
                "The address changed: enter the master password of that Odoo, too.",
            ));
        }
        ("", Some((sealed, _))) => sealed,
        (password, _) => panel.secrets.seal(MASTER_PASSWORD, row, &Secret::new(password)),
    };
    Ok(Stored {
        connection: "odoo_http".to_owned(),
        odoo_url: url,
        master_password: Some(master_password),
        postgres_url: None,
        redacted_postgres_url: String::new(),
        filestore: String::new(),
        addons: String::new(),
    })
}

fn postgres(panel: &Panel, row: Uuid, input: &SubscriptionInput, before: Option<&Stored>) -> AppResult<Stored> {
    let before = before.filter(|before| before.connection == "postgres");
    let (sealed, redacted) = match (input.postgres_url.trim(), before) {
        ("", Some(before)) => (before.postgres_url.clone(), before.redacted_postgres_url.clone()),
        ("", None) => {
            return Err(AppError::field(
                "postgres_url",
                "Enter the connection URL, such as postgres://odoo:password@db.example.com:5432/.",
            ));
        }
        // The form came back with what it was shown.
        (text, Some(before)) if text == before.redacted_postgres_url && text.contains(HIDDEN) => {
            (before.postgres_url.clone(), text.to_owned())
        }
        (text, _) => {
            let redacted = redact(text)?;
            (Some(panel.secrets.seal(POSTGRES_URL, row, &Secret::new(text))), redacted)
        }
    };
    Ok(Stored {
        connection: "postgres".to_owned(),
        odoo_url: String::new(),
        master_password: None,
        postgres_url: sealed,
        redacted_postgres_url: redacted,
        filestore: folder("filestore", &input.filestore)?,
        addons: folders("addons", &input.addons)?,
    })
}

fn odoo_url(text: &str) -> AppResult<String> {
    let wrong = || AppError::field("odoo_url", "Enter Odoo's whole address, such as https://odoo.example.com.");
    let url = Url::parse(text.trim()).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.query().is_some() || url.fragment().is_some()
    {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AppError::field("odoo_url", "Leave user and password out of the address."));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn same_origin(one: &str, other: &str) -> bool {
    matches!((Url::parse(one), Url::parse(other)), (Ok(one), Ok(other)) if one.origin() == other.origin())
}

/// A PostgreSQL URL with its password replaced; an error when it is none.
fn redact(text: &str) -> AppResult<String> {
    let wrong = "Enter a connection URL, such as postgres://odoo:password@db.example.com:5432/. Signs such as @, / and \
                 # in the password are written %40, %2F and %23.";
    // As libpq writes them: a user before a socket, without a host.
    let socket = text.contains("@/");
    let url = Url::parse(&text.replacen("@/", "@localhost/", 1)).ok();
    let url = url.filter(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    let url = url.ok_or_else(|| AppError::field("postgres_url", wrong))?;
    let user = match (url.username(), url.password()) {
        ("", None) => String::new(),
        (user, None) => format!("{user}@"),
        (user, Some(_)) => format!("{user}:{HIDDEN}@"),
    };
    let host = if socket { "" } else { url.host_str().unwrap_or_default() };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = url.query().map(redact_query).unwrap_or_default();
    Ok(format!("{}://{user}{host}{port}{}{query}", url.scheme(), url.path()))
}

fn redact_query(query: &str) -> String {
    let hidden = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if SECRET_PARAMETERS.contains(&name) => format!("{name}={HIDDEN}"),
        _ => pair.to_owned(),
    };
    let pairs: Vec<String> = query.split('&').map(hidden).collect();
    format!("?{}", pairs.join("&"))
}

fn folder(field: &str, text: &str) -> AppResult<String> {
    let path = text.trim();
    if path.is_empty() {
        return Ok(String::new());
    }
    let plain = path.starts_with('/') && !path.contains('\0') && !path.split('/').any(|part| part == "..");
    if !plain {
        return Err(AppError::field(
            field,
            "Enter the whole path on the backup server's machine, beginning with “/” and without “..”.",
        ));
    }
    Ok(if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path.to_owned() })
}

fn folders(field: &str, text: &str) -> AppResult<String> {
    let paths: Vec<String> = text.lines().map(|line| folder(field, line)).collect::<AppResult<_>>()?;
    Ok(paths.into_iter().filter(|path| !path.is_empty()).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_never_holds_the_password() {
        for (text, shown) in [
            ("postgres://odoo:s3cret@db.example.com:5432/", "postgres://odoo:…@db.example.com:5432/"),
            ("postgresql://odoo@db/acme", "postgresql://odoo@db/acme"),
            ("postgres://odoo:s%40cret@db", "postgres://odoo:…@db"),
            (
                "postgres://db/?user=odoo&password=s3cret&sslmode=require",
                "postgres://db/?user=odoo&password=…&sslmode=require",
            ),
            ("postgres:///?host=/run/postgresql", "postgres:///?host=/run/postgresql"),
            ("postgres://odoo:s3cret@/?host=/run/postgresql", "postgres://odoo:…@/?host=/run/postgresql"),
        ] {
            assert_eq!(redact(text).unwrap(), shown);
        }
        for bad in ["", "mysql://a:b@c/d", "db.example.com", "host=db password=s3cret"] {
            assert!(redact(bad).unwrap_err().for_field("postgres_url").is_some_and(|text| !text.contains("s3cret")));
        }
    }

    #[test]
    fn folders_are_whole_paths() {
        assert_eq!(folder("filestore", " /srv/odoo/filestore/acme/ ").unwrap(), "/srv/odoo/filestore/acme");
        assert_eq!(folder("filestore", "").unwrap(), "");
        assert!(folder("filestore", "filestore").is_err());
        assert!(folder("filestore", "/srv/../etc").is_err());
        assert_eq!(folders("addons", "/a/\n\n /b \n").unwrap(), "/a\n/b");
    }

    #[test]
    fn addresses_of_odoo_are_whole_and_hold_no_password() {
        assert_eq!(odoo_url(" https://odoo.example.com/ ").unwrap(), "https://odoo.example.com");
        for bad in ["", "odoo.example.com", "ftp://odoo", "https://a:b@odoo", "https://odoo/?db=x", "file:///etc"] {
            assert!(odoo_url(bad).is_err(), "{bad}");
        }
    }
}
