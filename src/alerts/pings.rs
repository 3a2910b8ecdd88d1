//! Pings in the manner of healthchecks: which checks hear of a backup, and what is posted to them.

use backup_api::Secret;
use uuid::Uuid;

use super::{
    Channel, Delivery, Settings,
    channels::{self, hears},
    checks::{self, Check},
    deliver::Verdict,
    forms, http, news,
    outbox::{self, Parcel},
    overrides, settle, template,
};
use crate::{
    error::{AppError, AppResult},
    names::names,
    operations::actions::{self, Entry},
    server::{
        Panel,
        db::{Tx, query},
    },
    subscriptions::{self, SubscriptionId},
    users::User,
};

/// What a ping says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// A backup begins.
    Start,
    /// It succeeded, or nothing is wrong.
    Success,
    /// It failed, or something is wrong.
    Fail,
    /// Nothing about the check's state: somebody tries it out.
    Log,
}

names!(Ping { Start: "start", Success: "success", Fail: "fail", Log: "log" });

/// Has every check of a subscription pinged: its own, and those of channels that have one for each subscription.
pub async fn raise(panel: &Panel, tx: &mut Tx, subscription: Uuid, ping: Ping, text: &str) -> AppResult<()> {
    let channels = news::listeners(tx, Some(subscription), Some("each")).await?;
    let own = overrides::has_ping(tx, subscription).await?;
    if channels.is_empty() && !own {
        return Ok(());
    }
    let name = subscriptions::store::find_in(tx, SubscriptionId(subscription)).await?.name;
    if own {
        let check = Check { channel: None, subscription: Some(subscription) };
        checks::write(panel, tx, check, &own_name(&name), ping, text).await?;
    }
    for (channel, called) in channels {
        let check = Check { channel: Some(channel), subscription: Some(subscription) };
        checks::write(panel, tx, check, &each_name(&called, &name), ping, text).await?;
    }
    Ok(())
}

fn own_name(subscription: &str) -> String {
    format!("Ping of {subscription}")
}

fn each_name(channel: &str, subscription: &str) -> String {
    format!("{channel}: {subscription}")
}

/// Sends a ping, unless a later one of the same check says more.
pub async fn send(panel: &Panel, parcel: &Parcel, ping: Ping, text: &str) -> Verdict {
    let address = async {
        if ping != Ping::Log && checks::is_outdated(panel, parcel).await? {
            return Ok(Err(Verdict::Drop("A later ping took its place.".to_owned())));
        }
        address(panel, parcel.check, ping).await
    };
    let address = match address.await {
        Ok(Ok(address)) => address,
        Ok(Err(verdict)) => return verdict,
        Err(error) => return Verdict::later(error.to_string()),
    };
    match forms::ping(address.reveal(), ping, text) {
        Some(post) => http::post(panel, &post).await,
        None => Verdict::never("The address that is pinged cannot be read. Enter it again."),
    }
}

/// The address of a check; when there is none any more, what that means.
async fn address(panel: &Panel, check: Check, ping: Ping) -> AppResult<Result<Secret, Verdict>> {
    let gone = |words: &str| Ok(Err(Verdict::Drop(words.to_owned())));
    let Some(channel) = check.channel else {
        let Some(subscription) = check.subscription else { return gone("The channel was deleted.") };
        let own = overrides::ping_address(panel, subscription).await?;
        return Ok(own.ok_or_else(|| Verdict::Drop("The address was removed.".to_owned())));
    };
    let Some((channel, sealed)) = channels::opened(panel, channel).await? else {
        return gone("The channel was deleted.");
    };
    if !channel.enabled && ping != Ping::Log {
        return gone("The channel is switched off.");
    }
    match (&channel.settings, check.subscription) {
        (Settings::Ping { each: false, .. }, None) => Ok(Ok(Secret::new(sealed.url))),
        (Settings::Ping { each: true, .. }, Some(subscription)) => {
            let whose: Option<(String, Option<Uuid>)> = query!(
                panel.db,
                fetch_optional,
                "SELECT database_name, repository_id FROM subscriptions WHERE id = $1",
                subscription
            )?;
            let Some((database, Some(uuid))) = whose else { return gone("The subscription has no backup UUID.") };
            Ok(Ok(Secret::new(template::filled(&sealed.url, uuid, &database))))
        }
        _ => gone("The channel's address changed: it has other checks now."),
    }
}

/// Tries a channel's check out; of a channel with one for each subscription, the first one's.
pub async fn test_channel(panel: &Panel, user: &User, channel: &Channel, each: bool) -> AppResult<Delivery> {
    let id = channel.id.0;
    let (subscription, name) = if each {
        let (subscription, name) = first_of(panel, id).await?.ok_or_else(|| {
            let words = "No subscription has a check in this channel yet. Add one, or choose this channel on a \
                         subscription's page, then test it.";
            AppError::Conflict(words.to_owned())
        })?;
        (Some(subscription), each_name(&channel.name, &name))
    } else {
        (None, channel.name.clone())
    };
    let entry = Entry::by(user, format!("Tested the alert channel “{}”", channel.name));
    test(panel, user, Check { channel: Some(id), subscription }, &name, entry).await
}

/// Tries a subscription's own address out.
pub async fn test_own(panel: &Panel, user: &User, id: SubscriptionId) -> AppResult<Delivery> {
    let name = subscriptions::store::find(panel, id).await?.name;
    if overrides::ping_address(panel, id.0).await?.is_none() {
        return Err(AppError::Conflict("There is no address to ping. Enter one and save it first.".to_owned()));
    }
    let entry = Entry::by(user, "Tested its pings").about(id, &name);
    test(panel, user, Check { channel: None, subscription: Some(id.0) }, &own_name(&name), entry).await
}

async fn test(panel: &Panel, user: &User, check: Check, name: &str, entry: Entry<'_>) -> AppResult<Delivery> {
    let text = format!("Holdfast: {} tries this check out. No backup began, succeeded or failed.", user.name);
    let mut tx = panel.db.begin().await?;
    let id = outbox::sending(panel, &mut tx, check, name, Some((Ping::Log, &text))).await?;
    actions::write(panel, &mut tx, entry).await?;
    tx.commit().await?;
    let parcel = Parcel::at_once(id, check, panel.clock.now());
    let verdict = match send(panel, &parcel, Ping::Log, &text).await {
        Verdict::Arrived(words) => {
            Verdict::Arrived(format!("{words} Only …/log was called: no check's state changed."))
        }
        Verdict::Never(words) => {
            Verdict::Never(format!("{words} The test calls …/log, which some services do not know."))
        }
        other => other,
    };
    settle::write(panel, &parcel, verdict, Vec::new(), true).await?;
    outbox::find(panel, id).await
}

/// The first subscription by name that has a check in a channel.
async fn first_of(panel: &Panel, channel: Uuid) -> AppResult<Option<(Uuid, String)>> {
    Ok(query!(
        panel.db,
        fetch_optional,
        concat!(
            "SELECT s.id, s.name FROM subscriptions s JOIN alert_channels c ON c.id = $1
             LEFT JOIN subscription_alerts o ON o.subscription_id = s.id
             WHERE s.repository_id IS NOT NULL AND ",
            hears!(),
            " ORDER BY s.name, s.id LIMIT 1"
        ),
        channel
    )?)
}
