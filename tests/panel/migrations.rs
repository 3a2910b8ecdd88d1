//! The SQLite file is copied before its tables change.

use holdfast::server::{Clock, Config, Panel, Randomness};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

#[tokio::test]
async fn a_copy_is_set_aside_before_tables_change_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("holdfast.sqlite");
    let copy = folder.path().join("before-1.sqlite");
    // As an older version would have left it: its table of migrations, and data of its own.
    let mut old = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&file).create_if_missing(true))
        .await
        .unwrap();
    for sql in [
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
             installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL,
             execution_time BIGINT NOT NULL)",
        "CREATE TABLE precious (words TEXT)",
        "INSERT INTO precious VALUES ('keep me')",
    ] {
        sqlx::query(sql).execute(&mut old).await.unwrap();
    }
    old.close().await.unwrap();

    let open = async || {
        let panel = Panel::open(Config::new(folder.path()), Clock::default(), Randomness::of_system()).await.unwrap();
        panel.db.close().await;
    };
    open().await;
    let mut set_aside = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&copy)).await.unwrap();
    let (words,): (String,) = sqlx::query_as("SELECT words FROM precious").fetch_one(&mut set_aside).await.unwrap();
    assert_eq!(words, "keep me");
    let users: Option<(i64,)> = sqlx::query_as("SELECT 1 FROM sqlite_master WHERE name = 'users'")
        .fetch_optional(&mut set_aside)
        .await
        .unwrap();
    assert_eq!(users, None, "copied before, not after");
    set_aside.close().await.unwrap();

    std::fs::remove_file(&copy).unwrap();
    open().await;
    assert!(!copy.exists(), "nothing changed, so nothing was copied");
}
