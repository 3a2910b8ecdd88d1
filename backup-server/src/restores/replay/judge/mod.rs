//! Decides about each statement before it is sent: a list of what `pg_dump` writes; everything else refuses the dump.

mod create;
mod data;
mod settings;
#[cfg(test)]
mod tests;

use super::{
    contents::{Contents, TableName},
    harmless::Harmless,
    notes::Notes,
    refusals::{Refusal, excerpt},
    routines::Routines,
    tokens::{Cursor, Token},
};

/// What is done with a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It is sent as it is; some of its errors may be harmless.
    Execute(Harmless),
    /// Rows for a table follow; this text is sent instead of the dump's.
    Copy(TableName, String),
    /// It adds so many rows to a table.
    Insert(TableName, u64),
    /// It is not sent.
    Skip,
}

/// Objects that a dump may alter.
const ALTERED: [&[&str]; 19] = [
    &["aggregate"],
    &["collation"],
    &["conversion"],
    &["default", "privileges"],
    &["domain"],
    &["function"],
    &["index"],
    &["large", "object"],
    &["materialized", "view"],
    &["operator"],
    &["policy"],
    &["procedure"],
    &["routine"],
    &["schema"],
    &["sequence"],
    &["statistics"],
    &["table"],
    &["text", "search"],
    &["type"],
];

/// Objects that others outside of the database share: no rights on them and no comments.
const SHARED: [&str; 9] =
    ["database", "event", "foreign", "language", "parameter", "role", "server", "subscription", "tablespace"];

/// Decides, and remembers what it saw.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// What the dump held so far.
    pub contents: Contents,
    /// What was left out so far.
    pub notes: Notes,
    routines: Routines,
    /// The schema of names without one, when it is not `public`.
    schema: Option<String>,
    /// Something was created.
    created: bool,
    /// A trigger or rule was created: rows would run code.
    watched: bool,
    /// Within `BEGIN` and `COMMIT`, which stand around the pieces of a large object.
    in_block: bool,
}

impl Judge {
    /// Decides about one statement.
    pub fn judge(&mut self, statement: &str) -> Result<Action, Refusal> {
        let mut cursor = Cursor::new(statement);
        let first = match cursor.next() {
            Some(Token::Word(word)) => word.to_ascii_lowercase(),
            _ => return Err(refuse(statement, UNKNOWN)),
        };
        if self.in_block && !matches!(first.as_str(), "select" | "commit") {
            return Err(refuse(statement, "it stands amid a large object"));
        }
        let action = match first.as_str() {
            "set" => self.set(cursor),
            "select" => self.select(cursor),
            "copy" => self.copy(cursor),
            "insert" => self.insert(cursor),
            "create" => return self.create(statement, cursor),
            "alter" => return self.alter(statement, cursor),
            "comment" => self.comment(cursor),
            "grant" | "revoke" => rights(cursor),
            "refresh" => return self.refresh(statement),
            "drop" => self.drop(cursor),
            "begin" | "commit" => self.block(&first, cursor),
            _ => Err(UNKNOWN),
        };
        action.map_err(|why| refuse(statement, why))
    }

    /// Notes rows that arrived in a table.
    pub fn add_rows(&mut self, table: &TableName, rows: u64) {
        match self.contents.tables.get_mut(table) {
            Some(known) => *known += rows,
            None => *self.contents.added.entry(table.clone()).or_default() += rows,
        }
    }

    /// Whether tables were seen: extensions come before them.
    pub fn is_past_head(&self) -> bool {
        !self.contents.tables.is_empty() || !self.contents.sequences.is_empty()
    }

    fn schema(&self) -> &str {
        self.schema.as_deref().unwrap_or("public")
    }

    fn block(&mut self, first: &str, cursor: Cursor<'_>) -> Result<Action, &'static str> {
        let begins = first == "begin";
        if begins == self.in_block || !cursor.is_at_end() {
            return Err(UNKNOWN);
        }
        self.in_block = begins;
        Ok(Action::Execute(Harmless::Boundary))
    }

    /// What `pg_dump --clean` writes before all else, for a database that is not empty.
    fn drop(&mut self, mut cursor: Cursor<'_>) -> Result<Action, &'static str> {
        let others = ["cast", "extension", "publication", "rule", "trigger", "view"];
        if !ALTERED.iter().any(|keywords| cursor.eat_all(keywords)) && !others.iter().any(|other| cursor.eat(other)) {
            return Err("it drops something outside of the database");
        }
        if self.created {
            return Err("it drops something amid the dump");
        }
        self.notes.add("Statements that drop what an empty database does not have were left out.");
        Ok(Action::Skip)
    }

    fn alter(&mut self, statement: &str, mut cursor: Cursor<'_>) -> Result<Action, Refusal> {
        if cursor.eat("publication") {
            return Ok(self.skip_publication());
        }
        let mut object = cursor;
        let privileges = object.eat_all(&["default", "privileges"]);
        let known = ALTERED.iter().any(|keywords| cursor.eat_all(keywords)) || cursor.eat("view");
        if !known || cursor.eat("all") {
            return Err(refuse(statement, UNKNOWN));
        }
        if sets_owner(cursor) {
            self.notes.add("Owners in the dump were left out: all belongs to the database's owner.");
            return Ok(Action::Skip);
        }
        if cursor.outer_words().any(|word| word == "rename") {
            return Err(refuse(statement, "it renames something"));
        }
        self.routines.check_calls(statement)?;
        self.identity(cursor);
        Ok(Action::Execute(if privileges { Harmless::Rights } else { Harmless::Nothing }))
    }

    /// `… ADD GENERATED … AS IDENTITY (SEQUENCE NAME x START WITH n …)`.
    fn identity(&mut self, mut cursor: Cursor<'_>) {
        while let Some(token) = cursor.next() {
            let sequence = matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("sequence"));
            if sequence && cursor.eat("name") {
                if let Some(name) = cursor.qualified(self.schema()) {
                    self.contents.sequences.insert(name, (create::start_value(cursor), false));
                }
                return;
            }
        }
    }

    fn comment(&mut self, mut cursor: Cursor<'_>) -> Result<Action, &'static str> {
        if !cursor.eat("on") {
            return Err(UNKNOWN);
        }
        if cursor.eat("database") {
            self.notes.add("The comment on the database was left out.");
            return Ok(Action::Skip);
        }
        if SHARED.iter().any(|shared| cursor.eat(shared)) {
            return Err("it comments on something outside of the database");
        }
        if cursor.eat("publication") {
            return Ok(self.skip_publication());
        }
        if cursor.eat("extension") {
            let name = cursor.name().unwrap_or_default();
            let there = self.contents.extensions.contains(&name);
            return Ok(if there { Action::Execute(Harmless::ExtensionComment(name)) } else { Action::Skip });
        }
        let schema = cursor.eat("schema");
        Ok(Action::Execute(if schema { Harmless::SchemaComment } else { Harmless::Nothing }))
    }

    fn refresh(&mut self, statement: &str) -> Result<Action, Refusal> {
        if !Cursor::new(statement).eat_all(&["refresh", "materialized", "view"]) {
            return Err(refuse(statement, UNKNOWN));
        }
        self.routines.check_mentions(statement)?;
        Ok(Action::Execute(Harmless::Nothing))
    }

    fn skip_publication(&mut self) -> Action {
        self.notes.add("Publications for replication were left out: create them again if they are needed.");
        Action::Skip
    }
}

const UNKNOWN: &str = "pg_dump does not write that into a backup of a database";

fn refuse(statement: &str, why: &'static str) -> Refusal {
    Refusal::Statement { excerpt: excerpt(statement), why }
}

/// Rights on objects of the database: a right on a role would reach beyond it.
fn rights(cursor: Cursor<'_>) -> Result<Action, &'static str> {
    let mut words = cursor.outer_words().skip_while(|word| !matches!(word.as_str(), "on" | "to" | "from"));
    let on_object = words.next().is_some_and(|word| word == "on");
    let object = words.next().unwrap_or_default();
    if !on_object || SHARED.contains(&object.as_str()) {
        return Err("it gives or takes rights outside of the database");
    }
    Ok(Action::Execute(Harmless::Rights))
}

/// Whether it ends with `OWNER TO name` and does nothing else.
fn sets_owner(cursor: Cursor<'_>) -> bool {
    let tokens: Vec<Token<'_>> = cursor.collect();
    let is = |token: &Token<'_>, keyword| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(keyword));
    match tokens.as_slice() {
        [before @ .., owner, to, Token::Word(_) | Token::Name(_)] => {
            is(owner, "owner") && is(to, "to") && before.last() != Some(&Token::Mark(','))
        }
        _ => false,
    }
}
