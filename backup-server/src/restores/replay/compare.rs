//! Counts a live database and compares it with what a dump held.

use std::fmt::Write;

use backup_api::{Failure, FailureCode};
use sqlx::{AssertSqlSafe, PgConnection};

use super::contents::{Contents, Counted, TableName};

/// Tables that one question counts: each is locked while it runs, and there is room for a few thousand locks.
const AT_ONCE: usize = 200;

/// Tables and sequences of the database that belong to no extension and not to PostgreSQL itself.
const RELATIONS: &str = "
    SELECT n.nspname::text, c.relname::text, c.relkind = 'S',
           EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                   AND d.objid = c.oid AND d.deptype = 'e')
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

/// Compares a live database with what the dump held: the rows of every table, every sequence, extensions. A table or
/// sequence more than the dump knows is a difference, too.
pub async fn compare(connection: &mut PgConnection, expected: &Contents) -> Result<Counted, Failure> {
    let found = count(connection).await.map_err(|error| {
        let message = format!("The restored database could not be counted: {error}. Look at PostgreSQL's log.");
        Failure { code: FailureCode::Sql, message }
    })?;
    expected.check(&found)
}

async fn count(connection: &mut PgConnection) -> sqlx::Result<Contents> {
    // A table with row security must be counted wholly or not at all.
    sqlx::query("SET row_security = off").execute(&mut *connection).await?;
    sqlx::query("SET statement_timeout = 0").execute(&mut *connection).await?;
    let relations: Vec<(String, String, bool, bool)> = sqlx::query_as(RELATIONS).fetch_all(&mut *connection).await?;
    let (mut tables, mut sequences, mut of_extensions) = (Vec::new(), Vec::new(), Vec::new());
    for (schema, name, is_sequence, of_extension) in relations {
        match (is_sequence, of_extension) {
            (false, false) => tables.push(TableName::new(schema, name)),
            (false, true) => of_extensions.push(TableName::new(schema, name)),
            (true, false) => sequences.push(TableName::new(schema, name)),
            (true, true) => {}
        }
    }
    let mut found = Contents {
        tables: rows(connection, tables).await?,
        added: rows(connection, of_extensions).await?,
        ..Contents::default()
    };
    for sequences in sequences.chunks(AT_ONCE) {
        let sql = each(sequences, |sql, number, sequence| {
            write!(sql, "SELECT {number}, last_value, is_called FROM {sequence}")
        });
        let values: Vec<(i32, i64, bool)> =
            sqlx::query_as(AssertSqlSafe(sql)).persistent(false).fetch_all(&mut *connection).await?;
        found
            .sequences
            .extend(values.into_iter().map(|(number, value, called)| (sequences[at(number)].clone(), (value, called))));
    }
    let sql = "SELECT extname::text FROM pg_catalog.pg_extension";
    found.extensions = sqlx::query_scalar(sql).fetch_all(&mut *connection).await?.into_iter().collect();
    Ok(found)
}

async fn rows(
    connection: &mut PgConnection,
    tables: Vec<TableName>,
) -> sqlx::Result<std::collections::BTreeMap<TableName, u64>> {
    let mut counts = std::collections::BTreeMap::new();
    for tables in tables.chunks(AT_ONCE) {
        let sql = each(tables, |sql, number, table| write!(sql, "SELECT {number}, count(*) FROM ONLY {table}"));
        let rows: Vec<(i32, i64)> =
            sqlx::query_as(AssertSqlSafe(sql)).persistent(false).fetch_all(&mut *connection).await?;
        counts.extend(rows.into_iter().map(|(number, rows)| (tables[at(number)].clone(), rows.unsigned_abs())));
    }
    Ok(counts)
}

fn at(number: i32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// One question for many relations; each row begins with the relation's number.
fn each(relations: &[TableName], select: impl Fn(&mut String, usize, String) -> std::fmt::Result) -> String {
    let mut sql = String::new();
    for (number, relation) in relations.iter().enumerate() {
        if number > 0 {
            sql.push_str(" UNION ALL ");
        }
        // Writing into a string cannot fail.
        let _ = select(&mut sql, number, relation.quoted());
    }
    sql
}
