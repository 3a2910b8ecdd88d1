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
