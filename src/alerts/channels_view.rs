//! The table of channels, each with a button that tries it out.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::{Channel, ChannelList, api::TestChannel, banner::refresh_when};
use crate::{
    components::{ActionFailure, Badge, Column, Empty, Icon, Table, Tone, figures},
    users::Role,
};

/// All channels.
pub fn channels_view(list: ChannelList, role: Role) -> AnyView {
    if list.channels.is_empty() {
        return empty_view(role);
    }
    let test = ServerAction::<TestChannel>::new();
    refresh_when(move || test.value().with(Option::is_some));
    let mut columns = vec![
        Column::plain("Name"),
        Column::plain("State"),
        Column::plain("Kind"),
        Column::plain("Goes to"),
        Column::plain("For"),
    ];
    if role >= Role::Administrator {
        columns.push(Column::plain(""));
    }
    let rows: Vec<_> = list.channels.into_iter().map(|channel| row_view(channel, list.as_of, role, test)).collect();
    view! {
        <ActionFailure action=test />
        <Table label="Channels" class="linked" columns rows />
    }
    .into_any()
}

fn empty_view(role: Role) -> AnyView {
    let add = (role >= Role::Administrator)
        .then(|| view! { <div class="row"><a class="btn primary" href="/alerts/new">"Add channel"</a></div> });
    view! {
        <div class="card">
            <Empty icon=Icon::Bell title="Nobody is told yet">
                <p>"Add a channel: e-mail, a webhook, Slack, Telegram, ntfy or pings. Until then a backup can fail, or not be made at all, and nobody hears of it."</p>
                {add}
            </Empty>
        </div>
    }
    .into_any()
}

fn row_view(channel: Channel, as_of: DateTime<Utc>, role: Role, test: ServerAction<TestChannel>) -> AnyView {
    let (tone, state, reason) = state_text(&channel, as_of);
    let administrator = role >= Role::Administrator;
    let name = channel.name.clone();
    let lead = if administrator {
        view! { <a class="row-link" href=format!("/alerts/{}", channel.id.0)>{name}</a> }.into_any()
    } else {
        view! { <b>{name}</b> }.into_any()
    };
    let whose = if channel.for_all { "all subscriptions" } else { "chosen subscriptions" };
    let label = format!("Test {}", channel.name);
    let button = administrator.then(|| {
        view! {
            <td role="cell"><div class="actions">
                <ActionForm action=test>
                    <input type="hidden" name="id" value=channel.id.0.to_string() />
                    <button class="btn small" disabled=test.pending() aria-label=label>
                        {move || if test.pending().get() { "Sending …" } else { "Test" }}
                    </button>
                </ActionForm>
            </div></td>
        }
    });
    view! {
        <tr role="row">
            <td role="cell" class="lead">{lead} <span class="sub bad">{reason}</span></td>
            <td role="cell" class="aside">
                <Badge tone text=state />
            </td>
            <td role="cell" data-label="Kind">
                <span class="nowrap">{channel.settings.kind().label()}</span>
            </td>
            <td role="cell" data-label="Goes to">
                <span>{channel.settings.place()}</span>
            </td>
            <td role="cell" data-label="For">
                <span>{whose}</span>
            </td>
            {button}
        </tr>
    }
    .into_any()
}

/// Tone and words of whether messages arrive, and why not.
fn state_text(channel: &Channel, as_of: DateTime<Utc>) -> (Tone, String, String) {
    match (&channel.failing, channel.delivered_at) {
        _ if !channel.enabled => (Tone::Off, "Off".to_owned(), String::new()),
        (Some((since, reason)), _) => {
            (Tone::Bad, format!("Fails since {}", figures::age(*since, as_of)), reason.clone())
        }
        (None, Some(at)) => (Tone::Ok, format!("Works · {}", figures::age(at, as_of)), String::new()),
        (None, None) => (Tone::Off, "Not tried yet".to_owned(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::alerts::{ChannelId, Settings};

    #[test]
    fn a_channel_says_whether_messages_arrive() {
        let now = DateTime::from_timestamp(1_763_800_000, 0).unwrap();
        let hour = TimeDelta::hours(1);
        let channel = |enabled, delivered, failing: bool| Channel {
            id: ChannelId(Uuid::nil()),
            name: "Team".to_owned(),
            settings: Settings::Slack { place: String::new() },
            enabled,
            for_all: true,
            delivered_at: delivered,
            failing: failing.then(|| (now - hour, "404 Not Found.".to_owned())),
        };
        let text = |enabled, delivered, failing| {
            let (tone, words, _) = state_text(&channel(enabled, delivered, failing), now);
            (tone, words)
        };
        assert_eq!(text(true, None, false), (Tone::Off, "Not tried yet".to_owned()));
        assert_eq!(text(true, Some(now - hour), false), (Tone::Ok, "Works · 1 h ago".to_owned()));
        assert_eq!(text(true, Some(now), true), (Tone::Bad, "Fails since 1 h ago".to_owned()));
        assert_eq!(text(false, None, true), (Tone::Off, "Off".to_owned()));
    }
}
