//! The schedule in the form of a subscription, and what it and the numbers of retention would do.

use backup_api::BackupFormat;
use leptos::{form::FromFormData, html, prelude::*};
use leptos_router::params::ParamsMap;

use super::{FormFacts, PlanPreview, Repeats, Schedule, Weekday, api::PreviewPlan};
use crate::{
    components::{
        Choice, Failure, Field, FieldError,
        addresses::value,
        field::{bare_name, field_error},
        forms::form_data_as_it_is,
        typed,
    },
    error::{AppError, AppResult},
    retention::preview_view::preview_view,
    subscriptions::{Retention, Subscription, SubscriptionInput, api::SaveSubscription},
};

/// What the plan's fields hold at first: what is stored or, without JavaScript, what was typed into a form that was refused
/// or what the address says.
pub fn first_input(subscription: Option<&Subscription>, facts: &FormFacts, query: &ParamsMap) -> SubscriptionInput {
    let schedule = subscription.map_or(&facts.schedule, |subscription| &subscription.schedule);
    let kept = subscription.map_or_else(Retention::default, |subscription| subscription.retention);
    let stored = SubscriptionInput {
        id: subscription.map(|subscription| subscription.id),
        daily: kept.daily,
        weekly: kept.weekly,
        monthly: kept.monthly,
        keep_latest: kept.keep_latest,
        scheduled: schedule.enabled,
        repeats: schedule.repeats,
        times: schedule.times.clone(),
        weekday: schedule.weekday,
        cron: schedule.cron.clone(),
        spread: schedule.spread_minutes.to_string(),
        planned_format: schedule.format,
        zone: subscription.map_or(&facts.zone, |subscription| &subscription.zone).clone(),
        ..SubscriptionInput::default()
    };
    if let Some(typed) = typed::as_query::<SaveSubscription>() {
        return from_address(
            stored,
            &typed.into_iter().map(|(name, value)| (bare_name(&name).to_owned(), value)).collect(),
        );
    }
    if value(query, "preview") == "plan" { from_address(stored, query) } else { stored }
}

/// What the address says of the plan; see `POST /subscriptions/preview`.
fn from_address(stored: SubscriptionInput, query: &ParamsMap) -> SubscriptionInput {
    let number = |name: &str, stored: u16| value(query, name).parse().unwrap_or(stored);
    SubscriptionInput {
        daily: number("daily", stored.daily),
        weekly: number("weekly", stored.weekly),
        monthly: number("monthly", stored.monthly),
        keep_latest: number("keep_latest", stored.keep_latest),
        scheduled: value(query, "scheduled") == "true",
        repeats: Repeats::parse(&value(query, "repeats")).unwrap_or(stored.repeats),
        times: value(query, "times"),
        weekday: Weekday::parse(&value(query, "weekday")).unwrap_or(stored.weekday),
        cron: value(query, "cron"),
        spread: value(query, "spread"),
        planned_format: BackupFormat::parse(&value(query, "planned_format")).unwrap_or(stored.planned_format),
        zone: value(query, "zone"),
        ..stored
    }
}

/// What the plan's parts of a form share.
#[derive(Clone, Copy)]
pub struct PlanForm {
    form: NodeRef<html::Form>,
    preview: ServerAction<PreviewPlan>,
    first: StoredValue<AppResult<PlanPreview>>,
}

impl PlanForm {
    /// The plan of a form whose first preview is known.
    pub fn new(form: NodeRef<html::Form>, first: AppResult<PlanPreview>) -> Self {
        Self { form, preview: ServerAction::new(), first: StoredValue::new(first) }
    }

    /// Asks what the form as it is would do.
    pub fn ask(self) {
        if let Some(data) = form_data_as_it_is(self.form)
            && let Ok(input) = PreviewPlan::from_form_data(&data)
        {
            self.preview.dispatch(input);
        }
    }

    /// The latest preview.
    fn latest(self) -> AppResult<PlanPreview> {
        self.preview.value().get().unwrap_or_else(|| self.first.get_value())
    }

    /// What becomes of the backups.
    pub fn retention_view(self) -> impl IntoView {
        let shown = move || match self.latest() {
            Ok(PlanPreview { retention: Some(preview), .. }) => Some(preview_view(&preview)),
            // A new subscription has none; what is wrong with the form is said beside the schedule.
            _ => None,
        };
        view! {
            <div role="status" aria-label="What retention would do">
                {shown}
            </div>
        }
    }

    /// The next runs.
    fn runs_view(self) -> impl IntoView {
        let shown = move || match self.latest() {
            Ok(preview) => runs_view(preview.next_runs),
            Err(error) => view! { <Failure error /> }.into_any(),
        };
        view! {
            <div role="status" aria-label="Next runs">
                {shown}
            </div>
        }
    }
}

fn runs_view(runs: Vec<String>) -> AnyView {
    if runs.is_empty() {
        return view! { <p class="hint">"The schedule is off: backups are made only when somebody asks for one."</p> }
            .into_any();
    }
    view! {
        <div class="next-runs">
            <span class="label">"Next runs"</span>
            <ol>{runs.into_iter().map(|run| view! { <li>{run}</li> }).collect_view()}</ol>
        </div>
    }
    .into_any()
}

/// The section of the form.
pub fn schedule_section(
    input: &SubscriptionInput,
    zones: Vec<String>,
    plan: PlanForm,
    failure: Signal<Option<AppError>>,
) -> AnyView {
    let spread_hint = "Each subscription begins at its own minute within so many, so that not all begin at once.";
    let repeats = input.repeats;
    let as_default = typed::chosen(failure, "input[as_default]", "true", false);
    view! {
        <section class="section" aria-labelledby="schedule-title" on:change=move |_| plan.ask()>
            <header>
                <h2 id="schedule-title">"Schedule"</h2>
                <p>"A run that was missed is made up for once. A backup that fails for a passing reason is tried again."</p>
            </header>
            <label class="check">
                <input type="checkbox" name="input[scheduled]" value="true" checked=input.scheduled />
                <span>"Back up by schedule"</span>
            </label>
            <div class="choices" role="radiogroup" aria-labelledby="schedule-title">
                {repeats_choice(Repeats::Daily, repeats, "Every day", "Once or at several times.")}
                {repeats_choice(Repeats::Weekly, repeats, "Every week", "On one day.")}
                {repeats_choice(Repeats::Cron, repeats, "Cron expression", "For everything else.")}
            </div>
            <div class="fields">
                <Field label="Times" name="input[times]" value=input.times.clone() class="for-times" hint="Such as 02:00; several separated by commas." placeholder="02:00" max=200 failure />
                {weekday_field(input.weekday)}
                <Field label="Cron expression" name="input[cron]" value=input.cron.clone() class="for-cron" hint="Minute, hour, day of month, month, day of week." placeholder="30 2 * * 1-5" max=100 failure />
                <Field label="Spread, minutes" name="input[spread]" kind="number" value=input.spread.clone() class="for-times" hint=spread_hint min=0 max=720 failure />
                {zone_field(input.zone.clone(), zones, failure)}
                {format_field(input.planned_format)}
            </div>
            {plan.runs_view()}
            <label class="check">
                <input type="checkbox" name="input[as_default]" value="true" checked=as_default />
                <span>"Use this schedule for new subscriptions"</span>
            </label>
        </section>
    }
    .into_any()
}

fn repeats_choice(value: Repeats, chosen: Repeats, name: &'static str, about: &'static str) -> AnyView {
    view! {
        <Choice name="input[repeats]" value=value.as_str() checked={value == chosen} label=name about />
    }
    .into_any()
}

fn weekday_field(chosen: Weekday) -> AnyView {
    let options: Vec<_> = Weekday::ALL
        .into_iter()
        .map(|day| view! { <option value=day.as_str() selected=day == chosen>{day.label()}</option> })
        .collect();
    view! {
        <div class="field for-weekly">
            <label for="input-weekday">"Day of the week"</label>
            <select id="input-weekday" name="input[weekday]">{options}</select>
        </div>
    }
    .into_any()
}

fn zone_field(zone: String, zones: Vec<String>, failure: Signal<Option<AppError>>) -> AnyView {
    let error = Signal::derive(move || field_error(failure, "input[zone]"));
    let options: Vec<_> = zones.into_iter().map(|zone| view! { <option value=zone></option> }).collect();
    view! {
        <div class="field">
            <label for="input-zone">"Time zone"</label>
            <input id="input-zone" name="input[zone]" value=zone list="zones" spellcheck="false" autocomplete="off" aria-describedby="input-zone-about" />
            <datalist id="zones">{options}</datalist>
            <div id="input-zone-about">
                <FieldError error />
                <span class="hint">"Of the schedule, and of the days, weeks and months of retention. Such as Europe/Berlin."</span>
            </div>
        </div>
    }
    .into_any()
}

fn format_field(chosen: BackupFormat) -> AnyView {
    let option = |format: BackupFormat, words: &'static str| {
        view! { <option value=format.as_str() selected=format == chosen>{words}</option> }
    };
    view! {
        <div class="field">
            <label for="input-planned_format">"Planned backups hold"</label>
            <select id="input-planned_format" name="input[planned_format]">
                {option(BackupFormat::Zip, "Database and filestore")}
                {option(BackupFormat::Dump, "Database only")}
            </select>
        </div>
    }
    .into_any()
}

/// The button that shows what the form would do; without JavaScript it opens the page anew with that.
pub fn preview_button(plan: PlanForm, existing: bool) -> AnyView {
    let ask = move |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        plan.ask();
    };
    let class = if existing { "btn" } else { "btn needs-script" };
    view! {
        <button class=class formaction="/subscriptions/preview" formnovalidate on:click=ask>
            "Preview"
        </button>
    }
    .into_any()
}

impl Schedule {
    /// In a few words: `every day at 02:00`; nothing when it is off.
    pub fn in_words(&self) -> Option<String> {
        self.enabled.then(|| match self.repeats {
            Repeats::Daily => format!("every day at {}", self.times),
            Repeats::Weekly => format!("every {} at {}", self.weekday.label(), self.times),
            Repeats::Cron => format!("by cron: {}", self.cron),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_changes_what_is_stored_and_nothing_else() {
        let facts = FormFacts { schedule: Schedule::default(), zone: "UTC".to_owned(), zones: Vec::new() };
        let stored = first_input(None, &facts, &ParamsMap::new());
        assert_eq!((stored.daily, stored.times.as_str(), stored.scheduled), (7, "02:00", true));
        let query: ParamsMap = [("preview", "plan"), ("daily", "3"), ("repeats", "weekly"), ("weekday", "friday")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let said = first_input(None, &facts, &query);
        assert_eq!((said.daily, said.weekly, said.repeats), (3, 2, Repeats::Weekly));
        assert_eq!((said.weekday, said.scheduled), (Weekday::Friday, false), "an absent checkbox is off");
    }

    #[test]
    fn a_schedule_is_told_in_words() {
        let weekly = Schedule { repeats: Repeats::Weekly, ..Schedule::default() };
        assert_eq!(weekly.in_words().as_deref(), Some("every Sunday at 02:00"));
        assert_eq!(Schedule { enabled: false, ..weekly }.in_words(), None);
    }
}
