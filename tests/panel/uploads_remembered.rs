//! Chunks are not asked for anew whose they are, each of them; what changes counts at once all the same, and what another
//! panel or a command changed within two seconds.

use chrono::TimeDelta;
use holdfast::{
    backup_servers::api::SaveServer,
    users::{
        Role,
        api::{CurrentUser, SetUp, SignOut},
        set_up,
    },
};

use crate::{
    receiver::Receiver,
    stage::Stage,
    uploads::{Scene, id_of, patch, refused},
};

on_both_databases!(
    who_signs_out_or_loses_the_session_uploads_nothing_more,
    a_chunk_goes_where_the_server_is_now,
    what_was_changed_from_outside_counts_soon,
);

/// Sends one byte, while time stands still: what is remembered would count for ever.
async fn send_one(scene: &Scene, path: &str) {
    scene.stage.turned.stop_at(scene.stage.turned.now());
    let offset = scene.receiver.bytes(id_of(path)).unwrap().len();
    assert_eq!(patch(&scene.operator, path, offset, b"x").send().await.unwrap().status(), 204);
}

async fn who_signs_out_or_loses_the_session_uploads_nothing_more(stage: Stage) {
    let scene = Scene::new(stage).await;
    let path = scene.begin("acme.zip", 20).await;
    send_one(&scene, &path).await;
    let cookie = scene.operator.cookie.lock().unwrap().clone();
    scene.operator.call::<SignOut>(&[]).await.unwrap();
    *scene.operator.cookie.lock().unwrap() = cookie;
    refused(patch(&scene.operator, &path, 1, b"x"), 401, "session").await;

    // Somebody who recovers the account ends all its sessions.
    let scene = Scene { operator: scene.stage.signed_in(Role::Operator).await, ..scene };
    let path = scene.begin("acme.zip", 20).await;
    send_one(&scene, &path).await;
    let email = scene.operator.call::<CurrentUser>(&[]).await.unwrap().unwrap().email;
    let link = set_up::recovery_link(&scene.stage.running().panel).await.unwrap();
    let form = [("token", link.as_str()), ("name", "Ada"), ("email", &email), ("password", "a new long password")];
    scene.stage.browser().call::<SetUp>(&form).await.unwrap();
    refused(patch(&scene.operator, &path, 1, b"x"), 401, "session").await;
    assert_eq!(scene.receiver.bytes(id_of(&path)).unwrap(), b"x");

    // Its own upload, cancelled meanwhile.
    let scene = Scene { operator: scene.stage.signed_in(Role::Operator).await, ..scene };
    let path = scene.begin("acme.zip", 20).await;
    send_one(&scene, &path).await;
    let cancel = patch(&scene.operator, &path, 1, b"");
    let mut cancel = cancel.build().unwrap();
    *cancel.method_mut() = reqwest::Method::DELETE;
    assert_eq!(scene.operator.http.execute(cancel).await.unwrap().status(), 204);
    refused(patch(&scene.operator, &path, 1, b"x"), 404, "Begin it again").await;
}

async fn a_chunk_goes_where_the_server_is_now(stage: Stage) {
    let scene = Scene::new(stage).await;
    let path = scene.begin("acme.zip", 20).await;
    send_one(&scene, &path).await;
    let elsewhere = Receiver::default().remote().await;
    let administrator = scene.stage.administrator().await;
    let (url, token) = (elsewhere.url(), elsewhere.token.as_str());
    let form =
        [("input[id]", scene.server.as_str()), ("input[name]", "Far"), ("input[url]", &url), ("input[token]", token)];
    administrator.call::<SaveServer>(&form).await.unwrap();
    refused(patch(&scene.operator, &path, 1, b"x"), 410, "It was removed").await;
    assert_eq!(scene.receiver.bytes(id_of(&path)).unwrap(), b"x", "nothing more went to the old address");
}

async fn what_was_changed_from_outside_counts_soon(stage: Stage) {
    let scene = Scene::new(stage).await;
    let path = scene.begin("acme.zip", 20).await;
    let turned = &scene.stage.turned;
    let change = async |sql: &'static str| {
        scene.stage.sql(sql).await.unwrap();
        turned.stop_at(turned.now() + TimeDelta::seconds(2));
    };
    send_one(&scene, &path).await;
    change("UPDATE users SET role = 'viewer' WHERE role = 'operator'").await;
    refused(patch(&scene.operator, &path, 1, b"x"), 403, "operator").await;
    change("UPDATE users SET role = 'operator' WHERE role = 'viewer'").await;
    send_one(&scene, &path).await;
    change("DELETE FROM sessions").await;
    refused(patch(&scene.operator, &path, 2, b"x"), 401, "session").await;
    assert_eq!(scene.receiver.bytes(id_of(&path)).unwrap(), b"xx");
}
