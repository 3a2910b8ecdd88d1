//! Real dumps become the same database again; damaged ones are refused.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use backup_api::FailureCode;
use backup_server::restores::replay::{self, failure_of, plain_of_custom};
use futures::StreamExt;
use testbed::Cluster;
use tokio_util::sync::CancellationToken;

use crate::support::{
    assert_same, connect, dump_of, pg_dump, replay_into, scratch, sql_of, stream_of, tiny, tool, tool_whose_pg_restore,
};

/// Larger and damaged fixtures, where there are some.
fn shared(name: &str) -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("HOLDFAST_FIXTURES")?;
    Some(Path::new(&folder).join(name)).filter(|path| path.exists())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_becomes_the_database_that_psql_makes_of_it() {
    let cluster = Cluster::shared();
    let data = tempfile::tempdir().unwrap();
    testbed::restore_fixture(cluster, "replay_tiny_psql", data.path()).unwrap();
    let (dump, database) = (tiny(), scratch("replay_tiny"));

    let heard = AtomicU64::new(0);
    let mut connection = connect("odoo", database).await;
    let cancel = CancellationToken::new();
    let on_bytes = |bytes| heard.store(bytes, Ordering::Relaxed);
    let replayed = replay::replay(stream_of(&dump), &mut connection, on_bytes, &cancel).await.unwrap();

    assert_eq!(heard.load(Ordering::Relaxed), dump.len() as u64);
    assert_eq!(replayed.notes, Vec::<String>::new());
    assert_same("replay_tiny_psql", database);
    // The settings of the dump are gone: neutralizing needs the usual search path.
    let path: String = sqlx::query_scalar("SHOW search_path").fetch_one(&mut connection).await.unwrap();
    assert_eq!(path, "\"$user\", public");
    let counted = replay::compare(&mut connection, &replayed.contents).await.unwrap();
    assert!(counted.tables > 100 && counted.rows > 1000, "{counted:?}");
    assert_eq!(counted.rows, replayed.contents.rows());
    let read = replay::read(stream_of(&dump), |_| (), &cancel).await.unwrap();
    assert_eq!(read, replayed.contents);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_dump_and_one_with_inserts_are_replayed_too() {
    let data = tempfile::tempdir().unwrap();
    testbed::restore_fixture(Cluster::shared(), "replay_forms_psql", data.path()).unwrap();
    let cancel = CancellationToken::new();
    let custom = pg_dump("replay_forms_psql", &["--format=custom"]);
    let plain = plain_of_custom(&tool(), stream_of(&custom), &cancel);
    let from_custom = replay_into(scratch("replay_custom"), plain).await.unwrap();
    assert_same("replay_forms_psql", "replay_custom");

    let inserts = pg_dump("replay_forms_psql", &["--inserts", "--rows-per-insert=7"]);
    let from_inserts = replay_into(scratch("replay_inserts"), stream_of(&inserts)).await.unwrap();
    assert_same("replay_forms_psql", "replay_inserts");
    assert_eq!(from_inserts.contents, from_custom.contents);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_dump_that_is_damaged_ends_in_an_error() {
    let data = tempfile::tempdir().unwrap();
    testbed::restore_fixture(Cluster::shared(), "replay_damaged_psql", data.path()).unwrap();
    let custom = pg_dump("replay_damaged_psql", &["--format=custom"]);
    let cancel = CancellationToken::new();
    for cut in [100, custom.len() / 2, custom.len() - 3000] {
        let plain = plain_of_custom(&tool(), stream_of(&custom[..cut]), &cancel);
        let failure = replay::read(plain, |_| (), &cancel).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Incomplete, "cut at {cut}: {failure:?}");
    }
    let gone = "the disk is gone";
    let broken = stream_of(&custom[..50_000]).chain(futures::stream::iter([Err(std::io::Error::other(gone))]));
    let failure = replay::read(plain_of_custom(&tool(), Box::pin(broken), &cancel), |_| (), &cancel).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Storage);
    assert!(failure.message.contains(gone), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pg_restore_that_was_killed_does_not_condemn_the_backup() {
    let data = tempfile::tempdir().unwrap();
    testbed::restore_fixture(Cluster::shared(), "replay_killed_psql", data.path()).unwrap();
    let custom = pg_dump("replay_killed_psql", &["--format=custom"]);
    let cancel = CancellationToken::new();
    let killed = tool_whose_pg_restore(data.path(), "head -c 50000 >/dev/null; kill -9 $$");
    let failure =
        replay::read(plain_of_custom(&killed, stream_of(&custom), &cancel), |_| (), &cancel).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::PgDump);
    assert!(failure.message.contains("ended by signal 9") && !failure.message.contains("damaged"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_pg_restore_ends() {
    let cancel = CancellationToken::new();
    let never = futures::stream::pending();
    let mut plain = plain_of_custom(&tool(), Box::pin(never), &cancel);
    cancel.cancel();
    let failure = failure_of(plain.next().await.unwrap().unwrap_err());
    assert_eq!(failure.code, FailureCode::Cancelled);
    assert!(plain.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_dump_is_refused() {
    let dump = tiny();
    for (name, cut) in [("replay_cut_half", dump.len() / 2), ("replay_cut_end", dump.len() - 200)] {
        let failure = replay_into(scratch(name), stream_of(&dump[..cut])).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Incomplete, "{failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_row_fails_in_words_that_hold_no_data() {
    let dump = "CREATE TABLE public.a (n integer);\nCOPY public.a (n) FROM stdin;\n1\nsecret\n3\n\\.\n";
    let failure = replay_into(scratch("replay_bad_row"), stream_of(&dump_of(dump))).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Sql);
    for part in ["COPY \"public\".\"a\"", "invalid input syntax for type integer", "line 2, column n", "22P02"] {
        assert!(failure.message.contains(part), "{part} in {failure:?}");
    }
    assert!(!failure.message.contains("secret"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_a_replay() {
    let mut connection = connect("odoo", scratch("replay_cancelled")).await;
    let cancel = CancellationToken::new();
    let begun = dump_of("CREATE TABLE public.a (n integer);");
    let dump = stream_of(&begun).chain(futures::stream::pending());
    // The dump never ends; it is cancelled as soon as its bytes were read.
    let on_bytes = |_| cancel.cancel();
    let failure = replay::replay(Box::pin(dump), &mut connection, on_bytes, &cancel).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_tells_versions_and_extensions() {
    let dump = tiny();
    // What follows the first table is not read.
    let end = dump.windows(13).position(|bytes| bytes == b"\nCREATE TABLE").unwrap();
    let begin = stream_of(&dump[..end + 40_000]).chain(futures::stream::pending());
    let head = replay::head(Box::pin(begin)).await.unwrap();
    assert_eq!(head.server_version.as_deref(), Some("15.18"));
    assert_eq!(head.pg_dump_version.as_deref(), Some("15.18"));
    assert!(head.extensions.contains("pg_trgm"), "{head:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_differs_is_named() {
    let dump = "CREATE TABLE public.a (n integer);\nCREATE TABLE public.b (n integer);\nCREATE SEQUENCE public.s START WITH 1;\n\
                COPY public.a (n) FROM stdin;\n1\n2\n\\.\nSELECT pg_catalog.setval('public.s', 7, true);\n";
    let database = scratch("replay_compare");
    let expected = replay_into(database, stream_of(&dump_of(dump))).await.unwrap().contents;
    let mut connection = connect("odoo", database).await;
    let counted = replay::compare(&mut connection, &expected).await.unwrap();
    assert_eq!((counted.tables, counted.rows), (2, 2));
    for (change, back, named) in [
        ("DELETE FROM a WHERE n = 2", "INSERT INTO a VALUES (2)", "public.a has 1 rows instead of 2"),
        ("INSERT INTO b VALUES (2)", "DELETE FROM b", "public.b has 1 rows instead of 0"),
        ("CREATE TABLE c ()", "DROP TABLE c", "table public.c is not in the backup"),
        ("ALTER TABLE b RENAME TO d", "ALTER TABLE d RENAME TO b", "table public.b is missing"),
        ("SELECT setval('s', 8)", "SELECT setval('s', 7)", "public.s is at 8 instead of 7"),
        ("SELECT setval('s', 7, false)", "SELECT setval('s', 7)", "public.s"),
        ("CREATE SEQUENCE t", "DROP SEQUENCE t", "sequence public.t is not in the backup"),
    ] {
        Cluster::shared().sql(database, change).unwrap();
        let failure = replay::compare(&mut connection, &expected).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Mismatch);
        assert!(failure.message.contains(named), "{named} in {failure:?}");
        Cluster::shared().sql(database, back).unwrap();
    }
    replay::compare(&mut connection, &expected).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn larger_and_damaged_fixtures() {
    let cancel = CancellationToken::new();
    if let Some(zip) = shared("acme18_day2.zip") {
        let sql = sql_of(&zip);
        let replayed = replay_into(scratch("replay_acme"), stream_of(&sql)).await.unwrap();
        let mut connection = connect("odoo", "replay_acme").await;
        let counted = replay::compare(&mut connection, &replayed.contents).await.unwrap();
        assert!(counted.tables > 400, "{counted:?}");
        let again = pg_dump("replay_acme", &[]);
        let again = replay::read(stream_of(&again), |_| (), &cancel).await.unwrap();
        assert_eq!(again, replayed.contents);
    }
    for (name, code) in
        [("bad/tiny18_half_dumpsql.zip", FailureCode::Incomplete), ("bad/tiny18_broken_copy_row.zip", FailureCode::Sql)]
    {
        if let Some(zip) = shared(name) {
            let failure = replay_into(scratch("replay_bad"), stream_of(&sql_of(&zip))).await.unwrap_err();
            assert_eq!(failure.code, code, "{name}: {failure:?}");
        }
    }
    for name in ["bad/tiny18_truncated.dump", "bad/tiny18_truncated_toc_ok.dump"] {
        if let Some(dump) = shared(name) {
            let plain = plain_of_custom(&tool(), stream_of(&std::fs::read(dump).unwrap()), &cancel);
            let failure = replay_into(scratch("replay_bad"), plain).await.unwrap_err();
            assert_eq!(failure.code, FailureCode::Incomplete, "{name}: {failure:?}");
        }
    }
}
