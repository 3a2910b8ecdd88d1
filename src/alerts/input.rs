//! What the form of a channel sends: checked, stored, tried out; and its end.

use lettre::message::Mailbox;
use url::Url;

use super::{
    ChannelId, ChannelInput, ChannelKind, Delivery, DeliveryId, Event, Security, Settings,
    channels::{self, Sealed, Values},
    checks::Check,
    deliver,
    news::{self, News},
    outbox, pings, template,
};
use crate::{
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    server::Panel,
    users::User,
};

const MAX_CHARS: usize = 200;
const MOST_RECIPIENTS: usize = 50;
const SHORTEST_KEY: usize = 16;
const BOT_API: &str = "https://api.telegram.org";

/// Stores the form.
pub async fn save(panel: &Panel, user: &User, input: &ChannelInput) -> AppResult<ChannelId> {
    let known = match input.id {
        Some(id) => Some(channels::opened(panel, id.0).await?.ok_or_else(|| AppError::not_found("This channel"))?),
        None => None,
    };
    let values = check(input, known.map(|(channel, sealed)| (channel.settings, sealed)))?;
    let id = input.id.unwrap_or_else(|| ChannelId(panel.id()));
    let verb = if input.id.is_some() { "Changed" } else { "Added" };
    let what = format!("{verb} the alert channel “{}”: {}", values.name, values.settings.place());
    let mut tx = panel.db.begin().await?;
    channels::save(panel, &mut tx, id, &values).await?;
    actions::write(panel, &mut tx, Entry::by(user, what)).await?;
    tx.commit().await?;
    Ok(id)
}

/// Removes a channel with what it has not sent yet.
pub async fn delete(panel: &Panel, user: &User, id: ChannelId) -> AppResult<()> {
    let mut tx = panel.db.begin().await?;
    outbox::drop_unsent(panel, &mut tx, id.0).await?;
    let name = channels::delete(&mut tx, id).await?;
    actions::write(panel, &mut tx, Entry::by(user, format!("Deleted the alert channel “{name}”"))).await?;
    tx.commit().await?;
    Ok(())
}

/// Sends a message through a channel now, and says what came of it.
pub async fn test(panel: &Panel, user: &User, id: ChannelId) -> AppResult<Delivery> {
    let channel = channels::find(panel, id).await?;
    if let Settings::Ping { each, .. } = channel.settings {
        return pings::test_channel(panel, user, &channel, each).await;
    }
    let news = News {
        event: Event::Test,
        title: "Holdfast: this is a test".to_owned(),
        text: format!("{} tries the channel “{}” out. Nothing is wrong.", user.name, channel.name),
        subscription: None,
        server: None,
        facts: serde_json::Value::Null,
        since: None,
        repeated: false,
    };
    let mut tx = panel.db.begin().await?;
    let alert = news::write(panel, &mut tx, &news).await?;
    let check = Check { channel: Some(id.0), subscription: None };
    let message = outbox::sending(panel, &mut tx, check, &channel.name, None).await?;
    outbox::add(&mut tx, message, alert).await?;
    actions::write(panel, &mut tx, Entry::by(user, format!("Tested the alert channel “{}”", channel.name))).await?;
    tx.commit().await?;
    deliver::test(panel, id.0, message, alert, news).await?;
    outbox::find(panel, message).await
}

/// Has a message sent again.
pub async fn again(panel: &Panel, user: &User, id: DeliveryId) -> AppResult<()> {
    let mut tx = panel.db.begin().await?;
    let name = outbox::again(panel, &mut tx, id).await?;
    actions::write(panel, &mut tx, Entry::by(user, format!("Had a message of “{name}” sent again"))).await?;
    tx.commit().await?;
    panel.alerts.notify_one();
    Ok(())
}

fn check(input: &ChannelInput, known: Option<(Settings, Sealed)>) -> AppResult<Values> {
    let name = match input.name.trim() {
        "" => return Err(AppError::field("name", "Enter a name, such as “Operations team”.")),
        name if name.chars().count() > MAX_CHARS || name.contains(char::is_control) => {
            return Err(AppError::field("name", "A name is one line of at most 200 characters."));
        }
        name => name.to_owned(),
    };
    let kind = known.as_ref().map_or(input.kind, |(settings, _)| settings.kind());
    let known = known.as_ref();
    let (settings, sealed) = match kind {
        ChannelKind::Email => email(input, known)?,
        ChannelKind::Webhook => webhook(input, known)?,
        ChannelKind::Slack => {
            let url = secret_url(input, known)?;
            (Settings::Slack { place: place(&url) }, Sealed { url: url.into(), ..Sealed::default() })
        }
        ChannelKind::Telegram => telegram(input, known)?,
        ChannelKind::Ntfy => ntfy(input, known)?,
        ChannelKind::Ping => ping(input, known)?,
    };
    Ok(Values { name, settings, sealed, enabled: input.enabled, for_all: input.for_all })
}

type Known<'a> = Option<&'a (Settings, Sealed)>;

fn email(input: &ChannelInput, known: Known<'_>) -> AppResult<(Settings, Sealed)> {
    let host = input.host.trim();
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
    if !is_host {
        return Err(AppError::field("host", "Enter the name of the mail server alone, such as smtp.example.com."));
    }
    let port =
        match input.port.trim() {
            "" => input.security.usual_port(),
            text => text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                AppError::field("port", "Enter a port from 1 to 65535, or nothing for the usual one.")
            })?,
        };
    let user = input.user.trim();
    let password = if user.is_empty() { String::new() } else { password(input, known, host, port)? };
    if input.security == Security::None && !user.is_empty() {
        let words =
            "Without TLS the password could be read on the way: choose STARTTLS or TLS, or leave the user empty.";
        return Err(AppError::field("security", words));
    }
    let from: Mailbox = input
        .from
        .trim()
        .parse()
        .map_err(|_| AppError::field("from", "Enter the sender's address, such as holdfast@example.com."))?;
    let recipients = recipients(&input.recipients)?;
    let settings = Settings::Email {
        host: host.to_owned(),
        port,
        security: input.security,
        user: user.to_owned(),
        from: from.to_string(),
        recipients,
    };
    Ok((settings, Sealed { password, ..Sealed::default() }))
}

fn recipients(text: &str) -> AppResult<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    for one in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')).filter(|one| !one.is_empty()) {
        if one.parse::<lettre::Address>().is_err() {
            return Err(AppError::field("recipients", format!("“{one}” is no e-mail address.")));
        }
        if !all.iter().any(|other| other == one) {
            all.push(one.to_owned());
        }
    }
    match all.len() {
        0 => Err(AppError::field("recipients", "Enter at least one address.")),
        1..=MOST_RECIPIENTS => Ok(all),
        _ => Err(AppError::field("recipients", "Enter at most 50 addresses; for more, use a list of the mail server.")),
    }
}

/// A stored secret goes only where it was entered for: whoever may change the address must not learn it.
fn password(input: &ChannelInput, known: Known<'_>, host: &str, port: u16) -> AppResult<String> {
    if !input.password.is_empty() {
        return Ok(input.password.clone());
    }
    let words = match known {
        Some((Settings::Email { host: before, port: at, user, security, .. }, sealed)) => {
            let same = before == host && *at == port && user == input.user.trim() && *security == input.security;
            if same {
                return Ok(sealed.password.clone());
            }
            "Server or user changed: enter the password again."
        }
        _ => "Enter the password, or leave the user empty for a server that asks for none.",
    };
    Err(AppError::field("password", words))
}

fn webhook(input: &ChannelInput, known: Known<'_>) -> AppResult<(Settings, Sealed)> {
    let url = secret_url(input, known)?;
    let key = match (input.signing_key.trim(), known) {
        ("", Some((_, sealed))) => sealed.key.clone(),
        (key, _) if key.chars().count() < SHORTEST_KEY => {
            let words = "Enter at least 16 characters that nobody can guess, such as those of “openssl rand -hex 32”; the \
                         receiver checks the signature with them.";
            return Err(AppError::field("signing_key", words));
        }
        (key, _) => key.to_owned(),
    };
    Ok((Settings::Webhook { place: place(&url) }, Sealed { url: url.into(), key, ..Sealed::default() }))
}

fn telegram(input: &ChannelInput, known: Known<'_>) -> AppResult<(Settings, Sealed)> {
    let api = match input.api.trim() {
        "" => parse("api", BOT_API)?,
        text => parse("api", text)?,
    };
    let api = api.as_str().trim_end_matches('/').to_owned();
    let chat = input.chat.trim();
    if chat.is_empty() || chat.chars().count() > MAX_CHARS {
        return Err(AppError::field("chat", "Enter the chat's number, such as -1001234567890, or @name of a channel."));
    }
    let token = match (input.token.trim(), known) {
        ("", Some((Settings::Telegram { api: before, .. }, sealed))) if *before == api => sealed.token.clone(),
        (token, _) if is_bot_token(token) => token.to_owned(),
        _ => return Err(AppError::field("token", "Enter the bot's token as @BotFather gave it: 123456:ABC….")),
    };
    Ok((Settings::Telegram { api, chat: chat.to_owned() }, Sealed { token, ..Sealed::default() }))
}

fn is_bot_token(token: &str) -> bool {
    let letters = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    token.split_once(':').is_some_and(|(number, rest)| {
        !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()) && rest.len() > 2 && letters(rest)
    })
}

fn ntfy(input: &ChannelInput, known: Known<'_>) -> AppResult<(Settings, Sealed)> {
    let url = secret_url(input, known)?;
    if url.path().trim_matches('/').is_empty() {
        return Err(AppError::field(
            "secret_url",
            "Enter the address with its topic, such as https://ntfy.sh/my-topic.",
        ));
    }
    let token = match (input.token.trim(), known) {
        ("", Some((_, sealed))) if origin(&sealed.url) == Some(url.origin()) => sealed.token.clone(),
        (token, _) if token.contains(|c: char| !c.is_ascii_graphic()) => {
            return Err(AppError::field("token", "A token is one word."));
        }
        (token, _) => token.to_owned(),
    };
    let settings = Settings::Ntfy { place: place(&url), has_token: !token.is_empty() };
    Ok((settings, Sealed { url: url.into(), token, ..Sealed::default() }))
}

/// Kept as it was entered: what stands for the subscription is filled in with each ping.
fn ping(input: &ChannelInput, known: Known<'_>) -> AppResult<(Settings, Sealed)> {
    let url = match (input.secret_url.trim(), known) {
        ("", Some((_, sealed))) => sealed.url.clone(),
        (text, _) => text.to_owned(),
    };
    let (place, each) = template::check("secret_url", &url)?;
    Ok((Settings::Ping { place, each }, Sealed { url, ..Sealed::default() }))
}

fn origin(text: &str) -> Option<url::Origin> {
    Url::parse(text).ok().map(|url| url.origin())
}

/// The address that the form says, or the stored one.
fn secret_url(input: &ChannelInput, known: Known<'_>) -> AppResult<Url> {
    match (input.secret_url.trim(), known) {
        ("", Some((_, sealed))) => parse("secret_url", &sealed.url),
        (text, _) => parse("secret_url", text),
    }
}

/// An address that can be posted to.
pub fn parse(field: &str, text: &str) -> AppResult<Url> {
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url =
        url.ok_or_else(|| AppError::field(field, "Enter a whole address that begins with https:// or http://."))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AppError::field(field, "Leave user and password out of the address."));
    }
    Ok(url)
}

/// Of an address what may be shown: scheme, host and port.
pub fn place(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> ChannelInput {
        ChannelInput {
            name: "Team".to_owned(),
            host: "smtp.example.com".to_owned(),
            user: "ada".to_owned(),
            password: "hunter2".to_owned(),
            from: "Holdfast <holdfast@example.com>".to_owned(),
            recipients: "ada@example.com, bob@example.com\nada@example.com".to_owned(),
            ..ChannelInput::default()
        }
    }

    fn field_of(result: AppResult<Values>) -> String {
        match result.unwrap_err() {
            AppError::Invalid { field: Some(field), .. } => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_form_of_mail_is_checked_field_by_field() {
        let values = check(&mail(), None).unwrap();
        let Settings::Email { port, recipients, .. } = &values.settings else { panic!("{values:?}") };
        assert_eq!((*port, recipients.len(), values.sealed.password.as_str()), (587, 2, "hunter2"));
        for (field, wrong) in [
            ("name", ChannelInput { name: " ".to_owned(), ..mail() }),
            ("host", ChannelInput { host: "smtp://x".to_owned(), ..mail() }),
            ("port", ChannelInput { port: "70000".to_owned(), ..mail() }),
            ("password", ChannelInput { password: String::new(), ..mail() }),
            ("security", ChannelInput { security: Security::None, ..mail() }),
            ("from", ChannelInput { from: "nobody".to_owned(), ..mail() }),
            ("recipients", ChannelInput { recipients: "ada@example.com, bob".to_owned(), ..mail() }),
            ("recipients", ChannelInput { recipients: " ".to_owned(), ..mail() }),
        ] {
            assert_eq!(field_of(check(&wrong, None)), field, "{wrong:?}");
        }
    }

    #[test]
    fn a_stored_password_goes_only_to_its_own_server_and_user() {
        let stored = check(&mail(), None).unwrap();
        let known = || Some((stored.settings.clone(), stored.sealed.clone()));
        let again = ChannelInput { password: String::new(), ..mail() };
        assert_eq!(check(&again, known()).unwrap().sealed.password, "hunter2");
        for other in [
            ChannelInput { host: "evil.example".to_owned(), ..again.clone() },
            ChannelInput { user: "eve".to_owned(), ..again.clone() },
            ChannelInput { port: "25".to_owned(), ..again.clone() },
        ] {
            assert_eq!(field_of(check(&other, known())), "password");
        }
    }

    #[test]
    fn addresses_tokens_and_keys_are_checked_and_kept() {
        let base = |kind| ChannelInput { kind, name: "Team".to_owned(), ..ChannelInput::default() };
        let hook = ChannelInput {
            secret_url: "https://example.com/hook?t=1".to_owned(),
            signing_key: "0123456789abcdef".to_owned(),
            ..base(ChannelKind::Webhook)
        };
        let stored = check(&hook, None).unwrap();
        assert_eq!(stored.settings, Settings::Webhook { place: "https://example.com".to_owned() });
        let kept = check(&base(ChannelKind::Slack), Some((stored.settings, stored.sealed.clone()))).unwrap();
        assert_eq!((kept.settings.kind(), &kept.sealed), (ChannelKind::Webhook, &stored.sealed), "its kind stays");
        for (field, wrong) in [
            ("signing_key", ChannelInput { signing_key: "short".to_owned(), ..hook.clone() }),
            ("secret_url", ChannelInput { secret_url: "ftp://example.com".to_owned(), ..hook.clone() }),
            ("secret_url", ChannelInput { secret_url: "https://ada:x@example.com/".to_owned(), ..hook }),
            ("secret_url", base(ChannelKind::Slack)),
            ("secret_url", ChannelInput { secret_url: "https://ntfy.sh/".to_owned(), ..base(ChannelKind::Ntfy) }),
            ("chat", base(ChannelKind::Telegram)),
            (
                "token",
                ChannelInput { chat: "1".to_owned(), token: "abc/../x".to_owned(), ..base(ChannelKind::Telegram) },
            ),
        ] {
            assert_eq!(field_of(check(&wrong, None)), field, "{wrong:?}");
        }
    }

    #[test]
    fn a_token_of_telegram_does_not_go_to_another_server() {
        let first = ChannelInput {
            kind: ChannelKind::Telegram,
            name: "Team".to_owned(),
            chat: "-100".to_owned(),
            token: "123:abc-DEF_1".to_owned(),
            ..ChannelInput::default()
        };
        let stored = check(&first, None).unwrap();
        let known = || Some((stored.settings.clone(), stored.sealed.clone()));
        let again = ChannelInput { token: String::new(), ..first };
        assert_eq!(check(&again, known()).unwrap().sealed.token, "123:abc-DEF_1");
        let elsewhere = ChannelInput { api: "https://evil.example".to_owned(), ..again };
        assert_eq!(field_of(check(&elsewhere, known())), "token");
    }
}
