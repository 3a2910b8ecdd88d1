//! A subscription's figures are those of its lines, also when two changes cross.

use std::time::Duration;

use backup_api::Backup;
use chrono::TimeDelta;
use holdfast::backups::api::DeleteLine;
use sqlx::{Connection, PgConnection};

use crate::{
    double::Held,
    restore_scene::{DIRECT, backup},
    stage::{Database, Stage},
};

/// Of SQLite there is one writer; on PostgreSQL one change waits for the subscription's row while the other one ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_waited_for_another_one_counts_its_lines_too() {
    let stage = Stage::new(Database::Postgres).await;
    let browser = stage.administrator().await;
    let held = Held::default();
    let mut remote = held.remote().await;
    let id = browser.add("Acme", "acme", &remote.register(&browser, "Far").await, &DIRECT).await;
    let now = stage.turned.now();
    let made = |number, days| Backup { created_at: now - TimeDelta::days(days), ..backup(number, "18.0") };
    held.set(vec![made(3, 1), made(2, 2), made(1, 3)]);
    let lines = browser.lines(id).await;
    assert_eq!(lines.len(), 3);
    // Of a failed backup there is only the line, so that no server is asked.
    remote.shut().await;
    stage.sql("UPDATE backup_lines SET result = 'failed' WHERE name = 'acme_1.zip'").await.unwrap();

    let mut other = PgConnection::connect(stage.config.database_url.as_ref().unwrap().reveal()).await.unwrap();
    for sql in [
        "BEGIN",
        "DELETE FROM backup_lines WHERE name = 'acme_3.zip'",
        "UPDATE subscriptions SET good_count = 1 WHERE name = 'Acme'",
    ] {
        sqlx::query(sql).execute(&mut other).await.unwrap();
    }
    let oldest = lines.iter().find(|line| line.name == "acme_1.zip").unwrap().id.0.to_string();
    let deleting = tokio::spawn({
        let browser = browser.clone();
        async move { browser.call::<DeleteLine>(&[("line", &oldest)]).await }
    });
    let waits = async {
        let question = "SELECT COUNT(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
                        WHERE NOT l.granted AND a.datname = current_database()";
        while sqlx::query_as::<_, (i64,)>(question).fetch_one(&mut other).await.unwrap().0 == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waits).await.expect("nothing waits");
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    deleting.await.unwrap().unwrap();
    let standing = browser.subscription(id).await;
    let latest = lines.iter().find(|line| line.name == "acme_2.zip").unwrap().created_at;
    assert_eq!((standing.backup_count, standing.standing.latest), (1, Some(latest)));
}
