//! The fields of each kind of channel; the stylesheet shows those of the chosen kind, without any script.

use leptos::prelude::*;

use super::{Security, Settings};
use crate::{
    components::{Field, FieldError, LinesField, field::field_error, typed},
    error::AppError,
};

/// The fields that show their own errors.
pub const FIELDS: &[&str] = &[
    "name",
    "host",
    "port",
    "security",
    "user",
    "password",
    "from",
    "recipients",
    "secret_url",
    "signing_key",
    "token",
    "chat",
    "api",
];

type Wrong = Signal<Option<AppError>>;

const KEPT: &str = "Empty keeps the stored one.";

/// The fields of every kind for a new channel, of an existing one those of its kind.
pub fn kind_fields(known: Option<&Settings>, failure: Wrong) -> AnyView {
    let wanted = |is_kind: fn(&Settings) -> bool| known.is_none_or(is_kind);
    let takes_address = |settings: &Settings| !matches!(settings, Settings::Email { .. } | Settings::Telegram { .. });
    view! {
        {wanted(|known| matches!(known, Settings::Email { .. })).then(|| mail_fields(known, failure))}
        {wanted(|known| matches!(known, Settings::Ping { .. })).then(ping_words)}
        {wanted(takes_address).then(|| address_field(known, failure))}
        {wanted(|known| matches!(known, Settings::Webhook { .. })).then(|| key_field(known, failure))}
        {wanted(|known| matches!(known, Settings::Telegram { .. })).then(|| telegram_fields(known, failure))}
        {wanted(|known| matches!(known, Settings::Telegram { .. } | Settings::Ntfy { .. })).then(|| token_field(known, failure))}
    }
    .into_any()
}

fn mail_fields(known: Option<&Settings>, failure: Wrong) -> AnyView {
    let (host, port, security, user, from, recipients) = match known {
        Some(Settings::Email { host, port, security, user, from, recipients }) => {
            (host.clone(), port.to_string(), *security, user.clone(), from.clone(), recipients.join("\n"))
        }
        _ => Default::default(),
    };
    let password_hint = if known.is_some() { KEPT } else { "Stored encrypted and never shown." };
    view! {
        <div class="fields for-email">
            <Field label="Mail server" name="input[host]" value=host placeholder="smtp.example.com" failure />
            <Field label="Port" name="input[port]" kind="number" value=port min=1 max=65_535 hint="Empty: the usual one." failure />
            {security_field(security, failure)}
            <Field label="User" name="input[user]" value=user hint="Empty for a server that asks for none." failure />
            <Field label="Password" name="input[password]" kind="password" hint=password_hint autocomplete="new-password" failure />
            <Field label="Sender" name="input[from]" value=from placeholder="holdfast@example.com" failure />
            <LinesField label="Recipients" name="input[recipients]" value=recipients hint="One a line." failure />
        </div>
    }
    .into_any()
}

fn security_field(security: Security, failure: Wrong) -> AnyView {
    let error = Signal::derive(move || field_error(failure, "input[security]"));
    let options: Vec<_> = Security::ALL
        .into_iter()
        .map(|option| {
            let selected = typed::chosen(failure, "input[security]", option.as_str(), option == security);
            view! { <option value=option.as_str() selected=selected>{option.label()}</option> }
        })
        .collect();
    view! {
        <div class="field">
            <label for="input-security">"Protection"</label>
            <select id="input-security" name="input[security]" aria-describedby="input-security-about">{options}</select>
            <div id="input-security-about">
                <FieldError error />
            </div>
        </div>
    }
    .into_any()
}

fn address_field(known: Option<&Settings>, failure: Wrong) -> AnyView {
    let hint = match known {
        Some(known) => format!("Empty keeps the stored one: {}", known.place()),
        None => "Stored encrypted; only its host is shown.".to_owned(),
    };
    let topic = known.is_none_or(|known| matches!(known, Settings::Ntfy { .. })).then(|| {
        view! { <p class="hint for-ntfy">"The address ends with the topic: " <code>"https://ntfy.sh/my-topic"</code></p> }
    });
    view! {
        <div class="fields for-address">
            <Field label="Address" name="input[secret_url]" kind="url" placeholder="https://hooks.example.com/…" hint class="wide" max=2_000 failure />
        </div>
        {topic}
    }
    .into_any()
}

fn ping_words() -> AnyView {
    view! {
        <div class="hint for-ping">
            <p>
                "With " <code>"{slug}"</code> " or " <code>"{uuid}"</code>
                " in the address, each subscription has a check of its own, told of its backups: /start, success, /fail. Such as "
                <code>"https://hc-ping.com/PING-KEY/{slug}?create=1"</code> ", which makes the checks by itself."
            </p>
            <p>
                "Without, one check watches all: every five minutes it is told that nothing is wrong, or /fail. When the panel itself is down, it is told nothing."
            </p>
        </div>
    }
    .into_any()
}

fn key_field(known: Option<&Settings>, failure: Wrong) -> AnyView {
    let hint = if known.is_some() {
        KEPT
    } else {
        "At least 16 characters, such as from “openssl rand -hex 32”. The receiver checks with it that a message is ours."
    };
    view! {
        <div class="fields for-webhook">
            <Field label="Signing key" name="input[signing_key]" kind="password" hint class="wide" autocomplete="new-password" failure />
        </div>
    }
    .into_any()
}

fn telegram_fields(known: Option<&Settings>, failure: Wrong) -> AnyView {
    let (api, chat) = match known {
        Some(Settings::Telegram { api, chat }) => (api.clone(), chat.clone()),
        _ => (String::new(), String::new()),
    };
    view! {
        <div class="fields for-telegram">
            <Field label="Chat" name="input[chat]" value=chat placeholder="-1001234567890" hint="The chat's number, or @name of a channel." failure />
            <Field label="Bot API" name="input[api]" kind="url" value=api placeholder="https://api.telegram.org" hint="Empty: Telegram's own." failure />
        </div>
    }
    .into_any()
}

fn token_field(known: Option<&Settings>, failure: Wrong) -> AnyView {
    let hint =
        if known.is_some() { KEPT } else { "Of the bot; of ntfy only where a topic asks for one. Stored encrypted." };
    view! {
        <div class="fields for-token">
            <Field label="Token" name="input[token]" kind="password" hint autocomplete="new-password" failure />
        </div>
    }
    .into_any()
}
