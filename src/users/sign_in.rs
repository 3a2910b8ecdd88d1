//! Sign-in: slow for those who guess, the same answer whether address or password was wrong.

use backup_api::Secret;
use chrono::TimeDelta;

use super::{User, store};
use crate::{
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    server::{Panel, ThrottleKey, password_matches},
};

/// Checks address and password; `client` is the network address of who asks.
pub async fn check(panel: &Panel, client: &str, email: &str, password: Secret) -> AppResult<User> {
    let email = email.trim().to_lowercase();
    let account = ThrottleKey::Account(email.chars().take(200).collect());
    let keys = [ThrottleKey::Address(client.to_owned()), account.clone()];
    if let Some(wait) = panel.throttle.wait(&keys, panel.clock.now()) {
        return Err(AppError::invalid(format!(
            "Too many attempts with a wrong password. Wait {} and try again.",
            in_words(wait)
        )));
    }
    // Counted before the check and taken back after a success: attempts at the same time count as well.
    panel.throttle.failed(&keys, panel.clock.now());
    let (user, hash) = store::by_email(panel, &email).await?.unzip();
    if password_matches(password, hash).await?
        && let Some(user) = user
    {
        panel.throttle.succeeded(&keys);
        note(panel, Entry::by(&user, "Signed in".to_owned())).await?;
        return Ok(user);
    }
    note(panel, Entry::by_holdfast("Refused a sign-in: wrong address or password").failed()).await?;
    Err(AppError::invalid("Email address or password is wrong. Check both; passwords are case-sensitive."))
}

async fn note(panel: &Panel, entry: Entry<'_>) -> AppResult<()> {
    let mut tx = panel.db.begin().await?;
    actions::write(panel, &mut tx, entry).await?;
    tx.commit().await?;
    Ok(())
}

fn in_words(wait: TimeDelta) -> String {
    match wait.num_seconds() + 1 {
        1 => "a second".to_owned(),
        seconds @ 2..=90 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_euclid(60) + 1),
    }
}
