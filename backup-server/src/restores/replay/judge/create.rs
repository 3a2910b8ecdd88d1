//! `CREATE`: what a database is made of.

use super::{Action, Judge, UNKNOWN, refuse};
use crate::restores::replay::{
    extensions::Extension,
    harmless::Harmless,
    refusals::Refusal,
    tokens::{Cursor, Token},
};

impl Judge {
    /// `CREATE …`.
    pub(super) fn create(&mut self, statement: &str, mut cursor: Cursor<'_>) -> Result<Action, Refusal> {
        let replaces = cursor.eat_all(&["or", "replace"]);
        let _ = cursor.eat("unlogged") || cursor.eat("unique") || cursor.eat("constraint");
        let kind = match cursor.next() {
            Some(Token::Word(word)) => word.to_ascii_lowercase(),
            _ => return Err(refuse(statement, UNKNOWN)),
        };
        let done = match kind.as_str() {
            "table" => self.table(statement, cursor)?,
            "sequence" => self.sequence(cursor),
            "view" | "materialized" => self.view(statement, cursor, &kind)?,
            "function" | "procedure" | "aggregate" => self.routine(statement, cursor)?,
            "index" | "domain" | "type" | "statistics" => {
                self.routines.check_calls(statement)?;
                Ok(Harmless::Nothing)
            }
            "operator" | "cast" | "conversion" => {
                self.routines.check_mentions(statement)?;
                Ok(Harmless::Nothing)
            }
            "policy" | "collation" => Ok(Harmless::Nothing),
            "text" if cursor.eat("search") => Ok(Harmless::Nothing),
            "trigger" => self.trigger(cursor),
            "rule" => self.rule(cursor),
            "schema" => schema(cursor),
            "extension" => return self.extension(statement, cursor),
            "publication" => return Ok(self.skip_publication()),
            "trusted" | "procedural" | "language" if replaces && is_plpgsql(statement) => return Ok(Action::Skip),
            "event" => Err("event triggers act on more than the data"),
            "server" | "foreign" | "user" | "subscription" => Err("it would reach other servers or roles"),
            "temp" | "temporary" | "global" | "local" => Err("temporary objects are no part of a dump"),
            _ => Err(UNKNOWN),
        };
        self.created = true;
        done.map(Action::Execute).map_err(|why| refuse(statement, why))
    }

    fn table(&mut self, statement: &str, mut cursor: Cursor<'_>) -> Result<Result<Harmless, &'static str>, Refusal> {
        cursor.eat_all(&["if", "not", "exists"]);
        let Some(name) = cursor.qualified(self.schema()) else { return Ok(Err(UNKNOWN)) };
        if cursor.outer_words().any(|word| word == "as") {
            return Ok(Err("tables are filled by COPY or INSERT only"));
        }
        self.routines.check_calls(statement)?;
        self.contents.tables.insert(name, 0);
        Ok(Ok(Harmless::Nothing))
    }

    fn sequence(&mut self, mut cursor: Cursor<'_>) -> Result<Harmless, &'static str> {
        let name = cursor.qualified(self.schema()).ok_or(UNKNOWN)?;
        self.contents.sequences.insert(name, (start_value(cursor), false));
        Ok(Harmless::Nothing)
    }

    fn view(
        &mut self,
        statement: &str,
        mut cursor: Cursor<'_>,
        kind: &str,
    ) -> Result<Result<Harmless, &'static str>, Refusal> {
        let filled = kind == "materialized";
        if filled && !cursor.eat("view") {
            return Ok(Err(UNKNOWN));
        }
        let Some(name) = cursor.qualified(self.schema()) else { return Ok(Err(UNKNOWN)) };
        let words: Vec<String> = cursor.outer_words().collect();
        if filled && !words.ends_with(&["with".to_owned(), "no".to_owned(), "data".to_owned()]) {
            return Ok(Err("materialized views are filled after the data only"));
        }
        self.routines.declare_view(&name.name, statement)?;
        Ok(Ok(Harmless::Nothing))
    }

    fn routine(&mut self, statement: &str, mut cursor: Cursor<'_>) -> Result<Result<Harmless, &'static str>, Refusal> {
        let Some(name) = cursor.qualified(self.schema()) else { return Ok(Err(UNKNOWN)) };
        if !self.routines.declare_routine(&name.name, statement)? {
            return Ok(Err("functions may be written in SQL and PL/pgSQL only"));
        }
        Ok(Ok(Harmless::Nothing))
    }

    /// `TRIGGER name … ON table …`.
    fn trigger(&mut self, mut cursor: Cursor<'_>) -> Result<Harmless, &'static str> {
        let on = |token: &Token<'_>| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("on"));
        while let Some(token) = cursor.next() {
            if on(&token) {
                let table = cursor.qualified(self.schema()).ok_or(UNKNOWN)?;
                self.contents.triggered.insert(table);
                self.watched = true;
                return Ok(Harmless::Nothing);
            }
        }
        Err(UNKNOWN)
    }

    /// `RULE name AS ON event TO table …`.
    fn rule(&mut self, mut cursor: Cursor<'_>) -> Result<Harmless, &'static str> {
        let _name = cursor.name();
        if !cursor.eat_all(&["as", "on"]) {
            return Err(UNKNOWN);
        }
        let reads = cursor.eat("select");
        let _event = !reads && cursor.name().is_some();
        let table = if cursor.eat("to") { cursor.qualified(self.schema()) } else { None }.ok_or(UNKNOWN)?;
        if reads {
            return Err("it makes a view of a table, which PostgreSQL does not know any more");
        }
        self.contents.triggered.insert(table);
        self.watched = true;
        Ok(Harmless::Nothing)
    }

    /// `EXTENSION IF NOT EXISTS name WITH SCHEMA schema`.
    fn extension(&mut self, statement: &str, mut cursor: Cursor<'_>) -> Result<Action, Refusal> {
        cursor.eat_all(&["if", "not", "exists"]);
        let name = cursor.name().ok_or_else(|| refuse(statement, UNKNOWN))?;
        let in_schema = !cursor.eat_all(&["with", "schema"]) || cursor.name().is_some();
        if !in_schema || !cursor.is_at_end() {
            return Err(refuse(statement, UNKNOWN));
        }
        match Extension::of(&name) {
            Extension::Refused => return Err(Refusal::Extension(name)),
            Extension::LeftOut => {
                self.notes.add(&format!(
                    "The extension “{name}” was left out: it watches the server, and no data of Odoo depends on it."
                ));
                return Ok(Action::Skip);
            }
            Extension::Allowed => {}
        }
        self.contents.extensions.insert(name.clone());
        Ok(Action::Execute(Harmless::Extension(name)))
    }
}

/// `SCHEMA name`, with nothing in it yet.
fn schema(mut cursor: Cursor<'_>) -> Result<Harmless, &'static str> {
    let name = cursor.name().ok_or(UNKNOWN)?;
    if !cursor.is_at_end() {
        return Err(UNKNOWN);
    }
    Ok(if name == "public" { Harmless::PublicSchema } else { Harmless::Nothing })
}

/// What a new sequence's `START WITH` says.
pub(super) fn start_value(mut cursor: Cursor<'_>) -> i64 {
    while let Some(token) = cursor.next() {
        if matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("start")) && cursor.eat("with") {
            let sign = if cursor.eat_mark('-') { "-" } else { "" };
            if let Some(Token::Number(number)) = cursor.next() {
                return format!("{sign}{number}").parse().unwrap_or(1);
            }
        }
    }
    1
}

/// The language that every database has, as old versions wrote it.
fn is_plpgsql(statement: &str) -> bool {
    let mut cursor = Cursor::new(statement);
    cursor.eat_all(&["create", "or", "replace"]);
    let _ = (cursor.eat("trusted"), cursor.eat("procedural"));
    cursor.eat_all(&["language", "plpgsql"]) && cursor.is_at_end()
}
