//! The command line: serve, and the few things that are done without the pages.

use clap::{Parser, Subcommand};
use futures::{FutureExt, future::BoxFuture};

use super::{Clock, Config, Panel, Randomness, StartError, bench, lifecycle, seed};
use crate::{dashboard, schedules, subscriptions, users};

/// Control panel that keeps many Odoo databases backed up and gets them back.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    #[command(flatten)]
    config: Config,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
enum Command {
    /// Adds a subscription; its backups go to “This machine”.
    AddSubscription(subscriptions::command::AddSubscription),
    /// Adds somebody who can sign in.
    AddUser(users::people::AddUser),
    /// Changes what somebody may do.
    SetRole(users::changes::SetRole),
    /// Gives somebody a new password.
    SetPassword(users::changes::SetPassword),
    /// Removes somebody; what they did stays in the action log.
    RemoveUser(users::changes::RemoveUser),
    /// Prints a new one-time link to create the first administrator.
    SetUpLink {
        /// Also when there are users: the link makes one more administrator, or gives an existing one a new password.
        #[arg(long)]
        reset: bool,
    },
    /// Fills the database with made-up subscriptions and backup lines, to measure with.
    Seed(seed::Seed),
    /// Measures the time that the server takes to answer the list of subscriptions.
    BenchList(bench::BenchList),
    /// Measures the time that the server takes to answer the overview.
    BenchDashboard(dashboard::bench::BenchDashboard),
    /// Measures the time that it takes to find planned backups that are due.
    BenchSchedules(schedules::bench::BenchSchedules),
}

/// Does what the command line says. Boxed like [`lifecycle::Running::start`].
pub fn run(arguments: Arguments) -> BoxFuture<'static, Result<(), StartError>> {
    obey(arguments).boxed()
}

async fn obey(arguments: Arguments) -> Result<(), StartError> {
    let Some(command) = arguments.command else { return lifecycle::serve(arguments.config).await };
    super::telemetry::start();
    let panel = Panel::open(arguments.config, Clock::default(), Randomness::of_system()).await?;
    match command {
        Command::AddSubscription(add) => add.run(&panel).await?,
        Command::AddUser(add) => add.run(&panel).await?,
        Command::SetRole(set) => set.run(&panel).await?,
        Command::SetPassword(set) => set.run(&panel).await?,
        Command::RemoveUser(remove) => remove.run(&panel).await?,
        Command::SetUpLink { reset } => print_link(&panel, reset).await?,
        Command::Seed(seed) => seed.run(&panel).await?,
        Command::BenchList(bench) => bench.run(&panel).await?,
        Command::BenchDashboard(bench) => bench.run(&panel).await?,
        Command::BenchSchedules(bench) => bench.run(&panel).await?,
    }
    panel.db.close().await;
    Ok(())
}

async fn print_link(panel: &Panel, reset: bool) -> Result<(), StartError> {
    let token =
        if reset { Some(users::set_up::recovery_link(panel).await?) } else { users::set_up::fresh_link(panel).await? };
    match token {
        Some(token) => println!("{}/set-up/{token}", panel.config.address(panel.config.listen)),
        None => println!("There are users already. With --reset you get a link for a lost password."),
    }
    Ok(())
}
