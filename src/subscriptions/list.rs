//! The list: search, filter by state, order and page, all in the database.

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{
    BackupState, ListQuery, PAGE_ROWS, SortColumn, Standing, SubscriptionId, SubscriptionPage, SubscriptionRow,
    states::{self, state},
};
use crate::{
    error::AppResult,
    server::{
        Panel,
        db::{anywhere, moment, number, query},
    },
};

macro_rules! matching {
    () => {
        " FROM subscriptions s LEFT JOIN backup_servers v ON v.id = s.server_id
          WHERE ($1 = '%%' OR s.search_text LIKE $1 ESCAPE '\\' OR v.name_key LIKE $1 ESCAPE '\\')"
    };
}

const COUNTS: &str =
    concat!("SELECT CAST(", state!("$2", "$3"), " AS BIGINT) AS state, COUNT(*)", matching!(), " GROUP BY 1");

const ROWS: &str = concat!(
    "SELECT s.id, s.name, s.database_name, s.odoo_version, v.name AS server, s.latest_good_at, s.good_count,
            s.latest_bytes",
    matching!(),
    " AND ($4 < 0 OR $4 = ",
    state!("$2", "$3"),
    ") ORDER BY "
);

#[derive(sqlx_macros::FromRow)]
struct Row {
    id: Uuid,
    name: String,
    database_name: String,
    odoo_version: Option<String>,
    server: Option<String>,
    latest_good_at: Option<i64>,
    good_count: i64,
    latest_bytes: Option<i64>,
}

/// One page of the list.
pub async fn page(panel: &Panel, list: &ListQuery) -> AppResult<SubscriptionPage> {
    let now = panel.clock.now();
    let (pattern, (day, days)) = (anywhere(&list.search), states::borders(now));
    let state = list.state.and_then(|state| BackupState::ALL.iter().position(|known| *known == state));
    let state = state.and_then(|state| i64::try_from(state).ok()).unwrap_or(-1);
    // Only constants of this file are joined.
    let sql = AssertSqlSafe(format!("{ROWS}{} LIMIT $5 OFFSET $6", order(list.sort, list.descending)));
    let offset = i64::from(list.page) * i64::from(PAGE_ROWS);
    let counted = async { query!(panel.db, fetch_all, COUNTS, &pattern, day, days) };
    let rows = async { query!(panel.db, fetch_all, sql, &pattern, day, days, state, i64::from(PAGE_ROWS), offset) };
    let (counted, rows): (Vec<(i64, i64)>, Vec<Row>) = futures::future::try_join(counted, rows).await?;
    let counts = states::count(&counted);
    Ok(SubscriptionPage {
        rows: rows.into_iter().map(Row::into_row).collect(),
        matching: list.state.map_or_else(|| counts.all(), |state| counts.of(state)),
        counts,
        as_of: now,
    })
}

/// `ORDER BY`: what is not known comes last, ties go by name.
fn order(column: SortColumn, descending: bool) -> String {
    let first = match column {
        SortColumn::Name => "s.name_key",
        SortColumn::Database => "s.database_name",
        // 9.0 is shorter than 18.0, and `saas~17.4` longer: what is text in the database counts like numbers.
        SortColumn::OdooVersion => "LENGTH(s.odoo_version)",
        SortColumn::Server => "v.name_key",
        SortColumn::State => state!("$2", "$3"),
        SortColumn::LatestBackup => "s.latest_good_at",
        SortColumn::Count => "s.good_count",
        SortColumn::Size => "s.latest_bytes",
    };
    let direction = if descending { "DESC" } else { "ASC" };
    let then = match column {
        SortColumn::OdooVersion => format!("s.odoo_version {direction}, "),
        _ => String::new(),
    };
    format!("{first} {direction} NULLS LAST, {then}s.name_key, s.id")
}

impl Row {
    fn into_row(self) -> SubscriptionRow {
        SubscriptionRow {
            id: SubscriptionId(self.id),
            name: self.name,
            database: self.database_name,
            odoo_version: self.odoo_version,
            standing: Standing { configured: self.server.is_some(), latest: self.latest_good_at.map(moment) },
            server: self.server,
            backup_count: number(self.good_count),
            latest_bytes: self.latest_bytes.map(number),
        }
    }
}
