//! What makes a database this one and no other: a copy gets its own, a replacement takes over the live one's.

use backup_api::Failure;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use super::server::{asked, literal, quote, run, state_of};

/// Settings that are lists of quoted names, as in `pg_dump`: what the catalog has of them is such a list, not one value.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];
/// What PostgreSQL says to a setting that it does not take from this login: a right, a name or a value.
const REFUSED: [&str; 3] = ["42501", "42704", "22023"];

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
/// part of a dump. A setting that this login may not make is a sentence: the data is whole without it.
pub(super) async fn carry_over(
    connection: &mut PgConnection,
    (live, name): (u32, &str),
    scratch: &str,
) -> Result<Vec<String>, Failure> {
    let (live_name, scratch) = (quote(name), quote(scratch));
    let sql = "SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = 0 AND setdatabase::int8 = $1";
    let settings: Vec<String> = sqlx::query_scalar(sql)
        .bind(i64::from(live))
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| asked(&error))?;
    let mut notes = Vec::new();
    for (name, value) in settings.iter().filter_map(|setting| setting.split_once('=')) {
        let value = if LISTS.contains(&name.to_ascii_lowercase().as_str()) { list(value) } else { literal(value) };
        let setting = format!("SET {} TO {value}", quoted_setting(name));
        let sql = format!("ALTER DATABASE {scratch} {setting}");
        match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await {
            Ok(_) => {}
            Err(error) if REFUSED.contains(&state_of(&error).as_str()) => {
                let said = error.as_database_error().map(|error| error.message().to_owned()).unwrap_or_default();
                notes.push(format!(
                    "The database's setting “{name}” could not be carried over ({said}). As an administrator run: ALTER \
                     DATABASE {live_name} {setting};"
                ));
            }
            Err(error) => return Err(asked(&error)),
        }
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
    Ok(notes)
}

/// The name of a setting in SQL; one of an extension has two parts.
fn quoted_setting(name: &str) -> String {
    name.split('.').map(quote).collect::<Vec<_>>().join(".")
}

/// A list of names as the catalog has it, such as `"$user", public`, as texts in SQL.
fn list(value: &str) -> String {
    let mut names = vec![String::new()];
    let (mut letters, mut is_quoted) = (value.chars().peekable(), false);
    while let Some(letter) = letters.next() {
        let name = names.last_mut();
        match (letter, is_quoted) {
            ('"', true) if letters.next_if_eq(&'"').is_some() => name.into_iter().for_each(|name| name.push('"')),
            ('"', _) => is_quoted = !is_quoted,
            (',', false) => names.push(String::new()),
            (space, false) if space.is_ascii_whitespace() => {}
            (letter, _) => name.into_iter().for_each(|name| name.push(letter)),
        }
    }
    names.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_taken_apart_as_they_were_quoted() {
        for (stored, sql) in [
            (r#""$user", public"#, "'$user', 'public'"),
            ("one, two,three", "'one', 'two', 'three'"),
            (r#""a, b", "c""d""#, r#"'a, b', 'c"d'"#),
            (r#""""#, "''"),
            ("x;drop/**/table/**/y", "'x;drop/**/table/**/y'"),
            ("it's", "'it''s'"),
        ] {
            assert_eq!(list(stored), sql);
        }
        assert_eq!(quoted_setting("auto_explain.log_analyze"), r#""auto_explain"."log_analyze""#);
    }
}
