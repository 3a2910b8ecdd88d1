//! The panel as a browser sees it: a whole one over TCP, with a real backup server, on SQLite and on PostgreSQL.
#![cfg(feature = "ssr")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

/// Makes each test twice: with SQLite and with PostgreSQL.
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::stage::Stage::new(crate::stage::Database::Sqlite).await).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::stage::Stage::new(crate::stage::Database::Postgres).await).await;
            })+
        }
    };
}

mod action_log;
mod alerts;
mod away;
mod backups;
mod browser;
mod commands;
mod dashboard;
mod deletions;
mod double;
mod figures;
mod lines;
mod list;
mod metrics;
mod migrations;
mod pages;
mod planned;
mod receiver;
mod reconcile;
mod remover;
mod restart;
mod restore_scene;
mod restorer;
mod restores;
mod restores_ends;
mod restores_whole;
mod retention;
mod roles;
mod servers;
mod sign_in;
mod sorting;
mod stage;
mod subscriptions;
mod two_servers;
mod uploads;
mod uploads_imported;
mod uploads_remembered;
