//! Reads along a plain dump and notes what a backup should know: versions, attachments, and that it got to its end.
//!
//! It keeps no line whole: a row can hold a file of gigabytes.

use super::super::attachments::Wanted;

/// Longest line start that is looked at: `COPY` lines with their columns, comments.
const LINE: usize = 8 * 1024;
/// Longest value that is looked at.
const VALUE: usize = 256;
/// The last line but some that `pg_dump` writes.
const COMPLETE: &[u8] = b"-- PostgreSQL database dump complete";

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// The version of the PostgreSQL server that was dumped.
    pub postgres_version: Option<String>,
    /// Version of module `base`, such as `18.0.1.3`.
    pub base_version: Option<String>,
    /// Files that attachments refer to.
    pub wanted: Wanted,
    /// Whether the table of attachments was seen.
    pub has_attachments: bool,
    /// The first row that has not as many values as its table has columns.
    pub odd_row: Option<OddRow>,
    complete: bool,
    place: Place,
    line: Vec<u8>,
    column: usize,
    values: [Vec<u8>; 2],
    table: String,
    columns: usize,
    row: u64,
}

/// A row that PostgreSQL will not take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OddRow {
    /// Its table.
    pub table: String,
    /// Its number among the table's rows, from 1.
    pub row: u64,
    /// Values that it has.
    pub values: usize,
    /// Values that it must have.
    pub columns: usize,
}

/// Where in the dump it stands.
#[derive(Debug, Default, PartialEq, Eq)]
enum Place {
    /// Between statements.
    #[default]
    Sql,
    /// In the rows of a table, of which up to two columns matter.
    Rows(Table),
}

#[derive(Debug, PartialEq, Eq)]
enum Table {
    Attachments(usize),
    Modules(usize, usize),
    Other,
}

impl Scan {
    /// Takes the next bytes.
    pub fn read(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (content, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |content| (content, true));
            self.take(content);
            if ends {
                self.end_line();
            }
        }
    }

    /// Whether all of the dump was read. Asked after the last byte.
    pub fn is_complete(&self) -> bool {
        self.complete && self.place == Place::Sql
    }

    fn take(&mut self, content: &[u8]) {
        let room = LINE.saturating_sub(self.line.len()).min(content.len());
        let wanted = match &self.place {
            Place::Sql => None,
            Place::Rows(Table::Other) => {
                self.column += memchr::memchr_iter(b'\t', content).count();
                return self.line.extend_from_slice(&content[..room.min(3)]);
            }
            Place::Rows(Table::Attachments(column)) => Some([*column, usize::MAX]),
            Place::Rows(Table::Modules(name, version)) => Some([*name, *version]),
        };
        self.line.extend_from_slice(&content[..room]);
        let Some(wanted) = wanted else { return };
        for (at, value) in content.split(|&byte| byte == b'\t').enumerate() {
            self.column += usize::from(at > 0);
            if let Some(slot) = wanted.iter().position(|&column| column == self.column) {
                let kept = &mut self.values[slot];
                let room = VALUE.saturating_sub(kept.len()).min(value.len());
                kept.extend_from_slice(&value[..room]);
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let values = std::mem::take(&mut self.values);
        let found = std::mem::take(&mut self.column) + 1;
        if matches!(self.place, Place::Rows(_)) && line != b"\\." {
            self.row += 1;
            if found != self.columns && self.odd_row.is_none() {
                let (table, columns) = (self.table.clone(), self.columns);
                self.odd_row = Some(OddRow { table, row: self.row, values: found, columns });
            }
        }
        match &self.place {
            Place::Sql => self.end_sql_line(&line),
            Place::Rows(_) if line == b"\\." => self.place = Place::Sql,
            Place::Rows(Table::Attachments(_)) => {
                if values[0] != b"\\N" {
                    self.wanted.add(&String::from_utf8_lossy(&values[0]));
                }
            }
            Place::Rows(Table::Modules(..)) if values[0] == b"base" => {
                self.base_version = Some(String::from_utf8_lossy(&values[1]).into_owned());
            }
            Place::Rows(_) => {}
        }
    }

    fn end_sql_line(&mut self, line: &[u8]) {
        if let Some(version) = line.strip_prefix(b"-- Dumped from database version ") {
            let version = String::from_utf8_lossy(version);
            self.postgres_version = version.split_whitespace().next().map(str::to_owned);
        } else if line == COMPLETE {
            self.complete = true;
        } else if !(line.is_empty() || line == b"--" || line.starts_with(b"\\unrestrict")) {
            self.complete = false;
        }
        if let Some(Copied { name, columns, table }) = copied_table(line) {
            self.has_attachments |= matches!(table, Table::Attachments(_));
            self.place = Place::Rows(table);
            (self.table, self.columns, self.row) = (name, columns, 0);
        }
    }
}

/// A table whose rows follow.
struct Copied {
    name: String,
    columns: usize,
    table: Table,
}

/// Reads `COPY public.ir_attachment (id, name, …) FROM stdin;`.
fn copied_table(line: &[u8]) -> Option<Copied> {
    let line = std::str::from_utf8(line).ok()?;
    let (table, columns) = line.strip_prefix("COPY ")?.strip_suffix(") FROM stdin;")?.split_once(" (")?;
    let column = |wanted: &str| columns.split(", ").position(|column| column.trim_matches('"') == wanted);
    let known = match table.split_once('.').map_or(table, |(_, name)| name) {
        "ir_attachment" => column("store_fname").map(Table::Attachments),
        "ir_module_module" => {
            column("name").zip(column("latest_version")).map(|(name, version)| Table::Modules(name, version))
        }
        _ => None,
    };
    Some(Copied { name: table.to_owned(), columns: count(columns), table: known.unwrap_or(Table::Other) })
}

/// Names in a list; a comma may be in a quoted one.
fn count(columns: &str) -> usize {
    let outside = columns.split('"').step_by(2);
    1 + outside.map(|part| part.matches(',').count()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.18 (Debian 15.18-0)\n\n\
        COPY public.ir_attachment (id, name, store_fname, db_datas) FROM stdin;\n\
        1\ta\t1c/1c2a8239bc7e06429116c40bc1d1334c621ca379\t\\N\n\
        2\tb\t\\N\tlong\n\
        3\tc\t1c/1c2a8239bc7e06429116c40bc1d1334c621ca379\t\\N\n\
        \\.\n\n\
        COPY public.ir_module_module (id, name, latest_version) FROM stdin;\n1\tweb\t18.0.1.0\n2\tbase\t18.0.1.3\n\\.\n\
        COPY public.other (a) FROM stdin;\n-- PostgreSQL database dump complete\n\\.\n\
        --\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n\n";

    #[test]
    fn versions_and_attachments_are_seen_in_pieces_of_any_size() {
        for size in [1, 7, 100_000] {
            let mut scan = Scan::default();
            for piece in DUMP.as_bytes().chunks(size) {
                scan.read(piece);
            }
            assert!(scan.is_complete());
            assert!(scan.has_attachments);
            assert_eq!(scan.postgres_version.as_deref(), Some("15.18"));
            assert_eq!(scan.base_version.as_deref(), Some("18.0.1.3"));
            assert_eq!(scan.wanted.distinct().count(), 1);
        }
    }

    #[test]
    fn a_dump_that_ends_earlier_is_not_complete() {
        let in_rows = DUMP.find("\\.\n\n--\n").or(DUMP.find("-- PostgreSQL database dump complete\n\\.")).unwrap();
        for end in [0, 40, in_rows, in_rows + 38, DUMP.len() / 2] {
            let mut scan = Scan::default();
            scan.read(&DUMP.as_bytes()[..end]);
            assert!(!scan.is_complete(), "{}", &DUMP[..end]);
        }
    }
}
