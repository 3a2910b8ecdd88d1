//! The extensions that a backup needs, and which of them this login may create.

use std::collections::BTreeSet;

use backup_api::{Check, CheckCode, CheckOutcome, Failure};
use sqlx::{PgConnection, Row};

use super::{
    super::replay::Extension,
    server::{Login, Server, asked, close, quote, run, unusable},
};

/// What the server has of an extension.
struct Available {
    name: String,
    needs_superuser: bool,
}

/// Looks whether all can be created.
pub(super) async fn check(
    connection: &mut PgConnection,
    login: &Login,
    wanted: &BTreeSet<String>,
) -> Result<Check, Failure> {
    let found = available(connection, wanted).await?;
    let mut stops = Vec::new();
    let mut left_out = Vec::new();
    for name in wanted {
        match found.iter().find(|extension| extension.name == *name) {
            _ if Extension::of(name) == Extension::LeftOut => left_out.push(name.as_str()),
            _ if Extension::of(name) == Extension::Refused => stops.push(format!(
                "The backup creates the extension “{name}”, which is not known to be safe: it may read files, run programs \
                 or connect elsewhere. No standard Odoo needs it. Back the database up without it, or restore by hand."
            )),
            None => stops.push(format!(
                "The backup needs the extension “{name}”, which this PostgreSQL does not have. Install its package on the \
                 database server (postgresql-contrib for those of PostgreSQL itself)."
            )),
            Some(found) if found.needs_superuser && !login.is_superuser => stops.push(format!(
                "The backup needs the extension “{name}”, which only a superuser may create. Restore with a superuser's \
                 connection URL: only the extension is created by it."
            )),
            Some(_) => {}
        }
    }
    let names = wanted.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let (outcome, message) = match (stops.is_empty(), names.is_empty()) {
        (false, _) => (CheckOutcome::Stop, stops.join("\n")),
        (true, false) if !left_out.is_empty() => (
            CheckOutcome::Warn,
            format!("Extensions that only watch a server, and hold no data, are left out: {}.", left_out.join(", ")),
        ),
        (true, true) => (CheckOutcome::Pass, "The backup needs no extension.".to_owned()),
        (true, false) => (CheckOutcome::Pass, format!("All extensions of the backup can be created: {names}.")),
    };
    Ok(Check { code: CheckCode::Extensions, outcome, message })
}

/// Creates them in the scratch database, as the superuser that the connection's login is.
pub(super) async fn create(server: &Server, scratch: &str, wanted: &BTreeSet<String>) -> Result<(), Failure> {
    let mut connection = server.connect(scratch).await.map_err(unusable)?;
    let found = available(&mut connection, wanted).await?;
    for extension in found {
        // Those that are left out, or not known to be safe, are the replay's to judge.
        if Extension::of(&extension.name) != Extension::Allowed {
            continue;
        }
        run(&mut connection, &format!("CREATE EXTENSION IF NOT EXISTS {}", quote(&extension.name))).await?;
    }
    close(connection).await;
    Ok(())
}

async fn available(connection: &mut PgConnection, wanted: &BTreeSet<String>) -> Result<Vec<Available>, Failure> {
    // `trusted` came with PostgreSQL 13: asked for as JSON, it is only missing before.
    let sql = "SELECT e.name::text, bool_and((to_jsonb(v) ->> 'superuser')::boolean \
               AND NOT coalesce((to_jsonb(v) ->> 'trusted')::boolean, false)) \
               FROM pg_available_extensions e JOIN pg_available_extension_versions v \
               ON v.name = e.name AND v.version = e.default_version WHERE e.name::text = ANY($1) GROUP BY 1";
    let wanted: Vec<String> = wanted.iter().cloned().collect();
    let rows = sqlx::query(sql).bind(wanted).fetch_all(connection).await.map_err(|error| asked(&error))?;
    Ok(rows.iter().map(|row| Available { name: row.get(0), needs_superuser: row.get(1) }).collect())
}
