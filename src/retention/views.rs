//! What retention says below the lines, and the button that applies it.

use leptos::prelude::*;

use super::api::ApplyRetention;
use crate::{
    components::{ActionFailure, Glyph, Icon, figures},
    subscriptions::SubscriptionId,
    users::Role,
};

/// The view below the lines; nothing when there are no good ones. `waits` is why Holdfast does not remove by itself.
pub fn retention_view(
    subscription: SubscriptionId,
    to_remove: u64,
    waits: Option<&str>,
    busy: bool,
    role: Role,
) -> AnyView {
    let apply = ServerAction::<ApplyRetention>::new();
    let button = (role >= Role::Operator && to_remove > 0).then(|| {
        view! {
            <ActionForm action=apply>
                <input type="hidden" name="subscription" value=subscription.0.to_string() />
                <button class="btn quiet" disabled=move || busy || apply.pending().get()>"Apply retention now"</button>
            </ActionForm>
        }
    });
    view! {
        <section class="stack tight" aria-label="Retention">
            <div class="row muted">
                <Glyph icon=Icon::Info size=16 />
                <span>{sentence(to_remove, waits)}</span>
                {button}
            </div>
            <ActionFailure action=apply />
        </section>
    }
    .into_any()
}

fn sentence(to_remove: u64, waits: Option<&str>) -> String {
    let backups = figures::counted(to_remove, "backup");
    match (to_remove, waits) {
        (0, _) => {
            "Retention keeps every backup here; what it does not keep is removed after each good backup.".to_owned()
        }
        (_, None) => format!("Retention does not keep {backups}: removed after the next good backup."),
        (_, Some(why)) => {
            format!("Retention does not keep {backups}, but Holdfast removes nothing by itself at the moment: {why}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_counts_what_goes_and_says_what_it_waits_for() {
        assert!(sentence(0, None).contains("keeps every backup"));
        assert!(sentence(1, None).contains("1 backup:"), "{}", sentence(1, None));
        assert!(sentence(12, None).contains("12 backups:"));
        let waits = sentence(2, Some("what is stored is damaged."));
        assert!(waits.contains("2 backups, but") && waits.ends_with("what is stored is damaged."), "{waits}");
    }
}
