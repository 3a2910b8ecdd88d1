//! What a restore was about, what it did, and whether it can be undone: the parts of its operation's page.

use backup_api::{JobState, Restored};
use chrono::{DateTime, TimeDelta, Utc};
use leptos::prelude::*;

use super::{RestoreFacts, Undo};
use crate::{
    components::{Moment, Notice, Tone, browser, figures},
    operations::{Operation, OperationKind},
    users::Role,
};

/// What was restored into what, for lists: `acme from acme_2026-11-22_02-04-11.zip`.
pub fn line_text(kind: OperationKind, facts: &RestoreFacts) -> String {
    let (database, backup) = (&facts.database, &facts.line_name);
    match (kind, facts.is_copy) {
        (OperationKind::Undo, _) => format!("{database} as it was before {backup} was restored"),
        (_, true) => format!("{backup} as a copy, {database}"),
        (_, false) => format!("{backup} into {database}"),
    }
}

/// Rows for the facts of an operation's page.
pub fn facts_rows(kind: OperationKind, facts: &RestoreFacts, as_of: DateTime<Utc>) -> AnyView {
    let version = facts.odoo_version.as_ref().map(|version| format!(" · Odoo {version}"));
    let database = if facts.is_copy { format!("{}, a new one", facts.database) } else { facts.database.clone() };
    let restore = (kind == OperationKind::Undo).then(|| {
        view! {
            <dt>"Undoes"</dt>
            <dd>
                <a href=format!("/operations/{}", facts.restore.0)>"The restore of this backup"</a>
            </dd>
        }
    });
    let options = (kind == OperationKind::Restore).then(|| {
        view! {
            <dt>"Options"</dt>
            <dd>{options_text(facts)}</dd>
        }
    });
    view! {
        {restore}
        <dt>"Backup"</dt>
        <dd>
            {facts.line_name.clone()}
            " · "
            <Moment at=facts.line_created_at as_of />
            {version}
        </dd>
        <dt>"Database"</dt>
        <dd>{database}</dd>
        {options}
    }
    .into_any()
}

fn options_text(facts: &RestoreFacts) -> String {
    let neutralize = if facts.neutralize { "neutralize" } else { "do not neutralize" };
    if facts.is_copy {
        return format!("copy, {neutralize}");
    }
    let safety = if facts.safety_backup { "safety backup first" } else { "no safety backup" };
    let undo = match facts.undo_hours {
        0 => "no undo".to_owned(),
        hours => format!("undo for {}", figures::counted(u64::from(hours), "hour")),
    };
    format!("{safety}, {neutralize}, {undo}")
}

/// What an ended restore or undo did, and what can be done about it.
pub fn outcome_view(operation: &Operation, as_of: DateTime<Utc>, role: Role) -> Option<AnyView> {
    let facts = operation.restore.as_ref().filter(|_| operation.state.is_final())?;
    if operation.kind == OperationKind::Undo {
        let told = format!("{} is as it was before the restore.", facts.database);
        return (operation.state == JobState::Succeeded)
            .then(|| view! { <Notice tone=Tone::Ok><p><b>{told}</b></p></Notice> }.into_any());
    }
    let result = facts.result.as_ref().map(|result| result_view(operation, facts, result));
    let undo = undo_view(facts, as_of, role);
    Some(view! { {result} {undo} }.into_any())
}

fn result_view(operation: &Operation, facts: &RestoreFacts, result: &Restored) -> AnyView {
    let is = if facts.is_copy { "is there," } else { "is" };
    let title = format!("{} {is} restored and verified.", facts.database);
    let cells = cells(operation, result).map(|(name, figure)| {
        view! {
            <div>
                <dt>{name}</dt>
                <dd>{figure}</dd>
            </div>
        }
    });
    let attachments = attachments_text(result);
    let safety = facts.safety_line.filter(|_| operation.subscription.is_some()).map(|_| {
        let href = operation.subscription.map(|id| format!("/subscriptions/{}", id.0));
        view! {
            <p>
                "The database as it was before is also a backup: "
                <a href=href>"see the safety backup among the lines"</a>"."
            </p>
        }
    });
    let notes: Vec<_> = result.notes.iter().map(|note| view! { <li>{note.clone()}</li> }).collect();
    let notes = (!notes.is_empty()).then(|| {
        view! {
            <div class="card padded stack tight">
                <h2>"Worth knowing"</h2>
                <ul class="notes">{notes}</ul>
            </div>
        }
    });
    view! {
        <Notice tone=Tone::Ok>
            <p>
                <b>{title}</b>
                " Every table was counted and compared with the backup."
            </p>
            {attachments.map(|text| view! { <p>{text}</p> })}
            {safety}
        </Notice>
        <dl class="glance" aria-label="Result">{cells.into_iter().collect_view()}</dl>
        {notes}
    }
    .into_any()
}

fn cells(operation: &Operation, result: &Restored) -> [(&'static str, String); 5] {
    let seconds = operation.started_at.zip(operation.finished_at).map(|(from, to)| figures::seconds_between(from, to));
    let attachments = result.attachments.as_ref().map_or_else(
        || "not in this backup".to_owned(),
        |files| format!("{} of {}", figures::count(files.present), figures::count(files.expected)),
    );
    [
        ("Tables", figures::count(result.tables)),
        ("Rows", figures::count(result.rows)),
        ("Attachments verified", attachments),
        ("Neutralized", if result.neutralized { "yes, verified" } else { "no" }.to_owned()),
        ("Time taken", seconds.map_or_else(|| "–".to_owned(), figures::duration)),
    ]
}

/// What has to be said about attachments.
fn attachments_text(result: &Restored) -> Option<String> {
    let Some(files) = &result.attachments else {
        return Some("The backup holds the database only: its attachments were not restored.".to_owned());
    };
    let missing = files.missing_count();
    (missing > 0).then(|| {
        format!(
            "{} in the backup already; Odoo shows them as empty.",
            match missing {
                1 => "1 attachment was missing".to_owned(),
                more => format!("{} attachments were missing", figures::count(more)),
            }
        )
    })
}

/// Whether the restore can be undone, and the way to it.
fn undo_view(facts: &RestoreFacts, as_of: DateTime<Utc>, role: Role) -> AnyView {
    match facts.undo.clone() {
        Undo::Offered { until } => offer_view(facts, until, as_of, role),
        Undo::UnderWay { operation } => view! {
            <Notice tone=Tone::Plain>
                <p>
                    "This restore is being undone: "
                    <a href=format!("/operations/{}", operation.0)>"follow it"</a>"."
                </p>
            </Notice>
        }
        .into_any(),
        Undo::Done { by, at } => view! {
            <Notice tone=Tone::Warn>
                <p>
                    <b>"This restore was undone"</b>
                    {format!(" by {by}, ")}
                    <Moment at as_of />
                    "."
                </p>
            </Notice>
        }
        .into_any(),
        Undo::NotOffered { why } => view! {
            <p class="muted">
                "Undo is not offered: "
                {why}
            </p>
        }
        .into_any(),
    }
}

/// How long an undo is possible, and the way to it.
pub fn offer_view(facts: &RestoreFacts, until: DateTime<Utc>, as_of: DateTime<Utc>, role: Role) -> AnyView {
    let href = format!("/operations/{}?wizard=undo", facts.restore.0);
    let because = facts.kept_because.clone().map(|why| view! { <p class="muted">{why}</p> });
    let way = (role >= Role::Operator).then(|| view! { <a class="btn" href=href data-noscroll>"Undo restore"</a> });
    view! {
        <div class="card padded row apart offer">
            <div>
                <b>{format!("{} as it was before is still kept.", facts.database)}</b>
                <p class="muted">
                    "Undo is possible until "
                    <Moment at=until as_of />
                    {time_left(until)}
                </p>
                {because}
            </div>
            {way}
        </div>
    }
    .into_any()
}

/// ` · 23 h 12 min left`, once the page is interactive: without scripts a page cannot know how long it has been open.
fn time_left(until: DateTime<Utc>) -> impl IntoView {
    let text = RwSignal::new(String::new());
    Effect::new(move || {
        if let Some(now) = browser::now() {
            text.set(left_text(until - now));
        }
    });
    text
}

fn left_text(left: TimeDelta) -> String {
    match u64::try_from(left.num_seconds()) {
        Ok(seconds) if seconds > 0 => format!(" · {} left", figures::duration(seconds)),
        _ => " · the time is over".to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use backup_api::{Attachments, BackupId, DatabaseName};
    use uuid::Uuid;

    use super::*;
    use crate::operations::{OperationId, following::tests::operation};

    pub fn facts() -> RestoreFacts {
        RestoreFacts {
            restore: OperationId(Uuid::from_u128(1)),
            line: None,
            line_name: "acme_2026-11-22_02-04-11.zip".to_owned(),
            line_created_at: DateTime::UNIX_EPOCH,
            odoo_version: Some("18.0".to_owned()),
            database: "acme".to_owned(),
            is_copy: false,
            neutralize: false,
            safety_backup: true,
            undo_hours: 24,
            safety_line: None,
            result: None,
            kept_because: None,
            undo: Undo::NotOffered { why: "It has not ended yet.".to_owned() },
        }
    }

    fn restored(attachments: Option<Attachments>) -> Restored {
        Restored {
            backup: BackupId(Uuid::from_u128(1)),
            database: DatabaseName::parse("acme").unwrap(),
            tables: 120,
            rows: 12_345,
            attachments,
            neutralized: false,
            undo_until: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn lists_say_what_went_into_what() {
        let mut facts = facts();
        let text = |kind, facts: &RestoreFacts| line_text(kind, facts);
        assert_eq!(text(OperationKind::Restore, &facts), "acme_2026-11-22_02-04-11.zip into acme");
        assert!(text(OperationKind::Undo, &facts).starts_with("acme as it was before"));
        assert_eq!(options_text(&facts), "safety backup first, do not neutralize, undo for 24 hours");
        (facts.is_copy, facts.neutralize) = (true, true);
        assert!(text(OperationKind::Restore, &facts).ends_with("as a copy, acme"));
        assert_eq!(options_text(&facts), "copy, neutralize");
    }

    #[test]
    fn figures_and_missing_attachments_are_told_as_they_are() {
        let mut work = operation(1, JobState::Succeeded);
        work.finished_at = work.started_at.map(|started| started + TimeDelta::seconds(75));
        let files = |present| Some(Attachments { expected: 24, present, ..Attachments::default() });
        let told = cells(&work, &restored(files(23))).map(|(_, figure)| figure);
        assert_eq!(told, ["120", "12,345", "23 of 24", "no", "1 min 15 s"]);
        assert!(attachments_text(&restored(files(23))).unwrap().starts_with("1 attachment was missing"));
        assert_eq!(attachments_text(&restored(files(24))), None);
        assert!(attachments_text(&restored(None)).unwrap().contains("database only"));
    }

    #[test]
    fn the_time_left_never_goes_below_nothing() {
        assert_eq!(left_text(TimeDelta::minutes(1_392)), " · 23 h 12 min left");
        assert_eq!(left_text(TimeDelta::seconds(-5)), " · the time is over");
    }
}
