//! Files at URLs: fetched, gone on with after a cut, and refused, each with its own reason.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use backup_api::{
    BackupFormat, ClientError, ErrorCode, FailureCode, ImportSource, Job, JobState, Phase, Secret, StartImport,
};
use backup_server::Config;

use super::{
    origin::{Act, Origin, ranged, response},
    setting::{TINY, import_from, run},
};
use crate::{
    crash::Running,
    setting::{REPOSITORY, Served, files_in, log_of, until},
};

/// A server that may fetch from this machine and does not wait long.
async fn served_with(change: impl FnOnce(&mut Config)) -> Served {
    Served::start_with(|config| {
        config.allowed_url_ranges = vec!["127.0.0.0/8".to_owned()];
        config.fetch_pause = Duration::from_millis(1);
        change(config);
    })
    .await
}

async fn served() -> Served {
    served_with(|_| ()).await
}

fn of(url: &str, file_name: Option<&str>) -> StartImport {
    import_from(ImportSource::Url { url: Secret::new(url), file_name: file_name.map(str::to_owned) })
}

async fn import(served: &Served, url: &str) -> Job {
    run(&served.client, REPOSITORY, &of(url, None)).await
}

async fn must_fail(served: &Served, url: &str, code: FailureCode, word: &str) -> String {
    let job = import(served, url).await;
    let failure = job.failure.unwrap_or_else(|| panic!("“{word}” became a backup"));
    assert_eq!((job.state, failure.code), (JobState::Failed, code), "{word}: {}", failure.message);
    assert!(failure.message.contains(word), "does not say “{word}”: {}", failure.message);
    assert_eq!(served.client.backups(REPOSITORY).await.unwrap(), [], "{word}");
    assert!(served.staged().is_empty(), "{word} left {:?}", served.staged());
    log_of(&served.client, job.id).await
}

#[tokio::test]
async fn a_file_at_a_url_becomes_a_backup_and_its_secrets_show_nowhere() {
    let origin = Origin::start(|_, asked| match asked.path() {
        "/start?key=hunter2" => {
            Act::Send(response("302 Found", &[("Location", "../files/tiny18.zip?sig=hunter3")], b""))
        }
        _ => Act::Send(ranged(TINY, asked, "\"1\"")),
    })
    .await;
    let served = served().await;
    let url = format!("http://me:hunter1@127.0.0.1:{}/start?key=hunter2", origin.port);
    let job = import(&served, &url).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    assert_eq!(job.backup.unwrap().format, BackupFormat::Zip);
    assert_eq!(origin.asked()[1].header("authorization"), Some("Basic bWU6aHVudGVyMQ=="));
    let log = log_of(&served.client, job.id).await;
    assert!(log.contains("Fetching “tiny18.zip” (0.5 MB)") && !log.contains("hunter"), "{log}");
    for file in std::fs::read_dir(served.data.join("jobs")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("hunter"), "{text}");
    }
    assert!(served.staged().is_empty());
}

#[tokio::test]
async fn a_login_is_not_carried_to_another_server() {
    let other = Origin::start(|_, asked| Act::Send(ranged(TINY, asked, "\"1\""))).await;
    let to = other.url("/a.zip");
    let origin = Origin::start(move |_, _| Act::Send(response("307 X", &[("Location", &to)], b""))).await;
    let served = served().await;
    let job = import(&served, &format!("http://me:secret@127.0.0.1:{}/", origin.port)).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    assert!(origin.asked()[0].header("authorization").is_some());
    assert_eq!(other.asked()[0].header("authorization"), None);
}

#[tokio::test]
async fn after_a_cut_it_goes_on_where_it_stopped() {
    let origin = Origin::start(|number, asked| {
        let whole = ranged(TINY, asked, "\"1\"");
        let sent = if number < 4 { whole.len().min(100_000) } else { whole.len() };
        Act::Send(whole[..sent].to_vec())
    })
    .await;
    let served = served().await;
    let job = import(&served, &origin.url("/tiny18.zip")).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    let from: Vec<_> = origin.asked().iter().map(super::origin::Asked::from).collect();
    assert!(from.len() == 5 && from[0] == 0 && from.is_sorted() && from[4] > 390_000, "{from:?}");
    assert_eq!(origin.asked()[4].header("if-range"), Some("\"1\""));
    let log = log_of(&served.client, job.id).await;
    assert!(log.contains("broke after 0.1 MB") && log.contains("Going on in"), "{log}");
}

#[tokio::test]
async fn a_file_that_changed_or_a_server_without_ranges_begins_again_but_not_for_ever() {
    let served = served().await;
    let changing = Origin::start(|number, asked| {
        let whole = ranged(TINY, asked, if number == 0 { "\"1\"" } else { "\"2\"" });
        Act::Send(if number == 0 { whole[..100_000].to_vec() } else { whole })
    })
    .await;
    let job = import(&served, &changing.url("/tiny18.zip")).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    assert!(log_of(&served.client, job.id).await.contains("comes from its beginning"));
    served.client.delete_backup(REPOSITORY, job.backup.unwrap().id).await.unwrap();

    let whole = response("200 OK", &[], TINY);
    let stubborn = Origin::start(move |_, _| Act::Send(whole[..100_000].to_vec())).await;
    must_fail(&served, &stubborn.url("/a.zip"), FailureCode::Fetch, "does not go on where it broke").await;
    assert_eq!(stubborn.asked().len(), 5);
}

#[tokio::test]
async fn a_server_that_stays_away_is_given_up() {
    let served = served().await;
    let origin = Origin::start(|number, asked| {
        let whole = ranged(TINY, asked, "\"1\"");
        Act::Send(if number == 0 { whole[..100_000].to_vec() } else { response("503 Busy", &[], b"") })
    })
    .await;
    must_fail(&served, &origin.url("/a.zip"), FailureCode::Fetch, "HTTP status 503").await;
    assert_eq!(origin.asked().len(), 6);
}

#[tokio::test]
async fn every_answer_that_is_no_file_has_its_own_words() {
    let served = served_with(|config| config.url_limit_mb = 1).await;
    let page = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>";
    let mut long_page = page.to_vec();
    long_page.resize(100_000, b' ');
    let large = vec![0; 1_000_001];
    let unannounced = [b"HTTP/1.0 200 OK\r\n\r\nPK\x03\x04".to_vec(), large.clone()].concat();
    let announced = response("200 OK", &[("Content-Length", "5000000000")], b"PK");
    for (path, answer, word) in [
        ("/a.zip", response("404 Not Found", &[], b"x"), "There is no such file on 127.0.0.1 (HTTP status 404)"),
        ("/a.zip", response("410 Gone", &[], b""), "HTTP status 410"),
        ("/a.zip", response("403 Forbidden", &[], b""), "the link may have expired"),
        ("/a.zip", response("401 Unauthorized", &[], b""), "wants a user and a password"),
        ("/a.zip", response("500 Oh", &[], b""), "HTTP status 500"),
        ("/a.zip", response("418 Teapot", &[], b""), "HTTP status 418"),
        ("/a.zip", response("200 OK", &[("Content-Type", "application/zip")], page), "gives a web page (“Sign in”)"),
        ("/a", response("200 OK", &[], &long_page), "Use the direct link"),
        ("/a.zip", response("200 OK", &[], b""), "gives an empty file"),
        ("/a.zip", announced, "has 5.0 GB or more"),
        ("/a.zip", unannounced, "fetches at most 1.0 MB"),
        ("/a.dump", response("200 OK", &[], b"--\n-- PostgreSQL database dump\n"), "plain SQL"),
        ("/a.zip", response("200 OK", &[], b"PGDMP\x01"), "ends in .dump"),
        ("/a.tgz", response("200 OK", &[], b"\x1f\x8b\x08"), "packed with gzip"),
        ("/a.zip", response("302 Found", &[], b""), "it names none"),
        ("/a.zip", response("302 Found", &[("Location", "file:///etc/passwd")], b""), "must begin with http"),
        ("/a.zip", response("302 Found", &[("Location", "/a.zip")], b""), "leads on more than 5 times"),
        ("/a.zip", Vec::new(), "closed the connection without an answer"),
    ] {
        let origin = Origin::start(move |_, _| Act::Send(answer.clone())).await;
        must_fail(&served, &origin.url(path), FailureCode::Fetch, word).await;
    }
    let origin = Origin::start(|_, asked| Act::Send(ranged(&TINY[..300_000], asked, "\"1\""))).await;
    must_fail(&served, &origin.url("/cut.zip"), FailureCode::Incomplete, "no whole zip").await;
}

#[tokio::test]
async fn a_name_without_a_format_leaves_it_to_the_content() {
    let served = served().await;
    let origin = Origin::start(|_, asked| Act::Send(ranged(TINY, asked, "\"1\""))).await;
    let job = import(&served, &origin.url("/download?id=7")).await;
    assert_eq!(job.backup.unwrap().format, BackupFormat::Zip);
    let asked = run(&served.client, REPOSITORY, &of(&origin.url("/download"), Some("mine.dump"))).await;
    assert!(asked.failure.unwrap().message.contains("ends in .zip"), "the name that was asked for counts");
}

#[tokio::test]
async fn a_stalled_server_is_told_and_a_cancelled_fetch_leaves_nothing() {
    let served = served_with(|config| config.stall_seconds = 1).await;
    let origin = Origin::start(|number, asked| {
        let whole = ranged(TINY, asked, "\"1\"");
        Act::Stall(if number == 0 { whole[..100_000].to_vec() } else { Vec::new() })
    })
    .await;
    must_fail(&served, &origin.url("/a.zip"), FailureCode::Stalled, "is too slow: after 0.0 MB").await;

    // What trickles is no better, though something arrives all the time.
    let origin = Origin::start(|_, asked| Act::Trickle(ranged(TINY, asked, "\"1\""))).await;
    must_fail(&served, &origin.url("/a.zip"), FailureCode::Stalled, "is too slow: only ").await;
    assert_eq!(origin.asked().len(), 6);

    let patient = served_with(|_| ()).await;
    let origin = Origin::start(|_, asked| Act::Stall(ranged(TINY, asked, "\"1\"")[..100_000].to_vec())).await;
    let start = of(&origin.url("/a.zip"), None);
    patient.client.start_import(REPOSITORY, &start).await.unwrap();
    let arriving = |job: &Job| job.phase == Phase::Fetching && job.progress.done_bytes > 0;
    let job = until(&patient.client, start.job, arriving).await;
    assert_eq!(job.progress.total_bytes, Some(TINY.len() as u64));
    patient.client.cancel_job(start.job).await.unwrap();
    let job = until(&patient.client, start.job, |job| job.state.is_final()).await;
    assert_eq!(job.state, JobState::Cancelled);
    assert!(patient.staged().is_empty());
}

#[tokio::test]
async fn an_import_that_has_no_place_or_gives_it_up_leaves_no_note() {
    let served = served_with(|config| config.jobs = 1).await;
    let origin = Origin::start(|_, asked| Act::Stall(ranged(TINY, asked, "\"1\"")[..100_000].to_vec())).await;
    let first = of(&origin.url("/a.zip"), None);
    served.client.start_import(REPOSITORY, &first).await.unwrap();
    until(&served.client, first.job, |job| job.progress.done_bytes > 0).await;
    let notes = || {
        let files = files_in(&served.data.join("fetches"));
        files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "json")).count()
    };
    assert_eq!(notes(), 1);
    let twin = StartImport { backup: first.backup, ..of(&origin.url("/b.zip"), None) };
    let refused = served.client.start_import(REPOSITORY, &twin).await.unwrap_err();
    assert!(refused.refusal().unwrap().message.contains("Another job makes this backup"), "{refused}");
    assert_eq!(notes(), 1, "what was asked for in vain is not kept");

    let waiting = of(&origin.url("/c.zip"), None);
    served.client.start_import(REPOSITORY, &waiting).await.unwrap();
    assert_eq!(notes(), 2);
    let cancelled = served.client.cancel_job(waiting.job).await.unwrap();
    assert_eq!((cancelled.state, notes()), (JobState::Cancelled, 1));
    served.client.cancel_job(first.job).await.unwrap();
    until(&served.client, first.job, |job| job.state.is_final()).await;
    assert_eq!(notes(), 0);
}

#[tokio::test]
async fn addresses_that_only_this_server_reaches_are_refused_at_each_step() {
    let strict = Served::start().await;
    let origin = Origin::start(|_, asked| Act::Send(ranged(TINY, asked, "\"1\""))).await;
    for host in ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let url = format!("http://{host}:{}/a.zip", origin.port);
        must_fail(&strict, &url, FailureCode::Fetch, "may not be dialled").await;
    }
    for address in ["10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "[fd00::1]", "[fe80::1]"]
    {
        must_fail(&strict, &format!("http://{address}/a.zip"), FailureCode::Fetch, "may not be dialled").await;
    }
    assert_eq!(origin.asked().len(), 0);

    // Only one address is allowed; the other is behind a redirect of it.
    let served = served_with(|config| config.allowed_url_ranges = vec!["127.0.0.1".to_owned()]).await;
    let to = format!("http://127.0.0.2:{}/a.zip", origin.port);
    let leading = Origin::start(move |_, _| Act::Send(response("302 Found", &[("Location", &to)], b""))).await;
    must_fail(&served, &leading.url("/a.zip"), FailureCode::Fetch, "127.0.0.2 is a loopback address").await;
    assert_eq!((leading.asked().len(), origin.asked().len()), (1, 0));
    let closed = origin.port;
    drop(origin);
    must_fail(&served, &format!("http://127.0.0.1:{closed}/a.zip"), FailureCode::Fetch, "cannot be reached").await;
    must_fail(&served, "http://nowhere.invalid/a.zip", FailureCode::Fetch, "cannot be resolved").await;
}

#[tokio::test]
async fn what_is_no_address_is_refused_at_once() {
    let served = served().await;
    for (url, name, word) in [
        ("acme.zip", None, "invalid"),
        ("ftp://u:secret@example.com/a.zip", None, "http:// or https://"),
        ("file:///etc/passwd", None, "http:// or https://"),
        ("https://example.com/a", Some("a.tar"), ".zip or .dump"),
    ] {
        let refused = served.client.start_import(REPOSITORY, &of(url, name)).await;
        let Err(ClientError::Refused(error)) = refused else { panic!("{url} was taken") };
        assert_eq!(error.code, ErrorCode::Invalid);
        assert!(error.message.contains(word) && !error.message.contains("secret"), "{}", error.message);
    }
    assert_eq!(served.client.server().await.unwrap().url_limit_bytes, Some(100_000_000_000));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_and_http_behind_https_are_told_apart() {
    let served = served().await;
    let plain = Origin::start(|_, _| Act::Send(response("400 Bad", &[], b""))).await;
    let url = plain.url("/a.zip").replace("http://", "https://");
    must_fail(&served, &url, FailureCode::Fetch, "speaks http only").await;

    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no openssl program to make a certificate with");
        return;
    }
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", "127.0.0.1:0", "-www", "-key"]).arg(&key).arg("-cert").arg(&certificate);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut child = Running(child);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let port = lines
        .find_map(|line| line.unwrap().strip_prefix("ACCEPT ").map(|at| at.rsplit(':').next().unwrap().to_owned()));
    let url = format!("https://127.0.0.1:{}/a.zip", port.unwrap());
    must_fail(&served, &url, FailureCode::Fetch, "certificate of 127.0.0.1 is not accepted").await;
}
