//! Why a dump is refused, in words.

use backup_api::{Failure, FailureCode};

use super::extensions::Extension;

/// Why a dump is refused without being executed any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It ends before its end.
    Truncated,
    /// A statement is longer than what is held in memory.
    TooLong { limit: usize },
    /// A statement is not UTF-8, or holds a zero byte.
    NotUtf8,
    /// A backslash where `psql` would read a command.
    MetaCommand(String),
    /// Rows that `pg_dump` does not write like that.
    Rows,
    /// A statement of a kind that no dump of an Odoo database holds.
    Statement { excerpt: String, why: &'static str },
    /// An extension that is not created here.
    Extension(String),
    /// Code that may run during the restore and may do anything.
    Code { excerpt: String, name: String },
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Truncated => FailureCode::Incomplete,
            _ => FailureCode::Sql,
        };
        Self { code, message: words(refusal) }
    }
}

fn words(refusal: Refusal) -> String {
    const HOSTILE: &str = "Nothing of that was run. If you do not know where this backup comes from, do not use it.";
    match refusal {
        Refusal::Truncated => {
            "The dump is cut off: its last line is not “PostgreSQL database dump complete”. Take another \
                               backup."
                .to_owned()
        }
        Refusal::TooLong { limit } => format!(
            "The dump holds a statement of more than {} MB, which is more than this server reads at once. Make the dump \
             without --inserts.",
            limit / (1024 * 1024)
        ),
        Refusal::NotUtf8 => "The dump is not UTF-8 text. Make it with pg_dump --encoding=UTF8.".to_owned(),
        Refusal::MetaCommand(command) if command.starts_with(r"\connect") || command == r"\c" => format!(
            "The dump is refused: it wants to choose its database itself ({command}). Make it without pg_dump's \
             --create."
        ),
        Refusal::MetaCommand(command) => {
            format!(
                "The dump is refused: it holds the psql command “{command}”, which pg_dump does not write. {HOSTILE}"
            )
        }
        Refusal::Rows => {
            format!("The dump is refused: rows of a table in it are not written as pg_dump writes them. {HOSTILE}")
        }
        Refusal::Statement { excerpt, why } => format!("The dump is refused because of “{excerpt}”: {why}. {HOSTILE}"),
        Refusal::Extension(name) => format!(
            "The dump is refused: it wants the extension “{name}”, which is none of those that are known to be safe \
             ({}). {HOSTILE}",
            Extension::allowed().collect::<Vec<_>>().join(", ")
        ),
        Refusal::Code { excerpt, name } => format!(
            "The dump is refused because of “{excerpt}”: it would run “{name}” during the restore, which may reach \
             beyond this database. {HOSTILE}"
        ),
    }
}

/// A statement's beginning, in one line and without rows.
pub(super) fn excerpt(statement: &str) -> String {
    const SHOWN: usize = 160;
    let insert = statement.get(..11).is_some_and(|begin| begin.eq_ignore_ascii_case("INSERT INTO"));
    let end = if insert { statement.find(" VALUES").unwrap_or(40) } else { statement.len() };
    let begin: String = statement.chars().take(end.min(4 * SHOWN)).collect();
    let line = begin.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{} …", &line[..cut]),
        None if insert => format!("{line} …"),
        None => line,
    }
}
