//! `SET` and the few calls of functions that `pg_dump` writes.

use super::{Action, Judge, UNKNOWN};
use crate::restores::replay::{
    contents::TableName,
    harmless::Harmless,
    tokens::{Cursor, Token},
};

/// What dumps of all versions set for their own session.
const SETTINGS: [&str; 16] = [
    "check_function_bodies",
    "client_encoding",
    "client_min_messages",
    "default_table_access_method",
    "default_tablespace",
    "default_with_oids",
    "escape_string_warning",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "row_security",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronize_seqscans",
    "transaction_timeout",
    "xmloption",
];

impl Judge {
    /// `SET name = value`.
    pub(super) fn set(&mut self, mut cursor: Cursor<'_>) -> Result<Action, &'static str> {
        let name = cursor.name().filter(|name| SETTINGS.contains(&name.as_str()));
        let name = name.ok_or("it changes a setting that dumps do not change")?;
        if !cursor.eat_mark('=') && !cursor.eat("to") {
            return Err(UNKNOWN);
        }
        let values: Vec<Token<'_>> = cursor.filter(|token| *token != Token::Mark(',')).collect();
        let texts: Option<Vec<String>> = values.into_iter().map(plain).collect();
        let values = texts.ok_or(UNKNOWN)?;
        let is_one_of = |allowed: &[&str]| matches!(values.as_slice(), [value] if allowed.contains(&value.as_str()));
        match name.as_str() {
            "standard_conforming_strings" if !is_one_of(&["on", "true"]) => {
                return Err("with that, PostgreSQL would read backslashes in another way");
            }
            "client_encoding" if !is_one_of(&["utf8", "unicode", "utf-8"]) => {
                return Err("the dump must be UTF-8: make it with pg_dump --encoding=UTF8");
            }
            "default_tablespace" if !is_one_of(&[""]) => {
                self.notes.add("Tablespaces in the dump were left out: all lies in the database's own.");
                return Ok(Action::Skip);
            }
            "search_path" => self.schema = values.first().cloned(),
            _ => {}
        }
        Ok(Action::Execute(Harmless::Setting(name)))
    }

    /// `SELECT pg_catalog.function(…)`.
    pub(super) fn select(&mut self, mut cursor: Cursor<'_>) -> Result<Action, &'static str> {
        if cursor.eat_mark('*') {
            return self.statistics(cursor);
        }
        let function = cursor.qualified("").filter(|name| name.schema == "pg_catalog").ok_or(UNKNOWN)?;
        let arguments = literals(cursor).ok_or(UNKNOWN)?;
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match (function.name.as_str(), arguments.as_slice()) {
            ("set_config", ["'search_path", "'", "false"]) => self.schema = None,
            ("setval", [sequence, value, called @ ("true" | "false")]) if sequence.starts_with('\'') => {
                let sequence = Cursor::new(&sequence[1..]).qualified(self.schema()).ok_or(UNKNOWN)?;
                let value = value.parse().map_err(|_| UNKNOWN)?;
                self.contents.sequences.insert(sequence, (value, *called == "true"));
            }
            ("lo_create", [_]) if !self.in_block => {}
            ("lo_open" | "lowrite", [_, _]) | ("lo_close", [_]) if self.in_block => {}
            _ => return Err(UNKNOWN),
        }
        Ok(Action::Execute(Harmless::Nothing))
    }

    /// Planner statistics, which newer versions may write.
    fn statistics(&mut self, mut cursor: Cursor<'_>) -> Result<Action, &'static str> {
        let called = if cursor.eat("from") { cursor.qualified("") } else { None };
        let is_statistics = |name: &TableName| {
            name.schema == "pg_catalog" && name.name.starts_with("pg_restore_") && name.name.ends_with("_stats")
        };
        called.filter(is_statistics).ok_or(UNKNOWN)?;
        self.notes.add("Planner statistics in the dump were left out: PostgreSQL computes them anew.");
        Ok(Action::Skip)
    }
}

/// A setting's value.
fn plain(token: Token<'_>) -> Option<String> {
    match token {
        Token::Word(word) => Some(word.to_lowercase()),
        Token::Text(text) => Some(text.to_lowercase()),
        Token::Name(name) => Some(name.into_owned()),
        Token::Number(number) => Some(number.to_owned()),
        Token::Escaped(_) | Token::Mark(_) => None,
    }
}

/// The arguments of a call when all are literals and nothing follows; strings begin with a quote.
fn literals(mut cursor: Cursor<'_>) -> Option<Vec<String>> {
    if !cursor.eat_mark('(') {
        return None;
    }
    let mut arguments = Vec::new();
    loop {
        let sign = if cursor.eat_mark('-') { "-" } else { "" };
        arguments.push(match cursor.next()? {
            Token::Number(number) => format!("{sign}{number}"),
            Token::Text(text) if sign.is_empty() => format!("'{text}"),
            Token::Word(word) if matches!(word, "true" | "false") => word.to_owned(),
            _ => return None,
        });
        if cursor.eat_mark(')') {
            return cursor.is_at_end().then_some(arguments);
        }
        if !cursor.eat_mark(',') {
            return None;
        }
    }
}
