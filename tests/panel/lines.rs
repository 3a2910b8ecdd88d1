//! The table of backup lines: order, pages, filters, what a line shows, and what can be done with it.

use std::collections::BTreeSet;

use backup_api::{Attachments, Backup};
use chrono::TimeDelta;
use holdfast::{
    backups::{
        BackupLine, LINES_PAGE_ROWS, LinePage, LineResult,
        api::{CreateBackup, DeleteLine, SetComment, SetPinned},
    },
    error::AppError,
    subscriptions::SubscriptionId,
};
use leptos::server_fn::ServerFn;

use crate::{
    browser::{Browser, Form},
    double::{Held, Remote},
    reconcile::{DIRECT, backup},
    stage::Stage,
};

on_both_databases!(
    every_order_goes_on_from_page_to_page,
    filters_show_what_they_say,
    a_line_shows_its_whole_uuid_and_what_is_missing,
    a_pinned_line_is_unpinned_before_it_is_deleted,
    an_edited_comment_is_found_when_a_failed_line_turns_good,
    a_comment_is_as_long_as_the_forms_say,
);

pub async fn holding(stage: &Stage, backups: Vec<Backup>) -> (Browser, Held, Remote, SubscriptionId) {
    let browser = stage.administrator().await;
    let held = Held::default();
    let remote = held.remote().await;
    held.set(backups);
    let id = browser.add("Acme", "acme", &remote.register(&browser, "Far").await, &DIRECT).await;
    (browser, held, remote, id)
}

/// Sixty backups, some of the same moment or size, among them a failed, a missing and a changed one; from now on nobody
/// asks their server again.
async fn sixty(stage: &Stage) -> (Browser, Remote, SubscriptionId) {
    let now = stage.turned.now();
    let made = |number: u128| {
        let (hours, size) = (i64::try_from(number / 2).unwrap(), u64::try_from(number * 7 % 50).unwrap());
        backup(number, now - TimeDelta::hours(hours), 1000 + size)
    };
    let (browser, _, remote, id) = holding(stage, (11..=70).map(made).collect()).await;
    stage.turned.stop_at(now);
    assert_eq!(browser.line_page(id).await.matching, 60);
    for sql in [
        "UPDATE backup_lines SET result = 'failed', reason = 'pg_dump ended.', size_bytes = NULL WHERE name = 'acme_17.zip'",
        "UPDATE backup_lines SET result = 'missing' WHERE name = 'acme_18.zip'",
        "UPDATE backup_lines SET result = 'size_changed', pinned = TRUE WHERE name = 'acme_19.zip'",
        "UPDATE backup_lines SET trigger_kind = 'manual' WHERE name LIKE '%3.zip'",
        "UPDATE backup_lines SET trigger_kind = 'schedule' WHERE name LIKE '%5.zip'",
    ] {
        stage.sql(sql).await.unwrap();
    }
    (browser, remote, id)
}

async fn pages(browser: &Browser, id: SubscriptionId, query: Form<'_>) -> Vec<LinePage> {
    let mut pages = Vec::new();
    for page in ["0", "1", "2", "3"] {
        pages.push(browser.listed(id, &[query, &[("page", page)]].concat()).await);
    }
    pages
}

/// What a line is sorted by, given whether the order is reversed.
type Key = fn(&BackupLine, bool) -> (bool, String);

async fn every_order_goes_on_from_page_to_page(stage: Stage) {
    let (browser, _remote, id) = sixty(&stage).await;
    // Smaller comes first; what has no size is the last either way.
    let keys: [(&str, Key); 4] = [
        ("created", |line, _| (false, format!("{:020}", i64::MAX - line.created_at.timestamp_millis()))),
        ("name", |line, _| (false, line.name.clone())),
        ("size", |line, reversed| {
            let size = line.size_bytes.unwrap_or_default();
            (line.size_bytes.is_none() != reversed, format!("{:020}", u64::MAX - size))
        }),
        ("trigger", |line, _| (false, line.trigger.as_str().to_owned())),
    ];
    for (sort, key) in keys {
        for reversed in ["false", "true"] {
            let pages = pages(&browser, id, &[("sort", sort), ("reversed", reversed)]).await;
            let rows: Vec<usize> = pages.iter().map(|page| page.lines.len()).collect();
            assert_eq!(rows, [LINES_PAGE_ROWS as usize, LINES_PAGE_ROWS as usize, 10, 0], "{sort} {reversed}");
            assert!(pages.iter().all(|page| page.matching == 60));
            let lines: Vec<&BackupLine> = pages.iter().flat_map(|page| &page.lines).collect();
            assert_eq!(lines.iter().map(|line| line.id.0).collect::<BTreeSet<_>>().len(), 60, "each once: {sort}");
            let found: Vec<_> = lines.iter().map(|line| key(line, reversed == "true")).collect();
            let mut sorted = found.clone();
            sorted.sort();
            if reversed == "true" {
                sorted.reverse();
            }
            assert_eq!(found, sorted, "{sort}, reversed: {reversed}");
        }
    }
    let triggers = pages(&browser, id, &[("sort", "trigger")]).await;
    let found = triggers[0].lines.iter().filter(|line| line.trigger.as_str() == "found");
    assert!(found.is_sorted_by_key(|line| std::cmp::Reverse(line.created_at)), "of one trigger the newest first");
}

async fn filters_show_what_they_say(stage: Stage) {
    let (browser, _remote, id) = sixty(&stage).await;
    let names = async |filter, search| {
        let page = browser.listed(id, &[("filter", filter), ("search", search), ("sort", "name")]).await;
        let names: Vec<String> = page.lines.into_iter().map(|line| line.name).collect();
        (page.matching, names)
    };
    assert_eq!(names("failed", "").await, (2, vec!["acme_17.zip".to_owned(), "acme_18.zip".to_owned()]));
    assert_eq!(names("pinned", "").await, (1, vec!["acme_19.zip".to_owned()]));
    let (matching, good) = names("good", "").await;
    assert_eq!((matching, good.len()), (58, LINES_PAGE_ROWS as usize));
    assert!(good.contains(&"acme_19.zip".to_owned()) && !good.contains(&"acme_17.zip".to_owned()), "{good:?}");
    assert_eq!(names("good", "acme_1").await.0, 7, "of 11 to 19 without the failed and the missing one");
    assert_eq!(names("failed", "acme_17").await.0, 1);
    let last = pages(&browser, id, &[("filter", "good")]).await;
    assert_eq!(last.iter().map(|page| page.lines.len()).sum::<usize>(), 58);
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
