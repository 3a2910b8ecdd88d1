//! What other numbers would remove and keep, as lists.

use leptos::prelude::*;

use super::{Preview, PreviewLine};
use crate::components::{Notice, Tone, figures};

/// The view of a preview.
pub fn preview_view(preview: &Preview) -> AnyView {
    let (goes, stays) = (preview.goes.len() as u64, preview.stays.len() as u64);
    if goes + stays == 0 {
        return view! { <p class="hint">"There are no backups yet that retention could remove."</p> }.into_any();
    }
    let (tone, verdict) = if goes == 0 {
        (
            Tone::Ok,
            if stays == 1 {
                "With these numbers the one backup stays.".to_owned()
            } else {
                format!("With these numbers all {} backups stay.", figures::count(stays))
            },
        )
    } else {
        let verdict = format!(
            "With these numbers {} would be removed after the next good backup, and {} would stay.",
            figures::counted(goes, "backup"),
            figures::count(stays)
        );
        (Tone::Warn, verdict)
    };
    let (going, staying) = (lines_view(&preview.goes), lines_view(&preview.stays));
    let removed = (goes > 0).then(|| {
        view! {
            <ul class="findings" aria-label="Would be removed">
                {going}
            </ul>
        }
    });
    view! {
        <Notice tone>
            <p>
                <b>{verdict}</b>
            </p>
            {removed}
            <details>
                <summary>{format!("{} would stay", figures::counted(stays, "backup"))}</summary>
                <ul class="findings" aria-label="Would stay">
                    {staying}
                </ul>
            </details>
        </Notice>
    }
    .into_any()
}

fn lines_view(lines: &[PreviewLine]) -> Vec<AnyView> {
    let one = |line: &PreviewLine| {
        let reasons = if line.reasons.is_empty() { String::new() } else { format!(" · {}", line.reasons) };
        let (made, name) = (line.made.clone(), line.name.clone());
        view! {
            <li>
                {made}
                " · "
                <span class="file">{name}</span>
                {reasons}
            </li>
        }
        .into_any()
    };
    lines.iter().map(one).collect()
}
