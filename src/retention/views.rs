//! What retention says below the lines, and the button that applies it.

use leptos::prelude::*;

use super::api::ApplyRetention;
use crate::{
    components::{ActionFailure, Glyph, Icon, figures},
    subscriptions::SubscriptionId,
    users::Role,
};

/// The view below the lines; nothing when there are no good ones.
pub fn retention_view(subscription: SubscriptionId, to_remove: u64, busy: bool, role: Role) -> AnyView {
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
                <span>{sentence(to_remove)}</span>
                {button}
            </div>
            <ActionFailure action=apply />
        </section>
    }
    .into_any()
}

fn sentence(to_remove: u64) -> String {
    match to_remove {
        0 => "Retention keeps every backup here; what it does not keep is removed after each good backup.".to_owned(),
        count => format!(
            "Retention does not keep {}: removed after the next good backup.",
            figures::counted(count, "backup")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_counts_what_goes() {
        assert!(sentence(0).contains("keeps every backup"));
        assert!(sentence(1).contains("1 backup:"), "{}", sentence(1));
        assert!(sentence(12).contains("12 backups:"));
    }
}
