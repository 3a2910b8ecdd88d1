//! The installed PostgreSQL client programs, and which of them fits a server.

use std::{
    collections::BTreeMap,
    fmt, fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use backup_api::{Failure, FailureCode, Problem, ProblemCode, Severity};

/// Where Debian and Ubuntu keep one folder for each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The status with which `pg_restore` says that what it reads is not as it should be.
const REFUSES: i32 = 1;

/// Signals that a program brings upon itself, as `pg_restore` does with some damaged dumps: SIGILL to SIGFPE, SIGSEGV.
const OWN_FAULTS: [i32; 6] = [4, 5, 6, 7, 8, 11];

/// One installed version of `pg_dump` and `pg_restore`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgTool {
    folder: PathBuf,
    major: u32,
    version: String,
}

impl PgTool {
    /// Its version, such as `15.18`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its major version, such as 15.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Path of `pg_dump`.
    pub(super) fn pg_dump(&self) -> PathBuf {
        self.folder.join("pg_dump")
    }

    /// Path of `pg_restore`.
    pub(crate) fn pg_restore(&self) -> PathBuf {
        self.folder.join("pg_restore")
    }

    /// Asks the `pg_dump` in a folder for its version.
    fn find(folder: &Path) -> Option<Self> {
        let mut program = Command::new(folder.join("pg_dump"));
        program.arg("--version").env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::null());
        let output = program.output().ok().filter(|output| output.status.success())?;
        let (major, version) = parse_version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { folder: folder.to_owned(), major, version })
    }
}

/// Why a `pg_restore` that did not end well says nothing of the dump that it read; `None` when it does say something.
/// `kept` tells what became of it.
pub(crate) fn not_judged(status: ExitStatus, said: &str, kept: &str) -> Option<Failure> {
    let message = match (status.signal(), status.code()) {
        (Some(signal), _) if !OWN_FAULTS.contains(&signal) => format!(
            "pg_restore, which reads the dump to check it, was ended by signal {signal}: by someone, or by the system, \
             probably because memory ran out. That says nothing of the dump; {kept}. Look at the system log of the backup \
             server, then try again."
        ),
        (None, Some(code)) if code != REFUSES => format!(
            "pg_restore, which reads the dump to check it, does not work here (exit status {code}); {kept}. Install \
             PostgreSQL's client programs on the backup server again. It said: {said}"
        ),
        _ => return None,
    };
    Some(Failure { code: FailureCode::PgDump, message })
}

/// All installed versions, as they are at the moment: what is installed or removed meanwhile is noticed when asked.
#[derive(Clone, Debug)]
pub struct PgTools {
    /// `None` for the usual places.
    folders: Option<Vec<PathBuf>>,
    known: Arc<Mutex<Known>>,
}

/// What was found at the last look.
#[derive(Debug, Default)]
struct Known {
    /// The programs that said their version.
    seen: Vec<Seen>,
    by_major: BTreeMap<u32, PgTool>,
}

/// A `pg_dump`, and what shows that it is the same one still.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    folder: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Seen {
    fn at(folder: PathBuf) -> Option<Self> {
        let file = fs::metadata(folder.join("pg_dump")).ok().filter(fs::Metadata::is_file)?;
        Some(Self { folder, bytes: file.len(), modified: file.modified().ok() })
    }
}

impl PgTools {
    /// Looks where distributions and PostgreSQL's own packages put them, and in the search path.
    pub fn discover() -> Self {
        Self { folders: None, known: Arc::default() }
    }

    /// Those in the given folders; of two with the same major version the first counts.
    pub fn in_folders(folders: &[PathBuf]) -> Self {
        Self { folders: Some(folders.to_vec()), known: Arc::default() }
    }

    /// All of them, oldest first. Blocks shortly when something has changed, as every question here does.
    pub fn all(&self) -> Vec<PgTool> {
        self.look().by_major.values().cloned().collect()
    }

    /// The one for a server: of its own version, else the next later one, for `pg_dump` refuses newer servers.
    pub(super) fn for_server(&self, major: u32) -> Result<PgTool, Problem> {
        let fits = self.look().by_major.range(major..).next().map(|(_, tool)| tool.clone());
        fits.ok_or_else(|| Problem {
            severity: Severity::Stop,
            code: ProblemCode::NoMatchingPgDump,
            message: format!(
                "The server is PostgreSQL {major}, but {self}. Install PostgreSQL's client programs of version {major} \
                 or later on the backup server (the package postgresql-client-{major}), then test again."
            ),
        })
    }

    /// What it means that a server is dumped with programs of a later version, if it is.
    pub(super) fn later_than(tool: &PgTool, server: u32) -> Option<Problem> {
        let PgTool { major, version, .. } = tool;
        let message = format!(
            "The server is PostgreSQL {server}, and the pg_dump that fits best here is {version}. Its backups are whole, and \
             Holdfast restores them; but psql and pg_restore of version {server} may refuse such a file (it can set what \
             they do not know, as transaction_timeout). Restore it by hand with the programs of version {major} into a \
             server of version {major} or later, or install those of version {server} on the backup server (the package \
             postgresql-client-{server})."
        );
        let code = ProblemCode::NoMatchingPgDump;
        (*major > server).then_some(Problem { severity: Severity::Warn, code, message })
    }

    /// The newest with a `pg_restore`: it reads the dumps of all older ones.
    pub(crate) fn newest(&self) -> Option<PgTool> {
        self.look().by_major.values().rfind(|tool| tool.pg_restore().is_file()).cloned()
    }

    /// Asks the programs for their versions again if they are not those of the last look.
    fn look(&self) -> MutexGuard<'_, Known> {
        let folders = self.folders.clone().unwrap_or_else(usual_folders);
        let there: Vec<Seen> = folders.into_iter().filter_map(Seen::at).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.seen != there {
            *known = Known::default();
            for seen in there {
                // What does not answer may do so the next time, when the rest of it is installed.
                let Some(tool) = PgTool::find(&seen.folder) else { continue };
                known.by_major.entry(tool.major).or_insert(tool);
                known.seen.push(seen);
            }
        }
        known
    }
}

/// The folders of Debian's packages, the one that `pg_config` names, and the search path.
fn usual_folders() -> Vec<PathBuf> {
    let debian = fs::read_dir(DEBIAN).into_iter().flatten().filter_map(Result::ok);
    let debian = debian.map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian.chain(configured()).chain(std::env::split_paths(&path)).collect()
}

/// What `pg_config` says, asked once; a package that brings another one puts its programs in the search path, too.
fn configured() -> Option<PathBuf> {
    static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let asked = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).stderr(Stdio::null()).output();
        let said = asked.ok().filter(|output| output.status.success())?;
        Some(PathBuf::from(String::from_utf8_lossy(&said.stdout).trim()))
    });
    FOLDER.clone()
}

impl fmt::Display for PgTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.all().last() {
            None => f.write_str("no pg_dump is installed here"),
            Some(newest) => write!(f, "the newest pg_dump here is {}", newest.version),
        }
    }
}

/// Reads `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(text: &str) -> Option<(u32, String)> {
    let version = text.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((digits.parse().ok()?, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with programs that say that they are of these versions.
    fn installed(folder: &Path, majors: &[u32]) -> PgTools {
        let folders: Vec<PathBuf> = majors.iter().map(|major| folder.join(major.to_string())).collect();
        folders.iter().zip(majors).for_each(|(folder, major)| install(folder, *major));
        PgTools::in_folders(&folders)
    }

    /// Written by a program of its own, so that no other thread's child holds it open for writing when it is run.
    fn install(folder: &Path, major: u32) {
        let write = format!(
            "mkdir -p $0 && printf '#!/bin/sh\\necho \"pg_dump (PostgreSQL) {major}.1\"\\n' > $0/pg_dump && \
             chmod 755 $0/pg_dump && touch $0/pg_restore"
        );
        assert!(Command::new("sh").arg("-c").arg(write).arg(folder).status().unwrap().success());
    }

    #[test]
    fn versions_are_read_from_what_pg_dump_says() {
        let debian = "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(parse_version(debian), Some((15, "15.18".to_owned())));
        assert_eq!(parse_version("pg_dump (PostgreSQL) 19beta1\n"), Some((19, "19beta1".to_owned())));
        assert_eq!(parse_version("something else\n"), None);
    }

    #[test]
    fn the_lowest_version_that_is_not_older_is_chosen() {
        let folder = tempfile::tempdir().unwrap();
        let tools = installed(folder.path(), &[13, 15, 17]);
        assert_eq!(tools.for_server(12).unwrap().major, 13);
        assert_eq!(tools.for_server(15).unwrap().major, 15);
        assert_eq!(tools.for_server(16).unwrap().major, 17);
        let told = |server| PgTools::later_than(&tools.for_server(server).unwrap(), server);
        assert_eq!((told(13), told(15), told(17)), (None, None, None));
        let later = told(16).unwrap();
        assert_eq!((later.code, later.severity), (ProblemCode::NoMatchingPgDump, Severity::Warn));
        assert!(later.message.contains("is 17.1.") && later.message.contains("postgresql-client-16"), "{later:?}");
        assert_eq!(tools.newest().unwrap().major, 17);
        fs::remove_file(folder.path().join("17/pg_restore")).unwrap();
        assert_eq!(tools.newest().unwrap().major, 15);
    }

    #[test]
    fn when_none_fits_the_words_say_what_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let problem = installed(folder.path(), &[13, 15]).for_server(16).unwrap_err();
        assert_eq!(problem.code, ProblemCode::NoMatchingPgDump);
        assert!(problem.message.contains("the newest pg_dump here is 15.1"), "{}", problem.message);
        assert!(problem.message.contains("postgresql-client-16"), "{}", problem.message);
        let problem = PgTools::in_folders(&[]).for_server(16).unwrap_err();
        assert!(problem.message.contains("no pg_dump is installed here"), "{}", problem.message);
    }

    #[test]
    fn what_is_installed_or_removed_later_counts_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bin");
        let tools = PgTools::in_folders(std::slice::from_ref(&path));
        assert_eq!((tools.newest(), tools.all()), (None, Vec::new()));
        tools.for_server(15).unwrap_err();
        install(&path, 15);
        assert_eq!(tools.clone().for_server(15).unwrap().version, "15.1");
        tools.for_server(17).unwrap_err();
        fs::remove_file(path.join("pg_dump")).unwrap();
        install(&path, 17);
        assert_eq!(tools.for_server(17).unwrap().version, "17.1");
        fs::remove_file(path.join("pg_dump")).unwrap();
        tools.for_server(17).unwrap_err();
    }
}
