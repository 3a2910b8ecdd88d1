//! What is asked before a backup is asked for, so that a wrong or insecure password never reaches the form.
//!
//! As long as Odoo's master password is the default `admin`, a form with any password changes it to that. So the form is
//! sent only when the password was found right over RPC and is not `admin`, or, where RPC is blocked, when the manager's
//! page has no warning.

use backup_api::{DatabaseName, Problem, ProblemCode, Secret, Severity};

use super::{
    super::words,
    Http,
    client::{Odoo, Unanswered},
    pages::Page,
};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Preflight {
    /// Odoo's version, such as `18.0`.
    pub odoo_version: Option<String>,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

impl Preflight {
    /// The first problem that stops a backup.
    pub fn stop(&self) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.severity == Severity::Stop)
    }
}

/// Asks what can be asked without changing anything.
pub(super) async fn look(odoo: &Odoo, source: &Http<'_>) -> Preflight {
    let mut found = look_at_server(odoo, source.url, source.master_password).await;
    let is_odoo = found.problems.iter().all(|problem| {
        use ProblemCode::{ManagerDisabled, NotEncrypted, NotOdoo, Unreachable};
        !matches!(problem.code, Unreachable | NotEncrypted | NotOdoo | ManagerDisabled)
    });
    if is_odoo {
        look_at_database(odoo, source.database, &mut found).await;
    }
    found
}

/// The same without a database: whether Odoo answers, its manager is enabled and the password is right and no default.
pub(crate) async fn look_at_server(odoo: &Odoo, url: &str, master_password: &Secret) -> Preflight {
    let mut found = Preflight::default();
    match odoo.version().await {
        Ok(version) => found.odoo_version = Some(version),
        Err(Unanswered::Unreachable(why)) => {
            found.problems.push(unreachable(url, &why));
            return found;
        }
        Err(Unanswered::NotEncrypted(why)) => {
            found.problems.push(words::stop(ProblemCode::NotEncrypted, why));
            return found;
        }
        Err(Unanswered::Strange(why) | Unanswered::Fault(why)) => found.problems.push(not_odoo(url, &why)),
        Err(Unanswered::Denied) => found.problems.push(not_odoo(url, "it denies access to its version")),
    }
    if found.problems.is_empty() {
        let page = look_at_manager(odoo, &mut found).await;
        if found.problems.is_empty() {
            look_at_password(odoo, master_password, page, &mut found).await;
        }
    }
    found
}

/// Whether the manager answers, is enabled and has no warning.
async fn look_at_manager(odoo: &Odoo, found: &mut Preflight) -> bool {
    let problem = match odoo.manager_page().await {
        Ok((status, html)) => {
            let page = Page::read(&html);
            if page.insecure {
                insecure()
            } else if page.disabled {
                disabled()
            } else if !status.is_success() || !page.is_manager {
                words::stop(
                    ProblemCode::ManagerDisabled,
                    format!(
                        "The page /web/database/manager answers with HTTP status {status} and is not Odoo's database \
                         manager. A reverse proxy may block it: let the backup server reach /web/database/, or back up \
                         from PostgreSQL directly."
                    ),
                )
            } else {
                return true;
            }
        }
        Err(Unanswered::Unreachable(why) | Unanswered::Strange(why) | Unanswered::Fault(why)) => {
            words::stop(ProblemCode::Unreachable, format!("Odoo's database manager did not answer: {why}. Try again."))
        }
        Err(Unanswered::NotEncrypted(why)) => words::stop(ProblemCode::NotEncrypted, why),
        Err(Unanswered::Denied) => disabled(),
    };
    found.problems.push(problem);
    false
}

async fn look_at_password(odoo: &Odoo, password: &Secret, page_is_fine: bool, found: &mut Preflight) {
    let password = password.reveal();
    match odoo.check_password(password).await {
        Ok(()) if password == "admin" => found.problems.push(insecure()),
        Ok(()) => {}
        // With the manager disabled this is denied whatever the password is.
        Err(Unanswered::Denied) => match odoo.databases().await {
            Err(Unanswered::Denied) => found.problems.push(disabled()),
            _ => found.problems.push(wrong_password()),
        },
        // RPC is blocked or broken: the page has to do, and it has no warning.
        Err(_) if page_is_fine && password != "admin" => {}
        Err(_) => found.problems.push(insecure()),
    }
}

async fn look_at_database(odoo: &Odoo, database: &DatabaseName, found: &mut Preflight) {
    let has = |names: &[String]| names.iter().any(|name| name == database.as_str());
    match odoo.databases().await {
        Ok(names) if !has(&names) => return found.problems.push(unknown_database(database)),
        Err(Unanswered::Denied) => return found.problems.push(disabled()),
        Ok(_) => {}
        // Where RPC is blocked, the backup itself will tell.
        Err(_) => return,
    }
    // From 18 on, a database that the filter hides cannot be backed up under this address.
    let filtered = found.odoo_version.as_deref().is_some_and(hides_filtered);
    if filtered && odoo.shown_databases().await.is_ok_and(|names| !has(&names)) {
        let message = format!(
            "Odoo has a database “{database}” but hides it under this address: its dbfilter does not match the host name. \
             Enter the address that people use for this database."
        );
        found.problems.push(words::stop(ProblemCode::UnknownDatabase, message));
    }
}

/// From 18 on, the manager does nothing with a database that the filter hides.
pub(crate) fn hides_filtered(version: &str) -> bool {
    let number = version.trim_start_matches("saas~").split('.').next().and_then(|major| major.parse::<u32>().ok());
    number.is_some_and(|major| major >= 18)
}

/// `list_db = False`.
pub(crate) fn disabled() -> Problem {
    let message = "Odoo's database manager is disabled (list_db = False in its configuration). Enable it, or back up from \
                   PostgreSQL and the filestore directly, which needs no database manager.";
    words::stop(ProblemCode::ManagerDisabled, message)
}

/// The password is wrong.
pub(crate) fn wrong_password() -> Problem {
    let message = "Odoo refuses the master password. It is admin_passwd in Odoo's configuration; enter the right one in \
                   the subscription's settings.";
    words::stop(ProblemCode::WrongMasterPassword, message)
}

/// There is no such database.
pub(super) fn unknown_database(database: &DatabaseName) -> Problem {
    let message = format!(
        "Odoo knows no database “{database}” under this address. Check its name (capitals count), Odoo's dbfilter, and \
         that its PostgreSQL runs."
    );
    words::stop(ProblemCode::UnknownDatabase, message)
}

fn insecure() -> Problem {
    let message = "Odoo's master password is still the default “admin”. Everyone who reaches Odoo can download or delete \
                   its databases, and the next form sent would change the password silently, so nothing was sent. Set a \
                   password at /web/database/manager (Set Master Password) and enter it here.";
    words::stop(ProblemCode::InsecureMasterPassword, message)
}

fn unreachable(url: &str, why: &str) -> Problem {
    let message = format!("Odoo at {url} cannot be reached: {why}. Check the address, and the firewall in between.");
    words::stop(ProblemCode::Unreachable, message)
}

fn not_odoo(url: &str, why: &str) -> Problem {
    words::stop(ProblemCode::NotOdoo, format!("What answers at {url} is no Odoo: {why}. Check the address."))
}
