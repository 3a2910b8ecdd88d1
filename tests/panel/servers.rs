//! Backup servers: the list, the form, whether they answer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Json, Router, http::StatusCode, response::IntoResponse};
use backup_api::{ApiError, ErrorCode};
use chrono::TimeDelta;
use holdfast::{
    backup_servers::{
        Reach, ServerId,
        api::{DeleteServer, GetServer, ListServers, SaveServer, TestServer},
        reach,
    },
    error::AppError,
    operations::api::ListActions,
    users::Role,
};

use crate::{
    away::is_silent,
    double::{Held, Remote},
    restore_scene::backup,
    stage::Stage,
};

on_both_databases!(
    this_machine_is_there_and_answers,
    a_server_is_tested_before_it_is_saved,
    a_server_that_does_not_answer_says_since_when,
    a_server_in_use_is_not_deleted,
    a_server_that_is_gone_is_written_off_with_its_backups,
);

async fn this_machine_is_there_and_answers(stage: Stage) {
    let browser = stage.administrator().await;
    let listed = browser.call::<ListServers>(&[]).await.unwrap().servers;
    let [embedded] = listed.as_slice() else { panic!("{listed:?}") };
    assert!(embedded.embedded && embedded.name == "This machine" && embedded.url.is_empty());
    assert!(reach::ask(&stage.running().panel, embedded.id).await.unwrap());
    let id = embedded.id.0.to_string();
    let embedded = browser.call::<GetServer>(&[("id", &id)]).await.unwrap();
    assert!(matches!(embedded.reach, Reach::Reachable { .. }), "{embedded:?}");
    assert!(embedded.space.unwrap().total_bytes > 0 && embedded.version.is_some());
    let refused = browser.call::<DeleteServer>(&[("id", &id)]).await.unwrap_err();
    assert!(matches!(refused, AppError::Conflict(_)), "{refused:?}");
    let renamed = [("input[id]", id.as_str()), ("input[name]", "Here"), ("input[url]", ""), ("input[token]", "")];
    browser.call::<SaveServer>(&renamed).await.unwrap();
    assert_eq!(browser.call::<GetServer>(&[("id", &id)]).await.unwrap().name, "Here");
}

async fn a_server_is_tested_before_it_is_saved(stage: Stage) {
    let browser = stage.administrator().await;
    let remote = Remote::real(&stage.turned).await;
    let (url, panel) = (remote.url(), stage.url());
    let form = |name, url, token| [("input[name]", name), ("input[url]", url), ("input[token]", token)];
    for (field, name, url, token) in [
        ("name", " ", url.as_str(), remote.token.as_str()),
        ("url", "Far", "far.example", &remote.token),
        ("url", "Far", "http://127.0.0.1:1", &remote.token),
        ("url", "Far", &panel, &remote.token),
        ("token", "Far", &url, ""),
        ("token", "Far", &url, "not-the-token"),
    ] {
        let refused = browser.call::<SaveServer>(&form(name, url, token)).await.unwrap_err();
        assert!(refused.for_field(field).is_some(), "{field}: {refused:?}");
    }
    assert_eq!(browser.call::<ListServers>(&[]).await.unwrap().servers.len(), 1, "nothing of that was saved");
    let info = browser.call::<TestServer>(&form("Far", &url, &remote.token)).await.unwrap();
    assert!(info.space.total_bytes > 0);
    let id = remote.register(&browser, "Far").await;
    let taken = browser.call::<SaveServer>(&form("FAR", &url, &remote.token)).await.unwrap_err();
    assert!(taken.for_field("name").is_some(), "{taken:?}");

    let other = Held::default().remote().await;
    let moved =
        [("input[id]", id.as_str()), ("input[name]", "Far"), ("input[url]", &other.url()), ("input[token]", "")];
    let refused = browser.call::<SaveServer>(&moved).await.unwrap_err();
    assert!(refused.for_field("token").is_some(), "a stored token goes to no other address: {refused:?}");
    let kept = [("input[id]", id.as_str()), ("input[name]", "Farther"), ("input[url]", &url), ("input[token]", "")];
    browser.call::<SaveServer>(&kept).await.unwrap();
    let shown = serde_json::to_string(&browser.call::<ListServers>(&[]).await.unwrap()).unwrap();
    assert!(shown.contains("Farther") && !shown.contains(&remote.token));
    browser.call::<DeleteServer>(&[("id", &id)]).await.unwrap();
    let gone = browser.call::<GetServer>(&[("id", &id)]).await.unwrap_err();
    assert!(matches!(gone, AppError::NotFound { .. }));
}

async fn a_server_that_does_not_answer_says_since_when(stage: Stage) {
    let browser = stage.administrator().await;
    let mut remote = Held::default().remote().await;
    let id = remote.register(&browser, "Far").await;
    let server = ServerId(id.parse().unwrap());
    let reach_now = async || browser.call::<GetServer>(&[("id", &id)]).await.unwrap().reach;
    let Reach::Reachable { since } = reach_now().await else { panic!("it was just tested") };
    let panel = &stage.running().panel;
    assert!(reach::ask(panel, server).await.unwrap());
    assert_eq!(reach_now().await, Reach::Reachable { since }, "without a break");
    remote.shut().await;
    assert!(!reach::ask(panel, server).await.unwrap());
    let Reach::Unreachable { since, reason } = reach_now().await else { panic!("it is shut") };
    assert!(reason.contains("Far") && reason.contains("not affected"), "{reason}");
    assert!(!reach::ask(panel, server).await.unwrap());
    assert!(matches!(reach_now().await, Reach::Unreachable { since: still, .. } if still == since));
    remote.open().await;
    assert!(reach::ask(panel, server).await.unwrap());
    assert!(matches!(reach_now().await, Reach::Reachable { since: again } if again >= since));
}

async fn a_server_in_use_is_not_deleted(stage: Stage) {
    let browser = stage.administrator().await;
    let remote = Held::default().remote().await;
    let id = remote.register(&browser, "Far").await;
    let connection = [("input[connection]", "postgres"), ("input[postgres_url]", "postgres://odoo:secret@db/")];
    browser.add("Acme", "acme", &id, &connection).await;
    let refused = browser.call::<DeleteServer>(&[("id", &id)]).await.unwrap_err();
    assert!(matches!(&refused, AppError::Conflict(words) if words.contains("1 subscription")), "{refused:?}");
    assert_eq!(browser.call::<GetServer>(&[("id", &id)]).await.unwrap().subscriptions, 1);
}

/// Stands before a server that has another token by now, and then is gone itself.
#[derive(Clone, Default)]
struct Proxy(Arc<AtomicBool>);

impl Proxy {
    fn loses_its_server(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn router(&self) -> Router {
        let is_gone = Arc::clone(&self.0);
        let unauthorized = || ApiError { code: ErrorCode::Unauthorized, message: "Not this token.".to_owned() };
        Router::new().fallback(async move || {
            if is_gone.load(Ordering::Relaxed) {
                StatusCode::BAD_GATEWAY.into_response()
            } else {
                (StatusCode::UNAUTHORIZED, Json(unauthorized())).into_response()
            }
        })
    }
}

async fn a_server_that_is_gone_is_written_off_with_its_backups(stage: Stage) {
    let browser = stage.administrator().await;
    let (held, near) = (Held::default(), Held::default().remote().await);
    let mut remote = held.remote().await;
    let server = remote.register(&browser, "Far").await;
    let connection = [("input[connection]", "postgres"), ("input[postgres_url]", "postgres://odoo:secret@db/")];
    let id = browser.add("Acme", "acme", &server, &connection).await;
    held.set(vec![backup(1, "18.0"), backup(2, "18.0")]);
    stage.turned.forward(TimeDelta::minutes(2));
    assert_eq!((browser.lines(id).await.len(), browser.subscription(id).await.backup_count), (2, 2));
    let write_off = async |name: &str| browser.call::<DeleteServer>(&[("id", &server), ("typed_name", name)]).await;
    let in_use =
        |refused: &AppError| matches!(refused, AppError::Conflict(words) if words.contains("2 backup line(s)"));
    assert!(in_use(&write_off("Far").await.unwrap_err()), "a subscription is set to it");
    let near = near.register(&browser, "Near").await;
    assert_eq!(stage.number("SELECT COUNT(*) FROM backup_servers").await, 3);
    stage
        .sql("UPDATE subscriptions SET server_id = (SELECT id FROM backup_servers WHERE name = 'Near')")
        .await
        .unwrap();
    assert!(in_use(&write_off("Far").await.unwrap_err()), "it answers");
    remote.shut().await;
    is_silent(&stage, &server).await;
    for name in ["", "far", "Acme"] {
        let refused = write_off(name).await.unwrap_err();
        assert!(refused.for_field("typed_name").is_some(), "{name}: {refused:?}");
    }
    let page = browser.page(&format!("/backup-servers/{server}")).await.text().await.unwrap();
    assert!(page.contains("2 backup lines") && page.contains("Write off"), "{page}");
    let viewer = stage.signed_in(Role::Operator).await;
    let refused = viewer.call::<DeleteServer>(&[("id", &server), ("typed_name", "Far")]).await.unwrap_err();
    assert!(matches!(refused, AppError::Forbidden { .. }), "{refused:?}");
    let proxy = Proxy::default();
    remote.open_as(proxy.router()).await;
    let refused = write_off("Far").await.unwrap_err();
    assert!(matches!(&refused, AppError::Conflict(words) if words.contains("does not accept")), "{refused:?}");
    assert_eq!(browser.lines(id).await.len(), 2, "nothing of that removed one");

    proxy.loses_its_server();
    write_off("Far").await.unwrap();
    assert!(browser.lines(id).await.is_empty());
    let standing = browser.subscription(id).await;
    assert_eq!((standing.backup_count, standing.latest_bytes), (0, None));
    let servers = browser.call::<ListServers>(&[]).await.unwrap().servers;
    assert!(
        servers.iter().all(|known| known.name != "Far") && servers.iter().any(|known| known.id.0.to_string() == near)
    );
    let log = browser.call::<ListActions>(&[("subscription", &id.0.to_string())]).await.unwrap();
    assert!(log.entries.iter().any(|entry| entry.what.contains("Wrote off 2 backup line(s)")), "{log:?}");
}
