//! The form of the rules: what is told, how often, from which figure on.

use leptos::prelude::*;

use super::{Event, Rules, api::SaveRules};
use crate::{
    components::{ActionFailure, Field, Notice, Toast, Toasts, Tone, notice::failure_of, typed},
    error::AppError,
    users::Role,
};

const FIELDS: &[&str] = &["repeat_hours", "collect_minutes", "patience_hours", "low_space_percent", "small_percent"];

/// The form.
pub fn rules_view(rules: Rules, role: Role) -> AnyView {
    let save = ServerAction::<SaveRules>::new();
    let failure = failure_of(save);
    let toasts = expect_context::<Toasts>();
    Effect::new(move || {
        if save.value().with(|value| matches!(value, Some(Ok(())))) {
            toasts.show(Toast::done("Rules saved"));
        }
    });
    let editable = role >= Role::Administrator;
    let boxes: Vec<_> = Event::CHOSEN.into_iter().map(|event| event_box(event, &rules, failure)).collect();
    view! {
        <div class="card">
            <ActionForm action=save>
                <fieldset disabled=!editable>
                    <section class="section" aria-labelledby="events-title">
                        <header>
                            <h2 id="events-title">"What is told"</h2>
                            <p>"Each cause is told once, and once more when it is over. A subscription can have channels of its own, on its page under General."</p>
                        </header>
                        {(!editable).then(|| view! {
                            <Notice tone=Tone::Plain>
                                <p>"You can look at these rules; an administrator can change them."</p>
                            </Notice>
                        })}
                        <ActionFailure action=save fields=FIELDS />
                        <div class="stack tight">{boxes}</div>
                    </section>
                    {figures_section(&rules, failure)}
                    {editable.then(|| view! {
                        <div class="section-foot row">
                            <button class="btn primary" disabled=save.pending()>
                                {move || if save.pending().get() { "Saving …" } else { "Save rules" }}
                            </button>
                        </div>
                    })}
                </fieldset>
            </ActionForm>
        </div>
    }
    .into_any()
}

fn event_box(event: Event, rules: &Rules, failure: Signal<Option<AppError>>) -> AnyView {
    let checked = typed::chosen(failure, "input[events][]", event.as_str(), rules.events.contains(&event));
    view! {
        <label class="check">
            <input type="checkbox" name="input[events][]" value=event.as_str() checked=checked />
            <span>{event.label()}</span>
        </label>
    }
    .into_any()
}

fn figures_section(rules: &Rules, failure: Signal<Option<AppError>>) -> AnyView {
    let figure = |label: &'static str, name: &'static str, value: u32, hint: &'static str, max: u32| {
        view! { <Field label name kind="number" value=value.to_string() hint min=0 max=max required=true failure /> }
    };
    view! {
        <section class="section" aria-labelledby="figures-title">
            <h2 id="figures-title">"How often, and from when on"</h2>
            <div class="fields">
                {figure("Repeat after, hours", "input[repeat_hours]", rules.repeat_hours, "What is still wrong is told again. 0 for never.", 720)}
                {figure("Collect for, minutes", "input[collect_minutes]", rules.collect_minutes, "What happens meanwhile becomes one message.", 120)}
                {figure("Patience with a Warning, hours", "input[patience_hours]", rules.patience_hours, "A daily backup is a little late each day.", 72)}
                {figure("Low storage, percent", "input[low_space_percent]", rules.low_space_percent, "Less free space than this is told, and repeated while it lasts. 0: nothing about storage is ever told.", 90)}
                {figure("Small backup, percent", "input[small_percent]", rules.small_percent, "Below this share of the median of up to seven backups before it. 0: no backup is ever told to be small.", 99)}
            </div>
        </section>
    }
    .into_any()
}
