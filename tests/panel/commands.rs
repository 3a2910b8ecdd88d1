//! The command line, as scripts use it.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use holdfast::{
    subscriptions::{ConnectionView, ListQuery, list},
    users::api::SetUpIsOpen,
};

use crate::{browser::Browser, stage::Stage};

on_both_databases!(subscriptions_and_people_are_added_without_the_pages, the_program_serves_and_ends_when_asked);

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
