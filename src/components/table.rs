//! Tables in a card: heads that sort through links, rows, and the pager below.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::{Moment, addresses, figures};

/// A column's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its words; empty for a column of actions.
    pub label: &'static str,
    /// Whether it holds figures.
    pub number: bool,
    /// Where a click on it leads, when it sorts.
    pub href: Option<String>,
    /// Whether the table is sorted by it, and if so, downwards.
    pub sorted: Option<bool>,
}

impl Column {
    /// A column that does not sort.
    pub const fn plain(label: &'static str) -> Self {
        Self { label, number: false, href: None, sorted: None }
    }

    /// The same, for figures.
    #[must_use]
    pub const fn number(mut self) -> Self {
        self.number = true;
        self
    }
}

/// A table in a card.
#[component]
pub fn Table(
    /// What it is a table of.
    label: &'static str,
    /// Classes: `linked` when a click on a row leads somewhere, `lines` for backups.
    #[prop(optional)]
    class: &'static str,
    /// Its columns.
    columns: Vec<Column>,
    /// Its rows.
    rows: Vec<AnyView>,
) -> impl IntoView {
    let cells: Vec<_> = columns.into_iter().map(head_cell).collect();
    view! {
        <div class="card table-card">
            <table class=format!("table {class}") role="table" aria-label=label>
                <thead role="rowgroup">
                    <tr role="row">{cells}</tr>
                </thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
        </div>
    }
}

/// A cell that says how long ago something was, and when.
#[component]
pub fn AgeCell(
    /// The column's name, for narrow screens.
    label: &'static str,
    /// When it was.
    at: DateTime<Utc>,
    /// When the panel answered.
    as_of: DateTime<Utc>,
) -> impl IntoView {
    view! {
        <td role="cell" data-label=label>
            <span>{figures::age(at, as_of)}</span>
            <span class="sub">
                <Moment at as_of />
            </span>
        </td>
    }
}

fn head_cell(column: Column) -> AnyView {
    let sort = column.href.is_some().then_some(match column.sorted {
        None => "none",
        Some(false) => "ascending",
        Some(true) => "descending",
    });
    let label = match column.href {
        Some(href) => view! { <a href=href data-noscroll>{column.label}</a> }.into_any(),
        None if column.label.is_empty() => view! { <span class="visually-hidden">"Actions"</span> }.into_any(),
        None => column.label.into_any(),
    };
    view! { <th role="columnheader" scope="col" class:number=column.number aria-sort=sort>{label}</th> }.into_any()
}

/// Which rows are shown, and links to the pages before and after.
#[component]
pub fn Pager(
    /// This page, from 0.
    page: u32,
    /// Rows of a page.
    rows: u32,
    /// Rows in all.
    matching: u64,
    /// The address of a page, given its value in the query string.
    href: Box<dyn Fn(&str) -> String>,
) -> impl IntoView {
    let Span { first, last, pages } = span(page, rows, matching);
    if matching == 0 {
        return ().into_any();
    }
    let said = format!("{}–{} of {}", figures::count(first), figures::count(last), figures::count(matching));
    let link = |to: Option<u32>, words: &'static str| {
        to.map(|to| view! { <a class="btn small" href=href(&addresses::page_value(to))>{words}</a> })
    };
    let (before, after) = (page.checked_sub(1), (page + 1 < pages).then_some(page + 1));
    let links = (pages > 1).then(|| {
        view! {
            <nav class="row" aria-label="Pages">
                {link(before, "Previous")} {link(after, "Next")}
            </nav>
        }
    });
    view! {
        <div class="pager">
            <span class="figures">{said}</span>
            {links}
        </div>
    }
    .into_any()
}

/// The rows that a page shows, counted from 1, and how many pages there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first row.
    pub first: u64,
    /// Its last row.
    pub last: u64,
    /// Pages in all.
    pub pages: u32,
}

/// What a page (from 0) of `rows` rows shows of `matching` in all.
pub fn span(page: u32, rows: u32, matching: u64) -> Span {
    let (page, rows) = (u64::from(page), u64::from(rows.max(1)));
    Span {
        first: (page * rows + 1).min(matching),
        last: ((page + 1) * rows).min(matching),
        pages: u32::try_from(matching.div_ceil(rows)).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_name_their_rows() {
        assert_eq!(span(0, 50, 128), Span { first: 1, last: 50, pages: 3 });
        assert_eq!(span(2, 50, 128), Span { first: 101, last: 128, pages: 3 });
        assert_eq!(span(0, 50, 50), Span { first: 1, last: 50, pages: 1 });
        assert_eq!(span(0, 50, 0), Span { first: 0, last: 0, pages: 0 });
        assert_eq!(span(9, 50, 128), Span { first: 128, last: 128, pages: 3 }, "past the end");
    }
}
