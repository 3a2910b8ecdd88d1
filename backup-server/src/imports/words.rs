//! Why a file from elsewhere is no backup, in words for whoever chose it.

use backup_api::{Failure, FailureCode};

use crate::{archives::ArchiveError, jobs::size, sources::odoo::OddRow};

/// A zip that did not pass.
pub(super) fn of_zip(error: ArchiveError) -> Failure {
    let message = match error {
        ArchiveError::NotAZip(cause) => format!(
            "The file is no whole zip ({cause}): it was cut off on its way or where it is kept. Compare its size with the \
             original's, and send it again."
        ),
        ArchiveError::Damaged { name, cause } => format!(
            "“{name}” in the zip is damaged ({cause}). The file changed on its way or where it was kept: take another copy."
        ),
        ArchiveError::NoDump => "The zip has no dump.sql at its top, so there is no database in it. Choose a zip that \
                                 Odoo's database manager or Holdfast made, as it was made: unpacked and packed again, its \
                                 files may lie in another folder."
            .to_owned(),
        ArchiveError::TruncatedDump => "The database in the zip is cut off: dump.sql does not end with pg_dump's last \
                                        line. pg_dump failed when this backup was made: take another one."
            .to_owned(),
        error => return error.into(),
    };
    Failure { code: FailureCode::Incomplete, message }
}

/// A row that PostgreSQL will not take.
pub(super) fn odd_row(odd: &OddRow) -> Failure {
    let message = format!(
        "The database in the file is damaged: row {} of the table {} has {} values instead of {}. Take another backup.",
        odd.row, odd.table, odd.values, odd.columns
    );
    Failure { code: FailureCode::Incomplete, message }
}

/// It unpacks to more than any real backup of its size.
pub(super) fn bomb(most: u64) -> Failure {
    let message = format!(
        "The dump is refused: it unpacks to more than {}, as no real database of its size does. If you do not know where \
         it comes from, do not use it.",
        size(most)
    );
    Failure { code: FailureCode::Incomplete, message }
}

/// What it begins with is not what it is named.
pub(super) fn wrong_content(message: String) -> Failure {
    Failure { code: FailureCode::Incomplete, message }
}

/// It could not be read.
pub(super) fn unreadable(error: &std::io::Error) -> Failure {
    let message =
        format!("The file could not be read on the backup server: {error}. Look at its disk, then try again.");
    Failure { code: FailureCode::Storage, message }
}
