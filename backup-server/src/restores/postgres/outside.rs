//! What a dump must not change: the live database and the settings of the user that replays it.
//!
//! The replay refuses whatever could reach beyond the scratch database before it is sent. This is the second look, by what
//! PostgreSQL's catalogs say before and after: the user owns the live database too. (Other databases are not looked at:
//! other restores and administrators rename those by right.)

use std::collections::BTreeSet;

use backup_api::{Failure, FailureCode};
use sqlx::PgConnection;

use super::{
    super::{Task, task::failure},
    server::{asked, name_of, quote, run},
};

/// What is looked at, as sentences that differ when something changed.
pub(super) struct Outside(BTreeSet<String>);

/// Looks at it.
pub(super) async fn look(connection: &mut PgConnection, task: &Task) -> Result<Outside, Failure> {
    let sql = "SELECT concat('the properties of the database: ', to_jsonb(d) - 'datfrozenxid' - 'datminmxid' \
               - 'datlastsysoid' - 'datcollversion' - 'datname') FROM pg_database d WHERE d.oid::int8 = $1 \
               UNION ALL SELECT concat('the settings ', to_jsonb(s)) FROM pg_db_role_setting s \
               WHERE s.setdatabase::int8 = $1 OR (s.setdatabase = 0 \
               AND s.setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)) \
               UNION ALL SELECT concat('the user ', to_jsonb(r) - 'rolpassword') FROM pg_roles r \
               WHERE rolname = current_user";
    // No database has the number 0.
    let live = i64::from(task.record.marks.live_oid.unwrap_or_default());
    let found: Vec<String> =
        sqlx::query_scalar(sql).bind(live).fetch_all(connection).await.map_err(|error| asked(&error))?;
    Ok(Outside(found.into_iter().collect()))
}

/// Fails when anything changed, and takes a renaming of the live database back.
pub(super) async fn compare(connection: &mut PgConnection, task: &Task, before: &Outside) -> Result<(), Failure> {
    let now = look(connection, task).await?;
    let mut changes: Vec<String> = now.0.symmetric_difference(&before.0).cloned().collect();
    let live = task.record.database.as_str();
    let renamed = name_of(connection, task.record.marks.live_oid).await?.filter(|name| name != live);
    if let Some(name) = renamed {
        let back = format!("ALTER DATABASE {} RENAME TO {}", quote(&name), quote(live));
        let is_back = run(connection, &back).await.is_ok();
        changes.push(format!("{live} was renamed to {name}{}", if is_back { ", which was taken back" } else { "" }));
    }
    if changes.is_empty() {
        return Ok(());
    }
    let message = format!(
        "While the dump was replayed, something outside its scratch database changed: {}. The restore was stopped, and the \
         live database was not replaced. Look at what changed; the backup may be hostile.",
        changes.join("; ")
    );
    Err(failure(FailureCode::Sql, message))
}
