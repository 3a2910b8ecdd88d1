//! The forms in which receivers take a message: signed JSON, Slack, Telegram, ntfy, pings, and plain text for people.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;
use uuid::Uuid;

use super::{Settings, channels::Sealed, http::Post, news::News, outbox::Parcel, pings::Ping};
use crate::components::{calendar, figures};

/// News that a message names, for people and for programs; of more it says how many.
const NAMED: usize = 20;
const LISTED: usize = 100;
/// In the order in which they are told.
const SEVERITIES: [&str; 3] = ["problem", "recovery", "notice"];
/// So much of what is told of each.
const TEXT_BYTES: usize = 1_000;
/// Telegram takes 4,096 characters, ntfy 4,096 bytes, before it makes a file of them.
const SHORT_BYTES: usize = 3_500;

/// A message in words, and what it carries.
#[derive(Clone, Debug)]
pub struct Message {
    id: Uuid,
    created_at: DateTime<Utc>,
    news: Vec<(Uuid, DateTime<Utc>, News)>,
    panel: Option<String>,
}

impl Message {
    /// The message of a parcel; `panel` is the address that people use, if it is known.
    pub fn of(parcel: &Parcel, panel: Option<&Url>) -> Self {
        let panel = panel.map(|url| url.as_str().trim_end_matches('/').to_owned());
        let mut news = parcel.news.clone();
        for (.., one) in &mut news {
            one.text = shortened(&one.text, TEXT_BYTES);
        }
        // What is left out of a long message is what matters least.
        news.sort_by_key(|(.., news)| SEVERITIES.iter().position(|severity| *severity == news.event.severity()));
        Self { id: parcel.id.0, created_at: parcel.created_at, news, panel }
    }

    /// Its identity, the same at every try.
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// In one line.
    pub fn title(&self) -> String {
        match self.news.as_slice() {
            [] => "Nothing to tell".to_owned(),
            [(.., one)] => title(one),
            many => {
                let count =
                    |severity| many.iter().filter(|(.., news)| news.event.severity() == severity).count() as u64;
                let told =
                    SEVERITIES.map(|severity| (count(severity), severity)).into_iter().filter(|(count, _)| *count > 0);
                told.map(|(count, noun)| counted(count, noun)).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// All of it, for people.
    pub fn text(&self) -> String {
        let several = self.news.len() > 1;
        let mut parts: Vec<String> = self
            .news
            .iter()
            .take(NAMED)
            .map(|(_, at, news)| {
                let head = if several { format!("{}\n", title(news)) } else { String::new() };
                let when = calendar::WallClock::utc(*at).full();
                let link = self.link(news).map(|link| format!("\n{link}")).unwrap_or_default();
                format!("{head}{}\n({when} UTC){link}", news.text)
            })
            .collect();
        if self.news.len() > NAMED {
            parts.push(format!("And {} more.", figures::count((self.news.len() - NAMED) as u64)));
        }
        parts.join("\n\n")
    }

    fn link(&self, news: &News) -> Option<String> {
        let panel = self.panel.as_ref()?;
        Some(match &news.subscription {
            Some(whose) => format!("{panel}/subscriptions/{}", whose.id),
            None => format!("{panel}/alerts"),
        })
    }

    fn is_problem(&self) -> bool {
        self.news.iter().any(|(.., news)| news.event.severity() == "problem")
    }

    /// As JSON; see docs/ALERTS.md.
    fn json(&self) -> Value {
        let alerts: Vec<_> = self.news.iter().take(LISTED).map(|(id, at, news)| self.alert(*id, *at, news)).collect();
        json!({
            "version": 1,
            "id": self.id,
            "created_at": calendar::machine(self.created_at),
            "panel": self.panel,
            "title": self.title(),
            "text": self.text(),
            "alerts": alerts,
            "more": self.news.len().saturating_sub(LISTED),
        })
    }

    fn alert(&self, id: Uuid, at: DateTime<Utc>, news: &News) -> Value {
        json!({
            "id": id,
            "event": news.event,
            "severity": news.event.severity(),
            "at": calendar::machine(at),
            "since": news.since.map(calendar::machine),
            "repeated": news.repeated,
            "title": news.title,
            "text": news.text,
            "subscription": news.subscription,
            "server": news.server,
            "facts": news.facts,
            "url": self.link(news),
        })
    }
}

fn title(news: &News) -> String {
    if news.repeated { format!("Still: {}", news.title) } else { news.title.clone() }
}

fn counted(count: u64, noun: &str) -> String {
    match noun {
        "recovery" if count != 1 => format!("{} recoveries", figures::count(count)),
        _ => figures::counted(count, noun),
    }
}

/// What is posted to a channel; `None` when what is stored of it is not whole. `now` is in the signature.
pub fn post(settings: &Settings, sealed: &Sealed, message: &Message, now: DateTime<Utc>) -> Option<Post> {
    let parse = |text: &str| Url::parse(text).ok();
    let post = match settings {
        Settings::Email { .. } | Settings::Ping { .. } => return None,
        Settings::Webhook { .. } => {
            let body = message.json().to_string();
            let mut post = Post::json(parse(&sealed.url)?, body);
            let signature = sign(&sealed.key, now.timestamp(), &post.body);
            post.header("holdfast-delivery", &message.id.to_string());
            post.header("holdfast-signature", &signature);
            post
        }
        Settings::Slack { .. } => {
            let text = slack_escaped(&format!("*{}*\n{}", message.title().replace('*', ""), message.text()));
            Post::json(parse(&sealed.url)?, json!({ "text": text }).to_string())
        }
        Settings::Telegram { api, chat } => {
            let url = parse(&format!("{}/bot{}/sendMessage", api.trim_end_matches('/'), sealed.token))?;
            // Plain text: what a name or a reason holds must never make the message unreadable to Telegram.
            let text = shortened(&format!("{}\n\n{}", message.title(), message.text()), SHORT_BYTES);
            let body = json!({ "chat_id": chat, "text": text, "disable_web_page_preview": true });
            Post { answer_says: true, ..Post::json(url, body.to_string()) }
        }
        Settings::Ntfy { .. } => ntfy(parse(&sealed.url)?, sealed, message)?,
    };
    Some(Post { secrets: sealed.all(), ..post })
}

/// A topic is published to as JSON: headers could not carry every letter.
fn ntfy(mut url: Url, sealed: &Sealed, message: &Message) -> Option<Post> {
    let topic = url.path().trim_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let above = url.path().trim_end_matches('/').strip_suffix(&topic)?.to_owned();
    url.set_path(&above);
    let (priority, tag) = if message.is_problem() { (4, "warning") } else { (3, "white_check_mark") };
    let body = json!({
        "topic": topic,
        "title": message.title(),
        "message": shortened(&message.text(), SHORT_BYTES),
        "priority": priority,
        "tags": [tag],
    });
    let mut post = Post::json(url, body.to_string());
    if !sealed.token.is_empty() {
        post.header("authorization", &format!("Bearer {}", sealed.token));
    }
    Some(post)
}

/// A ping in the manner of healthchecks: the address itself for success, with an end for all else.
pub fn ping(address: &str, ping: Ping, text: &str) -> Option<Post> {
    let mut url = Url::parse(address).ok()?;
    let secrets = vec![address.to_owned(), url.path().to_owned()];
    let end = match ping {
        Ping::Start => "/start",
        Ping::Success => "",
        Ping::Fail => "/fail",
        Ping::Log => "/log",
    };
    url.set_path(&format!("{}{end}", url.path().trim_end_matches('/')));
    let mut post = Post::json(url, text.to_owned());
    post.header("content-type", "text/plain; charset=utf-8");
    Some(Post { secrets, ..post })
}

impl Post {
    fn json(url: Url, body: String) -> Self {
        let mut post = Self { url, headers: HeaderMap::new(), body, secrets: Vec::new(), answer_says: false };
        post.header("content-type", "application/json");
        post
    }

    fn header(&mut self, name: &'static str, value: &str) {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            let name = HeaderName::from_static(name);
            value.set_sensitive(name == header::AUTHORIZATION);
            self.headers.insert(name, value);
        }
    }
}

/// `t=<seconds>,v1=<hex>`: HMAC-SHA256 with `key` over the seconds since 1970, a dot and the body.
pub fn sign(key: &str, seconds: i64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

fn slack_escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A text that fits where texts must be short.
fn shortened(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    format!("{}\n…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::{DeliveryId, Event, checks::Check, news::Whose};

    fn message(count: usize) -> Message {
        let whose =
            |number| Whose { id: Uuid::from_u128(number), name: format!("Acme <{number}>"), database: "acme".into() };
        let news = (0..count as u128).map(|number| {
            let event = if number == 0 { Event::BackupFailed } else { Event::Recovered };
            let news = News::of(event, whose(number), format!("Number {number}"), "No answer & no luck.".into());
            (Uuid::from_u128(number), DateTime::UNIX_EPOCH, news)
        });
        let check = Check { channel: None, subscription: None };
        let parcel = Parcel {
            news: news.collect(),
            ..Parcel::at_once(DeliveryId(Uuid::from_u128(9)), check, DateTime::UNIX_EPOCH)
        };
        Message::of(&parcel, Some(&Url::parse("https://backups.example.com/").unwrap()))
    }

    fn sealed(url: &str) -> Sealed {
        Sealed { url: url.to_owned(), key: "a-key".to_owned(), token: "123:abc".to_owned(), ..Sealed::default() }
    }

    #[test]
    fn the_signature_is_that_of_the_documentation() {
        // printf '1763800000.{"a":1}' | openssl dgst -sha256 -hmac a-key
        assert_eq!(
            sign("a-key", 1_763_800_000, "{\"a\":1}"),
            "t=1763800000,v1=7b9811c42d3f8f3f2f417aaa07efee50b4395844009d4e94da6fc79311aa6ff9"
        );
    }

    #[test]
    fn one_is_told_by_its_title_and_many_are_counted() {
        assert_eq!(message(1).title(), "Number 0");
        assert_eq!(message(4).title(), "1 problem, 3 recoveries");
        assert_eq!(message(2).title(), "1 problem, 1 recovery");
        let text = message(30).text();
        assert!(text.ends_with("And 10 more.") && text.contains("Number 19") && !text.contains("Number 20"), "{text}");
        assert!(message(1).text().contains("https://backups.example.com/subscriptions/0000"));
    }

    #[test]
    fn every_form_is_as_its_receiver_wants_it() {
        let now = DateTime::UNIX_EPOCH;
        let body = |post: &Post| serde_json::from_str::<Value>(&post.body).unwrap();
        let slack = Settings::Slack { place: String::new() };
        let post_of = post(&slack, &sealed("https://hooks.example.com/a/b"), &message(2), now).unwrap();
        let text = body(&post_of)["text"].as_str().unwrap().to_owned();
        assert!(text.starts_with("*1 problem, 1 recovery*\nNumber 0\nNo answer &amp; no luck."), "{text}");
        let telegram = Settings::Telegram { api: "https://api.telegram.org/".into(), chat: "-100".into() };
        let post_of = post(&telegram, &sealed(""), &message(200), now).unwrap();
        assert_eq!(post_of.url.as_str(), "https://api.telegram.org/bot123:abc/sendMessage");
        assert!(post_of.answer_says && body(&post_of)["text"].as_str().unwrap().len() < 4096);
        let topic = Settings::Ntfy { place: String::new(), has_token: true };
        let post_of = post(&topic, &sealed("https://ntfy.example.com/push/alerts"), &message(1), now).unwrap();
        assert_eq!(post_of.url.as_str(), "https://ntfy.example.com/push/");
        assert_eq!((&body(&post_of)["topic"], &body(&post_of)["priority"]), (&json!("alerts"), &json!(4)));
        assert_eq!(post_of.headers["authorization"], "Bearer 123:abc");
    }

    #[test]
    fn pings_go_beside_the_address() {
        let url = |which| ping("https://hc.example.com/ping/uuid/?x=1", which, "").unwrap().url.to_string();
        assert_eq!(url(Ping::Start), "https://hc.example.com/ping/uuid/start?x=1");
        assert_eq!(url(Ping::Success), "https://hc.example.com/ping/uuid?x=1");
        assert_eq!(url(Ping::Fail), "https://hc.example.com/ping/uuid/fail?x=1");
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        let cut = shortened(&"ü".repeat(4_000), SHORT_BYTES);
        assert!(cut.len() <= SHORT_BYTES + 5 && cut.ends_with("ü\n…"));
        assert_eq!(shortened("short", SHORT_BYTES), "short");
    }
}
