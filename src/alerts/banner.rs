//! The warning on every page when alerts do not arrive: else their silence would be taken for good news.

use leptos::prelude::*;

use super::{Trouble, api::channel_troubles};
use crate::{
    components::{Notice, Tone},
    operations::following::Live,
};

/// The warning, when there is cause for it.
#[component]
pub fn ChannelBanner() -> impl IntoView {
    let live = expect_context::<Live>();
    let troubles = Resource::new(move || live.beat.get(), |_| channel_troubles());
    let shown = move || {
        Suspend::new(
            async move { troubles.await.ok().filter(|known| !known.is_empty()).map(|known| banner_view(&known)) },
        )
    };
    view! { <Transition>{shown}</Transition> }
}

/// Has the warning, and every list, follow what an action changed once it is `done`.
pub fn refresh_when(done: impl Fn() -> bool + 'static) {
    let live = expect_context::<Live>();
    Effect::new(move || {
        if done() {
            live.refresh();
        }
    });
}

fn banner_view(troubles: &[Trouble]) -> AnyView {
    let said = format!("{} ", sentence(troubles));
    view! {
        <section class="banner" aria-label="Alerts do not arrive">
            <Notice tone=Tone::Bad>
                <p>{said} <a href="/alerts">"Look at the channels"</a></p>
            </Notice>
        </section>
    }
    .into_any()
}

fn sentence(troubles: &[Trouble]) -> String {
    match troubles {
        [one] => format!("Alerts through “{}” do not arrive. {}", one.name, one.reason),
        many => {
            let names: Vec<_> = many.iter().map(|trouble| format!("“{}”", trouble.name)).collect();
            format!("Alerts through {} channels do not arrive: {}.", many.len(), names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_channel_is_told_with_its_reason_and_several_by_name() {
        let trouble = |name: &str| Trouble { name: name.to_owned(), reason: "No answer.".to_owned() };
        assert_eq!(sentence(&[trouble("Team")]), "Alerts through “Team” do not arrive. No answer.");
        assert_eq!(
            sentence(&[trouble("Team"), trouble("Pager")]),
            "Alerts through 2 channels do not arrive: “Team”, “Pager”."
        );
    }
}
