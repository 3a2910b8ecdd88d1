//! What a connection test found: figures, and each problem with what to do about it.

use backup_api::{Severity, SourceReport};
use leptos::prelude::*;

use super::api::TestConnection;
use crate::components::{Failure, Notice, Tone, figures};

/// The result of the last test.
#[component]
pub fn TestResult(
    /// The test.
    test: ServerAction<TestConnection>,
) -> impl IntoView {
    let result = move || {
        if test.pending().get() {
            let wait = view! {
                <Notice tone=Tone::Plain>
                    <p>"Testing. The backup server connects to the database and looks at everything that a backup needs …"</p>
                </Notice>
            };
            return Some(wait.into_any());
        }
        test.value().get().map(|result| match result {
            Ok(report) => report_view(&report),
            Err(error) => view! { <Failure error /> }.into_any(),
        })
    };
    view! { <div class="test-result" role="status">{result}</div> }
}

fn report_view(report: &SourceReport) -> AnyView {
    let (tone, verdict) = match (report.is_usable(), report.problems.is_empty()) {
        (true, true) => (Tone::Ok, "The connection works. A backup can be made."),
        (true, false) => (Tone::Warn, "A backup can be made, but look at what was found."),
        (false, _) => (Tone::Bad, "No backup can be made yet. This must be solved first:"),
    };
    let problems: Vec<_> = report
        .problems
        .iter()
        .map(|problem| {
            let severity = match problem.severity {
                Severity::Stop => "Stops every backup: ",
                Severity::Warn => "Deserves a look: ",
            };
            view! {
                <li>
                    <b>{severity}</b>
                    {problem.message.clone()}
                </li>
            }
        })
        .collect();
    let facts: Vec<_> =
        facts(report).into_iter().map(|(name, figure)| view! { <dt>{name}</dt> <dd>{figure}</dd> }).collect();
    let facts = (!facts.is_empty()).then(|| view! { <dl class="facts">{facts}</dl> });
    view! {
        <Notice tone>
            <p>
                <b>{verdict}</b>
            </p>
            {(!problems.is_empty()).then(|| view! { <ul class="findings">{problems}</ul> })}
            {facts}
        </Notice>
    }
    .into_any()
}

/// The figures that this kind of connection can tell.
fn facts(report: &SourceReport) -> Vec<(&'static str, String)> {
    let attachments = report.attachment_count.map(|count| {
        let size = report.filestore_bytes.map(|bytes| format!(", {}", figures::size(bytes))).unwrap_or_default();
        format!("{}{size}", figures::counted(count, "attachment"))
    });
    [
        ("Odoo", report.odoo_version.clone()),
        ("PostgreSQL", report.postgres_version.clone()),
        ("Matching pg_dump", report.pg_dump_version.clone()),
        ("Database", report.database_bytes.map(figures::size)),
        ("Filestore", attachments.or_else(|| report.filestore_bytes.map(figures::size))),
    ]
    .into_iter()
    .filter_map(|(name, figure)| Some((name, figure?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_told() {
        let report = SourceReport {
            odoo_version: Some("18.0".to_owned()),
            database_bytes: Some(41_200_000),
            filestore_bytes: Some(3_500_000),
            attachment_count: Some(856),
            ..SourceReport::default()
        };
        assert_eq!(
            facts(&report),
            [
                ("Odoo", "18.0".to_owned()),
                ("Database", "41.2 MB".to_owned()),
                ("Filestore", "856 attachments, 3.5 MB".to_owned())
            ]
        );
        assert!(facts(&SourceReport::default()).is_empty());
    }
}
