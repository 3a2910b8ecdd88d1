//! States at their very borders, wherever they are told.

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::{
    dashboard::store::overview,
    server::Panel,
    subscriptions::{BackupState, ListQuery, StateCounts, list, states, store},
};

use crate::{backups::this_machine, stage::Stage};

on_both_databases!(states_change_at_their_borders_to_the_second);

/// When the latest good backup was made.
const MADE: i64 = 1_790_000_000;
const CONNECTION: [(&str, &str); 3] = [
    ("input[connection]", "odoo_http"),
    ("input[odoo_url]", "https://odoo.example.com"),
    ("input[master_password]", "master-s3cret"),
];

/// The name of every subscription in a state, from each place that tells it; all must say the same.
async fn told(panel: &Panel, now: DateTime<Utc>) -> Vec<(String, BackupState)> {
    let mut told: Vec<_> =
        states::at(panel, now).await.unwrap().into_iter().map(|stands| (stands.name, stands.state)).collect();
    told.sort();
    let mut counts = StateCounts::default();
    let mut listed = Vec::new();
    for state in BackupState::ALL {
        let page = list::page(panel, &ListQuery { state: Some(state), ..ListQuery::default() }).await.unwrap();
        assert_eq!(page.matching, u64::try_from(page.rows.len()).unwrap());
        counts = page.counts;
        for row in page.rows {
            assert_eq!(row.standing.state(page.as_of), state, "{} in the list at {now}", row.name);
            let own = store::get(panel, row.id).await.unwrap();
            assert_eq!(own.standing.state(own.as_of), state, "{} on its page at {now}", row.name);
            listed.push((row.name, state));
        }
    }
    listed.sort();
    assert_eq!(listed, told, "the list at {now}");
    let overview = overview(panel, 0).await.unwrap();
    assert_eq!(overview.counts, counts, "the overview at {now}");
    for row in &overview.rows {
        let state = row.standing.state(overview.as_of);
        assert!(told.contains(&(row.name.clone(), state)), "{} on the overview at {now}", row.name);
    }
    told
}

async fn states_change_at_their_borders_to_the_second(stage: Stage) {
    let browser = stage.administrator().await;
    let here = this_machine(&browser).await;
    for (name, server) in [("Aged", here.as_str()), ("Never", &here), ("Nowhere", "")] {
        browser.add(name, &name.to_lowercase(), server, &CONNECTION).await;
    }
    stage.sql("UPDATE subscriptions SET latest_good_at = 1790000000000 WHERE name <> 'Never'").await.unwrap();
    let (day, days) = (TimeDelta::days(1), TimeDelta::days(5));
    let second = TimeDelta::seconds(1);
    for (age, expected) in [
        (TimeDelta::zero(), BackupState::Normal),
        (day - second, BackupState::Normal),
        (day, BackupState::Warning),
        (day + second, BackupState::Warning),
        (days - second, BackupState::Warning),
        (days, BackupState::Warning),
        (days + second, BackupState::Danger),
        // To the millisecond, for that is how moments are kept.
        (day - TimeDelta::milliseconds(1), BackupState::Normal),
        (days + TimeDelta::milliseconds(1), BackupState::Danger),
    ] {
        let now = DateTime::from_timestamp(MADE, 0).unwrap() + age;
        stage.turned.stop_at(now);
        let told = told(&stage.running().panel, now).await;
        let expected = [
            ("Aged".to_owned(), expected),
            ("Never".to_owned(), BackupState::Danger),
            ("Nowhere".to_owned(), BackupState::NotConfigured),
        ];
        assert_eq!(told, expected, "at an age of {age}");
    }
}
