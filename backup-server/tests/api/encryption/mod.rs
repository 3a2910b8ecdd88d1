//! Hosts that encrypt, with certificates of an authority that only their owners know.

mod odoo;
mod postgres;

use std::{path::Path, process::Command};

use backup_api::{BackupFormat, FailureCode, JobState, ProblemCode, Source};
use testbed::Cluster;

use crate::{
    crash::Process,
    setting::{REPOSITORY, run, start},
};

/// A backup server on a machine that trusts the authorities in this file.
fn trusting(roots: &Path, data: &Path) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backup-server"));
    command.arg("--data").arg(data).env("SSL_CERT_FILE", roots).env_remove("SSL_CERT_DIR");
    Process::from(command, data, Cluster::shared().bin())
}

/// Both the test and a backup must end with this problem, and nothing is there afterwards.
async fn must_be_refused(client: &backup_api::Client, source: &Source, words: &[&str]) {
    let report = client.test_source(source).await.unwrap();
    let [problem] = &report.problems[..] else { panic!("{words:?}: {:?}", report.problems) };
    assert_eq!(problem.code, ProblemCode::NotEncrypted, "{}", problem.message);
    assert!(words.iter().all(|word| problem.message.contains(word)), "{words:?}: {}", problem.message);
    let job = run(client, REPOSITORY, &start(source, BackupFormat::Dump)).await;
    let failure = job.failure.unwrap();
    assert_eq!((job.state, failure.code, &failure.message), (JobState::Failed, FailureCode::Source, &problem.message));
}
