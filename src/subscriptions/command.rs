//! `holdfast add-subscription`: a subscription without the pages, such as for the demo.

use uuid::Uuid;

use super::{Retention, SubscriptionInput, input};
use crate::{
    backup_servers,
    error::{AppError, AppResult},
    schedules,
    server::Panel,
    users::{Role, User},
};

/// Adds a subscription; its backups go to “This machine”.
#[derive(Debug, clap::Args)]
pub struct AddSubscription {
    /// Customer or name.
    #[arg(long)]
    name: String,
    /// Database name.
    #[arg(long)]
    database: String,
    /// PostgreSQL connection URL, for direct access.
    #[arg(long, conflicts_with = "odoo_url", required_unless_present = "odoo_url")]
    postgres_url: Option<String>,
    /// The database's filestore folder.
    #[arg(long, requires = "postgres_url")]
    filestore: Option<String>,
    /// An addons folder of Odoo; can be given again.
    #[arg(long, requires = "postgres_url")]
    addons: Vec<String>,
    /// Address of Odoo, for access through its database manager.
    #[arg(long)]
    odoo_url: Option<String>,
    /// Odoo's master password.
    #[arg(long, env = "HOLDFAST_MASTER_PASSWORD", hide_env_values = true, requires = "odoo_url")]
    master_password: Option<String>,
}

impl AddSubscription {
    /// Adds it, unless the same one is there.
    pub async fn run(self, panel: &Panel) -> AppResult<()> {
        backup_servers::store::register_embedded(panel).await?;
        let server = backup_servers::store::embedded(panel).await?;
        let kept = Retention::default();
        let (schedule, zone) = schedules::store::default(panel).await?;
        let (name, database) = (self.name.clone(), self.database.clone());
        let input = SubscriptionInput {
            name: self.name,
            database: self.database,
            server: server.map(|server| server.0.to_string()).unwrap_or_default(),
            connection: if self.odoo_url.is_some() { "odoo_http" } else { "postgres" }.to_owned(),
            odoo_url: self.odoo_url.unwrap_or_default(),
            master_password: self.master_password.unwrap_or_default(),
            postgres_url: self.postgres_url.unwrap_or_default(),
            filestore: self.filestore.unwrap_or_default(),
            addons: self.addons.join("\n"),
            daily: kept.daily,
            weekly: kept.weekly,
            monthly: kept.monthly,
            keep_latest: kept.keep_latest,
            id: None,
            revision: None,
            scheduled: schedule.enabled,
            repeats: schedule.repeats,
            times: schedule.times,
            weekday: schedule.weekday,
            cron: schedule.cron,
            spread: schedule.spread_minutes.to_string(),
            planned_format: schedule.format,
            zone,
            as_default: false,
        };
        let by = User { id: Uuid::nil(), name: "Holdfast".to_owned(), email: String::new(), role: Role::Administrator };
        match input::save(panel, &by, input).await {
            Ok(_) => println!("Added the subscription “{name}” for the database {database}"),
            // Running the command again must not fail: scripts do.
            Err(AppError::Invalid { field: Some(field), .. }) if field == "name" && !name.trim().is_empty() => {
                println!("The subscription “{name}” for the database {database} is there already");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
