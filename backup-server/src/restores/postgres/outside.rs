//! What a dump must not change: everything outside its scratch database that its role could reach.
//!
//! The statements of a dump are of allowed kinds, but its functions may run where PostgreSQL evaluates them, in a default
//! or a check. Whatever they did beyond the scratch database shows here and fails the restore.

use std::collections::{BTreeMap, BTreeSet};

use backup_api::{Failure, FailureCode};
use sqlx::{PgConnection, Row};

use super::{
    super::{Task, task::failure},
    server::{asked, quote, run},
};

/// The reachable outside: databases by number with name and state, and the settings of role and live database.
pub(super) struct Outside {
    databases: BTreeMap<i64, (String, String)>,
    settings: BTreeSet<String>,
}

/// Looks at it.
pub(super) async fn look(connection: &mut PgConnection, task: &Task) -> Result<Outside, Failure> {
    let (live, scratch) = (task.record.database.as_str(), task.record.scratch.as_str());
    // Of other databases only what would take them from their users: administrators change the rest while this runs.
    let sql = "SELECT oid::int8, datname::text, CASE WHEN datname = $1 THEN (to_jsonb(d) - 'datfrozenxid' - 'datminmxid' \
               - 'datlastsysoid' - 'dathasloginevt' - 'datcollversion')::text \
               ELSE concat(datname, datallowconn, datistemplate) END FROM pg_database d \
               WHERE pg_has_role(current_user, datdba, 'USAGE') AND datname <> $2";
    let rows =
        sqlx::query(sql).bind(live).bind(scratch).fetch_all(&mut *connection).await.map_err(|error| asked(&error))?;
    let databases = rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    let sql = "SELECT concat('the settings ', to_jsonb(s)) FROM pg_db_role_setting s \
               WHERE s.setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user) \
               OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = $1) \
               UNION ALL SELECT concat('the user ', to_jsonb(r) - 'rolpassword') FROM pg_roles r \
               WHERE rolname = current_user";
    let settings = sqlx::query_scalar(sql).bind(live).fetch_all(connection).await.map_err(|error| asked(&error))?;
    Ok(Outside { databases, settings: settings.into_iter().collect() })
}

/// Fails when anything changed, and takes a renaming back.
pub(super) async fn compare(connection: &mut PgConnection, task: &Task, before: &Outside) -> Result<(), Failure> {
    let now = look(connection, task).await?;
    let mut changes: Vec<String> = now.settings.symmetric_difference(&before.settings).cloned().collect();
    for (oid, (name, state)) in &before.databases {
        match now.databases.get(oid) {
            Some((_, found)) if found == state => {}
            Some((found, _)) if found != name => {
                if is_other_swap(task, &now, name, found) {
                    continue;
                }
                let back = format!("ALTER DATABASE {} RENAME TO {}", quote(found), quote(name));
                let is_back = run(connection, &back).await.is_ok();
                changes.push(format!("the database {name} was renamed{}", if is_back { " (taken back)" } else { "" }));
            }
            Some(_) => changes.push(format!("the properties of the database {name}")),
            // An administrator may drop a database; a dump cannot.
            None => {}
        }
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

/// Whether another restore, or its undo, gave the name of another database to its successor meanwhile.
fn is_other_swap(task: &Task, now: &Outside, name: &str, found: &str) -> bool {
    let is_made = |name: &str| name.contains("_restoring_") || name.contains("_before_");
    let has_name = now.databases.values().any(|(other, _)| other == name);
    name != task.record.database.as_str() && (is_made(name) || (is_made(found) && has_name))
}
