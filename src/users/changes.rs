//! Changes of people who are there already: another role, a new password, their removal. Each ends their sessions.

use backup_api::Secret;

use super::{Role, User, set_up::check_password, store};
use crate::{
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    server::{Panel, db::Tx, hash_password},
};

/// Gives somebody another role.
pub async fn set_role(panel: &Panel, email: &str, role: Role) -> AppResult<User> {
    let mut tx = panel.db.begin().await?;
    let user = somebody(&mut tx, email).await?;
    if role != Role::Administrator {
        not_the_last(&mut tx, &user).await?;
    }
    store::set_role(&mut tx, user.id, role).await?;
    let (before, after) = (user.role.as_str(), role.as_str());
    let what = format!("Changed the role of {} from {before} to {after} on the command line", user.email);
    actions::write(panel, &mut tx, Entry::by_holdfast(what)).await?;
    tx.commit().await?;
    Ok(User { role, ..user })
}

/// Gives somebody a new password.
pub async fn set_password(panel: &Panel, email: &str, password: Secret) -> AppResult<User> {
    check_password(&password)?;
    let hash = hash_password(password, &panel.randomness).await?;
    let mut tx = panel.db.begin().await?;
    let user = somebody(&mut tx, email).await?;
    store::set_password(&mut tx, user.id, &hash).await?;
    let what = format!("Gave {} a new password on the command line", user.email);
    actions::write(panel, &mut tx, Entry::by_holdfast(what)).await?;
    tx.commit().await?;
    Ok(user)
}

/// Removes somebody. What they did stays in the action log.
pub async fn remove(panel: &Panel, email: &str) -> AppResult<User> {
    let mut tx = panel.db.begin().await?;
    let user = somebody(&mut tx, email).await?;
    not_the_last(&mut tx, &user).await?;
    store::remove(&mut tx, user.id).await?;
    let what = format!("Removed {}, who was {}, on the command line", user.email, user.role.as_str());
    actions::write(panel, &mut tx, Entry::by_holdfast(what)).await?;
    tx.commit().await?;
    Ok(user)
}

async fn somebody(tx: &mut Tx, email: &str) -> AppResult<User> {
    let email = email.trim().to_lowercase();
    let user = store::find_in(tx, &email).await?;
    user.ok_or_else(|| AppError::field("email", format!("Nobody signs in with the address {email}.")))
}

async fn not_the_last(tx: &mut Tx, user: &User) -> AppResult<()> {
    if user.role == Role::Administrator && store::other_administrators(tx, user.id).await? == 0 {
        let message = format!("{} is the only administrator. Make somebody else one first.", user.email);
        return Err(AppError::Conflict(message));
    }
    Ok(())
}

/// `holdfast set-role`: what somebody may do from now on.
#[derive(Debug, clap::Args)]
pub struct SetRole {
    /// Address that they sign in with.
    #[arg(long)]
    email: String,
    /// `viewer`, `operator` or `administrator`.
    #[arg(long)]
    role: String,
}

impl SetRole {
    /// Changes it.
    pub async fn run(self, panel: &Panel) -> AppResult<()> {
        let user = set_role(panel, &self.email, Role::named(&self.role)?).await?;
        println!("{} is {} now; they have to sign in again", user.email, user.role.as_str());
        Ok(())
    }
}

/// `holdfast set-password`: a new password for somebody.
#[derive(Debug, clap::Args)]
pub struct SetPassword {
    /// Address that they sign in with.
    #[arg(long)]
    email: String,
    /// The password; better given in the environment than on the command line, where others see it.
    #[arg(long, env = "HOLDFAST_PASSWORD", hide_env_values = true)]
    password: String,
}

impl SetPassword {
    /// Changes it.
    pub async fn run(self, panel: &Panel) -> AppResult<()> {
        let user = set_password(panel, &self.email, Secret::new(self.password)).await?;
        println!("{} has a new password; they have to sign in again", user.email);
        Ok(())
    }
}

/// `holdfast remove-user`: somebody who shall not sign in any more.
#[derive(Debug, clap::Args)]
pub struct RemoveUser {
    /// Address that they sign in with.
    #[arg(long)]
    email: String,
}

impl RemoveUser {
    /// Removes them.
    pub async fn run(self, panel: &Panel) -> AppResult<()> {
        let user = remove(panel, &self.email).await?;
        println!("Removed {}", user.email);
        Ok(())
    }
}
