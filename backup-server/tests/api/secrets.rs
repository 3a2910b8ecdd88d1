//! What must never be written down: passwords and tokens, even where every detail is logged.

use std::process::Command;

use backup_api::{BackupFormat, CreateLink, JobState};
use testbed::Cluster;

use crate::{
    crash::Process,
    setting::{Origin, REPOSITORY, run, start},
};

#[tokio::test]
async fn no_log_and_no_journal_holds_a_secret() {
    let origin = Origin::new("secrets_kept");
    let odoo = origin.odoo();
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("server.log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_backup-server"));
    command.arg("--data").arg(data.path()).env("RUST_LOG", "trace,hyper=info,h2=info,rustls=info");
    command.stderr(std::fs::File::create(&log).unwrap());
    let process = Process::from(command, data.path(), Cluster::shared().bin());
    let mut secrets = vec![
        std::fs::read_to_string(data.path().join("token")).unwrap().trim().to_owned(),
        odoo.master_password(),
        Cluster::shared().password().to_owned(),
    ];
    let mut logs = String::new();
    let wrong_url = Cluster::shared().url().replace("127.0.0.1", "127.0.0.2");
    let sources = [origin.direct(), origin.through(&odoo), origin.direct_through(&wrong_url)];
    for (source, state) in sources.iter().zip([JobState::Succeeded, JobState::Succeeded, JobState::Failed]) {
        let job = run(&process.client, REPOSITORY, &start(source, BackupFormat::Zip)).await;
        assert_eq!(job.state, state, "{:?}", job.failure);
        if let Some(backup) = job.backup {
            let link = process.client.create_link(REPOSITORY, backup.id, &CreateLink::default()).await.unwrap();
            let token = link.path.rsplit('/').next().unwrap().to_owned();
            reqwest::get(format!("{}{}", process.base.as_str().trim_end_matches('/'), link.path)).await.unwrap();
            secrets.push(token);
        }
    }
    let kit = process.client.recovery_kit(REPOSITORY).await.unwrap();
    secrets.push(kit.password.reveal().to_owned());
    drop(process);
    for path in crate::setting::files_in(&data.path().join("jobs")).iter().chain([&log]) {
        logs += &std::fs::read_to_string(path).unwrap();
    }
    assert!(logs.contains("/v1/downloads/{token}"), "requests are traced by their route");
    for secret in secrets {
        let at = logs.find(&secret).map(|at| logs[at.saturating_sub(200)..at].to_owned());
        assert_eq!(at, None, "a secret follows this text");
    }
}
