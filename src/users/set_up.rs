//! The one-time link that makes the first administrator, or recovers a lost password.

use backup_api::Secret;
use chrono::TimeDelta;

use super::{PASSWORD_MIN_CHARS, Role, User, store};
use crate::{
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    server::{
        Panel,
        db::{Tx, millis, query},
        hash_of_token, hash_password,
    },
};

/// A link that nobody used ends after this long.
const LIFETIME: TimeDelta = TimeDelta::hours(24);
const MAX_CHARS: usize = 200;

/// A new link that replaces earlier ones; `None` when there are users.
pub async fn fresh_link(panel: &Panel) -> AppResult<Option<String>> {
    let mut tx = panel.db.begin().await?;
    if store::any(&mut tx).await? {
        return Ok(None);
    }
    let token = make_link(panel, &mut tx, false).await?;
    tx.commit().await?;
    Ok(Some(token))
}

/// A new link that works although there are users; only to be had on the command line.
pub async fn recovery_link(panel: &Panel) -> AppResult<String> {
    let mut tx = panel.db.begin().await?;
    let token = make_link(panel, &mut tx, true).await?;
    actions::write(panel, &mut tx, Entry::by_holdfast("Made a link to recover access, on the command line")).await?;
    tx.commit().await?;
    Ok(token)
}

/// Whether a link still works.
pub async fn is_open(panel: &Panel, token: &str) -> AppResult<bool> {
    let mut tx = panel.db.begin().await?;
    Ok(find(panel, &mut tx, token).await?.is_some())
}

/// Uses a link: adds an administrator, or with a recovery link gives an existing person a new password.
pub async fn use_link(panel: &Panel, token: &str, name: &str, email: &str, password: Secret) -> AppResult<User> {
    // Before the costly part: this door is open to everybody.
    if !is_open(panel, token).await? {
        return Err(ended());
    }
    let name = checked_name(name)?;
    let email = checked_email(email)?;
    check_password(&password)?;
    let hash = hash_password(password, &panel.randomness).await?;
    let known = store::by_email(panel, &email).await?;
    let mut tx = panel.db.begin().await?;
    let recovery = find(panel, &mut tx, token).await?.ok_or_else(ended)?;
    let user = match known {
        Some((user, _)) if recovery => {
            store::recover(&mut tx, user.id, &hash).await?;
            User { role: Role::Administrator, ..user }
        }
        _ => {
            let user = User { id: panel.id(), name, email, role: Role::Administrator };
            store::add(panel, &mut tx, &user, &hash).await?;
            user
        }
    };
    query!(tx, execute, "DELETE FROM set_up_links")?;
    let what = format!("Became an administrator with a one-time link ({})", user.email);
    actions::write(panel, &mut tx, Entry::by(&user, what)).await?;
    tx.commit().await?;
    Ok(user)
}

fn ended() -> AppError {
    AppError::invalid(
        "This link was used already or is older than 24 hours. Start the panel again, or run “holdfast set-up-link”, \
         for a new one.",
    )
}

async fn make_link(panel: &Panel, tx: &mut Tx, recovery: bool) -> AppResult<String> {
    let token = panel.randomness.token();
    query!(tx, execute, "DELETE FROM set_up_links")?;
    query!(
        tx,
        execute,
        "INSERT INTO set_up_links (token_hash, created_at, recovery) VALUES ($1, $2, $3)",
        hash_of_token(&token),
        millis(panel.clock.now()),
        recovery
    )?;
    Ok(token)
}

/// The kind of an open link: `Some(true)` is a recovery link.
async fn find(panel: &Panel, tx: &mut Tx, token: &str) -> AppResult<Option<bool>> {
    let row: Option<(bool,)> = query!(
        tx,
        fetch_optional,
        "SELECT recovery FROM set_up_links WHERE token_hash = $1 AND created_at > $2",
        hash_of_token(token),
        millis(panel.clock.now() - LIFETIME)
    )?;
    let Some((recovery,)) = row else { return Ok(None) };
    if !recovery && store::any(tx).await? {
        return Ok(None);
    }
    Ok(Some(recovery))
}

pub(super) fn checked_name(name: &str) -> AppResult<String> {
    match name.trim() {
        "" => Err(AppError::field("name", "Enter your name; it is shown in the action log.")),
        name if name.chars().count() > MAX_CHARS => Err(AppError::field("name", "A name has at most 200 characters.")),
        name => Ok(name.to_owned()),
    }
}

pub(super) fn checked_email(email: &str) -> AppResult<String> {
    let email = email.trim().to_lowercase();
    let whole = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    if !whole || email.contains(char::is_whitespace) || email.chars().count() > MAX_CHARS {
        return Err(AppError::field("email", "Enter a whole e-mail address, such as ada@example.com."));
    }
    Ok(email)
}

pub(super) fn check_password(password: &Secret) -> AppResult<()> {
    let chars = password.reveal().chars().count();
    if chars < PASSWORD_MIN_CHARS {
        let message =
            format!("A password has at least {PASSWORD_MIN_CHARS} characters; a few words together are good.");
        return Err(AppError::field("password", message));
    }
    if password.reveal().len() > 1024 {
        return Err(AppError::field("password", "A password has at most 1,024 characters."));
    }
    Ok(())
}
