//! The form of a channel: where it leads, save, delete.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use uuid::Uuid;

use super::{
    Channel, ChannelId, ChannelKind,
    api::{DeleteChannel, SaveChannel, get_channel},
    banner::refresh_when,
    channel_fields::{FIELDS, kind_fields},
};
use crate::{
    components::{ActionFailure, Choice, Failure, Field, Head, fetched, notice::failure_of, typed},
    error::{AppError, AppResult},
    users::Role,
};

/// The page of a new or an existing channel.
#[component]
pub fn ChannelPage() -> impl IntoView {
    let parameters = use_params_map();
    let id = Memo::new(move |_| parameters.with(|parameters| parameters.get_str("id").map(str::to_owned)));
    let channel = Resource::new(move || id.get(), load);
    fetched(channel, page_view)
}

async fn load(id: Option<String>) -> AppResult<Option<Channel>> {
    let Some(id) = id else { return Ok(None) };
    let id = id.parse::<Uuid>().map_err(|_| AppError::not_found("This channel"))?;
    get_channel(ChannelId(id)).await.map(Some)
}

fn page_view(channel: Option<Channel>, role: Role) -> AnyView {
    let title = channel.as_ref().map_or_else(|| "Add channel".to_owned(), |channel| channel.name.clone());
    let delete = channel.as_ref().filter(|_| role >= Role::Administrator).map(|channel| delete_view(channel.id));
    view! {
        <Head title back=("/alerts", "Alerts") />
        <div class="stack">
            {if role >= Role::Administrator {
                form_view(channel)
            } else {
                view! { <Failure error=AppError::Forbidden { needed: "administrator".to_owned() } /> }.into_any()
            }}
            {delete}
        </div>
    }
    .into_any()
}

fn form_view(channel: Option<Channel>) -> AnyView {
    let save = ServerAction::<SaveChannel>::new();
    refresh_when(move || save.value().with(|value| matches!(value, Some(Ok(_)))));
    let failure = failure_of(save);
    let (name, enabled, for_all) = channel
        .as_ref()
        .map_or_else(|| (String::new(), true, true), |known| (known.name.clone(), known.enabled, known.for_all));
    let known = channel.as_ref().map(|channel| channel.settings.clone());
    let identity = channel.as_ref().map(|channel| {
        view! { <input type="hidden" name="input[id]" value=channel.id.0.to_string() /> }
    });
    view! {
        <div class="card">
            <ActionForm action=save>
                {identity}
                <section class="section" aria-label="Channel">
                    <ActionFailure action=save fields=FIELDS />
                    {kind_choice(known.as_ref().map(super::Settings::kind), failure)}
                    <div class="fields">
                        <Field label="Name" name="input[name]" value=name placeholder="Operations team" required=true max=200 failure />
                    </div>
                    {kind_fields(known.as_ref(), failure)}
                    {check_box("input[enabled]", enabled, "Send alerts through this channel", failure)}
                    {check_box("input[for_all]", for_all, "For all subscriptions that have no channels of their own, and for storage", failure)}
                </section>
                <div class="section-foot row">
                    <button class="btn primary" disabled=save.pending()>
                        {move || if save.pending().get() { "Saving …" } else { "Save channel" }}
                    </button>
                    <a class="btn quiet" href="/alerts">"Cancel"</a>
                </div>
            </ActionForm>
        </div>
    }
    .into_any()
}

/// The kinds to choose from; of an existing channel its own.
fn kind_choice(known: Option<ChannelKind>, failure: Signal<Option<AppError>>) -> AnyView {
    let chosen = known.unwrap_or_default();
    let kinds = ChannelKind::ALL.into_iter().filter(|kind| known.is_none_or(|known| known == *kind));
    let choices = kinds.map(|kind| {
        let checked = typed::chosen(failure, "input[kind]", kind.as_str(), kind == chosen);
        view! { <Choice name="input[kind]" value=kind.as_str() checked label=kind.label() about=kind.about() /> }
    });
    view! {
        <div class="choices" role="radiogroup" aria-label="Kind of channel">
            {choices.collect_view()}
        </div>
    }
    .into_any()
}

fn check_box(name: &'static str, checked: bool, words: &'static str, failure: Signal<Option<AppError>>) -> AnyView {
    let checked = typed::chosen(failure, name, "true", checked);
    view! {
        <label class="check">
            <input type="checkbox" name=name value="true" checked=checked />
            <span>{words}</span>
        </label>
    }
    .into_any()
}

fn delete_view(id: ChannelId) -> AnyView {
    let delete = ServerAction::<DeleteChannel>::new();
    refresh_when(move || delete.value().with(|value| matches!(value, Some(Ok(())))));
    view! {
        <section class="card section" aria-labelledby="delete-title">
            <h2 id="delete-title">"Delete"</h2>
            <ActionFailure action=delete />
            <details>
                <summary>"Delete this channel …"</summary>
                <div class="stack tight">
                    <p>"What it has not sent yet is dropped. Its entries of the delivery log stay."</p>
                    <ActionForm action=delete>
                        <input type="hidden" name="id" value=id.0.to_string() />
                        <button class="btn danger" disabled=delete.pending()>"Delete channel"</button>
                    </ActionForm>
                </div>
            </details>
        </section>
    }
    .into_any()
}
