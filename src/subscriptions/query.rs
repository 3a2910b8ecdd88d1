//! The list's query string ↔ [`ListQuery`].

use leptos_router::params::ParamsMap;

use super::{BackupState, ListQuery, SortColumn};
use crate::components::addresses::{address, page, page_value, value};

/// Every column that sorts, with its name in the address.
const COLUMNS: [(SortColumn, &str); 8] = [
    (SortColumn::Name, "name"),
    (SortColumn::Database, "database"),
    (SortColumn::OdooVersion, "odoo"),
    (SortColumn::Server, "server"),
    (SortColumn::State, "state"),
    (SortColumn::LatestBackup, "latest"),
    (SortColumn::Count, "count"),
    (SortColumn::Size, "size"),
];

/// Reads the query string; what it does not understand is as if it were not there.
pub fn parse(query: &ParamsMap) -> ListQuery {
    let sort = value(query, "sort");
    ListQuery {
        search: value(query, "search"),
        state: BackupState::parse(&value(query, "state")),
        sort: COLUMNS.iter().find(|(_, name)| *name == sort).map_or(SortColumn::Name, |(column, _)| *column),
        descending: value(query, "order") == "desc",
        page: page(query),
    }
}

/// What the query string keeps besides the search and the page.
pub fn kept(query: &ListQuery) -> Vec<(&'static str, String)> {
    let sort = COLUMNS.iter().find(|(column, _)| *column == query.sort).map_or("", |(_, name)| name);
    let sort = if query.sort == SortColumn::Name { "" } else { sort };
    vec![
        ("state", query.state.map_or("", BackupState::as_str).to_owned()),
        ("sort", sort.to_owned()),
        ("order", if query.descending { "desc" } else { "" }.to_owned()),
    ]
}

/// The address that shows a query.
pub fn href(query: &ListQuery) -> String {
    let (kept, page) = (kept(query), page_value(query.page));
    let mut pairs = vec![("search", query.search.as_str())];
    pairs.extend(kept.iter().map(|(name, value)| (*name, value.as_str())));
    pairs.push(("page", &page));
    address("/subscriptions", &pairs)
}

/// The query after a click on a column's head: it turns the order round, or sorts by that column as one first wants
/// to see it (the worst, latest, largest on top).
pub fn sorted_by(query: &ListQuery, column: SortColumn) -> ListQuery {
    use SortColumn::{Count, LatestBackup, Size, State};
    let descending =
        if query.sort == column { !query.descending } else { matches!(column, State | LatestBackup | Count | Size) };
    ListQuery { sort: column, descending, page: 0, ..query.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> ParamsMap {
        text.split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn a_query_survives_its_address() {
        let query = ListQuery {
            search: "acme".to_owned(),
            state: Some(BackupState::Danger),
            sort: SortColumn::LatestBackup,
            descending: true,
            page: 2,
        };
        let text = href(&query);
        assert_eq!(text, "/subscriptions?search=acme&state=danger&sort=latest&order=desc&page=3");
        assert_eq!(parse(&map(text.split_once('?').unwrap().1)), query);
        assert_eq!(href(&ListQuery::default()), "/subscriptions");
        assert_eq!(parse(&map("sort=nonsense&state=x&page=-4")), ListQuery::default());
    }

    #[test]
    fn a_columns_head_turns_the_order_round_and_starts_at_the_first_page() {
        let first = ListQuery { page: 3, ..ListQuery::default() };
        let latest = sorted_by(&first, SortColumn::LatestBackup);
        assert_eq!((latest.sort, latest.descending, latest.page), (SortColumn::LatestBackup, true, 0));
        assert!(!sorted_by(&latest, SortColumn::LatestBackup).descending);
        assert!(!sorted_by(&latest, SortColumn::Database).descending);
    }
}
