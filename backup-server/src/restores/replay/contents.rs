//! What a dump holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use backup_api::{Failure, FailureCode};

/// Differences that a message names.
const NAMED: usize = 5;

/// A table or sequence with its schema, as PostgreSQL keeps the names, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Its schema, such as `public`.
    pub schema: String,
    /// Its name in the schema.
    pub name: String,
}

impl TableName {
    /// Names a table.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }

    /// The name in SQL, quoted.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A name in SQL.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What a dump holds, by what was seen in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The tables that it creates, with the rows that it puts in.
    pub tables: BTreeMap<TableName, u64>,
    /// Rows that it adds to tables of extensions, which bring rows of their own.
    pub added: BTreeMap<TableName, u64>,
    /// Each sequence's last value, and whether that was given out already.
    pub sequences: BTreeMap<TableName, (i64, bool)>,
    /// Extensions.
    pub extensions: BTreeSet<String>,
    /// Tables and views for which it makes triggers or rules: writing to them runs code from the dump.
    pub triggered: BTreeSet<TableName>,
}

impl Contents {
    /// All rows.
    pub fn rows(&self) -> u64 {
        self.tables.values().chain(self.added.values()).sum()
    }

    /// Compares with what was found elsewhere, such as in a dump of the restored database.
    pub fn check(&self, found: &Self) -> Result<Counted, Failure> {
        let mut differences = Vec::new();
        for (table, rows) in &self.tables {
            match found.tables.get(table) {
                Some(found) if found == rows => {}
                Some(found) => differences.push(format!("{table} has {found} rows instead of {rows}")),
                None => differences.push(format!("table {table} is missing")),
            }
        }
        let extra = found.tables.keys().filter(|table| !self.tables.contains_key(*table));
        differences.extend(extra.map(|table| format!("table {table} is not in the backup")));
        for (table, rows) in &self.added {
            let found = found.added.get(table).copied().unwrap_or_default();
            if found < *rows {
                differences.push(format!("{table} has {found} rows instead of at least {rows}"));
            }
        }
        for (sequence, value) in &self.sequences {
            match found.sequences.get(sequence) {
                Some(found) if found == value => {}
                Some((found, _)) => differences.push(format!("{sequence} is at {found} instead of {}", value.0)),
                None => differences.push(format!("sequence {sequence} is missing")),
            }
        }
        let extra = found.sequences.keys().filter(|sequence| !self.sequences.contains_key(*sequence));
        differences.extend(extra.map(|sequence| format!("sequence {sequence} is not in the backup")));
        let missing = self.extensions.difference(&found.extensions);
        differences.extend(missing.map(|extension| format!("extension {extension} is missing")));
        if differences.is_empty() {
            return Ok(Counted { tables: self.tables.len() as u64, rows: self.rows() });
        }
        Err(differ(&differences))
    }
}

fn differ(differences: &[String]) -> Failure {
    let named = differences.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = match differences.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let message = format!(
        "What was restored is not what the backup holds: {named}{more}. It was not put into use. Restore again; if it \
         happens again, verify the backup or take another."
    );
    Failure { code: FailureCode::Mismatch, message }
}

/// What [`super::replay`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// What the dump holds.
    pub contents: Contents,
    /// Sentences about what was left out on purpose, and why.
    pub notes: Vec<String>,
}

/// What the beginning of a dump tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The origin's PostgreSQL, such as `15.18`.
    pub server_version: Option<String>,
    /// The version of `pg_dump`.
    pub pg_dump_version: Option<String>,
    /// The extensions that it creates.
    pub extensions: BTreeSet<String>,
}

impl Head {
    /// Reads `-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)` and the line below it.
    pub(super) fn note(&mut self, comment: &str) {
        let version = |text: Option<&str>| text.and_then(|text| text.split_whitespace().next()).map(str::to_owned);
        if let Some(found) = version(comment.strip_prefix("-- Dumped from database version ")) {
            self.server_version = Some(found);
        }
        if let Some(found) = version(comment.strip_prefix("-- Dumped by pg_dump version ")) {
            self.pg_dump_version = Some(found);
        }
    }
}

/// What was compared and found equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Tables.
    pub tables: u64,
    /// Rows in them.
    pub rows: u64,
}
