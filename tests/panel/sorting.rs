//! Tables sort by what they show: each head is a link that works without scripts, turns the order round when it is followed
//! again, and goes on from page to page.

use std::{cmp::Ordering, collections::BTreeSet};

use chrono::TimeDelta;

use crate::{browser::Browser, lines::holding, list::seed, reconcile::backup, stage::Stage};

on_both_databases!(subscriptions_sort_by_what_they_show, lines_sort_by_what_they_show);

/// The tables that sort; pages have others.
const LABELS: [Option<&str>; 2] = [Some("Subscriptions"), Some("Backups")];

/// A page with a table, as it is without scripts.
struct Shown {
    heads: Vec<Head>,
    /// The HTML of each row's cells.
    rows: Vec<Vec<String>>,
    /// Where “Next” leads.
    next: Option<String>,
}

struct Head {
    label: String,
    href: Option<String>,
    sorted: Option<String>,
}

impl Shown {
    async fn open(browser: &Browser, path: &str) -> Self {
        let page = browser.page(path).await.text().await.unwrap();
        let table =
            page.split("<table").skip(1).find(|table| LABELS.contains(&attribute(table, "aria-label").as_deref()));
        let table = table.unwrap_or_else(|| panic!("no table at {path}: {page}")).split("</table>").next().unwrap();
        let heads = table.split("<th ").skip(1).map(|cell| cell.split("</th>").next().unwrap()).map(|cell| Head {
            label: text(&format!("< {cell}")),
            href: attribute(cell, "href"),
            sorted: attribute(cell, "aria-sort"),
        });
        let rows = between(table, "<tbody", "</tbody>").unwrap().split("<tr").skip(1).map(cells);
        let pager = page.split("class=\"pager\"").nth(1).unwrap_or_default();
        let next = pager.split("<a ").find(|link| link.contains(">Next<")).and_then(|link| attribute(link, "href"));
        Self { heads: heads.collect(), rows: rows.collect(), next }
    }

    fn place(&self, label: &str) -> usize {
        self.heads.iter().position(|head| head.label == label).unwrap()
    }

    /// The labels of the heads that sort.
    fn sorting(&self) -> Vec<String> {
        self.heads.iter().filter(|head| head.href.is_some()).map(|head| head.label.clone()).collect()
    }
}

/// A cell that takes the place of several counts as often.
fn cells(row: &str) -> Vec<String> {
    let cells = row.split("<td").skip(1).flat_map(|cell| {
        let wide = attribute(cell, "colspan").map_or(1, |columns| columns.parse().unwrap());
        std::iter::repeat_n(format!("<{cell}"), wide)
    });
    cells.collect()
}

fn between<'a>(html: &'a str, from: &str, to: &str) -> Option<&'a str> {
    html.split_once(from)?.1.split(to).next()
}

/// Of the first element that has it.
fn attribute(html: &str, name: &str) -> Option<String> {
    between(html, &format!(" {name}=\""), "\"").map(|value| value.replace("&amp;", "&"))
}

/// What a person reads.
fn text(html: &str) -> String {
    let (mut text, mut inside) = (String::new(), false);
    for letter in html.chars() {
        match letter {
            '<' => inside = true,
            '>' if inside => inside = false,
            letter if !inside => text.push(letter),
            _ => {}
        }
    }
    text.replace("&amp;", "&").trim().to_owned()
}

/// What a cell is sorted by.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Key {
    Number(f64),
    Text(String),
}

/// What a person takes a cell of a column for; `None` where nothing is known.
fn key(label: &str, cell: &str) -> Option<Key> {
    const STATES: [&str; 4] = ["Normal", "Warning", "Danger", "Not configured"];
    let words = text(cell);
    let first = || text(between(cell, "<span>", "</span>").unwrap());
    match label {
        "Backup state" => {
            STATES.iter().position(|state| *state == words).map(|rank| Key::Number([0.0, 1.0, 2.0, 3.0][rank]))
        }
        "Latest backup" | "Created" => attribute(cell, "datetime").map(Key::Text),
        "Backups" | "Odoo" => Some(Key::Number(figure(&words)?)),
        // A backup that cannot be downloaded says why in place of its size.
        "Latest, MB" | "Size, MB" if cell.contains("colspan") => None,
        "Latest, MB" | "Size, MB" => figure(&first()).map(Key::Number),
        "Backup" => Some(Key::Text(text(between(cell, "<b class=\"file\">", "</b>").unwrap()))),
        "Trigger" => Some(Key::Text(first())),
        _ if words == "–" => None,
        _ => Some(Key::Text(words.to_lowercase())),
    }
}

fn figure(words: &str) -> Option<f64> {
    words.replace(',', "").parse().ok()
}

/// Follows the order from page to page; gives every row's cells.
async fn all(browser: &Browser, first: Shown) -> Vec<Vec<String>> {
    let (mut rows, mut next) = (first.rows, first.next);
    while let Some(path) = next {
        let page = Shown::open(browser, &path).await;
        rows.extend(page.rows);
        next = page.next;
    }
    rows
}

/// Follows every head of the table at `path` twice; what is not known comes last either way. `ties` judges the rows of
/// which a column says the same, given the head.
async fn check(browser: &Browser, path: &str, expected: &[&str], ties: impl Fn(&str, &[Vec<String>])) {
    let plain = Shown::open(browser, path).await;
    assert_eq!(plain.sorting(), expected);
    let many = all(browser, plain).await.len();
    for label in expected {
        let mut seen = BTreeSet::new();
        let mut path = path.to_owned();
        for _ in 0..2 {
            let plain = Shown::open(browser, &path).await;
            let place = plain.place(label);
            path = plain.heads[place].href.clone().unwrap();
            let sorted = Shown::open(browser, &path).await;
            let marked: Vec<_> = sorted.heads.iter().filter_map(|head| Some((head, head.sorted.as_deref()?))).collect();
            let by: Vec<_> = marked.iter().filter(|(_, how)| *how != "none").collect();
            let [(head, how)] = by.as_slice() else { panic!("{label}: sorted by one column") };
            assert_eq!((head.label.as_str(), marked.len()), (*label, expected.len()));
            let (downwards, how) = (*how == "descending", (*how).to_owned());
            let rows = all(browser, sorted).await;
            let keys: Vec<_> = rows.iter().map(|cells| key(label, &cells[place])).collect();
            assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), many, "{label} {how}: no row twice, none left out");
            let known: Vec<_> = keys.iter().map_while(Option::as_ref).collect();
            assert!(
                keys[known.len()..].iter().all(Option::is_none),
                "{label} {how}: what is not known is last: {keys:?}"
            );
            let against = if downwards { Ordering::Less } else { Ordering::Greater };
            assert!(
                known.windows(2).all(|pair| pair[0].partial_cmp(pair[1]) != Some(against)),
                "{label} {how}: {known:?}"
            );
            rows.chunk_by(|one, other| key(label, &one[place]) == key(label, &other[place]))
                .for_each(|same| ties(label, same));
            seen.insert(how);
        }
        assert_eq!(seen.len(), 2, "{label}: followed again, it turns round");
    }
}

async fn subscriptions_sort_by_what_they_show(mut stage: Stage) {
    let browser = seed(&mut stage).await;
    for sql in [
        "UPDATE subscriptions SET latest_good_at = NULL, latest_bytes = NULL, good_count = 0, odoo_version = NULL
         WHERE database_name LIKE '%7'",
        "UPDATE subscriptions SET latest_bytes = 1234567890, good_count = 12, odoo_version = '18.0'
         WHERE database_name LIKE '%4'",
        "UPDATE subscriptions SET odoo_version = '9.0' WHERE database_name LIKE '%2'",
    ] {
        stage.sql(sql).await.unwrap();
    }
    let heads =
        ["Subscription", "Backup state", "Database", "Odoo", "Backup server", "Latest backup", "Backups", "Latest, MB"];
    check(&browser, "/subscriptions", &heads, |label, same| {
        // Of one megabyte, sizes may differ.
        let names: Vec<_> = same.iter().map(|cells| text(&cells[1]).to_lowercase()).collect();
        assert!(label == "Latest, MB" || names.is_sorted(), "{label}: of those alike, by name: {names:?}");
    })
    .await;
}

async fn lines_sort_by_what_they_show(stage: Stage) {
    let now = stage.turned.now();
    let made = |number: u128| {
        let (hours, megabytes) = (i64::try_from(number / 2).unwrap(), u64::try_from(number * 7 % 20).unwrap());
        backup(number, now - TimeDelta::hours(hours), megabytes * 400_000_000)
    };
    let (browser, _, _remote, id) = holding(&stage, (11..=70).map(made).collect()).await;
    stage.turned.stop_at(now);
    assert_eq!(browser.line_page(id).await.matching, 60);
    for sql in [
        "UPDATE backup_lines SET result = 'failed', reason = 'pg_dump ended.', size_bytes = NULL WHERE name LIKE '%7.zip'",
        "UPDATE backup_lines SET trigger_kind = 'manual' WHERE name LIKE '%3.zip'",
        "UPDATE backup_lines SET trigger_kind = 'schedule' WHERE name LIKE '%5.zip'",
    ] {
        stage.sql(sql).await.unwrap();
    }
    let path = format!("/subscriptions/{}", id.0);
    check(&browser, &path, &["Backup", "Size, MB", "Created", "Trigger"], |label, same| {
        let made: Vec<_> = same.iter().map(|cells| attribute(&cells[4], "datetime").unwrap()).collect();
        assert!(label != "Trigger" || made.is_sorted_by(|one, other| one >= other), "the newest first: {made:?}");
    })
    .await;
}
