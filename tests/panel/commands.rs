//! The command line, as scripts use it.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use holdfast::{
    backup_servers::api::ListServers,
    backups::api::BackUpNow,
    error::AppError,
    operations::api::ListActions,
    subscriptions::{ConnectionView, ListQuery, list},
    users::api::SetUpIsOpen,
};

use crate::{browser::Browser, stage::Stage};

on_both_databases!(
    subscriptions_and_people_are_added_without_the_pages,
    people_are_changed_and_removed_without_the_pages,
    the_program_serves_and_ends_when_asked,
);

fn holdfast(stage: &Stage, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(arguments).arg("--data").arg(&stage.config.data);
    if let Some(url) = &stage.config.database_url {
        command.env("DATABASE_URL", url.reveal());
    }
    command
}

/// What a command prints; it must succeed.
fn told(mut command: Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

async fn subscriptions_and_people_are_added_without_the_pages(stage: Stage) {
    let direct =
        ["add-subscription", "--name", "Direct", "--database", "acme", "--postgres-url", "postgres://odoo:pw@db/"];
    assert!(told(holdfast(&stage, &direct)).starts_with("Added"));
    assert!(told(holdfast(&stage, &direct)).contains("there already"), "once is enough");
    let http = ["add-subscription", "--name", "Odoo", "--database", "acme", "--odoo-url", "http://odoo:8069"];
    let mut http = holdfast(&stage, &http);
    http.env("HOLDFAST_MASTER_PASSWORD", "master");
    told(http);
    let page = list::page(&stage.running().panel, &ListQuery::default()).await.unwrap();
    let names: Vec<&str> = page.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["Direct", "Odoo"]);
    assert!(page.rows.iter().all(|row| row.server.as_deref() == Some("This machine")));

    let link = told(holdfast(&stage, &["set-up-link"]));
    let token = link.trim().rsplit('/').next().unwrap();
    assert!(stage.browser().call::<SetUpIsOpen>(&[("token", token)]).await.unwrap());
    let mut person =
        holdfast(&stage, &["add-user", "--name", "Eve", "--email", "eve@example.com", "--role", "administrator"]);
    person.env("HOLDFAST_PASSWORD", "a long enough password");
    told(person);
    let browser = stage.browser();
    browser.sign_in("eve@example.com", "a long enough password").await.unwrap();
    let view = browser.subscription(page.rows[0].id).await.connection;
    assert!(matches!(view, ConnectionView::Postgres { redacted_url, .. } if redacted_url == "postgres://odoo:…@db/"));
    assert!(told(holdfast(&stage, &["set-up-link"])).contains("--reset"), "there is somebody now");
    assert!(told(holdfast(&stage, &["set-up-link", "--reset"])).contains("/set-up/"));
    let wrong =
        holdfast(&stage, &["add-user", "--name", "E", "--email", "e@e", "--role", "king", "--password", "x"]).output();
    assert_eq!(wrong.unwrap().status.code(), Some(1));
}

async fn people_are_changed_and_removed_without_the_pages(stage: Stage) {
    let password = ("HOLDFAST_PASSWORD", "a long enough password");
    for (name, role) in [("eve", "administrator"), ("bob", "operator")] {
        let email = format!("{name}@example.com");
        let mut add = holdfast(&stage, &["add-user", "--name", name, "--email", &email, "--role", role]);
        add.env(password.0, password.1);
        told(add);
    }
    let (eve, bob) = (stage.browser(), stage.browser());
    eve.sign_in("eve@example.com", password.1).await.unwrap();
    bob.sign_in("bob@example.com", password.1).await.unwrap();
    let asks = async |browser: &Browser| browser.call::<ListServers>(&[]).await;
    assert!(asks(&bob).await.is_ok());

    told(holdfast(&stage, &["set-role", "--email", "Bob@example.com", "--role", "viewer"]));
    assert_eq!(asks(&bob).await.unwrap_err(), AppError::SignedOut, "his sessions ended");
    bob.sign_in("bob@example.com", password.1).await.unwrap();
    let refused = bob.call::<BackUpNow>(&[]).await.unwrap_err();
    assert!(matches!(refused, AppError::Forbidden { .. }), "{refused:?}");

    let mut anew = holdfast(&stage, &["set-password", "--email", "bob@example.com"]);
    anew.env(password.0, "another long password");
    told(anew);
    assert_eq!(asks(&bob).await.unwrap_err(), AppError::SignedOut);
    assert!(bob.sign_in("bob@example.com", password.1).await.is_err());
    bob.sign_in("bob@example.com", "another long password").await.unwrap();

    told(holdfast(&stage, &["remove-user", "--email", "bob@example.com"]));
    assert_eq!(asks(&bob).await.unwrap_err(), AppError::SignedOut);
    assert!(bob.sign_in("bob@example.com", "another long password").await.is_err());
    let log = eve.call::<ListActions>(&[("search", "bob@example.com")]).await.unwrap();
    let words: Vec<&str> = log.entries.iter().map(|entry| entry.what.split_whitespace().next().unwrap()).collect();
    assert_eq!(words, ["Removed", "Gave", "Changed", "Added"]);

    // The last administrator stays, and nobody who is not there is removed.
    for arguments in [
        &["remove-user", "--email", "eve@example.com"][..],
        &["set-role", "--email", "eve@example.com", "--role", "operator"],
        &["remove-user", "--email", "bob@example.com"],
        &["set-role", "--email", "eve@example.com", "--role", "king"],
    ] {
        let refused = holdfast(&stage, arguments).output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
    }
    assert!(asks(&eve).await.is_ok());
}

async fn the_program_serves_and_ends_when_asked(mut stage: Stage) {
    stage.stop().await;
    let mut program = holdfast(&stage, &["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.next().unwrap().strip_prefix("Holdfast is at ").unwrap().to_owned();
    let link = lines.find_map(|line| line.strip_prefix(&format!("{address}/set-up/")).map(ToOwned::to_owned)).unwrap();
    let browser = Browser::new(&address);
    assert!(browser.call::<SetUpIsOpen>(&[("token", &link)]).await.unwrap());
    assert_eq!(browser.get("/healthz").await.text().await.unwrap(), "ok");
    let asked = Command::new("kill").args(["-TERM", &program.id().to_string()]).status().unwrap();
    assert!(asked.success());
    assert!(program.wait().unwrap().success(), "it ends by itself, and says that all was well");
}
