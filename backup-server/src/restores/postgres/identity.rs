//! What makes a database this one and no other: a copy gets its own, a replacement takes over the live one's.

use backup_api::Failure;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::server::{asked, literal, quote, run};

/// Gives a copy an identity of its own, as Odoo's restore does when it is told that it is a copy.
pub(super) async fn renew(connection: &mut PgConnection) -> Result<(), Failure> {
    let sql = "WITH own (key, value) AS (VALUES ('database.uuid', $1), ('database.secret', $2), \
               ('database.create_date', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')), \
               ('web.base.url', 'http://localhost:8069')), \
               changed AS (UPDATE ir_config_parameter p SET value = own.value FROM own WHERE p.key = own.key \
               RETURNING p.key) \
               INSERT INTO ir_config_parameter (key, value) SELECT key, value FROM own \
               WHERE key NOT IN (SELECT key FROM changed)";
    let (uuid, secret) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    sqlx::query(sql).bind(uuid).bind(secret).execute(connection).await.map(drop).map_err(|error| asked(&error))
}

/// Gives the scratch database the settings, rights and limits that an administrator gave to the live one: they are no
/// part of a dump.
pub(super) async fn carry_over(connection: &mut PgConnection, live: u32, scratch: &str) -> Result<(), Failure> {
    let scratch = quote(scratch);
    let sql = "SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = 0 AND setdatabase::int8 = $1";
    let settings: Vec<String> = sqlx::query_scalar(sql)
        .bind(i64::from(live))
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| asked(&error))?;
    for (name, value) in settings.iter().filter_map(|setting| setting.split_once('=')) {
        // A list of names is kept as it is written; anything else is one value.
        let value = if name == "search_path" { value.to_owned() } else { literal(value) };
        run(connection, &format!("ALTER DATABASE {scratch} SET {} TO {value}", quote(name))).await?;
    }
    let sql = "SELECT CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END, \
               acl.privilege_type, acl.is_grantable, d.datconnlimit \
               FROM pg_database d LEFT JOIN LATERAL aclexplode(d.datacl) acl ON true WHERE d.oid::int8 = $1";
    let rows =
        sqlx::query(sql).bind(i64::from(live)).fetch_all(&mut *connection).await.map_err(|error| asked(&error))?;
    let mut commands = Vec::new();
    for row in &rows {
        let Some(privilege) = row.get::<Option<String>, _>(1) else { continue };
        let option = if row.get::<bool, _>(2) { " WITH GRANT OPTION" } else { "" };
        let grantee: String = row.get(0);
        commands.push(format!("GRANT {privilege} ON DATABASE {scratch} TO {grantee}{option}"));
    }
    if !commands.is_empty() {
        run(connection, &format!("REVOKE ALL ON DATABASE {scratch} FROM PUBLIC")).await?;
    }
    if let Some(limit) = rows.first().map(|row| row.get::<i32, _>(3)).filter(|limit| *limit >= 0) {
        commands.push(format!("ALTER DATABASE {scratch} CONNECTION LIMIT {limit}"));
    }
    for command in commands {
        run(connection, &command).await?;
    }
    Ok(())
}
