//! The query string of a subscription's lines ↔ [`LineQuery`].

use leptos_router::params::ParamsMap;

use super::{LineFilter, LineQuery, LineSort};
use crate::{
    components::addresses::{address, page, page_value, value},
    subscriptions::SubscriptionId,
};

/// Every filter with its name in the address and on its link.
pub const FILTERS: [(LineFilter, &str, &str); 4] = [
    (LineFilter::All, "", "All"),
    (LineFilter::Good, "good", "Good"),
    (LineFilter::Failed, "failed", "Failed"),
    (LineFilter::Pinned, "pinned", "Pinned"),
];

const SORTS: [(LineSort, &str); 4] =
    [(LineSort::Created, ""), (LineSort::Name, "name"), (LineSort::Size, "size"), (LineSort::Trigger, "trigger")];

/// Reads the query string; what it does not understand is as if it were not there.
pub fn parse(query: &ParamsMap) -> LineQuery {
    let (show, sort) = (value(query, "show"), value(query, "sort"));
    LineQuery {
        search: value(query, "search"),
        filter: FILTERS.iter().find(|(_, name, _)| *name == show).map_or(LineFilter::All, |(filter, ..)| *filter),
        sort: SORTS.iter().find(|(_, name)| *name == sort).map_or(LineSort::Created, |(sort, _)| *sort),
        reversed: value(query, "order") == "reversed",
        page: page(query),
    }
}

/// What the query string keeps besides the search and the page.
pub fn kept(query: &LineQuery) -> Vec<(&'static str, String)> {
    let show = FILTERS.iter().find(|(filter, ..)| *filter == query.filter).map_or("", |(_, name, _)| name);
    let sort = SORTS.iter().find(|(sort, _)| *sort == query.sort).map_or("", |(_, name)| name);
    let order = if query.reversed { "reversed" } else { "" };
    vec![("show", show.to_owned()), ("sort", sort.to_owned()), ("order", order.to_owned())]
}

/// The address that shows a query.
pub fn href(subscription: SubscriptionId, query: &LineQuery) -> String {
    let (kept, page) = (kept(query), page_value(query.page));
    let mut pairs = vec![("search", query.search.as_str())];
    pairs.extend(kept.iter().map(|(name, value)| (*name, value.as_str())));
    pairs.push(("page", &page));
    address(&format!("/subscriptions/{}", subscription.0), &pairs)
}

/// The query after a click on a column's head.
pub fn sorted_by(query: &LineQuery, sort: LineSort) -> LineQuery {
    let reversed = query.sort == sort && !query.reversed;
    LineQuery { sort, reversed, page: 0, ..query.clone() }
}

/// Whether the table runs downwards: newest and largest on top unless reversed, names from A unless reversed.
pub fn descends(query: &LineQuery) -> bool {
    matches!(query.sort, LineSort::Created | LineSort::Size) != query.reversed
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_query_survives_its_address() {
        let query = LineQuery {
            search: "upgrade".to_owned(),
            filter: LineFilter::Failed,
            sort: LineSort::Size,
            reversed: true,
            page: 1,
        };
        let text = href(SubscriptionId(Uuid::nil()), &query);
        let (path, pairs) = text.split_once('?').unwrap();
        assert_eq!(path, "/subscriptions/00000000-0000-0000-0000-000000000000");
        let map: ParamsMap = pairs
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(parse(&map), query);
    }

    #[test]
    fn a_columns_head_turns_its_own_order_round() {
        let first = LineQuery::default();
        assert!(descends(&first), "newest on top");
        let turned = sorted_by(&first, LineSort::Created);
        assert!(!descends(&turned));
        let names = sorted_by(&turned, LineSort::Name);
        assert!(!descends(&names), "names from A");
    }
}
