//! Subscriptions: the form, its rules, secrets, and what is found again after a deletion.

use backup_api::ProblemCode;
use holdfast::{
    error::AppError,
    operations::api::ListActions,
    subscriptions::{
        ConnectionView, Retention,
        api::{DeleteSubscription, GetSubscription, SaveSubscription, TestConnection},
    },
};
use testbed::{
    Cluster,
    odoo::{Options, StandIn},
};

use crate::{
    browser::{Browser, KEPT},
    double::{Held, Remote},
    stage::{Stage, odoo_database},
};

on_both_databases!(
    a_subscription_is_added_changed_and_deleted,
    a_form_that_was_opened_before_another_was_saved_undoes_nothing,
    the_form_says_what_is_wrong_at_the_field,
    secrets_never_come_back_and_are_not_readable_in_the_database,
    a_connection_is_tested_with_the_stored_secrets,
    the_backup_uuid_is_assigned_once,
);

const HTTP: [(&str, &str); 3] = [
    ("input[connection]", "odoo_http"),
    ("input[odoo_url]", "https://odoo.example.com/"),
    ("input[master_password]", "master-s3cret"),
];

async fn save(browser: &Browser, fields: &[(&str, &str)]) -> Result<(), AppError> {
    let mut form = vec![("input[name]", "Acme"), ("input[database]", "acme")];
    form.extend(KEPT);
    form.extend(HTTP);
    for (name, value) in fields {
        form.retain(|(known, _)| known != name);
        form.push((name, value));
    }
    browser.call::<SaveSubscription>(&form).await.map(drop)
}

async fn a_subscription_is_added_changed_and_deleted(stage: Stage) {
    let browser = stage.administrator().await;
    let id = browser.add("Acme GmbH", "acme", "", &HTTP).await;
    let added = browser.subscription(id).await;
    assert_eq!((added.name.as_str(), added.database.as_str()), ("Acme GmbH", "acme"));
    assert_eq!(
        added.connection,
        ConnectionView::OdooHttp { url: "https://odoo.example.com".into(), has_master_password: true }
    );
    assert_eq!(added.retention, Retention { daily: 7, weekly: 2, monthly: 1, keep_latest: 7 });
    assert_eq!((added.server, added.backup_uuid), (None, None));

    let text = id.0.to_string();
    save(
        &browser,
        &[("input[id]", &text), ("input[name]", "Acme AG"), ("input[master_password]", ""), ("input[daily]", "14")],
    )
    .await
    .unwrap();
    let changed = browser.subscription(id).await;
    assert_eq!((changed.name.as_str(), changed.retention.daily), ("Acme AG", 14));
    assert!(matches!(changed.connection, ConnectionView::OdooHttp { has_master_password: true, .. }));

    browser.call::<DeleteSubscription>(&[("id", &text)]).await.unwrap();
    let gone = browser.call::<GetSubscription>(&[("id", &text)]).await.unwrap_err();
    assert!(matches!(gone, AppError::NotFound { .. }));
    assert_eq!(browser.page(&format!("/subscriptions/{text}")).await.status(), 404);
    let log = browser.call::<ListActions>(&[("subscription", &text)]).await.unwrap();
    let told: Vec<&str> = log.entries.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(told, ["Deleted the subscription", "Changed the subscription", "Added the subscription"]);
    assert!(log.entries.iter().all(|entry| entry.subscription.is_none() && entry.who == "Ada Example"));
}

async fn a_form_that_was_opened_before_another_was_saved_undoes_nothing(stage: Stage) {
    let browser = stage.administrator().await;
    let id = browser.add("Acme", "acme", "", &HTTP).await;
    let (text, opened) = (id.0.to_string(), browser.subscription(id).await.revision.to_string());
    let saved = async |changes: &[(&str, &str)]| {
        let mut fields = vec![("input[id]", text.as_str()), ("input[revision]", opened.as_str())];
        fields.extend(changes);
        save(&browser, &fields).await
    };
    saved(&[("input[daily]", "14")]).await.unwrap();
    let refused = saved(&[("input[name]", "Acme AG")]).await.unwrap_err();
    assert!(matches!(&refused, AppError::Conflict(why) if why.contains("reload the page")), "{refused:?}");
    let there = browser.subscription(id).await;
    assert_eq!((there.name.as_str(), there.retention.daily), ("Acme", 14));
    save(
        &browser,
        &[("input[id]", &text), ("input[revision]", &there.revision.to_string()), ("input[name]", "Acme AG")],
    )
    .await
    .unwrap();
    assert_eq!(browser.subscription(id).await.name, "Acme AG");
}

async fn the_form_says_what_is_wrong_at_the_field(stage: Stage) {
    let browser = stage.administrator().await;
    for (field, fields) in [
        ("name", &[("input[name]", " ")][..]),
        ("database", &[("input[database]", "../etc")]),
        ("database", &[("input[database]", "")]),
        ("server", &[("input[server]", "not-a-server")]),
        ("server", &[("input[server]", "0193a5b0-0000-7000-8000-000000000000")]),
        ("connection", &[("input[connection]", "telepathy")]),
        ("odoo_url", &[("input[odoo_url]", "odoo.example.com")]),
        ("odoo_url", &[("input[odoo_url]", "https://user:pw@odoo.example.com")]),
        ("master_password", &[("input[master_password]", "")]),
        ("postgres_url", &[("input[connection]", "postgres")]),
        ("postgres_url", &[("input[connection]", "postgres"), ("input[postgres_url]", "mysql://a@b")]),
        (
            "filestore",
            &[
                ("input[connection]", "postgres"),
                ("input[postgres_url]", "postgres://odoo@db/"),
                ("input[filestore]", "srv/filestore"),
            ],
        ),
        ("keep_latest", &[("input[keep_latest]", "0")]),
        ("daily", &[("input[daily]", "1001")]),
    ] {
        let refused = save(&browser, fields).await.unwrap_err();
        assert!(refused.for_field(field).is_some(), "{fields:?}: {refused:?}");
    }
    save(&browser, &[]).await.unwrap();
    let twice = save(&browser, &[("input[name]", "ACME")]).await.unwrap_err();
    assert!(twice.for_field("name").is_some(), "{twice:?}");
    save(&browser, &[("input[database]", "acme-test")]).await.unwrap();
}

async fn secrets_never_come_back_and_are_not_readable_in_the_database(stage: Stage) {
    let browser = stage.administrator().await;
    let http = browser.add("Acme", "acme", "", &HTTP).await;
    let direct =
        [("input[connection]", "postgres"), ("input[postgres_url]", "postgres://odoo:pg-s3cret@db.example.com/")];
    let direct = browser.add("Direct", "direct", "", &direct).await;
    for id in [http, direct] {
        let text = id.0.to_string();
        for path in [format!("/subscriptions/{text}"), "/subscriptions".to_owned(), "/action-log".to_owned()] {
            let page = browser.page(&path).await.text().await.unwrap();
            assert!(!page.contains("s3cret"), "{path}");
        }
        let told = serde_json::to_string(&browser.subscription(id).await).unwrap();
        assert!(!told.contains("s3cret"), "{told}");
    }
    let view = browser.subscription(direct).await.connection;
    assert!(
        matches!(view, ConnectionView::Postgres { redacted_url, .. } if redacted_url == "postgres://odoo:…@db.example.com/")
    );
    for file in std::fs::read_dir(&stage.config.data).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(6).any(|part| part == b"s3cret"), "{}", path.display());
        }
    }
    // A stored password goes only where it was entered for.
    let moved = [
        ("input[id]", http.0.to_string()),
        ("input[odoo_url]", "https://evil.example".to_owned()),
        ("input[master_password]", String::new()),
    ];
    let moved: Vec<(&str, &str)> = moved.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = save(&browser, &moved).await.unwrap_err();
    assert!(refused.for_field("master_password").is_some(), "{refused:?}");
}

async fn a_connection_is_tested_with_the_stored_secrets(stage: Stage) {
    let browser = stage.administrator().await;
    let database = odoo_database();
    let cluster = Cluster::shared();
    let id = browser.add_direct("Tiny", &database, "").await.0.to_string();
    let filestore = database.filestore.to_string_lossy();
    let mut form = vec![
        ("input[id]", id.as_str()),
        ("input[name]", ""),
        ("input[database]", &database.name),
        ("input[connection]", "postgres"),
        ("input[postgres_url]", ""),
        ("input[filestore]", &filestore),
    ];
    form.extend(KEPT);
    let report = browser.call::<TestConnection>(&form).await.unwrap();
    assert!(report.is_usable(), "{report:?}");
    assert_eq!(report.odoo_version.as_deref(), Some("18.0"));
    assert!(report.attachment_count > Some(0));

    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    let url = odoo.url();
    let mut form = vec![
        ("input[name]", ""),
        ("input[database]", database.name.as_str()),
        ("input[connection]", "odoo_http"),
        ("input[odoo_url]", &url),
        ("input[master_password]", "not-the-password"),
    ];
    form.extend(KEPT);
    let report = browser.call::<TestConnection>(&form).await.unwrap();
    let codes: Vec<ProblemCode> = report.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [ProblemCode::WrongMasterPassword], "{report:?}");
}

async fn the_backup_uuid_is_assigned_once(stage: Stage) {
    let browser = stage.administrator().await;
    let remote = Remote::real(&stage.turned).await;
    let first = remote.register(&browser, "First").await;
    let second = Held::default().remote().await.register(&browser, "Second").await;
    let id = browser.add("Acme", "acme", "", &HTTP).await;
    let text = id.0.to_string();
    let set = async |server: &str| {
        save(&browser, &[("input[id]", &text), ("input[server]", server)]).await.unwrap();
        browser.subscription(id).await.backup_uuid
    };
    let assigned = set(&first).await;
    assert!(assigned.is_some());
    assert_eq!(set(&second).await, assigned);
    assert_eq!(set("").await, assigned);
    assert_eq!(set(&first).await, assigned);
}
