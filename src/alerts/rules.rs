//! The rules of the installation: read, checked and stored.

use super::{Event, Rules, RulesInput};
use crate::{
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    server::{
        Panel,
        db::{Tx, query},
    },
    users::User,
};

const STORED: &str = "SELECT rules FROM alert_rules WHERE id = 1";

/// The rules.
pub async fn read(panel: &Panel) -> AppResult<Rules> {
    parse(query!(panel.db, fetch_optional, STORED)?)
}

/// The rules, inside a transaction.
pub async fn read_in(tx: &mut Tx) -> AppResult<Rules> {
    parse(query!(tx, fetch_optional, STORED)?)
}

fn parse(stored: Option<(String,)>) -> AppResult<Rules> {
    let Some((text,)) = stored else { return Ok(Rules::default()) };
    serde_json::from_str(&text).map_err(|error| {
        tracing::error!("The stored rules of alerts cannot be read: {error}");
        AppError::Internal
    })
}

/// Checks and stores what the form says.
pub async fn save(panel: &Panel, user: &User, input: &RulesInput) -> AppResult<()> {
    let rules = check(input)?;
    let text = serde_json::to_string(&rules).map_err(|_| AppError::Internal)?;
    let mut tx = panel.db.begin().await?;
    query!(
        tx,
        execute,
        "INSERT INTO alert_rules (id, rules) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET rules = $1",
        text
    )?;
    actions::write(panel, &mut tx, Entry::by(user, "Changed the rules of alerts")).await?;
    tx.commit().await?;
    Ok(())
}

fn check(input: &RulesInput) -> AppResult<Rules> {
    let figure = |field: &'static str, text: &str, least: u32, most: u32| {
        let figure = text.trim().parse::<u32>().ok().filter(|figure| (least..=most).contains(figure));
        figure.ok_or_else(|| AppError::field(field, format!("Enter a whole number from {least} to {most}.")))
    };
    Ok(Rules {
        events: Event::CHOSEN.into_iter().filter(|event| input.events.contains(event)).collect(),
        repeat_hours: figure("repeat_hours", &input.repeat_hours, 0, 720)?,
        collect_minutes: figure("collect_minutes", &input.collect_minutes, 0, 120)?,
        patience_hours: figure("patience_hours", &input.patience_hours, 0, 72)?,
        low_space_percent: figure("low_space_percent", &input.low_space_percent, 0, 90)?,
        small_percent: figure("small_percent", &input.small_percent, 0, 99)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> RulesInput {
        RulesInput {
            events: vec![Event::StateDanger, Event::BackupFailed, Event::Test],
            repeat_hours: " 12 ".to_owned(),
            collect_minutes: "0".to_owned(),
            patience_hours: "3".to_owned(),
            low_space_percent: "90".to_owned(),
            small_percent: "50".to_owned(),
        }
    }

    #[test]
    fn the_form_is_checked_figure_by_figure() {
        let rules = check(&input()).unwrap();
        assert_eq!((rules.repeat_hours, rules.low_space_percent), (12, 90));
        assert_eq!(rules.events, [Event::BackupFailed, Event::StateDanger], "a test is always told");
        let wrong = check(&RulesInput { repeat_hours: "721".to_owned(), ..input() }).unwrap_err();
        assert!(wrong.for_field("repeat_hours").is_some_and(|words| words.contains("0 to 720")), "{wrong:?}");
        let wrong = check(&RulesInput { small_percent: String::new(), ..input() }).unwrap_err();
        assert!(wrong.for_field("small_percent").is_some());
    }
}
