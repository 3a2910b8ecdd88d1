//! The verification job: read all of a repository, keep what was found.

use backup_api::{Failure, FailureCode, Phase, RepositoryId, Verification};

use crate::{
    jobs::{JobContext, size},
    repositories::Verified,
    server::App,
};

/// Damages that are named; one lost disk can have a million.
const NAMED: usize = 100;

/// A verification to be made.
pub(crate) struct VerifyJob {
    pub app: App,
    pub repository: RepositoryId,
}

impl VerifyJob {
    /// Makes it. Damage fails the job, in words that say what to do.
    pub async fn run(self, context: JobContext) -> Result<(), Failure> {
        context.enter(Phase::Verifying);
        let app = &self.app;
        let bytes = app.repositories.bytes_used_by(self.repository).await?;
        context.info(format!("Reading all {} of the repository.", size(bytes)));
        let began_at = app.config.clock.now();
        let verified = tokio::select! {
            verified = app.repositories.verify(self.repository) => verified?,
            // Reading goes on in its thread; what it finds is not kept.
            () = context.cancel.cancelled() => return Err(cancelled()),
        };
        let damages = verified.problems.len();
        let problems: Vec<String> = verified.problems.iter().take(NAMED).cloned().collect();
        for problem in &problems {
            context.error(problem);
        }
        let verification = Verification { began_at, ended_at: app.config.clock.now(), bytes, problems };
        let (kept, repository) = (app.verifications.clone(), self.repository);
        let saving = tokio::task::spawn_blocking(move || kept.save(repository, &verification)).await;
        saving.map_err(std::io::Error::other).flatten().map_err(|error| Failure {
            code: FailureCode::Storage,
            message: format!("The result could not be kept: {error}. Look at the disk of the backup server."),
        })?;
        if verified.returned > 0 {
            let (count, back) = (verified.returned, "are sound after all and back where they belong");
            context.info(format!("{count} pack(s) that had been set aside {back}."));
        }
        if damages > 0 {
            return Err(if verified.unreadable > 0 { unread(damages, &verified) } else { damaged(damages, &verified) });
        }
        context.info("Everything was read and is as it was written.");
        Ok(())
    }
}

fn cancelled() -> Failure {
    Failure { code: FailureCode::Cancelled, message: "Cancelled on request.".to_owned() }
}

/// What became of what is really damaged.
fn aside(verified: &Verified) -> String {
    match verified.set_aside {
        0 => String::new(),
        packs => format!(
            " {packs} damaged pack(s) were set aside in its folder “damaged”, so that no new backup is built on them."
        ),
    }
}

/// A disk that fails says nothing about what is on it.
fn unread(count: usize, verified: &Verified) -> Failure {
    Failure {
        code: FailureCode::Storage,
        message: format!(
            "The disk of the backup server could not be read in {} place(s): {count} finding(s); the log names the files \
             and the backups that are not whole as long as that is so. What could not be read was left as it is.{} Look \
             at the disk and at the system's log, copy the repository to another disk if this one is dying, and verify \
             once more.",
            verified.unreadable,
            aside(verified)
        ),
    }
}

fn damaged(count: usize, verified: &Verified) -> Failure {
    let aside = aside(verified);
    Failure {
        code: FailureCode::Mismatch,
        message: format!(
            "The repository is damaged: {count} finding(s); the log names them and the backups that are not whole.{aside} \
             Check the disk of the backup server and make a new backup now: it stores again what the source still has, \
             and older backups that share it become whole with it. Then verify once more."
        ),
    }
}
