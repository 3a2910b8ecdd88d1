//! The table of a subscription's backup lines.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos_router::{hooks::use_query_map, params::ParamsMap};

use super::{
    BackupLine, LINES_PAGE_ROWS, LinePage, LineQuery, LineResult, LineSort,
    api::{SetComment, SetPinned, list_lines},
    line_actions::{Comment, DeleteLineDialog, LineMenu},
    query,
    soundness::soundness_view,
};
use crate::{
    components::{
        ActionFailure, AgeCell, Badge, Column, CopyButton, Empty, Icon, Notice, Pager, Search, Table, Tone,
        addresses::value, fetched, figures,
    },
    operations::following::Live,
    restores::wizard::RestoreDialog,
    retention::views::retention_view,
    subscriptions::SubscriptionId,
    users::Role,
};

/// What the rows of a table share.
#[derive(Clone, Copy)]
pub struct LineContext {
    /// Whose lines.
    pub subscription: SubscriptionId,
    /// The page's query string.
    pub parameters: Memo<ParamsMap>,
    /// The line whose comment is being changed.
    pub edited: Memo<String>,
    /// Whether somebody is typing a comment: the row must not go meanwhile.
    pub typing: RwSignal<bool>,
    /// Pins and unpins.
    pub pin: ServerAction<SetPinned>,
    /// Changes a comment.
    pub comment: ServerAction<SetComment>,
    /// When the panel answered.
    pub as_of: DateTime<Utc>,
    /// What the person may do.
    pub role: Role,
}

/// The backups tab.
#[component]
pub fn Lines(
    /// Whose.
    subscription: SubscriptionId,
) -> impl IntoView {
    let parameters = use_query_map();
    let live = expect_context::<Live>();
    let query = Memo::new(move |_| parameters.with(query::parse));
    let wizard = Memo::new(move |_| parameters.with(|query| (value(query, "wizard"), value(query, "line"))));
    let edited = Memo::new(move |_| parameters.with(|query| value(query, "edit")));
    let typing = RwSignal::new(false);
    let beat = Memo::new(move |known: Option<&u32>| match known {
        Some(known) if typing.get() => *known,
        _ => live.beat.get(),
    });
    let (pin, comment) = (ServerAction::<SetPinned>::new(), ServerAction::<SetComment>::new());
    let page = Resource::new(
        move || (query.get(), beat.get(), pin.version().get(), comment.version().get()),
        move |(query, ..)| list_lines(subscription, query),
    );
    let context =
        move |as_of, role| LineContext { subscription, parameters, edited, typing, pin, comment, as_of, role };
    view! {
        {move || {
            let (wizard, line) = wizard.get();
            match wizard.as_str() {
                "delete-backup" => Some(view! { <DeleteLineDialog line page pin /> }.into_any()),
                "restore" => Some(view! { <RestoreDialog line /> }.into_any()),
                _ => None,
            }
        }}
        <div class="toolbar">
            <Search
                label="Search name, comment, UUID"
                path=format!("/subscriptions/{}", subscription.0)
                value=Signal::derive(move || query.get().search)
                keep=Signal::derive(move || query::kept(&query.get()))
                href=Arc::new(move |search| query::href(subscription, &LineQuery { search, page: 0, ..query.get_untracked() }))
            />
            {move || chips(subscription, &query.get())}
        </div>
        <ActionFailure action=pin />
        {fetched(page, move |page, role| {
            let context = context(page.as_of, role);
            page_view(context, &query.get_untracked(), page)
        })}
    }
}

fn chips(subscription: SubscriptionId, query: &LineQuery) -> AnyView {
    let chips = query::FILTERS.map(|(filter, _, label)| {
        let href = query::href(subscription, &LineQuery { filter, page: 0, ..query.clone() });
        let current = (query.filter == filter).then_some("true");
        view! {
            <li>
                <a href=href aria-current=current data-noscroll>
                    {label}
                </a>
            </li>
        }
    });
    view! {
        <ul class="chips" aria-label="Which backups">
            {chips.into_iter().collect_view()}
        </ul>
    }
    .into_any()
}

fn page_view(context: LineContext, query: &LineQuery, page: LinePage) -> AnyView {
    let unreachable = page.server_unreachable.map(|reason| {
        view! {
            <Notice tone=Tone::Warn>
                <p>{reason}</p>
            </Notice>
        }
    });
    let soundness = page
        .verification
        .as_ref()
        .map(|state| soundness_view(context.subscription, state, page.busy, context.as_of, context.role));
    let (to_remove, waits) = (page.to_remove, page.retention_waits.as_deref());
    let retention = (!page.lines.is_empty())
        .then(|| retention_view(context.subscription, to_remove, waits, page.busy, context.role));
    let content = if page.lines.is_empty() {
        empty_view(context, query, page.busy)
    } else {
        let rows: Vec<_> = page.lines.into_iter().map(|line| row_view(context, line)).collect();
        let (subscription, pages) = (context.subscription, query.clone());
        let href = move |page: &str| {
            let page = page.parse::<u32>().unwrap_or(1).saturating_sub(1);
            query::href(subscription, &LineQuery { page, ..pages.clone() })
        };
        view! {
            <Table label="Backups" class="lines" columns=columns(context.subscription, query) rows />
            <Pager page=query.page rows=LINES_PAGE_ROWS matching=page.matching href=Box::new(href) />
        }
        .into_any()
    };
    view! { <div class="stack tight">{unreachable} <div>{content}</div> {retention} {soundness}</div> }.into_any()
}

fn columns(subscription: SubscriptionId, query: &LineQuery) -> Vec<Column> {
    let column = |sort: LineSort, label: &'static str| Column {
        label,
        number: sort == LineSort::Size,
        href: Some(query::href(subscription, &query::sorted_by(query, sort))),
        sorted: (query.sort == sort).then(|| query::descends(query)),
    };
    vec![
        column(LineSort::Name, "Backup"),
        Column::plain("Result"),
        column(LineSort::Size, "Size, MB"),
        Column::plain("Attachments").number(),
        column(LineSort::Created, "Created"),
        column(LineSort::Trigger, "Trigger"),
        Column::plain("Server · UUID"),
        Column::plain(""),
    ]
}

fn row_view(context: LineContext, line: BackupLine) -> AnyView {
    let as_of = context.as_of;
    let remote = line.remote_id.to_string();
    let pinned = line.pinned.then(|| view! { <span class="tag">"Pinned"</span> });
    let dim = !line.is_usable();
    view! {
        <tr role="row" class:dim=dim>
            <td role="cell" class="lead">
                <span class="row tight">
                    <b class="file">{file_name_view(&line.name)}</b>
                    {pinned}
                </span>
                <Comment context line=line.id text=line.comment.clone() />
                {line.fate.as_ref().map(|fate| view! { <span class="sub fate">{fate.in_words()}</span> })}
            </td>
            {result_cells(&line)}
            <AgeCell label="Created" at=line.created_at as_of />
            <td role="cell" data-label="Trigger">
                <span>{line.trigger.as_str()}</span>
                <span class="sub">{line.format.as_str()}</span>
            </td>
            <td role="cell" data-label="Server">
                <span>{line.server.clone()}</span>
                <span class="sub row tight">
                    <code class="uuid" title=remote.clone()>{remote.clone()}</code>
                    <CopyButton text=remote what="remote line UUID" />
                </span>
            </td>
            <td role="cell" class="last">
                <LineMenu context line />
            </td>
        </tr>
    }
    .into_any()
}

/// A file name that breaks before its time rather than inside it.
fn file_name_view(name: &str) -> impl IntoView + use<> {
    let (database, time) = at_its_time(name);
    view! {
        {database.to_owned()}
        <wbr />
        <span class="time">{time.to_owned()}</span>
    }
}

/// Cuts `acme_2026-11-30_05-12-22.zip` before the date.
fn at_its_time(name: &str) -> (&str, &str) {
    name.rmatch_indices('_').nth(1).map_or((name, ""), |(place, _)| name.split_at(place + 1))
}

/// How it ended, its size and its attachments; what cannot be downloaded has a reason in place of the figures.
fn result_cells(line: &BackupLine) -> AnyView {
    let (tone, result, reason) = result_text(&line.result);
    let usable = line.is_usable();
    let reason_class = format!("sub reason {}", tone.class());
    let result = view! {
        <td role="cell" class="aside result" class:wide=!usable colspan=(!usable).then_some("3")>
            <Badge tone text=result />
            <span class=reason_class>{reason}</span>
        </td>
    };
    if !usable {
        return result.into_any();
    }
    let stored = line.stored_bytes.map(|bytes| format!("+ {} stored", figures::megabytes(bytes)));
    let size = line.size_bytes.map_or_else(|| "–".to_owned(), figures::megabytes);
    view! {
        {result}
        <td role="cell" class="number" data-label="Size, MB">
            <span>{size}</span>
            <span class="sub">{stored}</span>
        </td>
        <td role="cell" class="number" data-label="Attachments">
            {attachments_view(line.attachments)}
        </td>
    }
    .into_any()
}

/// Badge, words and reason of how a backup ended.
fn result_text(result: &LineResult) -> (Tone, &'static str, String) {
    match result {
        LineResult::Good => (Tone::Ok, "Good", String::new()),
        LineResult::Failed { reason } => (Tone::Bad, "Failed", reason.clone()),
        LineResult::Missing => {
            (Tone::Bad, "Missing", "The server does not have it any more. It cannot be downloaded.".to_owned())
        }
        LineResult::SizeChanged => {
            (Tone::Warn, "Size changed", "The server now says another size than when it was made.".to_owned())
        }
    }
}

fn attachments_view(attachments: Option<(u64, u64)>) -> AnyView {
    let Some((present, expected)) = attachments else { return view! { <span>"–"</span> }.into_any() };
    let missing = expected.saturating_sub(present);
    let warning =
        (missing > 0).then(|| view! { <span class="sub warn">{format!("{} missing", figures::count(missing))}</span> });
    view! {
        <span>{format!("{} / {}", figures::count(present), figures::count(expected))}</span>
        {warning}
    }
    .into_any()
}

/// `busy` is what the server knew; the browser follows what begins and ends.
fn empty_view(context: LineContext, query: &LineQuery, busy: bool) -> AnyView {
    let (live, subscription) = (expect_context::<Live>(), context.subscription);
    let busy = Memo::new(move |_| {
        live.unfinished.with(|known| match known {
            Some(known) => known.iter().any(|operation| operation.subscription == Some(subscription)),
            None => busy,
        })
    });
    let narrowed = *query != LineQuery { sort: query.sort, reversed: query.reversed, ..LineQuery::default() };
    let path = format!("/subscriptions/{}", context.subscription.0);
    let create = format!("{path}?wizard=create-backup");
    let content = if narrowed {
        view! {
            <Empty icon=Icon::Database title="No backup matches">
                <div class="row">
                    <a class="btn" href=path>"Show all backups"</a>
                </div>
            </Empty>
        }
        .into_any()
    } else {
        view! {
            <Empty icon=Icon::Database title="No backups yet">
                <p>"The first one reads the whole database and filestore; those after it add only what changed."</p>
                {(context.role >= Role::Operator).then(|| view! {
                    <div class="row" hidden=move || busy.get()>
                        <a class="btn primary" href=create data-noscroll>"Create the first backup"</a>
                    </div>
                })}
            </Empty>
        }
        .into_any()
    };
    view! { <div class="card">{content}</div> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_cut_before_its_time() {
        let (database, time) = at_its_time("acme_test_2026-11-30_05-12-22.zip");
        assert_eq!((database, time), ("acme_test_", "2026-11-30_05-12-22.zip"));
        assert_eq!(at_its_time("acme.zip"), ("acme.zip", ""));
        assert_eq!(at_its_time("acme_2.zip"), ("acme_2.zip", ""));
    }

    #[test]
    fn what_cannot_be_downloaded_says_why() {
        let failed = LineResult::Failed { reason: "pg_dump ended with status 1.".to_owned() };
        assert_eq!(result_text(&failed), (Tone::Bad, "Failed", "pg_dump ended with status 1.".to_owned()));
        assert!(!result_text(&LineResult::Missing).2.is_empty());
        assert!(result_text(&LineResult::Good).2.is_empty());
    }
}
