//! What was made and what failed: on the overview and on a subscription's page.

use backup_api::JobState;
use chrono::TimeDelta;
use holdfast::{
    backups::api::DeleteLine,
    dashboard::{Overview, ROWS, api::GetOverview, store::overview},
    history::{Day, History, api::GetHistory},
    subscriptions::SubscriptionId,
    users::Role,
};

use crate::{
    backups::{create, this_machine},
    browser::{Browser, reason},
    list::seed,
    stage::{Stage, odoo_database},
};

on_both_databases!(what_was_made_and_what_failed_is_told, every_subscription_with_a_server_is_on_one_page);

async fn get(browser: &Browser) -> Overview {
    browser.call::<GetOverview>(&[]).await.unwrap()
}

async fn history(browser: &Browser, id: SubscriptionId) -> History {
    browser.call::<GetHistory>(&[("id", &id.0.to_string())]).await.unwrap()
}

fn today(days: &[Day]) -> Day {
    *days.last().unwrap()
}

async fn what_was_made_and_what_failed_is_told(stage: Stage) {
    let browser = stage.administrator().await;
    let fresh = get(&browser).await;
    assert_eq!((fresh.counts.all(), fresh.failed, fresh.rows.len()), (0, 0, 0), "a fresh installation");
    let (here, database) = (this_machine(&browser).await, odoo_database());
    let good = browser.add_direct("Good", &database, &here).await;
    let mut gone = odoo_database();
    gone.name.push_str("_that_is_not_there");
    let broken = browser.add_direct("Broken", &gone, &here).await;
    browser.add_direct("Nowhere", &database, "").await;
    let made = create(&browser, good, "zip").await.unwrap();
    assert_eq!(browser.end_of(made).await.state, JobState::Succeeded);
    let failed = create(&browser, broken, "zip").await.unwrap();
    let failed = browser.end_of(failed).await;
    assert_eq!(failed.state, JobState::Failed);

    let seen = get(&stage.signed_in(Role::Viewer).await).await;
    let counts = (seen.counts.normal, seen.counts.warning, seen.counts.danger, seen.counts.not_configured);
    assert_eq!(counts, (1, 0, 1, 1));
    let [failure] = seen.failures.as_slice() else { panic!("{:?}", seen.failures) };
    assert_eq!((failure.id, seen.failed), (failed.id, 1));
    assert_eq!((failure.subscription, failure.subscription_name.as_str()), (Some(broken), "Broken"));
    assert_eq!((failure.reason.as_str(), failure.mended), (reason(&failed), false));
    let rows: Vec<_> = seen.rows.iter().map(|row| (row.id, today(&row.days.days))).collect();
    let (one_good, one_failed) = (Day { made: 1, kept: 1, failed: 0 }, Day { made: 0, kept: 0, failed: 1 });
    assert_eq!(rows, [(broken, one_failed), (good, one_good)], "the one without any backup first");
    assert!(seen.rows.iter().all(|row| row.days.days.len() == 28));
    stage.sql("UPDATE subscriptions SET latest_good_at = 4000000000000 WHERE name = 'Broken'").await.unwrap();
    assert!(get(&browser).await.failures[0].mended, "a later backup is good");

    // Once the backup is removed, it is still told that it was made, and how big it was.
    let line = browser.lines(good).await.pop().unwrap();
    let before = history(&browser, good).await;
    assert_eq!(today(&before.days.days), one_good);
    let sizes: Vec<_> = before.sizes.iter().map(|size| (size.bytes, size.format)).collect();
    assert_eq!(sizes, [(line.size_bytes.unwrap(), line.format)]);
    browser.call::<DeleteLine>(&[("line", &line.id.0.to_string())]).await.unwrap();
    assert!(browser.lines(good).await.is_empty());
    let after = history(&browser, good).await;
    assert_eq!(today(&after.days.days), Day { made: 1, kept: 0, failed: 0 });
    assert_eq!(after.sizes.iter().map(|size| (size.bytes, size.format)).collect::<Vec<_>>(), sizes);
    assert!(history(&browser, broken).await.sizes.is_empty());

    // A failure is told for a day, to the millisecond.
    let ended = failed.finished_at.unwrap();
    for (age, told) in [(TimeDelta::days(1) - TimeDelta::milliseconds(1), 1), (TimeDelta::days(1), 0)] {
        stage.turned.stop_at(ended + age);
        let seen = overview(&stage.running().panel, 0).await.unwrap();
        assert_eq!((seen.failed, seen.failures.len()), (told, usize::try_from(told).unwrap()), "after {age}");
    }
}

async fn every_subscription_with_a_server_is_on_one_page(mut stage: Stage) {
    let browser = seed(&mut stage).await;
    let first = get(&browser).await;
    let (mut ids, mut last, mut failed_in_all) = (Vec::new(), None, 0);
    for page in 0..=first.configured().div_ceil(u64::from(ROWS)) {
        let page = browser.call::<GetOverview>(&[("page", &page.to_string())]).await.unwrap();
        for row in page.rows {
            assert!(row.standing.latest >= last, "the oldest first");
            last = row.standing.latest;
            ids.push(row.id);
            // As they are made up: nearly every day a good one, some that failed, some without any.
            let with = |some: fn(&Day) -> bool| row.days.days.iter().filter(|day| some(day)).count();
            let (good, failed) = (with(|day| day.made > 0), with(|day| day.failed > 0));
            assert!((20..=28).contains(&good) && failed <= 3, "{}: {:?}", row.name, row.days);
            failed_in_all += failed;
        }
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), u64::try_from(all).unwrap()), (all, first.configured()), "none twice, none left out");
    assert!(failed_in_all > all, "{failed_in_all} of {all}");
    assert_eq!(first.failed, 6, "of every 25th of 130 the last work failed");
    assert_eq!(first.servers.iter().filter(|server| server.samples.len() > 200).count(), 8);
}
