//! The installed PostgreSQL client programs, and which of them fits a server.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use backup_api::{Problem, ProblemCode, Severity};

/// Where Debian and Ubuntu keep one folder for each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

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

/// All installed versions.
#[derive(Clone, Debug, Default)]
pub struct PgTools {
    by_major: BTreeMap<u32, PgTool>,
}

impl PgTools {
    /// Looks where distributions and PostgreSQL's own packages put them, and in the search path. Blocks shortly.
    pub fn discover() -> Self {
        let debian = fs::read_dir(DEBIAN).into_iter().flatten().filter_map(Result::ok);
        let debian = debian.map(|entry| entry.path().join("bin"));
        let configured = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).stderr(Stdio::null()).output();
        let configured = configured.ok().filter(|output| output.status.success());
        let configured = configured.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let searched: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let folders: Vec<PathBuf> = debian.chain(configured).chain(searched).collect();
        Self::in_folders(&folders)
    }

    /// Those in the given folders; of two with the same major version the first counts.
    pub fn in_folders(folders: &[PathBuf]) -> Self {
        let mut by_major = BTreeMap::new();
        for tool in
            folders.iter().filter(|folder| folder.join("pg_dump").is_file()).filter_map(|path| PgTool::find(path))
        {
            by_major.entry(tool.major).or_insert(tool);
        }
        Self { by_major }
    }

    /// All of them, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &PgTool> {
        self.by_major.values()
    }

    /// The one for a server: the lowest version that is not older, for `pg_dump` refuses newer servers and an older
    /// format can be restored in more places.
    pub(super) fn for_server(&self, major: u32) -> Result<&PgTool, Problem> {
        self.by_major.range(major..).next().map(|(_, tool)| tool).ok_or_else(|| Problem {
            severity: Severity::Stop,
            code: ProblemCode::NoMatchingPgDump,
            message: format!(
                "The server is PostgreSQL {major}, but {self}. Install PostgreSQL's client programs of version {major} \
                 or later on the backup server (the package postgresql-client-{major}), then test again."
            ),
        })
    }

    /// The newest: it reads the dumps of all older ones.
    pub(crate) fn newest(&self) -> Option<&PgTool> {
        self.by_major.values().next_back()
    }
}

impl fmt::Display for PgTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.newest() {
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

    fn tools(majors: &[u32]) -> PgTools {
        let tool = |major| PgTool { folder: PathBuf::from("/opt"), major, version: format!("{major}.1") };
        PgTools { by_major: majors.iter().map(|&major| (major, tool(major))).collect() }
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
        let tools = tools(&[13, 15, 17]);
        assert_eq!(tools.for_server(12).unwrap().major, 13);
        assert_eq!(tools.for_server(15).unwrap().major, 15);
        assert_eq!(tools.for_server(16).unwrap().major, 17);
        assert_eq!(tools.newest().unwrap().major, 17);
    }

    #[test]
    fn when_none_fits_the_words_say_what_to_install() {
        let problem = tools(&[13, 15]).for_server(16).unwrap_err();
        assert_eq!(problem.code, ProblemCode::NoMatchingPgDump);
        assert!(problem.message.contains("the newest pg_dump here is 15.1"), "{}", problem.message);
        assert!(problem.message.contains("postgresql-client-16"), "{}", problem.message);
        let problem = tools(&[]).for_server(16).unwrap_err();
        assert!(problem.message.contains("no pg_dump is installed here"), "{}", problem.message);
    }
}
