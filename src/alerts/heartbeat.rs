//! The pings of channels with one check for all: while the panel lives it says that nothing is wrong, or what is. When it
//! does not live any more, it is silent, and the service of the check tells that.

use chrono::TimeDelta;
use uuid::Uuid;

use super::{
    Rules,
    causes::Kind,
    channels::hears,
    checks::{self, Check},
    pings::Ping,
    rules,
};
use crate::{
    error::AppResult,
    server::{
        Panel,
        db::{Tx, millis, number, query},
    },
};

/// How often it is said when nothing changes.
const EVERY: TimeDelta = TimeDelta::minutes(5);

/// Says how things stand, where that changed or was not said for a while.
pub async fn beat(panel: &Panel) -> AppResult<()> {
    let channels: Vec<(Uuid, String)> =
        query!(panel.db, fetch_all, "SELECT id, name FROM alert_channels WHERE enabled AND pings = 'all' ORDER BY id")?;
    if channels.is_empty() {
        return Ok(());
    }
    let rules = rules::read(panel).await?;
    for (channel, name) in channels {
        let mut tx = panel.db.begin().await?;
        let (ping, text) = said(&wrong(&mut tx, channel).await?, &rules);
        if claim(panel, &mut tx, channel, ping).await? {
            let check = Check { channel: Some(channel), subscription: None };
            checks::write(panel, &mut tx, check, &name, ping, &text).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// What is wrong at the moment and this channel hears of: kind, level, how often.
async fn wrong(tx: &mut Tx, channel: Uuid) -> AppResult<Vec<(String, String, i64)>> {
    Ok(query!(
        tx,
        fetch_all,
        concat!(
            "SELECT k.kind, k.level, COUNT(*) FROM alert_causes k JOIN alert_channels c ON c.id = $1
             LEFT JOIN subscription_alerts o ON o.subscription_id = k.subscription_id
             WHERE ",
            hears!(),
            " GROUP BY k.kind, k.level ORDER BY k.kind, k.level"
        ),
        channel
    )?)
}

/// What is said of it: only what the rules tell counts.
fn said(wrong: &[(String, String, i64)], rules: &Rules) -> (Ping, String) {
    let lines: Vec<String> = wrong
        .iter()
        .filter_map(|(kind, level, count)| Some((Kind::parse(kind)?.event(level), *count)))
        .filter(|(event, _)| rules.events.contains(event))
        .map(|(event, count)| format!("{}: {}", event.label(), number(count)))
        .collect();
    match lines.as_slice() {
        [] => (Ping::Success, "Nothing is wrong.".to_owned()),
        lines => (Ping::Fail, lines.join("\n")),
    }
}

/// Whether this is the panel that says it now.
async fn claim(panel: &Panel, tx: &mut Tx, channel: Uuid, ping: Ping) -> AppResult<bool> {
    let now = panel.clock.now();
    let touched = query!(
        tx,
        execute,
        "UPDATE alert_channels SET pinged = $2, pinged_at = $3
         WHERE id = $1 AND enabled AND (pinged IS NULL OR pinged <> $2 OR pinged_at <= $4)",
        channel,
        ping.as_str(),
        millis(now),
        millis(now - EVERY)
    )?;
    Ok(touched == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::Event;

    #[test]
    fn only_what_the_rules_tell_makes_a_check_fail() {
        let wrong = [("failed".into(), String::new(), 2), ("state".into(), "warning".into(), 1)];
        let all = Rules::default();
        let expected = "A backup failed: 2\nA subscription turned Warning: 1".to_owned();
        assert_eq!(said(&wrong, &all), (Ping::Fail, expected));
        let fewer = Rules { events: vec![Event::StateDanger], ..all };
        assert_eq!(said(&wrong, &fewer), (Ping::Success, "Nothing is wrong.".to_owned()));
    }
}
