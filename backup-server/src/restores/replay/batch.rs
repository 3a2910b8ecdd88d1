//! Sends many small statements in one journey, where that cannot change what any of them means.
//!
//! A dump of Odoo holds thousands of statements that each take PostgreSQL less than a message there and back, and a
//! transaction each. Only texts in which nothing but plain quotes has a meaning of its own go together: whatever one may
//! think of a lexer, no such text can end amid a quote or hold a second statement.

use std::mem;

use backup_api::Failure;
use memchr::{memchr3, memmem};
use sqlx::PgConnection;

use super::execute;

/// Statements in one journey: each may lock a few objects until its end, and the server has room for some thousands.
const STATEMENTS: usize = 100;
/// Their bytes.
const BYTES: usize = 256 * 1024;

/// Statements that wait for their journey.
#[derive(Debug, Default)]
pub(super) struct Batch {
    statements: Vec<String>,
    bytes: usize,
}

impl Batch {
    /// Takes a statement that must not fail; sends all when there are enough. Gives it back when it has to go alone.
    pub async fn take(&mut self, connection: &mut PgConnection, sql: String) -> Result<Option<String>, Failure> {
        if !is_plain(&sql) {
            return Ok(Some(sql));
        }
        self.bytes += sql.len();
        self.statements.push(sql);
        if self.statements.len() >= STATEMENTS || self.bytes >= BYTES {
            self.send(connection).await?;
        }
        Ok(None)
    }

    /// Sends all that wait.
    pub async fn send(&mut self, connection: &mut PgConnection) -> Result<(), Failure> {
        let statements = mem::take(&mut self.statements);
        self.bytes = 0;
        if statements.len() > 1 && execute::together(connection, &statements.join(";\n")).await.is_ok() {
            return Ok(());
        }
        // When one fails, none was done; so that it can be told which, each goes alone.
        for sql in statements {
            execute::alone(connection, &sql).await?;
        }
        Ok(())
    }
}

/// Whether nothing in a statement can be read in two ways: no second statement, escapes, dollar quotes or comments, and
/// every quote has its end.
fn is_plain(sql: &str) -> bool {
    let bytes = sql.as_bytes();
    if memchr3(b';', b'\\', b'$', bytes).is_some()
        || ["--", "/*"].iter().any(|mark| memmem::find(bytes, mark.as_bytes()).is_some())
    {
        return false;
    }
    let mut open = None;
    for &byte in bytes {
        match open {
            None if matches!(byte, b'\'' | b'"') => open = Some(byte),
            Some(quote) if byte == quote => open = None,
            _ => {}
        }
    }
    open.is_none()
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn only_what_can_be_read_in_one_way_goes_together() {
        for plain in ["COMMENT ON TABLE a IS 'it''s \"'", "CREATE TABLE \"a'b\" (i int)", "SELECT 1"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in [
            "SELECT ';'",
            "SELECT '\\'",
            "SELECT $$x$$",
            "SELECT 1 -- x",
            "SELECT /* */ 1",
            "SELECT 'x",
            "SELECT '\"' \"",
        ] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
