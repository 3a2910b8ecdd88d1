//! Every server function and route asks who is there; this table holds all of them.

use holdfast::{
    alerts::api as alerts,
    backup_servers::api as servers,
    backups::api as backups,
    dashboard::api as dashboard,
    error::AppError,
    history::api as history,
    operations::api as operations,
    restores::api as restores,
    retention::api as retention,
    schedules::api as schedules,
    subscriptions::api as subscriptions,
    uploads::api as uploads,
    users::{Role, api as users},
};
use leptos::server_fn::{ServerFn, axum::server_fn_paths};
use reqwest::StatusCode;

use crate::{
    browser::{Browser, Form},
    stage::Stage,
};

on_both_databases!(each_function_and_route_is_open_to_its_role_and_higher_ones_only);

const ID: &str = "0193a5b0-0000-7000-8000-000000000000";
const SERVER: Form<'static> = &[("input[name]", ""), ("input[url]", ""), ("input[token]", "")];
const SUBSCRIPTION: Form<'static> = &[
    ("input[name]", ""),
    ("input[database]", ""),
    ("input[connection]", "postgres"),
    ("input[daily]", "1"),
    ("input[weekly]", "1"),
    ("input[monthly]", "1"),
    ("input[keep_latest]", "1"),
];
const LIST: Form<'static> =
    &[("query[search]", ""), ("query[sort]", "name"), ("query[descending]", "false"), ("query[page]", "0")];
const LINES: Form<'static> = &[
    ("subscription", ID),
    ("query[search]", ""),
    ("query[filter]", "all"),
    ("query[sort]", "created"),
    ("query[reversed]", "false"),
    ("query[page]", "0"),
];

/// Path, form, and the role that it takes; `None` is open to everybody.
type Door = (&'static str, Form<'static>, Option<Role>);

fn doors() -> Vec<Door> {
    use Role::{Administrator, Operator, Viewer};
    vec![
        (users::CurrentUser::PATH, &[], None),
        (
            users::SetUp::PATH,
            &[("token", ""), ("name", "A"), ("email", "a@b.c"), ("password", "long enough for it")],
            None,
        ),
        (users::SetUpIsOpen::PATH, &[("token", "")], None),
        (users::SignIn::PATH, &[("email", "a@b.c"), ("password", "x")], None),
        (subscriptions::ListSubscriptions::PATH, LIST, Some(Viewer)),
        (subscriptions::GetSubscription::PATH, &[("id", ID)], Some(Viewer)),
        (dashboard::GetOverview::PATH, &[], Some(Viewer)),
        (history::GetHistory::PATH, &[("id", ID)], Some(Viewer)),
        (servers::ListServers::PATH, &[], Some(Viewer)),
        (servers::GetServer::PATH, &[("id", ID)], Some(Viewer)),
        (backups::ListLines::PATH, LINES, Some(Viewer)),
        (operations::ListOperations::PATH, &[], Some(Viewer)),
        (operations::GetOperation::PATH, &[("id", ID)], Some(Viewer)),
        (operations::OperationLog::PATH, &[("id", ID)], Some(Viewer)),
        (operations::ListActions::PATH, &[], Some(Viewer)),
        (schedules::GetFormFacts::PATH, &[], Some(Viewer)),
        (schedules::PreviewPlan::PATH, SUBSCRIPTION, Some(Viewer)),
        (alerts::ListChannels::PATH, &[], Some(Viewer)),
        (alerts::GetChannel::PATH, &[("id", ID)], Some(Viewer)),
        (alerts::ChannelTroubles::PATH, &[], Some(Viewer)),
        (alerts::GetRules::PATH, &[], Some(Viewer)),
        (alerts::ListDeliveries::PATH, &[], Some(Viewer)),
        (alerts::GetDelivery::PATH, &[("id", ID)], Some(Viewer)),
        (alerts::GetOverride::PATH, &[("subscription", ID)], Some(Viewer)),
        (alerts::SendAgain::PATH, &[("id", ID)], Some(Operator)),
        (alerts::SaveChannel::PATH, &[("input[name]", "")], Some(Administrator)),
        (alerts::DeleteChannel::PATH, &[("id", ID)], Some(Administrator)),
        (alerts::TestChannel::PATH, &[("id", ID)], Some(Administrator)),
        (alerts::SaveRules::PATH, &[], Some(Administrator)),
        (alerts::TestPing::PATH, &[("subscription", ID)], Some(Administrator)),
        (alerts::SaveOverride::PATH, &[("input[subscription]", ID)], Some(Administrator)),
        (backups::CreateBackup::PATH, &[("subscription", ID)], Some(Operator)),
        (backups::BackUpNow::PATH, &[], Some(Operator)),
        (retention::ApplyRetention::PATH, &[("subscription", ID)], Some(Operator)),
        (backups::DownloadLink::PATH, &[("line", ID)], Some(Operator)),
        (backups::SetComment::PATH, &[("line", ID)], Some(Operator)),
        (backups::SetPinned::PATH, &[("line", ID)], Some(Operator)),
        (backups::VerifyBackups::PATH, &[("subscription", ID)], Some(Operator)),
        (backups::DeleteLine::PATH, &[("line", ID)], Some(Operator)),
        (restores::Preflight::PATH, &[("line", ID)], Some(Operator)),
        (restores::Restore::PATH, &[("line", ID)], Some(Operator)),
        (restores::UndoRestore::PATH, &[("operation", ID)], Some(Operator)),
        (uploads::GetImportSetting::PATH, &[("subscription", ID)], Some(Operator)),
        (uploads::ImportUpload::PATH, &[("subscription", ID), ("upload", ID)], Some(Operator)),
        (uploads::ImportUrl::PATH, &[("subscription", ID)], Some(Operator)),
        (operations::CancelOperation::PATH, &[("id", ID)], Some(Operator)),
        (subscriptions::SaveSubscription::PATH, SUBSCRIPTION, Some(Administrator)),
        (subscriptions::DeleteSubscription::PATH, &[("id", ID)], Some(Administrator)),
        (subscriptions::TestConnection::PATH, SUBSCRIPTION, Some(Administrator)),
        (servers::SaveServer::PATH, SERVER, Some(Administrator)),
        (servers::DeleteServer::PATH, &[("id", ID)], Some(Administrator)),
        (servers::TestServer::PATH, SERVER, Some(Administrator)),
        (backups::ShowRecoveryKits::PATH, &[("subscription", ID)], Some(Administrator)),
        // Last: it ends the session.
        (users::SignOut::PATH, &[], Some(Viewer)),
    ]
}

async fn each_function_and_route_is_open_to_its_role_and_higher_ones_only(stage: Stage) {
    let doors = doors();
    let mut known: Vec<&str> = doors.iter().map(|(path, ..)| *path).collect();
    let mut all: Vec<&str> = server_fn_paths().map(|(path, _)| path).collect();
    known.sort_unstable();
    all.sort_unstable();
    assert_eq!(known, all, "every server function is in the table");

    check(&stage.browser(), None, &doors).await;
    for role in [Role::Viewer, Role::Operator, Role::Administrator] {
        check(&stage.signed_in(role).await, Some(role), &doors).await;
    }
}

async fn check(browser: &Browser, role: Option<Role>, doors: &[Door]) {
    let download = browser.get(&format!("/lines/{ID}/download")).await.status();
    let expected = match role {
        None => StatusCode::UNAUTHORIZED,
        Some(Role::Viewer) => StatusCode::FORBIDDEN,
        Some(_) => StatusCode::NOT_FOUND,
    };
    let upload = browser.request(reqwest::Method::HEAD, &format!("/uploads/{ID}"));
    let upload = upload.header("Tus-Resumable", "1.0.0").send().await.unwrap().status();
    assert_eq!(upload, expected, "upload as {role:?}");
    assert_eq!(download, expected, "download as {role:?}");
    let events = browser.get("/events/operations").await.status();
    assert_eq!(events, if role.is_some() { StatusCode::OK } else { StatusCode::UNAUTHORIZED }, "events as {role:?}");
    for (path, form, needed) in doors {
        let answer = browser.post(path, form).await;
        let status = answer.status();
        let body = answer.text().await.unwrap();
        let error = serde_json::from_str::<AppError>(&body).ok().filter(|_| !status.is_success());
        match (needed, role) {
            (Some(_), None) => {
                assert_eq!((status, error), (StatusCode::UNAUTHORIZED, Some(AppError::SignedOut)), "{path}");
            }
            (Some(needed), Some(role)) if role < *needed => {
                let forbidden = AppError::Forbidden { needed: needed.as_str().to_owned() };
                assert_eq!((status, error), (StatusCode::FORBIDDEN, Some(forbidden)), "{path} as {role:?}");
            }
            _ => {
                let refused =
                    matches!(error, Some(AppError::SignedOut | AppError::Forbidden { .. } | AppError::Transport(_)));
                assert!(!refused, "{path} as {role:?}: {body}");
                assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path} as {role:?}: {body}");
            }
        }
    }
}
