//! SQL of people.

use uuid::Uuid;

use super::{Role, User};
use crate::{
    error::{AppError, AppResult},
    server::{
        Panel,
        db::{Tx, millis, query},
    },
};

/// Somebody with the hash of the password.
pub async fn by_email(panel: &Panel, email: &str) -> AppResult<Option<(User, String)>> {
    let row: Option<(Uuid, String, String, String, String)> = query!(
        panel.db,
        fetch_optional,
        "SELECT id, name, email, role, password_hash FROM users WHERE email = $1",
        email
    )?;
    let Some((id, name, email, role, hash)) = row else { return Ok(None) };
    let role = Role::parse(&role).ok_or(AppError::Internal)?;
    Ok(Some((User { id, name, email, role }, hash)))
}

/// Adds somebody.
pub async fn add(panel: &Panel, tx: &mut Tx, user: &User, password_hash: &str) -> AppResult<()> {
    query!(
        tx,
        execute,
        "INSERT INTO users (id, name, email, password_hash, role, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        user.id,
        &user.name,
        &user.email,
        password_hash,
        user.role.as_str(),
        millis(panel.clock.now())
    )?;
    Ok(())
}

/// Gives somebody a new password and the role of an administrator, and ends all their sessions.
pub async fn recover(tx: &mut Tx, user: Uuid, password_hash: &str) -> AppResult<()> {
    query!(
        tx,
        execute,
        "UPDATE users SET password_hash = $1, role = $2 WHERE id = $3",
        password_hash,
        Role::Administrator.as_str(),
        user
    )?;
    end_sessions(tx, user).await
}

/// Changes what somebody may do, and ends their sessions.
pub async fn set_role(tx: &mut Tx, user: Uuid, role: Role) -> AppResult<()> {
    query!(tx, execute, "UPDATE users SET role = $2 WHERE id = $1", user, role.as_str())?;
    end_sessions(tx, user).await
}

/// Gives somebody a new password, and ends their sessions.
pub async fn set_password(tx: &mut Tx, user: Uuid, password_hash: &str) -> AppResult<()> {
    query!(tx, execute, "UPDATE users SET password_hash = $2 WHERE id = $1", user, password_hash)?;
    end_sessions(tx, user).await
}

/// Removes somebody with their sessions.
pub async fn remove(tx: &mut Tx, user: Uuid) -> AppResult<()> {
    end_sessions(tx, user).await?;
    query!(tx, execute, "DELETE FROM users WHERE id = $1", user)?;
    Ok(())
}

async fn end_sessions(tx: &mut Tx, user: Uuid) -> AppResult<()> {
    query!(tx, execute, "DELETE FROM sessions WHERE user_id = $1", user)?;
    Ok(())
}

/// Somebody, inside a transaction that no other change of people crosses.
pub async fn find_in(tx: &mut Tx, email: &str) -> AppResult<Option<User>> {
    // Two who demote each other must not both succeed.
    query!(tx, execute, "UPDATE users SET role = role")?;
    let row: Option<(Uuid, String, String, String)> =
        query!(tx, fetch_optional, "SELECT id, name, email, role FROM users WHERE email = $1", email)?;
    let Some((id, name, email, role)) = row else { return Ok(None) };
    Ok(Some(User { id, name, email, role: Role::parse(&role).ok_or(AppError::Internal)? }))
}

/// How many administrators there are besides somebody.
pub async fn other_administrators(tx: &mut Tx, user: Uuid) -> AppResult<i64> {
    let (others,): (i64,) = query!(
        tx,
        fetch_one,
        "SELECT COUNT(*) FROM users WHERE role = $1 AND id <> $2",
        Role::Administrator.as_str(),
        user
    )?;
    Ok(others)
}

/// Whether there is anybody.
pub async fn any(tx: &mut Tx) -> AppResult<bool> {
    let (users,): (i64,) = query!(tx, fetch_one, "SELECT COUNT(*) FROM users")?;
    Ok(users > 0)
}
