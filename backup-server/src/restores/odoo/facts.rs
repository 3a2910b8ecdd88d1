//! Reads along a plain dump for what must be true of a restored database beyond its rows: neutralized, or a copy.
//!
//! It keeps no line whole: a row can hold a file of gigabytes.

use std::collections::{BTreeMap, BTreeSet};

use backup_api::{Failure, FailureCode};

use super::super::task::failure;

/// Longest line start that is looked at outside of rows: `COPY` lines with their columns.
const LINE: usize = 8 * 1024;
/// Longest value that is looked at.
const VALUE: usize = 256;
/// The name of the mail server that leads nowhere.
const NOWHERE: &str = "neutralization - disable emails";
/// Names that a message shows.
const NAMED: usize = 5;

/// The tables and columns that are looked at.
const WANTED: [(&str, &[&str]); 6] = [
    ("ir_config_parameter", &["key", "value"]),
    ("ir_mail_server", &["active", "name"]),
    ("fetchmail_server", &["active", "name"]),
    ("ir_cron", &["active", "id", "cron_name"]),
    ("ir_model_data", &["model", "name", "res_id"]),
    ("ir_model", &["transient", "model"]),
];

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// `database.uuid`, the identity of an Odoo database.
    pub uuid: Option<String>,
    /// Tables of records that Odoo removes by itself.
    pub transient: BTreeSet<String>,
    is_neutralized: bool,
    mail_servers: Vec<String>,
    fetchmail_servers: Vec<String>,
    /// Active scheduled actions: identity and name.
    crons: BTreeMap<String, String>,
    autovacuum: BTreeSet<String>,
    rows: Option<Rows>,
    line: Vec<u8>,
}

/// In the rows of a table.
#[derive(Debug)]
struct Rows {
    /// Its place in [`WANTED`]; `None` for tables that do not matter.
    table: Option<(usize, Vec<usize>)>,
    column: usize,
    values: Vec<Vec<u8>>,
}

impl Facts {
    /// Takes the next bytes of a dump.
    pub fn read(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (content, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |content| (content, true));
            self.take(content);
            if ends {
                self.end_line();
            }
        }
    }

    fn take(&mut self, content: &[u8]) {
        let most = if self.rows.is_some() { 3 } else { LINE };
        let room = most.saturating_sub(self.line.len()).min(content.len());
        self.line.extend_from_slice(&content[..room]);
        let Some(Rows { table: Some((_, columns)), column, values }) = &mut self.rows else { return };
        for (at, value) in content.split(|&byte| byte == b'\t').enumerate() {
            *column += usize::from(at > 0);
            if let Some(slot) = columns.iter().position(|wanted| wanted == column) {
                let room = VALUE.saturating_sub(values[slot].len()).min(value.len());
                values[slot].extend_from_slice(&value[..room]);
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let Some(rows) = &mut self.rows else {
            self.rows = copied(&line);
            return;
        };
        if line == b"\\." {
            self.rows = None;
            return;
        }
        rows.column = 0;
        let Some((table, columns)) = &rows.table else { return };
        let (table, empty) = (*table, vec![Vec::new(); columns.len()]);
        let values = std::mem::replace(&mut rows.values, empty);
        let values: Vec<String> = values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        self.note(table, &values);
    }

    fn note(&mut self, table: usize, values: &[String]) {
        let value = |at: usize| values.get(at).map_or("", String::as_str);
        let is_active = value(0) == "t";
        match WANTED[table].0 {
            "ir_config_parameter" if value(0) == "database.uuid" => self.uuid = Some(value(1).to_owned()),
            "ir_config_parameter" if value(0) == "database.is_neutralized" => {
                self.is_neutralized = value(1).eq_ignore_ascii_case("true");
            }
            "ir_mail_server" if is_active && value(1) != NOWHERE => self.mail_servers.push(value(1).to_owned()),
            "fetchmail_server" if is_active => self.fetchmail_servers.push(value(1).to_owned()),
            "ir_cron" if is_active => {
                self.crons.insert(value(1).to_owned(), value(2).to_owned());
            }
            "ir_model_data" if value(0) == "ir.cron" && value(1) == "autovacuum_job" => {
                self.autovacuum.insert(value(2).to_owned());
            }
            "ir_model" if is_active => {
                self.transient.insert(value(1).replace('.', "_"));
            }
            _ => {}
        }
    }

    /// Whether neutralizing took: the mark is there, and no mail and no scheduled action would go out.
    pub fn check_neutralized(&self) -> Result<(), Failure> {
        let mut wrong = Vec::new();
        if !self.is_neutralized {
            wrong.push("the parameter database.is_neutralized is not set".to_owned());
        }
        let crons = self.crons.iter().filter(|(id, _)| !self.autovacuum.contains(*id)).map(|(_, name)| name);
        let crons: Vec<&String> = crons.collect();
        let left: [(&str, Vec<&String>); 3] = [
            ("outgoing mail servers", self.mail_servers.iter().collect()),
            ("incoming mail servers", self.fetchmail_servers.iter().collect()),
            ("scheduled actions", crons),
        ];
        for (what, names) in left.into_iter().filter(|(_, names)| !names.is_empty()) {
            let named: Vec<&str> = names.iter().take(NAMED).map(|name| name.as_str()).collect();
            wrong.push(format!("{} {what} are active ({})", names.len(), named.join(", ")));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let message = format!(
            "Odoo did not neutralize the restored database: {}. It was not put into use. Look at Odoo's log, or restore \
             without neutralizing.",
            wrong.join("; ")
        );
        Err(failure(FailureCode::Neutralize, message))
    }
}

/// Reads `COPY public.ir_cron (id, active, …) FROM stdin;`; `None` for every other line.
fn copied(line: &[u8]) -> Option<Rows> {
    let line = String::from_utf8_lossy(line);
    let (name, columns) = line.strip_prefix("COPY ")?.split_once(" (")?;
    let columns = columns.strip_suffix(") FROM stdin;");
    let of = |wanted: &[&str]| -> Vec<usize> {
        let all: Vec<&str> = columns.unwrap_or_default().split(", ").map(|column| column.trim_matches('"')).collect();
        // A column that is not there is looked for in vain.
        wanted.iter().map(|name| all.iter().position(|column| column == name).unwrap_or(usize::MAX)).collect()
    };
    let table = name.strip_prefix("public.").and_then(|name| WANTED.iter().position(|(wanted, _)| *wanted == name));
    let table = table.map(|table| (table, of(WANTED[table].1)));
    let values = vec![Vec::new(); table.as_ref().map_or(0, |(_, columns)| columns.len())];
    Some(Rows { table, column: 0, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(dump: &str, size: usize) -> Facts {
        let mut facts = Facts::default();
        dump.as_bytes().chunks(size).for_each(|piece| facts.read(piece));
        facts
    }

    const NEUTRAL: &str = "COPY public.ir_config_parameter (id, key, value) FROM stdin;\n\
        1\tdatabase.uuid\tu-u\n2\tdatabase.is_neutralized\ttrue\n\\.\n\
        COPY public.ir_cron (id, cron_name, active) FROM stdin;\n1\tVacuum\tt\n2\tMail\tf\n\\.\n\
        COPY public.ir_mail_server (id, name, active) FROM stdin;\n1\tneutralization - disable emails\tt\n2\tours\tf\n\\.\n\
        COPY public.ir_model (id, model, transient) FROM stdin;\n1\tbase.language.install\tt\n2\tres.users\tf\n\\.\n\
        COPY public.ir_model_data (id, model, name, res_id) FROM stdin;\n9\tir.cron\tautovacuum_job\t1\n\\.\n";

    #[test]
    fn a_neutralized_database_is_known_in_pieces_of_any_size() {
        for size in [1, 7, 100_000] {
            let facts = facts(NEUTRAL, size);
            assert_eq!(facts.uuid.as_deref(), Some("u-u"));
            assert!(facts.transient.iter().eq(["base_language_install"]));
            facts.check_neutralized().unwrap();
        }
    }

    #[test]
    fn each_thing_that_still_goes_out_is_named() {
        for (from, to, words) in [
            ("is_neutralized\ttrue", "is_neutralized\tfalse", "is_neutralized is not set"),
            ("2\tMail\tf", "2\tMail\tt", "1 scheduled actions are active (Mail)"),
            ("2\tours\tf", "2\tours\tt", "1 outgoing mail servers are active (ours)"),
            (
                "COPY public.ir_model (",
                "COPY public.fetchmail_server (active, name) FROM stdin;\nt\tinbox\n\\.\nCOPY public.ir_model (",
                "1 incoming mail servers are active (inbox)",
            ),
        ] {
            let dump = NEUTRAL.replace(from, to);
            assert_ne!(dump, NEUTRAL);
            let refused = facts(&dump, 5).check_neutralized().unwrap_err();
            assert_eq!(refused.code, FailureCode::Neutralize);
            assert!(refused.message.contains(words), "{}", refused.message);
        }
    }

    #[test]
    fn rows_that_look_like_statements_and_tables_of_other_schemas_do_not_count() {
        let dump = "COPY public.notes (a) FROM stdin;\nCOPY public.ir_config_parameter (key, value) FROM stdin;\n\\.\n\
                    COPY other.ir_config_parameter (key, value) FROM stdin;\ndatabase.is_neutralized\ttrue\n\\.\n";
        assert!(facts(dump, 100).check_neutralized().is_err());
    }
}
