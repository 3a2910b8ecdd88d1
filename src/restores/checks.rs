//! What was found before a restore: each check with icon, word and sentence.

use backup_api::{Check, CheckOutcome};
use leptos::prelude::*;

use super::{RestorePreview, asked::count};
use crate::components::{Glyph, Icon, Tone, figures};

/// The verdict in one line: `All checks pass`, `1 check stops this restore`.
pub fn verdict(preview: &RestorePreview) -> (Tone, String) {
    let (stops, warnings) = (count(preview, CheckOutcome::Stop), count(preview, CheckOutcome::Warn));
    match (stops, warnings) {
        (0, 0) if preview.preflight.checks.is_empty() => (Tone::Bad, "nothing could be checked".to_owned()),
        (0, 0) => (Tone::Ok, "all passed".to_owned()),
        (0, warnings) => (Tone::Warn, format!("passed, {}", figures::counted(warnings, "warning"))),
        (1, _) => (Tone::Bad, "one stops this restore".to_owned()),
        (stops, _) => (Tone::Bad, format!("{} stop this restore", figures::count(stops))),
    }
}

/// The checks, in their order.
pub fn list_view(checks: &[Check]) -> AnyView {
    let rows: Vec<_> = checks.iter().map(row_view).collect();
    view! { <ul class="checks">{rows}</ul> }.into_any()
}

fn row_view(check: &Check) -> AnyView {
    let (class, icon, word) = match check.outcome {
        CheckOutcome::Pass => ("ok", Icon::Check, "Pass"),
        CheckOutcome::Warn => ("warn", Icon::Warning, "Warning"),
        CheckOutcome::Stop => ("bad", Icon::Wrong, "Stop"),
    };
    let message = check.message.clone();
    view! {
        <li class=class>
            <span class="verdict">
                <Glyph icon size=15 />
                {word}
            </span>
            <span>
                <b>{check.code.label()}</b>
                " "
                {message}
            </span>
        </li>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restores::asked::tests::preview;

    #[test]
    fn the_verdict_counts_what_matters_most() {
        use CheckOutcome::{Pass, Stop, Warn};
        for (outcomes, tone, words) in [
            (&[][..], Tone::Bad, "nothing could be checked"),
            (&[Pass, Pass], Tone::Ok, "all passed"),
            (&[Pass, Warn], Tone::Warn, "passed, 1 warning"),
            (&[Stop, Warn], Tone::Bad, "one stops this restore"),
            (&[Stop, Stop], Tone::Bad, "2 stop this restore"),
        ] {
            assert_eq!(verdict(&preview(outcomes)), (tone, words.to_owned()));
        }
    }
}
