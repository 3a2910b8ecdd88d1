//! What a subscription has of its own: a card below its settings.

use leptos::prelude::*;

use super::{
    ChannelId, Override, OverrideMode,
    api::{SaveOverride, TestPing},
    banner::refresh_when,
};
use crate::{
    components::{
        ActionFailure, Choice, Field, FieldError, Toast, Toasts, field::field_error, notice::failure_of, typed,
    },
    error::AppError,
    subscriptions::SubscriptionId,
    users::Role,
};

type Wrong = Signal<Option<AppError>>;

/// The card of subscription `id`. It is given what it shows: what fetches for itself inside of what is fetched cannot be
/// bound to the page again.
pub fn alerts_view(id: SubscriptionId, own: Override, role: Role) -> AnyView {
    let save = ServerAction::<SaveOverride>::new();
    let failure = failure_of(save);
    let toasts = expect_context::<Toasts>();
    Effect::new(move || {
        if save.value().with(|value| matches!(value, Some(Ok(())))) {
            toasts.show(Toast::done("Alerts saved"));
        }
    });
    let editable = role >= Role::Administrator;
    let Override { mode, channels, ping_place } = own;
    let test = ServerAction::<TestPing>::new();
    refresh_when(move || test.value().with(Option::is_some));
    let test = editable.then(|| test_view(id, test));
    let modes = OverrideMode::ALL.map(|option| {
        let checked = typed::chosen(failure, "input[mode]", option.as_str(), option == mode);
        view! { <Choice name="input[mode]" value=option.as_str() checked label=option.label() about=option.about() /> }
    });
    view! {
        <div class="card">
            <ActionForm action=save>
                <input type="hidden" name="input[subscription]" value=id.0.to_string() />
                <fieldset disabled=!editable>
                    <section class="section" aria-labelledby="alerts-title">
                        <header>
                            <h2 id="alerts-title">"Alerts"</h2>
                            <p>"Where it is told what goes wrong with this subscription."</p>
                        </header>
                        <ActionFailure action=save fields=&["channels", "secret_ping"] />
                        <div class="choices" role="radiogroup" aria-labelledby="alerts-title">{modes.into_iter().collect_view()}</div>
                        {channel_boxes(channels, failure)}
                        {ping_fields(ping_place, failure)}
                    </section>
                    {editable.then(|| view! {
                        <div class="section-foot row">
                            <button class="btn" disabled=save.pending()>
                                {move || if save.pending().get() { "Saving …" } else { "Save alerts" }}
                            </button>
                        </div>
                    })}
                </fieldset>
            </ActionForm>
            {test}
        </div>
    }
    .into_any()
}

/// Tries the stored address out; what came of it is told on the page of alerts.
fn test_view(id: SubscriptionId, test: ServerAction<TestPing>) -> AnyView {
    view! {
        <div class="section stack tight">
            <ActionFailure action=test />
            <ActionForm action=test>
                <input type="hidden" name="subscription" value=id.0.to_string() />
                <div class="row">
                    <button class="btn small" disabled=test.pending()>
                        {move || if test.pending().get() { "Sending …" } else { "Test ping" }}
                    </button>
                    <span class="hint">"Posts to …/log of the stored address, which changes no check's state."</span>
                </div>
            </ActionForm>
        </div>
    }
    .into_any()
}

fn channel_boxes(channels: Vec<(ChannelId, String, bool)>, failure: Wrong) -> AnyView {
    let error = Signal::derive(move || field_error(failure, "input[channels]"));
    if channels.is_empty() {
        return view! {
            <p class="muted for-own">
                "There are no channels yet. " <a href="/alerts">"Add one under Alerts"</a> " first."
            </p>
        }
        .into_any();
    }
    let boxes: Vec<_> = channels
        .into_iter()
        .map(|(id, name, chosen)| {
            let value = id.0.to_string();
            let checked = typed::chosen(failure, "input[channels][]", &value, chosen);
            view! {
                <label class="check">
                    <input type="checkbox" name="input[channels][]" value=value checked=checked />
                    <span>{name}</span>
                </label>
            }
        })
        .collect();
    view! {
        <div class="stack tight for-own" role="group" aria-label="Own channels">
            {boxes} <FieldError error />
        </div>
    }
    .into_any()
}

fn ping_fields(place: Option<String>, failure: Wrong) -> AnyView {
    let hint = match &place {
        Some(place) => format!("Empty keeps the stored one: {place}/…"),
        None => {
            "Called when a backup succeeds, with /start when one begins and /fail when one fails, as healthchecks.io \
                 and its like want it. Stored encrypted."
                .to_owned()
        }
    };
    let forget = place.map(|_| {
        view! {
            <label class="check">
                <input type="checkbox" name="input[forget_ping]" value="true" />
                <span>"Remove the stored address"</span>
            </label>
        }
    });
    view! {
        <div class="fields">
            <Field label="Ping address" name="input[secret_ping]" kind="url" placeholder="https://hc-ping.com/…" hint class="wide" max=2_000 failure />
        </div>
        {forget}
    }
    .into_any()
}
