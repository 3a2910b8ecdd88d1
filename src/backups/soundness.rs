//! Whether what is stored can still be read: the last verification, the next, and a button to verify now.

use backup_api::VerificationState;
use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::api::VerifyBackups;
use crate::{
    components::{ActionFailure, Glyph, Icon, Notice, Tone, figures},
    subscriptions::SubscriptionId,
    users::Role,
};

/// The view below the lines.
pub fn soundness_view(
    subscription: SubscriptionId,
    state: &VerificationState,
    busy: bool,
    as_of: DateTime<Utc>,
    role: Role,
) -> AnyView {
    let verify = ServerAction::<VerifyBackups>::new();
    let damage =
        state.last.as_ref().and_then(|last| last.problems.first().cloned().map(|first| (last.problems.len(), first)));
    let damage = damage.map(|(count, first)| {
        let counted = figures::counted(count as u64, "place");
        view! {
            <Notice tone=Tone::Bad>
                <p>
                    <b>{format!("What is stored is damaged in {counted}. ")}</b>
                    "Make a new backup now and check the disk of the backup server; the log of the verification names all of them. The first: "
                    <code>{first}</code>
                </p>
            </Notice>
        }
    });
    let button = (role >= Role::Operator).then(|| {
        view! {
            <ActionForm action=verify>
                <input type="hidden" name="subscription" value=subscription.0.to_string() />
                <button class="btn quiet" disabled=move || busy || verify.pending().get()>"Verify now"</button>
            </ActionForm>
        }
    });
    view! {
        <section class="stack tight" aria-label="Verification">
            {damage}
            <div class="row muted">
                <Glyph icon=Icon::Info size=16 />
                <span>{sentence(state, as_of)}</span>
                {button}
            </div>
            <ActionFailure action=verify />
        </section>
    }
    .into_any()
}

fn sentence(state: &VerificationState, as_of: DateTime<Utc>) -> String {
    let days = state.due_at.map(|due| figures::counted(figures::seconds_between(as_of, due).div_ceil(86_400), "day"));
    let is_due = state.due_at.is_some_and(|due| due <= as_of);
    let Some(last) = &state.last else {
        return match days {
            Some(_) if is_due => "Not verified yet: all that is stored will be read soon.".to_owned(),
            Some(days) => format!("Not verified yet: all that is stored will be read in {days}."),
            None => "Not verified yet, and the backup server does not do it by itself.".to_owned(),
        };
    };
    let (age, size) = (figures::age(last.ended_at, as_of), figures::size(last.bytes));
    let found = if last.problems.is_empty() {
        format!("all {size} were read and are as they were written")
    } else {
        format!("of {size}, not all is as it was written")
    };
    let next = match days {
        Some(_) if is_due => " The next time is due now.".to_owned(),
        Some(days) => format!(" The next time in {days}."),
        None => String::new(),
    };
    format!("Verified {age}: {found}.{next}")
}

#[cfg(test)]
mod tests {
    use backup_api::Verification;
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_sentence_tells_when_and_how_it_went() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let last = Verification {
            began_at: now - TimeDelta::hours(49),
            ended_at: now - TimeDelta::hours(48),
            bytes: 52_000_000,
            problems: Vec::new(),
        };
        let state = VerificationState { last: Some(last.clone()), due_at: Some(now + TimeDelta::days(5)) };
        let told = sentence(&state, now);
        assert!(told.contains("2 d ago") && told.contains("52.0 MB") && told.ends_with("in 5 days."), "{told}");
        let damaged = Verification { problems: vec!["a pack".to_owned()], ..last };
        let told = sentence(&VerificationState { last: Some(damaged), due_at: None }, now);
        assert!(told.contains("not all is as it was written"), "{told}");
        let told = sentence(&VerificationState { last: None, due_at: Some(now) }, now);
        assert!(told.starts_with("Not verified yet") && told.ends_with("read soon."), "{told}");
    }
}
