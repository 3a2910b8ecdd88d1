//! Stock `restic` reads what Holdfast writes, with the recovery kit in hand.

use backup_server::repositories::Repositories;

use crate::support::{REPOSITORY, Sample, run, store};

/// What the kit says to set.
pub async fn environment(repositories: &Repositories) -> [(&'static str, String); 2] {
    let kit = repositories.recovery_kit(REPOSITORY).await.unwrap();
    for line in
        [format!("RESTIC_REPOSITORY='{}'", kit.location), format!("RESTIC_PASSWORD='{}'", kit.password.reveal())]
    {
        assert!(kit.instructions.contains(&line), "the kit does not say {line}");
    }
    [("RESTIC_REPOSITORY", kit.location), ("RESTIC_PASSWORD", kit.password.reveal().to_owned())]
}

pub async fn restic(repositories: &Repositories, folder: &std::path::Path, arguments: &[&str]) -> String {
    let environment = environment(repositories).await;
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    run("restic", &[&["--no-cache"], arguments].concat(), folder, &environment)
}

#[tokio::test]
async fn restic_lists_checks_and_restores() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let mut sample = Sample::small();
    store(&repositories, 1, sample.content()).await.unwrap();
    sample.dump.extend_from_slice(b"one more row\n");
    let second = store(&repositories, 2, sample.content()).await.unwrap();

    let list = restic(&repositories, data.path(), &["snapshots"]).await;
    assert!(list.contains("2 snapshots") && list.contains(&second.id.to_string()) && list.contains("acme"), "{list}");
    let check = restic(&repositories, data.path(), &["check", "--read-data"]).await;
    assert!(check.contains("no errors were found"), "{check}");

    let tag = second.id.to_string();
    restic(&repositories, data.path(), &["restore", "latest", "--tag", &tag, "--target", "out", "--verify"]).await;
    for (path, content) in sample.files() {
        assert!(std::fs::read(data.path().join("out").join(&path)).unwrap() == content, "{path} differs");
    }
    let list = restic(&repositories, data.path(), &["ls", "-l", "latest"]).await;
    assert!(list.contains(&format!("{} ", sample.dump.len())), "restic knows the size of the dump: {list}");
}

/// The kit's commands, as they are printed; a backup's ID is the one thing to fill in.
#[tokio::test]
async fn the_commands_of_the_recovery_kit_work_as_printed() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let sample = Sample::small();
    store(&repositories, 1, sample.content()).await.unwrap();
    let kit = repositories.recovery_kit(REPOSITORY).await.unwrap();
    let printed = kit.instructions.lines().filter_map(|line| line.strip_prefix("    "));
    let ours = printed.filter(|line| line.starts_with("export ") || line.starts_with("restic "));
    let script: Vec<_> = ours.map(|line| line.replace("ID", "latest")).collect();
    assert_eq!(script.len(), 6, "{script:?}");
    run("bash", &["-ec", &script.join("\n")], data.path(), &[("RESTIC_CACHE_DIR", "cache")]);
    assert!(std::fs::read(data.path().join("restored/dump.sql")).unwrap() == sample.dump);
    assert!(std::fs::read(data.path().join("dump.sql")).unwrap() == sample.dump);
    for (path, content) in sample.files() {
        assert!(std::fs::read(data.path().join("restored").join(&path)).unwrap() == content, "{path} differs");
    }
}
