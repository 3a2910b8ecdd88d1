//! The Odoo that is restored into: which databases it has, and the two deeds that move and remove one. Neither is
//! believed before it is seen.

use std::time::Duration;

use backup_api::{DatabaseName, Failure, FailureCode, RestorePlan, Secret, Source};

use super::super::{Record, task::failure};
use crate::{
    server::App,
    sources::{
        Timeouts,
        odoo::{Odoo, Unanswered},
    },
};

pub(super) use crate::sources::unusable;

/// Pauses before looking again whether an unanswered deed was done: a connection may break while Odoo works on.
const LOOKS: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(200), Duration::from_millis(800), Duration::from_secs(2)];

/// An Odoo, and the name of the database in it that is restored or replaced.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub odoo: Odoo,
    pub url: String,
    pub password: Secret,
    pub timeouts: Timeouts,
}

/// How Odoo knows a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// There is none of that name.
    Absent,
    /// Odoo lists it.
    Listed,
    /// It is there, but Odoo does not list it: it was started for other databases (`-d`, `db_name`).
    Unlisted,
}

/// Which of the three names of a restore are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub live: bool,
    pub scratch: bool,
    pub previous: bool,
}

/// Why a rename has no good end.
#[derive(Debug)]
pub(super) enum NotRenamed {
    /// The database has its old name still.
    Untouched(Failure),
    /// What became of it cannot be seen now.
    Unknown(Failure),
}

impl Target {
    /// The target of a plan. Nothing is dialled yet but its name server.
    pub async fn open(app: &App, plan: &RestorePlan) -> Result<Self, Failure> {
        let Source::OdooHttp { url, master_password, .. } = &plan.target else {
            return Err(failure(FailureCode::Internal, "This target is no Odoo."));
        };
        let settings = app.sources.settings();
        let odoo = Odoo::at(url, &settings.addresses, settings.timeouts.connect).await.map_err(unusable)?;
        Ok(Self { odoo, url: url.clone(), password: master_password.clone(), timeouts: settings.timeouts })
    }

    /// The same Odoo, to read another of its databases.
    pub fn source(&self, database: DatabaseName) -> Source {
        Source::OdooHttp { url: self.url.clone(), database, master_password: self.password.clone() }
    }

    /// How Odoo knows a database.
    pub async fn place(&self, name: &str) -> Result<Place, Failure> {
        // A list is an answer of PostgreSQL; without one, "does not exist" may mean that PostgreSQL is down.
        let listed = self.odoo.databases().await.map_err(|why| self.unanswered(why))?;
        if listed.iter().any(|known| known == name) {
            return Ok(Place::Listed);
        }
        let exists = self.odoo.exists(name).await.map_err(|why| self.unanswered(why))?;
        Ok(if exists { Place::Unlisted } else { Place::Absent })
    }

    /// Which names of a restore are taken.
    pub async fn standing(&self, record: &Record) -> Result<Standing, Failure> {
        Ok(Standing {
            live: self.is_there(record.database.as_str()).await?,
            scratch: self.is_there(&record.scratch).await?,
            previous: self.is_there(&record.previous).await?,
        })
    }

    async fn is_there(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.place(name).await? != Place::Absent)
    }

    /// Renames a database and sees that it is done, whatever Odoo answers.
    pub async fn rename(&self, old: &str, new: &str) -> Result<(), NotRenamed> {
        let answer = self.odoo.rename(self.password.reveal(), old, new, self.timeouts.stall).await;
        let is_final = matches!(answer, Ok(()) | Err(Unanswered::Denied | Unanswered::Fault(_)));
        let mut seen = Err(failure(FailureCode::Internal, "nothing was seen"));
        for pause in LOOKS {
            tokio::time::sleep(pause).await;
            seen = self.sees(old, new).await;
            match seen {
                Ok((false, true)) => return Ok(()),
                Ok((true, false)) if is_final => break,
                _ => {}
            }
        }
        let why = match answer {
            Ok(()) => "Odoo says that it is done, but it is not".to_owned(),
            Err(why) => self.unanswered(why).message,
        };
        match seen {
            Ok((true, false)) => Err(NotRenamed::Untouched(not_renamed(old, new, &why))),
            Ok(_) => Err(NotRenamed::Unknown(not_renamed(old, new, &why))),
            Err(error) => Err(NotRenamed::Unknown(failure(error.code, format!("{why} {}", error.message)))),
        }
    }

    async fn sees(&self, old: &str, new: &str) -> Result<(bool, bool), Failure> {
        Ok((self.is_there(old).await?, self.is_there(new).await?))
    }

    /// Removes a database with its files and sees that it is gone; no complaint when there is none.
    pub async fn remove(&self, name: &str) -> Result<(), NotRemoved> {
        let mut why = String::new();
        for pause in LOOKS {
            tokio::time::sleep(pause).await;
            match self.place(name).await.map_err(NotRemoved::Unreachable)? {
                Place::Absent => return Ok(()),
                Place::Unlisted => return Err(NotRemoved::Kept(unlisted(name))),
                Place::Listed => {}
            }
            match self.odoo.drop_database(self.password.reveal(), name, self.timeouts.stall).await {
                Ok(true) => "Odoo says that it is gone, but it is not".clone_into(&mut why),
                Ok(false) => "Odoo says that it knows no such database".clone_into(&mut why),
                Err(error) => why = self.unanswered(error).message,
            }
        }
        match self.place(name).await.map_err(NotRemoved::Unreachable)? {
            Place::Absent => Ok(()),
            _ => Err(NotRemoved::Kept(kept(name, &why))),
        }
    }

    /// The failure for a question without an answer.
    pub fn unanswered(&self, why: Unanswered) -> Failure {
        match why {
            Unanswered::Denied => failure(
                FailureCode::Source,
                "Odoo denies access: its master password was changed, or its database manager is disabled (list_db = \
                 False).",
            ),
            Unanswered::Fault(why) => {
                let in_use = why.contains("being accessed by other users");
                let code = if in_use { FailureCode::InUse } else { FailureCode::OdooError };
                failure(code, format!("Odoo says: {why}."))
            }
            Unanswered::Strange(why) => {
                failure(FailureCode::OdooError, format!("Odoo at {} gives a strange answer: {why}.", self.url))
            }
            Unanswered::NotEncrypted(why) => failure(FailureCode::Source, why),
            Unanswered::Unreachable(why) => {
                failure(FailureCode::Source, format!("Odoo at {} does not answer: {why}.", self.url))
            }
        }
    }
}

/// Why a database was not removed.
#[derive(Debug)]
pub(super) enum NotRemoved {
    /// Odoo does not do it; somebody else has to.
    Kept(String),
    /// It cannot be asked now.
    Unreachable(Failure),
}

impl NotRemoved {
    /// What to do, as a sentence.
    pub fn message(&self, name: &str) -> String {
        match self {
            Self::Kept(what) => what.clone(),
            Self::Unreachable(why) => format!(
                "Whether the database “{name}” is still there could not be seen ({}) and is tried again by this server.",
                why.message
            ),
        }
    }
}

fn not_renamed(old: &str, new: &str, why: &str) -> Failure {
    let message = format!("The database “{old}” could not be renamed to “{new}”. {why}");
    let in_use = why.contains("being accessed by other users");
    failure(if in_use { FailureCode::InUse } else { FailureCode::OdooError }, message)
}

fn unlisted(name: &str) -> String {
    format!(
        "The database “{name}” could not be removed: Odoo was started for certain databases only (-d or db_name) and \
         removes no other. Remove it on the PostgreSQL server (dropdb {name}) and its folder filestore/{name} on the \
         Odoo server."
    )
}

fn kept(name: &str, why: &str) -> String {
    format!(
        "The database “{name}” could not be removed ({why}). Remove it at /web/database/manager, or on the PostgreSQL \
         server (dropdb {name}) with its folder filestore/{name} on the Odoo server."
    )
}
