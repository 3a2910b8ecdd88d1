//! The delivery log: every message with how it went, and a button to try again.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::{DELIVERY_ROWS, Delivery, DeliveryPage, DeliveryState, api::SendAgain, banner::refresh_when};
use crate::{
    components::{ActionFailure, AgeCell, Badge, Column, Empty, Icon, Pager, Table, Tone, figures},
    users::Role,
};

/// One page of the log.
pub fn log_view(page: DeliveryPage, number: u32, role: Role, href: Box<dyn Fn(&str) -> String>) -> AnyView {
    if page.deliveries.is_empty() {
        return view! {
            <div class="card">
                <Empty icon=Icon::Bell title="Nothing was sent yet">
                    <p>"Every message is written here, with what its receiver answered."</p>
                </Empty>
            </div>
        }
        .into_any();
    }
    let again = ServerAction::<SendAgain>::new();
    refresh_when(move || again.value().with(Option::is_some));
    let columns = vec![
        Column::plain("Message"),
        Column::plain("State"),
        Column::plain("Channel"),
        Column::plain("When"),
        Column::plain("Tries").number(),
        Column::plain(""),
    ];
    let as_of = page.as_of;
    let rows: Vec<_> = page.deliveries.into_iter().map(|delivery| row_view(delivery, as_of, role, again)).collect();
    view! {
        <ActionFailure action=again />
        <Table label="Delivery log" columns rows />
        <Pager page=number rows=DELIVERY_ROWS matching=page.matching href />
    }
    .into_any()
}

fn row_view(delivery: Delivery, as_of: DateTime<Utc>, role: Role, again: ServerAction<SendAgain>) -> AnyView {
    let (tone, state) = state_text(&delivery, as_of);
    let can = matches!(delivery.state, DeliveryState::GivenUp | DeliveryState::Waiting) && role >= Role::Operator;
    let label = format!("Try again: {}", delivery.title);
    let button = can.then(|| {
        view! {
            <ActionForm action=again>
                <input type="hidden" name="id" value=delivery.id.0.to_string() />
                <button class="btn small" disabled=again.pending() aria-label=label>"Try again"</button>
            </ActionForm>
        }
    });
    let blank = button.is_none();
    view! {
        <tr role="row">
            <td role="cell" class="lead">{delivery.title} <span class="sub" class:bad=tone == Tone::Bad>{delivery.answer}</span></td>
            <td role="cell" class="aside">
                <Badge tone text=state />
            </td>
            <td role="cell" data-label="Channel">
                <span>{delivery.channel}</span>
            </td>
            <AgeCell label="When" at=delivery.created_at as_of />
            <td role="cell" class="number" data-label="Tries">
                <span>{delivery.attempts}</span>
            </td>
            <td role="cell" class:blank=blank><div class="actions">{button}</div></td>
        </tr>
    }
    .into_any()
}

/// Tone and words of how a message stands.
fn state_text(delivery: &Delivery, as_of: DateTime<Utc>) -> (Tone, String) {
    let tone = match delivery.state {
        DeliveryState::Delivered => Tone::Ok,
        DeliveryState::GivenUp => Tone::Bad,
        DeliveryState::Sending => Tone::Work,
        DeliveryState::Waiting if delivery.attempts > 0 => Tone::Warn,
        DeliveryState::Collecting | DeliveryState::Waiting => Tone::Plain,
        DeliveryState::Dropped => Tone::Off,
    };
    let label = delivery.state.label();
    let words = match delivery.due_at.map(|due| figures::seconds_between(as_of, due)) {
        Some(seconds) if seconds > 0 => format!("{label} · {}", figures::duration(seconds.div_ceil(60) * 60)),
        _ => label.to_owned(),
    };
    (tone, words)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::alerts::DeliveryId;

    #[test]
    fn a_message_says_how_it_stands_and_for_how_long_it_waits() {
        let now = DateTime::from_timestamp(1_763_800_000, 0).unwrap();
        let text = |state, attempts, due: Option<i64>| {
            let delivery = Delivery {
                id: DeliveryId(Uuid::nil()),
                channel: "Team".to_owned(),
                title: "A test".to_owned(),
                state,
                attempts,
                created_at: now,
                due_at: due.map(|seconds| now + TimeDelta::seconds(seconds)),
                answer: String::new(),
            };
            state_text(&delivery, now)
        };
        assert_eq!(text(DeliveryState::Delivered, 1, None), (Tone::Ok, "Delivered".to_owned()));
        assert_eq!(text(DeliveryState::Waiting, 2, Some(290)), (Tone::Warn, "Waiting · 5 min".to_owned()));
        assert_eq!(text(DeliveryState::Collecting, 0, Some(-5)), (Tone::Plain, "Collecting".to_owned()));
        assert_eq!(text(DeliveryState::GivenUp, 8, None).0, Tone::Bad);
    }
}
