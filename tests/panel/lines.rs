//! The table of backup lines: order, pages, filters, what a line shows, and what can be done with it.

use backup_api::{Attachments, Backup};
use chrono::TimeDelta;
use holdfast::{
    backups::{
        LineResult,
        api::{CreateBackup, DeleteLine, SetComment, SetPinned},
    },
    error::AppError,
    subscriptions::SubscriptionId,
};
use leptos::server_fn::ServerFn;

use crate::{
    browser::Browser,
    double::{Held, Remote},
    reconcile::{DIRECT, backup},
    stage::Stage,
};

on_both_databases!(
    a_line_shows_its_whole_uuid_and_what_is_missing,
    a_pinned_line_is_unpinned_before_it_is_deleted,
    an_edited_comment_is_found_when_a_failed_line_turns_good,
    a_comment_is_as_long_as_the_forms_say,
);

async fn holding(stage: &Stage, backups: Vec<Backup>) -> (Browser, Held, Remote, SubscriptionId) {
    let browser = stage.administrator().await;
    let held = Held::default();
    let remote = held.remote().await;
    held.set(backups);
    let id = browser.add("Acme", "acme", &remote.register(&browser, "Far").await, &DIRECT).await;
    (browser, held, remote, id)
}

async fn a_line_shows_its_whole_uuid_and_what_is_missing(stage: Stage) {
    let attachments = Attachments { expected: 9, present: 7, bytes: 70, missing: vec!["ab/abcdef".to_owned()] };
    let partly = Backup { attachments: Some(attachments), ..backup(1, stage.turned.now(), 1000) };
    let (browser, _, _remote, id) = holding(&stage, vec![partly.clone()]).await;
    let page = browser.page(&format!("/subscriptions/{}", id.0)).await.text().await.unwrap();
    assert!(page.contains("7 / 9") && page.contains("2 missing"), "{page}");
    assert!(page.contains(&format!(">{}<", partly.id)), "the whole UUID is text of the page");
}

async fn a_pinned_line_is_unpinned_before_it_is_deleted(stage: Stage) {
    let now = stage.turned.now();
    let (kept, other) = (backup(1, now - TimeDelta::hours(1), 1000), backup(2, now - TimeDelta::hours(2), 1000));
    let (browser, held, _remote, id) = holding(&stage, vec![kept, other.clone()]).await;
    let line = browser.lines(id).await[0].id.0.to_string();
    let path = format!("/subscriptions/{}", id.0);
    let dialog = async || browser.dialog(&format!("{path}?wizard=delete-backup&line={line}")).await;
    let offers = |dialog: &str| (dialog.contains(SetPinned::PATH), dialog.contains(DeleteLine::PATH));
    assert_eq!(offers(&dialog().await), (false, true));

    browser.call::<SetPinned>(&[("line", &line), ("pinned", "true")]).await.unwrap();
    let asked = dialog().await;
    assert_eq!(offers(&asked), (true, false), "what would be refused is not offered: {asked}");
    assert!(asked.contains("is pinned") && asked.contains("Unpin"), "{asked}");

    held.set(vec![other]);
    stage.turned.forward(TimeDelta::minutes(2));
    let lines = browser.lines(id).await;
    assert_eq!((lines[0].result.clone(), lines[0].pinned), (LineResult::Missing, true));
    let refused = browser.call::<DeleteLine>(&[("line", &line)]).await;
    assert!(matches!(&refused, Err(AppError::Conflict(words)) if words.contains("Unpin it first")), "{refused:?}");
    let page = browser.page(&path).await.text().await.unwrap();
    let menu = page.split(&format!("id=\"menu-{line}\"")).nth(1).unwrap().split("</ul>").next().unwrap();
    assert!(menu.contains("Unpin"), "{menu}");
    assert_eq!(offers(&dialog().await), (true, false));

    browser.call::<SetPinned>(&[("line", &line)]).await.unwrap();
    assert_eq!(offers(&dialog().await), (false, true));
    browser.call::<DeleteLine>(&[("line", &line)]).await.unwrap();
    assert_eq!(browser.lines(id).await.len(), 1);
}

async fn an_edited_comment_is_found_when_a_failed_line_turns_good(stage: Stage) {
    let (browser, _, _remote, id) = holding(&stage, vec![backup(1, stage.turned.now(), 1000)]).await;
    let line = browser.lines(id).await[0].id.0.to_string();
    stage.sql("UPDATE backup_lines SET result = 'failed', reason = 'No answer.', size_bytes = NULL").await.unwrap();
    browser.call::<SetComment>(&[("line", &line), ("comment", "Kept for the AUDIT in Łódź")]).await.unwrap();
    stage.turned.forward(TimeDelta::minutes(2));
    let lines = browser.lines(id).await;
    assert_eq!((&lines[0].result, lines[0].comment.as_str()), (&LineResult::Good, "Kept for the AUDIT in Łódź"));
    for (search, matching) in [("audit in łódź", 1), ("acme_1.zip", 1), ("made elsewhere", 0)] {
        assert_eq!(browser.listed(id, &[("search", search)]).await.matching, matching, "{search}");
    }
}

async fn a_comment_is_as_long_as_the_forms_say(stage: Stage) {
    let (browser, _, _remote, id) = holding(&stage, vec![backup(1, stage.turned.now(), 1000)]).await;
    let line = browser.lines(id).await[0].id.0.to_string();
    let path = format!("/subscriptions/{}", id.0);
    let wizard = browser.dialog(&format!("{path}?wizard=create-backup")).await;
    assert!(wizard.contains("maxlength=\"1000\"") && wizard.contains("At most 1,000 characters"), "{wizard}");
    let edited = browser.page(&format!("{path}?edit={line}")).await.text().await.unwrap();
    assert!(edited.contains("maxlength=\"1000\""), "the form of a line's comment");
    let (most, more) = ("ä".repeat(1000), "ä".repeat(1001));
    browser.call::<SetComment>(&[("line", &line), ("comment", &most)]).await.unwrap();
    let id = id.0.to_string();
    for refused in [
        browser.call::<SetComment>(&[("line", &line), ("comment", &more)]).await,
        browser.call::<CreateBackup>(&[("subscription", &id), ("format", "zip"), ("comment", &more)]).await.map(drop),
    ] {
        let words = refused.unwrap_err();
        assert!(words.for_field("comment").is_some_and(|words| words.contains("1,000")), "{words:?}");
    }
}
