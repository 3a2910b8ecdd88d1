//! Gives names: a restored database takes the live one's name and gives it back, by Odoo's renames.
//!
//! Odoo renames one database at a time. Between the two renames of a swap nothing answers under the live name, for as
//! long as the second takes; the journal and the names that are taken tell a restart what is left to do.

use backup_api::{Failure, FailureCode};

use super::{
    super::{Record, Task, task::failure},
    target::{NotRenamed, Standing, Target},
};
use crate::server::App;

/// Why the restored database has not the live name.
#[derive(Debug)]
pub(super) enum NotSwapped {
    /// Everything has the name that it had.
    TakenBack(Failure),
    /// Which database has which name cannot be seen now.
    Unknown(Failure),
}

/// The live database gives its name to the scratch one; `replaces` says whether there is a live one.
pub(super) async fn swap(task: &Task, target: &Target, replaces: bool) -> Result<(), NotSwapped> {
    let record = &task.record;
    let live = record.database.as_str();
    if replaces {
        target.rename(live, &record.previous).await.map_err(|error| match error {
            NotRenamed::Untouched(why) => NotSwapped::TakenBack(why),
            NotRenamed::Unknown(why) => NotSwapped::Unknown(unknown(record, &why)),
        })?;
        task.pass("between").await;
    }
    match target.rename(&record.scratch, live).await {
        Ok(()) => Ok(()),
        Err(NotRenamed::Unknown(why)) => Err(NotSwapped::Unknown(unknown(record, &why))),
        Err(NotRenamed::Untouched(why)) if replaces => match target.rename(&record.previous, live).await {
            Ok(()) => Err(NotSwapped::TakenBack(why)),
            Err(NotRenamed::Untouched(again) | NotRenamed::Unknown(again)) => {
                let both = failure(why.code, format!("{} {}", why.message, again.message));
                Err(NotSwapped::Unknown(unknown(record, &both)))
            }
        },
        Err(NotRenamed::Untouched(why)) => Err(NotSwapped::TakenBack(why)),
    }
}

/// The replaced database takes its name again; the restored one gets its scratch name.
pub(super) async fn swap_back(app: &App, record: &Record, target: &Target) -> Result<(), NotSwapped> {
    let live = record.database.as_str();
    target.rename(live, &record.scratch).await.map_err(|error| match error {
        NotRenamed::Untouched(why) => NotSwapped::TakenBack(why),
        NotRenamed::Unknown(why) => NotSwapped::Unknown(unknown(record, &why)),
    })?;
    app.config.pass("between back").await;
    match target.rename(&record.previous, live).await {
        Ok(()) => Ok(()),
        Err(NotRenamed::Unknown(why)) => Err(NotSwapped::Unknown(unknown(record, &why))),
        Err(NotRenamed::Untouched(why)) => match target.rename(&record.scratch, live).await {
            Ok(()) => Err(NotSwapped::TakenBack(why)),
            Err(_) => Err(NotSwapped::Unknown(unknown(record, &why))),
        },
    }
}

/// How far a swap came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// Nothing was renamed yet.
    Before,
    /// The live name is free: the replaced database has given it, the restored one has not taken it.
    Between,
    /// The restored database has the live name.
    After,
}

/// Reads from the taken names how far a swap came. Without a scratch database before it, it was taken back and removed.
pub(super) fn reached(standing: Standing, record: &Record) -> Result<Reached, Failure> {
    let Standing { live, scratch, previous } = standing;
    match (record.marks.replaces, live, scratch, previous) {
        (true, true, _, false) | (false, false, _, false) => Ok(Reached::Before),
        (true, false, true, true) => Ok(Reached::Between),
        (true, true, false, true) | (false, true, false, false) => Ok(Reached::After),
        _ => Err(strange(standing, record)),
    }
}

/// The failure for names that no step of a restore leaves.
pub(super) fn strange(standing: Standing, record: &Record) -> Failure {
    let taken = [
        (record.database.as_str(), standing.live),
        (record.scratch.as_str(), standing.scratch),
        (record.previous.as_str(), standing.previous),
    ];
    let there: Vec<&str> = taken.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    let there = if there.is_empty() { "none of them".to_owned() } else { there.join(" and ") };
    let message = format!(
        "Of the databases “{}” (live), “{}” (restored) and “{}” (replaced), Odoo has {there}. Somebody else renamed or \
         removed one: look at Odoo and give the right one the name “{}”.",
        record.database, record.scratch, record.previous, record.database
    );
    failure(FailureCode::OdooError, message)
}

fn unknown(record: &Record, why: &Failure) -> Failure {
    let message = format!(
        "{} Which database has the name “{}” cannot be seen now; this server looks again and finishes as soon as Odoo \
         answers. The database from before is “{}” or “{}”, the restored one “{}” or “{}”; neither was removed.",
        why.message, record.database, record.database, record.previous, record.scratch, record.database
    );
    failure(why.code, message)
}
