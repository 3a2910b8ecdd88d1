//! The list of subscriptions: search, filter, order, pages and the borders between the states.

use std::{collections::BTreeSet, process::Command};

use chrono::TimeDelta;
use holdfast::subscriptions::{BackupState, PAGE_ROWS, SubscriptionPage, SubscriptionRow, api::ListSubscriptions};

use crate::{browser::Browser, stage::Stage};

on_both_databases!(the_list_says_the_same_as_the_rule, search_finds_names_databases_and_servers);

const SUBSCRIPTIONS: usize = 130;

/// Made by the command that the benchmark uses.
pub async fn seed(stage: &mut Stage) -> Browser {
    let mut seed = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    seed.args(["seed", "--subscriptions", &SUBSCRIPTIONS.to_string(), "--lines", "400"]);
    seed.arg("--data").arg(&stage.config.data);
    if let Some(url) = &stage.config.database_url {
        seed.env("DATABASE_URL", url.reveal());
    }
    let done = seed.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    stage.administrator().await
}

async fn page(browser: &Browser, form: &[(&str, &str)]) -> SubscriptionPage {
    let mut all =
        vec![("query[search]", ""), ("query[sort]", "name"), ("query[descending]", "false"), ("query[page]", "0")];
    for (name, value) in form {
        all.retain(|(known, _)| known != name);
        all.push((name, value));
    }
    browser.call::<ListSubscriptions>(&all).await.unwrap()
}

/// All pages, one after the other.
async fn all(browser: &Browser, form: &[(&str, &str)]) -> Vec<SubscriptionRow> {
    let mut rows = Vec::new();
    loop {
        let number = (rows.len() / PAGE_ROWS as usize).to_string();
        let mut form = form.to_vec();
        form.push(("query[page]", &number));
        let page = page(browser, &form).await;
        let (full, matching) = (page.rows.len() == PAGE_ROWS as usize, page.matching);
        rows.extend(page.rows);
        if !full {
            assert_eq!(u64::try_from(rows.len()).unwrap(), matching);
            return rows;
        }
    }
}

async fn the_list_says_the_same_as_the_rule(mut stage: Stage) {
    let browser = seed(&mut stage).await;
    let rows = all(&browser, &[]).await;
    assert_eq!(rows.len(), SUBSCRIPTIONS);
    let ids: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), SUBSCRIPTIONS, "no row twice, none left out");
    let latest = rows.iter().find_map(|row| row.standing.latest).unwrap();
    // Exactly at the borders, and a millisecond to each side.
    for days in [1, 5] {
        for millis in [-1, 0, 1] {
            let now = latest + TimeDelta::days(days) + TimeDelta::milliseconds(millis);
            stage.turned.stop_at(now);
            check_states(&stage.signed_in(holdfast::users::Role::Viewer).await, &rows, now).await;
        }
    }
    check_orders(&stage.signed_in(holdfast::users::Role::Viewer).await).await;
}

async fn check_states(browser: &Browser, rows: &[SubscriptionRow], now: chrono::DateTime<chrono::Utc>) {
    let counts = page(browser, &[]).await.counts;
    for state in BackupState::ALL {
        let expected: BTreeSet<_> =
            rows.iter().filter(|row| row.standing.state(now) == state).map(|row| row.id).collect();
        let found = all(browser, &[("query[state]", state.as_str())]).await;
        let found_ids: BTreeSet<_> = found.iter().map(|row| row.id).collect();
        assert_eq!(found_ids, expected, "{state:?} at {now}");
        assert_eq!(counts.of(state), u64::try_from(expected.len()).unwrap(), "{state:?} at {now}");
    }
}

async fn check_orders(browser: &Browser) {
    let now = page(browser, &[]).await.as_of;
    let rank = |row: &SubscriptionRow| BackupState::ALL.iter().position(|state| *state == row.standing.state(now));
    let key = |sort: &str, row: &SubscriptionRow| match sort {
        "name" => (row.name.to_lowercase(), 0),
        "database" => (row.database.clone(), 0),
        "odoo_version" => (row.odoo_version.clone().unwrap_or_default(), 0),
        "server" => (row.server.clone().unwrap_or_default().to_lowercase(), 0),
        "state" => (String::new(), i64::try_from(rank(row).unwrap()).unwrap()),
        "latest_backup" => (String::new(), row.standing.latest.map_or(0, |at| at.timestamp_millis())),
        "count" => (String::new(), i64::try_from(row.backup_count).unwrap()),
        _ => (String::new(), i64::try_from(row.latest_bytes.unwrap_or_default()).unwrap()),
    };
    for sort in ["name", "database", "odoo_version", "server", "state", "latest_backup", "count", "size"] {
        for descending in [false, true] {
            let rows = all(browser, &[("query[sort]", sort), ("query[descending]", &descending.to_string())]).await;
            // What is not known comes last either way.
            let unknown = |row: &SubscriptionRow| sort == "server" && row.server.is_none();
            let known: Vec<_> = rows.iter().take_while(|row| !unknown(row)).map(|row| key(sort, row)).collect();
            assert!(rows.iter().skip(known.len()).all(unknown), "{sort}");
            let ordered = known.windows(2).all(|pair| if descending { pair[0] >= pair[1] } else { pair[0] <= pair[1] });
            assert!(ordered, "{sort} descending={descending}: {known:?}");
        }
    }
}

async fn search_finds_names_databases_and_servers(mut stage: Stage) {
    let browser = seed(&mut stage).await;
    let connection = [("input[connection]", "postgres"), ("input[postgres_url]", "postgres://odoo@db/")];
    browser.add("Ümläut 50%_off", "odd.name-1", "", &connection).await;
    let names = async |search: &str| {
        let rows = all(&browser, &[("query[search]", search)]).await;
        rows.into_iter().map(|row| row.name).collect::<Vec<_>>()
    };
    for search in ["ÜMLÄUT", "50%_", "ODD.NAME", " ümläut "] {
        assert_eq!(names(search).await, ["Ümläut 50%_off"], "{search}");
    }
    assert_eq!(names("customer-00042").await, ["Clinic 00042"]);
    assert!(names("%customer%").await.is_empty(), "signs of patterns are plain signs");
    let on_server = all(&browser, &[("query[search]", "SEEDED SERVER 3")]).await;
    assert!(!on_server.is_empty());
    assert!(on_server.iter().all(|row| row.server.as_deref() == Some("Seeded server 3")));
    let counts = page(&browser, &[("query[search]", "hotel"), ("query[state]", "danger")]).await;
    assert_eq!(counts.counts.all(), u64::try_from(names("hotel").await.len()).unwrap(), "whatever the filter says");
}
