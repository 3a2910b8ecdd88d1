//! A replay takes hours: nothing may depend on a connection that idles meanwhile.

use std::process::Stdio;

use backup_api::{BackupFormat, JobState};
use testbed::Cluster;

use super::setting::{Changed, eventually, request};
use crate::{
    crash::Running,
    setting::{REPOSITORY, Served, until},
};

#[tokio::test]
async fn a_server_that_ends_idle_sessions_does_not_end_a_restore() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start().unwrap()));
    let admin = |sql: &str| cluster.sql_as("postgres", "postgres", sql).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("here");
    let pause = format!("replayed={}", here.display());
    let served = Served::start_with(|config| config.pause_at = Some(pause)).await;
    let changed = Changed::on(cluster, "rs_idle", &served.client, BackupFormat::Zip).await;
    admin("ALTER SYSTEM SET idle_session_timeout = '1s'");
    admin("SELECT pg_reload_conf()");
    let start = request(&changed.plan());
    served.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    eventually("replayed", || here.exists()).await;
    let of_ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holdfast' AND datname = 'postgres'";
    assert_eq!(admin(of_ours), "0", "nothing waits outside of the scratch database");
    // Where this one is ended, ours would have been.
    let mut psql = cluster.clients().command("psql", "postgres");
    psql.args(["--dbname", "template1"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let session = Running(psql.spawn().unwrap());
    let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'template1' AND backend_type = 'client backend'";
    eventually("connected", || admin(sessions) == "1").await;
    eventually("ended for doing nothing", || admin(sessions) == "0").await;
    drop(session);
    std::fs::remove_file(&here).unwrap();
    let job = until(&served.client, start.job, |job| job.state.is_final()).await;
    assert_eq!((job.state, job.failure), (JobState::Succeeded, None));
    assert_eq!(changed.state(), changed.then);
}
