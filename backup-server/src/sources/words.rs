//! Short ways to make problems and failures.

use backup_api::{Failure, FailureCode, Problem, ProblemCode, Severity};

/// A problem that stops a backup.
pub(super) fn stop(code: ProblemCode, message: impl Into<String>) -> Problem {
    Problem { severity: Severity::Stop, code, message: message.into() }
}

/// A problem that deserves a look.
pub(super) fn warn(code: ProblemCode, message: impl Into<String>) -> Problem {
    Problem { severity: Severity::Warn, code, message: message.into() }
}

/// A failed job.
pub(super) fn failure(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

/// A job that fails because of a problem with its source, or a restore because of one with its target.
pub(crate) fn unusable(problem: Problem) -> Failure {
    let code = match problem.code {
        ProblemCode::NoMatchingPgDump => FailureCode::PgDump,
        ProblemCode::DiskFull => FailureCode::NoSpace,
        ProblemCode::Unreachable => FailureCode::Unreachable,
        _ => FailureCode::Source,
    };
    Failure { code, message: problem.message }
}

/// A job that was cancelled.
pub(crate) fn cancelled() -> Failure {
    failure(FailureCode::Cancelled, "Cancelled; nothing was kept.")
}

/// A job in which a thread of this server broke.
pub(crate) fn broken(error: &tokio::task::JoinError) -> Failure {
    failure(FailureCode::Internal, format!("The backup server has a fault: {error}. Its log says more."))
}
