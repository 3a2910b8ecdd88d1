//! What failed within a day, on the overview.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::{FailedWork, Overview};
use crate::components::{Glyph, Icon, figures};

/// The card.
pub fn failures_view(overview: &Overview) -> AnyView {
    let as_of = overview.as_of;
    let more = overview.failed.saturating_sub(u64::try_from(overview.failures.len()).unwrap_or_default());
    let content = if overview.failures.is_empty() {
        view! {
            <p class="quiet-good">
                <Glyph icon=Icon::Check />
                "Nothing failed in the last 24 hours."
            </p>
        }
        .into_any()
    } else {
        let items: Vec<_> = overview.failures.iter().map(|work| item_view(work, as_of)).collect();
        view! { <ul class="failures">{items}</ul> }.into_any()
    };
    let rest = (more > 0).then(|| {
        let words = format!("and {} more", figures::count(more));
        view! {
            <p class="foot">
                <a href="/operations?show=failed">{words}</a>
            </p>
        }
    });
    view! {
        <section class="card padded stack tight" aria-labelledby="failures-heading">
            <div class="row apart">
                <h2 id="failures-heading">"Failures of the last day"</h2>
                <span class="tally figures">{figures::count(overview.failed)}</span>
            </div>
            {content}
            {rest}
        </section>
    }
    .into_any()
}

fn item_view(work: &FailedWork, as_of: DateTime<Utc>) -> AnyView {
    let title = format!("{} of {}", work.kind.label(), work.subscription_name);
    let about = format!("{} · {}", figures::age(work.at, as_of), work.server);
    let mended = work.mended.then(|| view! { <span class="badge ok">"A later backup is good"</span> });
    view! {
        <li>
            <div>
                <a href=format!("/operations/{}", work.id.0)>{title}</a>
                <span class="sub">{about}</span>
            </div>
            <p>{work.reason.clone()}</p>
            {mended}
        </li>
    }
    .into_any()
}
