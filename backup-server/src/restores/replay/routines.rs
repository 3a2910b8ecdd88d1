//! Which functions of a dump may do more than compute, and whether the restore itself would run one of them.
//!
//! Functions in checks, index expressions, generated columns and materialized views run while a dump is executed, with
//! all rights of the database's owner, who may own the live database too. So nothing that is evaluated then may name a
//! function that executes text as SQL, holds a command, or calls one of PostgreSQL's functions that reach beyond the
//! database. Triggers are no danger here: no row is written after the first of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    refusals::{Refusal, excerpt},
    tokens::{Cursor, Token},
};

/// Words of commands in a function's text.
const COMMANDS: [&str; 18] = [
    "alter",
    "authorization",
    "copy",
    "create",
    "discard",
    "drop",
    "execute",
    "grant",
    "import",
    "listen",
    "load",
    "notify",
    "prepare",
    "reassign",
    "reset",
    "revoke",
    "role",
    "vacuum",
];
/// Functions of PostgreSQL and its extensions that reach beyond the database, or execute text as SQL.
const REACHING: [&str; 6] =
    ["connectby", "pg_cancel_backend", "pg_notify", "pg_reload_conf", "pg_terminate_backend", "set_config"];
/// Beginnings of names of more of them.
const REACHING_BEGIN: [&str; 15] = [
    "crosstab",
    "dblink",
    "lo_export",
    "lo_import",
    "pg_advisory_",
    "pg_create_",
    "pg_drop_",
    "pg_file_",
    "pg_logical_",
    "pg_ls_",
    "pg_promote",
    "pg_read_",
    "pg_replication_",
    "pg_sleep",
    "ts_stat",
];

/// What is known about the functions and views of a dump.
#[derive(Debug, Default)]
pub(super) struct Routines {
    /// The words of each function and view, by its name.
    words: BTreeMap<String, BTreeSet<String>>,
    /// Those that may do more than compute, directly or through others.
    reaching: BTreeSet<String>,
    /// What was named so far by what is evaluated during the restore.
    used: BTreeSet<String>,
}

impl Routines {
    /// Notes a function. `false` when it is written in another language than SQL and PL/pgSQL.
    pub fn declare_routine(&mut self, name: &str, statement: &str) -> Result<bool, Refusal> {
        let mut cursor = Cursor::new(statement);
        let (mut language, mut returns) = (None, None);
        let mut escaped = false;
        while let Some(token) = cursor.next() {
            escaped |= matches!(token, Token::Escaped(_));
            let Token::Word(word) = token else { continue };
            if word.eq_ignore_ascii_case("language") {
                language = match cursor.next() {
                    Some(Token::Word(name)) => Some(name.to_lowercase()),
                    Some(Token::Text(name) | Token::Name(name)) => Some(name.into_owned()),
                    _ => None,
                };
            } else if word.eq_ignore_ascii_case("returns") {
                returns = returns.or_else(|| cursor.clone().name());
            }
        }
        let aggregate = language.is_none() && is_aggregate(statement);
        if !aggregate && !matches!(language.as_deref(), Some("sql" | "plpgsql")) {
            return Ok(false);
        }
        // Only a trigger can call it.
        if returns.as_deref() == Some("trigger") {
            return Ok(true);
        }
        self.declare(name, statement, escaped)?;
        Ok(true)
    }

    /// Notes a view: what it names runs where it is read.
    pub fn declare_view(&mut self, name: &str, statement: &str) -> Result<(), Refusal> {
        self.declare(name, statement, has_encoded_name(statement))
    }

    fn declare(&mut self, name: &str, statement: &str, hidden: bool) -> Result<(), Refusal> {
        // The first word is the statement's own `CREATE`.
        let words: BTreeSet<String> = words(statement).skip(1).collect();
        let commands =
            !is_view(statement) && (words.iter().any(|word| COMMANDS.contains(&word.as_str())) || does(statement));
        let reaches = hidden || commands || words.iter().any(|word| self.is_reaching(word));
        self.words.entry(name.to_owned()).or_default().extend(words);
        if reaches {
            self.spread(name);
        }
        match self.reaching.iter().find(|name| self.used.contains(*name)) {
            Some(name) => Err(Refusal::Code { excerpt: excerpt(statement), name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Marks a name, and all that name it.
    fn spread(&mut self, name: &str) {
        let mut found = vec![name.to_owned()];
        while let Some(name) = found.pop() {
            let users =
                self.words.iter().filter(|(user, words)| words.contains(&name) && !self.reaching.contains(*user));
            found.extend(users.map(|(user, _)| user.clone()).filter(|user| *user != name));
            self.reaching.insert(name);
        }
    }

    fn is_reaching(&self, word: &str) -> bool {
        self.reaching.contains(word)
            || REACHING.contains(&word)
            || word.contains("_to_xml")
            || REACHING_BEGIN.iter().any(|begin| word.starts_with(begin))
    }

    /// Refuses a statement that calls such a function: a name before a parenthesis or behind a dot.
    pub fn check_calls(&mut self, statement: &str) -> Result<(), Refusal> {
        let mut cursor = Cursor::new(statement);
        let mut behind_dot = false;
        while let Some(token) = cursor.next() {
            let dot = token == Token::Mark('.');
            let name = match token {
                Token::Word(word) => word.to_lowercase(),
                Token::Name(name) => name.into_owned(),
                _ => {
                    behind_dot = dot;
                    continue;
                }
            };
            let called = cursor.clone().eat_mark('(');
            if called || behind_dot {
                self.check(statement, name)?;
            }
            behind_dot = false;
        }
        check_encoded(statement)
    }

    /// Refuses a statement that names such a function or view anywhere.
    pub fn check_mentions(&mut self, statement: &str) -> Result<(), Refusal> {
        for token in Cursor::new(statement) {
            match token {
                Token::Word(word) => self.check(statement, word.to_lowercase())?,
                Token::Name(name) => self.check(statement, name.into_owned())?,
                _ => {}
            }
        }
        check_encoded(statement)
    }

    fn check(&mut self, statement: &str, name: String) -> Result<(), Refusal> {
        if self.is_reaching(&name) {
            return Err(Refusal::Code { excerpt: excerpt(statement), name });
        }
        self.used.insert(name);
        Ok(())
    }
}

fn check_encoded(statement: &str) -> Result<(), Refusal> {
    if has_encoded_name(statement) {
        return Err(Refusal::Code { excerpt: excerpt(statement), name: "U&\"…\"".to_owned() });
    }
    Ok(())
}

/// All words in a text, also within its strings and comments.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// Whether there is a `DO` with code of its own. In PL/pgSQL and SQL, `DO` is also a part of `ON CONFLICT`.
fn does(text: &str) -> bool {
    let mut words = words(text).peekable();
    while let Some(word) = words.next() {
        if word == "do" && !matches!(words.peek().map(String::as_str), Some("nothing" | "update")) {
            return true;
        }
    }
    false
}

/// Whether a name is written with encoded letters (`U&"d\0061ta"`), which `pg_dump` never does.
fn has_encoded_name(statement: &str) -> bool {
    let mut cursor = Cursor::new(statement);
    while let Some(token) = cursor.next() {
        let begins = matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("u"));
        if begins && cursor.clone().eat_mark('&') {
            return true;
        }
    }
    false
}

fn is_aggregate(statement: &str) -> bool {
    let mut cursor = Cursor::new(statement);
    cursor.eat("create") && (cursor.eat_all(&["or", "replace", "aggregate"]) || cursor.eat("aggregate"))
}

fn is_view(statement: &str) -> bool {
    let mut cursor = Cursor::new(statement);
    cursor.eat("create");
    cursor.eat_all(&["or", "replace"]);
    cursor.eat("view") || cursor.eat_all(&["materialized", "view"])
}
