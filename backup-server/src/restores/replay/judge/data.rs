//! `COPY` and `INSERT`: rows, and nothing but rows.

use super::{Action, Judge, UNKNOWN};
use crate::restores::replay::{
    contents::{TableName, quote},
    tokens::{Cursor, Token},
};

impl Judge {
    /// `COPY table (columns) FROM stdin`, written anew so that nothing else can be in it.
    pub(super) fn copy(&mut self, mut cursor: Cursor<'_>) -> Result<Action, &'static str> {
        const WHY: &str = "rows come from the dump only, never from files or programs";
        let table = self.target(&mut cursor)?;
        let columns = columns(&mut cursor).ok_or(WHY)?;
        if !cursor.eat_all(&["from", "stdin"]) || !cursor.is_at_end() {
            return Err(WHY);
        }
        let sql = format!("COPY {}{columns} FROM STDIN", table.quoted());
        Ok(Action::Copy(table, sql))
    }

    /// `INSERT INTO table (columns) VALUES (literals), …`.
    pub(super) fn insert(&mut self, mut cursor: Cursor<'_>) -> Result<Action, &'static str> {
        if !cursor.eat("into") {
            return Err(UNKNOWN);
        }
        let table = self.target(&mut cursor)?;
        columns(&mut cursor).ok_or(UNKNOWN)?;
        cursor.eat_all(&["overriding", "system", "value"]);
        let rows = if cursor.eat_all(&["default", "values"]) { Some(1) } else { rows(&mut cursor) };
        let rows = rows.ok_or("its values are not literals")?;
        if cursor.eat_all(&["on", "conflict", "do", "nothing"]) || !cursor.is_at_end() {
            return Err("with that, rows may get lost");
        }
        Ok(Action::Insert(table, rows))
    }

    /// The table that rows are for.
    fn target(&mut self, cursor: &mut Cursor<'_>) -> Result<TableName, &'static str> {
        let table = cursor.qualified(self.schema()).ok_or(UNKNOWN)?;
        if self.watched {
            return Err("rows that come after triggers or rules would run them");
        }
        let of_extension = self.contents.extensions.iter().any(|name| name != "plpgsql") && !is_system(&table);
        if !self.contents.tables.contains_key(&table) && !of_extension {
            return Err("the dump does not create this table");
        }
        Ok(table)
    }
}

/// Whether it belongs to PostgreSQL itself.
fn is_system(table: &TableName) -> bool {
    table.schema.starts_with("pg_") || table.schema == "information_schema"
}

/// `(a, "b")`, quoted anew; nothing when there is no list.
fn columns(cursor: &mut Cursor<'_>) -> Option<String> {
    if !cursor.eat_mark('(') {
        return Some(String::new());
    }
    let mut names = Vec::new();
    while !cursor.eat_mark(')') {
        names.push(quote(&cursor.name()?));
        cursor.eat_mark(',');
    }
    if names.is_empty() { Some(String::new()) } else { Some(format!(" ({})", names.join(", "))) }
}

/// `VALUES (…), (…)`: how many, when all of them are literals.
fn rows(cursor: &mut Cursor<'_>) -> Option<u64> {
    if !cursor.eat("values") {
        return None;
    }
    let mut rows = 0;
    loop {
        if !cursor.eat_mark('(') {
            return None;
        }
        loop {
            match cursor.next()? {
                Token::Mark(')') => break,
                Token::Mark(',' | '.' | '-' | '+') | Token::Text(_) | Token::Escaped(_) | Token::Number(_) => {}
                // `b` and `x` stand before bit strings, `e` before an exponent.
                Token::Word(word) if ["null", "true", "false", "default", "b", "x", "e"].contains(&lower(word)) => {}
                _ => return None,
            }
        }
        rows += 1;
        if !cursor.eat_mark(',') {
            return Some(rows);
        }
    }
}

/// One of the few words that values have, in lower case.
fn lower(word: &str) -> &str {
    match word {
        "NULL" => "null",
        "TRUE" => "true",
        "FALSE" => "false",
        "DEFAULT" => "default",
        "B" => "b",
        "X" => "x",
        word => word,
    }
}
