//! Adds people.

use backup_api::Secret;

use super::{
    Role, User,
    set_up::{check_password, checked_email, checked_name},
    store,
};
use crate::{
    error::AppResult,
    operations::actions::{self, Entry},
    server::{Panel, hash_password},
};

/// Adds somebody with a role.
pub async fn add(panel: &Panel, name: &str, email: &str, role: Role, password: Secret) -> AppResult<User> {
    let user = User { id: panel.id(), name: checked_name(name)?, email: checked_email(email)?, role };
    check_password(&password)?;
    let hash = hash_password(password, &panel.randomness).await?;
    let mut tx = panel.db.begin().await?;
    store::add(panel, &mut tx, &user, &hash).await?;
    let what = format!("Added {} as {} on the command line", user.email, role.as_str());
    actions::write(panel, &mut tx, Entry::by_holdfast(what)).await?;
    tx.commit().await?;
    Ok(user)
}

/// `holdfast add-user`: somebody with a role, until there is a page for it.
#[derive(Debug, clap::Args)]
pub struct AddUser {
    /// Name as shown in the action log.
    #[arg(long)]
    name: String,
    /// Address to sign in with.
    #[arg(long)]
    email: String,
    /// `viewer`, `operator` or `administrator`.
    #[arg(long, default_value = "operator")]
    role: String,
    /// The password; better given in the environment than on the command line, where others see it.
    #[arg(long, env = "HOLDFAST_PASSWORD", hide_env_values = true)]
    password: String,
}

impl AddUser {
    /// Adds them.
    pub async fn run(self, panel: &Panel) -> AppResult<()> {
        let role = Role::named(&self.role)?;
        let user = add(panel, &self.name, &self.email, role, Secret::new(self.password)).await?;
        println!("Added {} as {}", user.email, role.as_str());
        Ok(())
    }
}
