//! Neutralizing a scratch database: `data/neutralize.sql` of its installed modules, then the proof that it took.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::PathBuf,
};

use backup_api::{Failure, FailureCode};
use sqlx::PgConnection;

use super::{
    super::task::failure,
    server::{asked, run},
};

/// The first version of Odoo that can.
pub(super) const FIRST_VERSION: u32 = 16;

/// Runs the installed modules' files in dependency order, all or nothing, and looks at the result. Gives sentences about
/// modules whose folder was not found.
pub(super) async fn neutralize(connection: &mut PgConnection, addons: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let modules = installed(connection).await?;
    let (files, missing) = files(&modules, addons).map_err(|error| {
        failure(
            FailureCode::Neutralize,
            format!("A neutralize.sql cannot be read: {error}. Look at the addons folders."),
        )
    })?;
    if missing.iter().any(|name| name == "base") {
        let message = "Module “base” is not in the addons folders. Name Odoo's own addons folders in the subscription.";
        return Err(failure(FailureCode::Neutralize, message));
    }
    run(connection, "BEGIN").await?;
    for (module, sql) in files {
        run(connection, &sql).await.map_err(|error| {
            failure(FailureCode::Neutralize, format!("The neutralize.sql of module {module} failed: {}", error.message))
        })?;
    }
    run(connection, "COMMIT").await?;
    prove(connection).await?;
    Ok(note(&missing).into_iter().collect())
}

/// A sentence about modules whose folder was not found.
pub(super) fn note(missing: &[String]) -> Option<String> {
    let shown = missing.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if missing.len() > 10 { ", …" } else { "" };
    (!missing.is_empty()).then(|| {
        format!(
            "The folders of {} installed module(s) are not in the addons folders, so what they would neutralize stays as \
             it is: {shown}{more}.",
            missing.len()
        )
    })
}

/// Which of these modules have no folder in the addons folders.
pub(super) fn without_folder<'a>(modules: impl Iterator<Item = &'a str>, addons: &[PathBuf]) -> Vec<String> {
    let has = |name: &str| addons.iter().any(|folder| folder.join(name).is_dir());
    modules.filter(|name| !has(name)).map(str::to_owned).collect()
}

async fn installed(connection: &mut PgConnection) -> Result<Vec<String>, Failure> {
    let sql = "SELECT name::text FROM ir_module_module WHERE state IN ('installed', 'to upgrade', 'to remove')";
    let names: Vec<String> =
        sqlx::query_scalar(sql).fetch_all(&mut *connection).await.map_err(|error| asked(&error))?;
    let sql = "SELECT m.name::text, d.name::text FROM ir_module_module_dependency d \
               JOIN ir_module_module m ON m.id = d.module_id";
    let pairs: Vec<(String, String)> =
        sqlx::query_as(sql).fetch_all(connection).await.map_err(|error| asked(&error))?;
    let mut needs: BTreeMap<String, BTreeSet<String>> = names.into_iter().map(|name| (name, BTreeSet::new())).collect();
    for (module, needed) in pairs {
        if needs.contains_key(&needed)
            && let Some(set) = needs.get_mut(&module)
        {
            set.insert(needed);
        }
    }
    Ok(in_order(needs))
}

/// Each after all that it needs, by name where that does not decide; what needs itself in a circle comes last.
fn in_order(mut needs: BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut order = Vec::with_capacity(needs.len());
    while !needs.is_empty() {
        let ready: Vec<String> =
            needs.iter().filter(|(_, open)| open.is_empty()).map(|(name, _)| name.clone()).collect();
        if ready.is_empty() {
            order.extend(needs.into_keys());
            break;
        }
        for name in ready {
            needs.remove(&name);
            for open in needs.values_mut() {
                open.remove(&name);
            }
            order.push(name);
        }
    }
    order
}

type Files = Vec<(String, String)>;

fn files(modules: &[String], addons: &[PathBuf]) -> io::Result<(Files, Vec<String>)> {
    let mut files = Vec::new();
    for module in modules {
        // As Odoo does, the first addons folder that has the module counts.
        let Some(folder) = addons.iter().map(|addons| addons.join(module)).find(|folder| folder.is_dir()) else {
            continue;
        };
        match fs::read_to_string(folder.join("data/neutralize.sql")) {
            Ok(sql) => files.push((module.clone(), sql)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok((files, without_folder(modules.iter().map(String::as_str), addons)))
}

/// What must hold in a neutralized database. Tables of modules that are not installed do not exist.
pub(super) async fn prove(connection: &mut PgConnection) -> Result<(), Failure> {
    let proofs = [
        (
            "ir_config_parameter",
            "it is not marked as neutralized (database.is_neutralized)",
            "SELECT count(*) = 0 FROM ir_config_parameter WHERE key = 'database.is_neutralized' \
          AND lower(value) IN ('true', 't', '1')",
        ),
        (
            "ir_mail_server",
            "an outgoing mail server is still active",
            "SELECT count(*) > 0 FROM ir_mail_server WHERE active \
          AND NOT (name = 'neutralization - disable emails' AND smtp_host = 'invalid')",
        ),
        (
            "fetchmail_server",
            "an incoming mail server is still active",
            "SELECT count(*) > 0 FROM fetchmail_server WHERE active",
        ),
        (
            "ir_cron",
            "a scheduled action other than the clean-up is still active",
            "SELECT count(*) > 0 FROM ir_cron WHERE active AND id NOT IN (SELECT res_id FROM ir_model_data \
          WHERE model = 'ir.cron' AND module = 'base' AND name = 'autovacuum_job')",
        ),
    ];
    let mut wrong = Vec::new();
    for (table, what, sql) in proofs {
        let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(table)
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| asked(&error))?;
        let failed = if exists {
            sqlx::query_scalar(sql).fetch_one(&mut *connection).await.map_err(|error| asked(&error))?
        } else {
            table == "ir_config_parameter"
        };
        if failed {
            wrong.push(what);
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let message = format!(
        "The restored database is not neutralized as it should be: {}. It was not put into use. Check the addons folders \
         in the subscription, or restore without neutralizing.",
        wrong.join("; ")
    );
    Err(failure(FailureCode::Neutralize, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_after_those_that_they_need() {
        let needs = [("web", vec!["base"]), ("base", vec![]), ("mail", vec!["web", "bus"]), ("bus", vec!["web"])];
        let needs = needs.map(|(name, on)| (name.to_owned(), on.into_iter().map(str::to_owned).collect()));
        assert_eq!(in_order(needs.into()), ["base", "web", "bus", "mail"]);
        let circle = [("a", "b"), ("b", "a")].map(|(name, on)| (name.to_owned(), [on.to_owned()].into()));
        assert_eq!(in_order(circle.into()), ["a", "b"]);
    }
}
