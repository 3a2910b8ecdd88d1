//! Writing rows into a scratch database without running code that its dump brought along.
//!
//! While a dump is replayed no row is written behind the first trigger. Neutralizing and renewing an identity do write:
//! so triggers and rules sleep meanwhile, and where that cannot be had, nothing is written.

use backup_api::{Failure, FailureCode};
use sqlx::{PgConnection, Row};

use super::{
    super::task::failure,
    server::{asked, quote, run},
};

/// What has to be woken again.
pub(super) struct Asleep(Vec<String>);

/// Lets triggers and rules sleep. Fails when code of the dump would run all the same.
pub(super) async fn hush(connection: &mut PgConnection) -> Result<Asleep, Failure> {
    refuse(connection).await?;
    let sql = "SELECT format('%I.%I', n.nspname, c.relname), 'TRIGGER', t.tgname::text, t.tgenabled::text \
               FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgparentid = 0 \
               UNION ALL SELECT format('%I.%I', n.nspname, c.relname), 'RULE', r.rulename::text, r.ev_enabled::text \
               FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE r.ev_type <> '1' AND r.ev_enabled <> 'D' AND n.nspname <> 'pg_catalog' \
               AND n.nspname <> 'information_schema'";
    let rows = sqlx::query(sql).fetch_all(&mut *connection).await.map_err(|error| asked(&error))?;
    let mut wake = Vec::new();
    for row in rows {
        let (table, kind): (String, String) = (row.get(0), row.get(1));
        let (name, state): (String, String) = (row.get(2), row.get(3));
        let name = quote(&name);
        run(connection, &format!("ALTER TABLE {table} DISABLE {kind} {name}")).await?;
        let how = match state.as_str() {
            "R" => "ENABLE REPLICA",
            "A" => "ENABLE ALWAYS",
            _ => "ENABLE",
        };
        wake.push(format!("ALTER TABLE {table} {how} {kind} {name}"));
    }
    Ok(Asleep(wake))
}

async fn refuse(connection: &mut PgConnection) -> Result<(), Failure> {
    let sql = "SELECT 'the default of a column of ' || a.adrelid::regclass::text FROM pg_attrdef a \
               JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid \
               AND d.refclassid = 'pg_proc'::regclass JOIN pg_proc p ON p.oid = d.refobjid \
               WHERE p.pronamespace <> 'pg_catalog'::regnamespace AND NOT EXISTS (SELECT FROM pg_depend e \
               WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e') \
               UNION ALL SELECT 'the view ' || c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'v' \
               AND c.relnamespace <> 'pg_catalog'::regnamespace \
               AND c.relnamespace <> 'information_schema'::regnamespace AND (EXISTS (SELECT FROM pg_rewrite r \
               WHERE r.ev_class = c.oid AND r.ev_type <> '1') \
               OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid)) LIMIT 3";
    let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(connection).await.map_err(|error| asked(&error))?;
    if found.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Writing into the restored database would run functions that came with the backup: {}. A backup of a standard Odoo \
         has none of that. Restore it in place and without neutralizing, or into a server of its own.",
        found.join(", ")
    );
    Err(failure(FailureCode::Sql, message))
}

impl Asleep {
    /// Wakes what slept.
    pub async fn wake(self, connection: &mut PgConnection) -> Result<(), Failure> {
        for sql in self.0 {
            run(connection, &sql).await?;
        }
        Ok(())
    }
}
