//! A PostgreSQL that encrypts: our own connection and `pg_dump` understand `sslmode` and `sslrootcert` alike.

use std::fs;

use backup_api::{BackupFormat, FailureCode, JobState, ProblemCode, Source};
use testbed::{Cluster, restore_fixture, tls::Authority};

use super::{must_be_refused, trusting};
use crate::{
    restores::setting::{Changed, restored, undo},
    setting::{Origin, REPOSITORY, Served, run, start},
};

/// A database on a server that takes only encrypted connections. It is none of the shared server's.
fn encrypted(name: &str, authority: &Authority) -> (Cluster, Origin) {
    let cluster = Cluster::start_encrypted(authority).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = restore_fixture(&cluster, name, folder.path()).unwrap();
    (cluster, Origin { database, folder })
}

async fn assert_backed_up(client: &backup_api::Client, source: &Source, what: &str) {
    let report = client.test_source(source).await.unwrap();
    assert_eq!(report.problems, [], "{what}");
    for format in [BackupFormat::Dump, BackupFormat::Zip] {
        let job = run(client, REPOSITORY, &start(source, format)).await;
        assert_eq!(job.state, JobState::Succeeded, "{what}: {:?}", job.failure);
    }
}

#[tokio::test]
async fn each_way_to_encrypt_makes_a_backup_or_says_what_to_do() {
    let [authority, other] = [Authority::new().unwrap(), Authority::new().unwrap()];
    let (cluster, origin) = encrypted("tls_modes", &authority);
    let through = |host: &str, parameters: &str| origin.direct_through(&cluster.url_with(host, parameters));
    let served = Served::start().await;
    let [ours, others] = [&authority, &other].map(|authority| authority.certificate().display().to_string());

    for parameters in ["", "?sslmode=allow", "?sslmode=prefer", "?sslmode=require"] {
        assert_backed_up(&served.client, &through("127.0.0.1", parameters), parameters).await;
    }
    for (mode, host) in [("require", "127.0.0.1"), ("verify-ca", "127.0.0.1"), ("VERIFY-FULL", "localhost")] {
        let source = through(host, &format!("?sslmode={mode}&sslrootcert={ours}"));
        assert_backed_up(&served.client, &source, mode).await;
    }

    let made = served.client.backups(REPOSITORY).await.unwrap();
    let empty = origin.folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let empty = empty.display().to_string();
    let cases: [(&str, &str, &[&str]); 7] = [
        ("127.0.0.1", "?sslmode=disable", &["lets nobody in who does not encrypt", "Write sslmode=require"]),
        ("127.0.0.1", &format!("?sslmode=require&sslrootcert={others}"), &["not accepted", "authority (CA)", &others]),
        (
            "127.0.0.1",
            &format!("?sslmode=verify-ca&sslrootcert={others}"),
            &["not accepted", "authority (CA)", &others],
        ),
        ("127.0.0.1", &format!("?sslmode=verify-full&sslrootcert={ours}"), &["for another name", "localhost"]),
        ("localhost", "?sslmode=verify-full", &["not accepted", "sslrootcert=/path/to/ca.pem"]),
        ("localhost", "?sslmode=verify-full&sslrootcert=/no/ca.pem", &["/no/ca.pem", "cannot be read"]),
        ("localhost", &format!("?sslmode=verify-full&sslrootcert={empty}"), &[&empty, "holds no certificate"]),
    ];
    for (host, parameters, words) in cases {
        must_be_refused(&served.client, &through(host, parameters), words).await;
    }
    let plain = origin.direct_through(&Cluster::shared().url_with("127.0.0.1", "?sslmode=require"));
    must_be_refused(&served.client, &plain, &["does not encrypt (ssl = off)", "sslmode=prefer"]).await;
    assert_eq!(served.client.backups(REPOSITORY).await.unwrap(), made, "none of them made a backup");
}

#[tokio::test]
async fn without_a_file_of_authorities_the_system_says_who_is_trusted() {
    let authority = Authority::new().unwrap();
    let (cluster, origin) = encrypted("tls_system", &authority);
    let process = trusting(&authority.certificate(), &origin.folder.path().join("data"));
    for parameters in ["?sslmode=verify-full", "?sslmode=verify-full&sslrootcert=system"] {
        let source = origin.direct_through(&cluster.url_with("localhost", parameters));
        assert_backed_up(&process.client, &source, parameters).await;
    }
    // Any certificate of a public authority would do, for whatever host.
    let source = origin.direct_through(&cluster.url_with("localhost", "?sslmode=verify-ca"));
    let report = process.client.test_source(&source).await.unwrap();
    assert_eq!(report.problems[0].code, ProblemCode::InvalidAddress);
    assert!(report.problems[0].message.contains("needs sslrootcert=FILE"), "{:?}", report.problems);
}

#[tokio::test]
async fn a_socket_is_never_encrypted_whatever_the_url_wants() {
    let authority = Authority::new().unwrap();
    let (cluster, origin) = encrypted("tls_socket", &authority);
    let served = Served::start().await;
    let parameters = format!("?host={}&sslmode=verify-full", cluster.socket_folder().display());
    assert_backed_up(&served.client, &origin.direct_through(&cluster.url_with("localhost", &parameters)), "socket")
        .await;
}

#[tokio::test]
async fn a_user_who_is_let_in_from_nowhere_is_told_what_pg_hba_conf_lacks() {
    let authority = Authority::new().unwrap();
    let (cluster, origin) = encrypted("tls_nowhere", &authority);
    let rules = cluster.socket_folder().join("data/pg_hba.conf");
    fs::write(rules, "local all all trust\nhostssl all postgres 127.0.0.1/32 scram-sha-256\n").unwrap();
    cluster.sql_as("postgres", "postgres", "SELECT pg_reload_conf()").unwrap();
    let served = Served::start().await;
    let source = origin.direct_through(&cluster.url());
    let job = loop {
        // The server reads it when it comes to it.
        let job = run(&served.client, REPOSITORY, &start(&source, BackupFormat::Dump)).await;
        if job.state != JobState::Succeeded {
            break job;
        }
    };
    let failure = job.failure.unwrap();
    assert_eq!(failure.code, FailureCode::Source, "{failure:?}");
    for words in ["lets user “odoo” not in from here", "Have a line for this user and host added to its pg_hba.conf"]
    {
        assert!(failure.message.contains(words), "{failure:?}");
    }
}

#[tokio::test]
async fn a_restore_and_its_undo_go_through_an_encrypted_connection() {
    let authority = Authority::new().unwrap();
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start_encrypted(&authority).unwrap()));
    let served = Served::start().await;
    let changed = Changed::on(cluster, "tls_restore", &served.client, BackupFormat::Zip).await;
    assert!(cluster.url().contains("sslmode=verify-full"));
    let job = restored(&served.client, changed.backup.id, &changed.plan()).await;
    assert_eq!(changed.state(), changed.then);
    let undone = undo(&served.client, job.id, &changed.target()).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    assert_eq!(changed.state(), changed.now);
}
