//! What a subscription has of its own: where its alerts go, and the address that is pinged.

use backup_api::Secret;
use uuid::Uuid;

use super::{ChannelId, Override, OverrideInput, OverrideMode, input};
use crate::{
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    server::{
        Panel,
        db::{Tx, query},
    },
    subscriptions::{self, SubscriptionId},
    users::User,
};

/// Where an address that is pinged is sealed for.
const PING_URL: &str = "subscription_alerts.ping_url";

/// For the form.
pub async fn of(panel: &Panel, id: SubscriptionId) -> AppResult<Override> {
    subscriptions::store::find(panel, id).await?;
    let row: Option<(String, Option<String>)> = query!(
        panel.db,
        fetch_optional,
        "SELECT mode, ping_place FROM subscription_alerts WHERE subscription_id = $1",
        id.0
    )?;
    let (mode, ping_place) = row.unwrap_or_default();
    let channels: Vec<(Uuid, String, bool)> = query!(
        panel.db,
        fetch_all,
        "SELECT c.id, c.name, x.channel_id IS NOT NULL AS chosen FROM alert_channels c
         LEFT JOIN subscription_alert_channels x ON x.channel_id = c.id AND x.subscription_id = $1
         ORDER BY c.name_key",
        id.0
    )?;
    Ok(Override {
        mode: OverrideMode::parse(&mode).unwrap_or_default(),
        channels: channels.into_iter().map(|(id, name, chosen)| (ChannelId(id), name, chosen)).collect(),
        ping_place,
    })
}

/// Stores the form.
pub async fn save(panel: &Panel, user: &User, form: &OverrideInput) -> AppResult<()> {
    let id = form.subscription;
    let address = match form.secret_ping.trim() {
        "" => None,
        text => Some(input::parse("secret_ping", text)?),
    };
    if form.mode == OverrideMode::Own && form.channels.is_empty() {
        return Err(AppError::field("channels", "Choose at least one channel, or where else its alerts go."));
    }
    let sealed = address.as_ref().map(|url| panel.secrets.seal(PING_URL, id.0, &Secret::new(url.as_str())));
    let place = address.as_ref().map(input::place);
    let mut tx = panel.db.begin().await?;
    let name = subscriptions::store::find_in(&mut tx, id).await?.name;
    query!(
        tx,
        execute,
        "INSERT INTO subscription_alerts (subscription_id, mode, ping_url, ping_place) VALUES ($1, $2, $3, $4)
         ON CONFLICT (subscription_id) DO UPDATE SET mode = $2,
             ping_url = CASE WHEN $5 THEN NULL ELSE COALESCE($3, subscription_alerts.ping_url) END,
             ping_place = CASE WHEN $5 THEN NULL ELSE COALESCE($4, subscription_alerts.ping_place) END",
        id.0,
        form.mode.as_str(),
        &sealed,
        &place,
        form.forget_ping && address.is_none()
    )?;
    choose(&mut tx, id, &form.channels).await?;
    actions::write(panel, &mut tx, Entry::by(user, "Changed where its alerts go").about(id, &name)).await?;
    tx.commit().await?;
    Ok(())
}

async fn choose(tx: &mut Tx, id: SubscriptionId, channels: &[ChannelId]) -> AppResult<()> {
    query!(tx, execute, "DELETE FROM subscription_alert_channels WHERE subscription_id = $1", id.0)?;
    for channel in channels {
        let known = query!(
            tx,
            execute,
            "INSERT INTO subscription_alert_channels (subscription_id, channel_id)
             SELECT $1, id FROM alert_channels WHERE id = $2 ON CONFLICT DO NOTHING",
            id.0,
            channel.0
        )?;
        if known == 0 {
            return Err(AppError::field("channels", "One of these channels is not there any more; choose again."));
        }
    }
    Ok(())
}

/// The address that is pinged, if there is one.
pub async fn ping_address(panel: &Panel, subscription: Uuid) -> AppResult<Option<Secret>> {
    let row: Option<(Option<Vec<u8>>,)> = query!(
        panel.db,
        fetch_optional,
        "SELECT ping_url FROM subscription_alerts WHERE subscription_id = $1",
        subscription
    )?;
    let Some((Some(sealed),)) = row else { return Ok(None) };
    Ok(Some(panel.secrets.open_sealed(PING_URL, subscription, &sealed)?))
}

/// Whether a subscription has an address of its own that is pinged.
pub async fn has_ping(tx: &mut Tx, subscription: Uuid) -> AppResult<bool> {
    let row: Option<(Uuid,)> = query!(
        tx,
        fetch_optional,
        "SELECT subscription_id FROM subscription_alerts WHERE subscription_id = $1 AND ping_url IS NOT NULL",
        subscription
    )?;
    Ok(row.is_some())
}
