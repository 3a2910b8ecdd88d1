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

/// The reachable outside: databases by number with name and state, and the settings of role and databases.
pub(super) struct Outside {
    databases: BTreeMap<i64, (String, String)>,
    settings: BTreeSet<String>,
}

/// Looks at it.
pub(super) async fn look(connection: &mut PgConnection, task: &Task) -> Result<Outside, Failure> {
    // What other restores of this server work on changes by right.
    let others: Vec<String> = task
        .app
        .restores
        .all()
        .into_iter()
        .filter(|record| record.id != task.record.id)
        .filter(|record| record.database != task.record.database)
        .flat_map(|record| [record.database.to_string(), record.scratch, record.previous])
        .chain([task.record.scratch.clone()])
        .collect();
    let sql = "SELECT oid::int8, datname::text, (to_jsonb(d) - 'datfrozenxid' - 'datminmxid' - 'datlastsysoid' \
               - 'dathasloginevt' - 'datcollversion')::text FROM pg_database d \
               WHERE pg_has_role(current_user, datdba, 'USAGE') AND NOT datname::text = ANY($1)";
    let rows = sqlx::query(sql).bind(&others).fetch_all(&mut *connection).await.map_err(|error| asked(&error))?;
    let databases = rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    let sql = "SELECT 'settings of ' || coalesce(d.datname, 'role ' || current_user) || ': ' || to_jsonb(s)::text \
               FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase \
               WHERE (s.setrole = 0 AND pg_has_role(current_user, d.datdba, 'USAGE') AND NOT d.datname::text = ANY($1)) \
               OR s.setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user) \
               UNION ALL SELECT 'role: ' || (to_jsonb(r) - 'rolpassword')::text FROM pg_roles r \
               WHERE rolname = current_user";
    let settings = sqlx::query_scalar(sql).bind(&others).fetch_all(connection).await.map_err(|error| asked(&error))?;
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
                let back = format!("ALTER DATABASE {} RENAME TO {}", quote(found), quote(name));
                let word = if run(connection, &back).await.is_ok() {
                    "was renamed, which was taken back"
                } else {
                    "was renamed"
                };
                changes.push(format!("the database {name} {word}"));
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
