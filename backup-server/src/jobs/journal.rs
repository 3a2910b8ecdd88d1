//! Jobs on disk: `<id>.json` replaced as a whole at each change of state, `<id>.log` with one JSON line a message.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::Mutex,
};

use backup_api::{BackupId, Job, JobId, LogLine};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::durable;

/// Finished jobs that are remembered.
const KEPT_JOBS: usize = 1000;
/// How long finished jobs are remembered.
const KEPT_FOR: TimeDelta = TimeDelta::days(90);

/// What is remembered of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its state.
    pub job: Job,
    /// Stands for what was asked, secrets included, without revealing it.
    pub fingerprint: String,
    /// The backup that it makes, if it makes one.
    pub backup: Option<BackupId>,
}

/// The folder of journals.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// The journal in an existing folder.
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Every remembered job. Files that a crash left half-written are removed, unreadable ones reported and skipped.
    pub fn load(&self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("tmp") => fs::remove_file(&path)?,
                Some("json") => match serde_json::from_slice(&fs::read(&path)?) {
                    Ok(record) => records.push(record),
                    Err(error) => tracing::error!(%error, "Skipped {}, which is no journal of a job", path.display()),
                },
                _ => {}
            }
        }
        Ok(records)
    }

    /// Writes a job's state so that it survives a crash.
    pub fn save(&self, record: &Record) -> io::Result<()> {
        durable::write(&self.path(record.job.id, "json"), &serde_json::to_vec_pretty(record)?)
    }

    /// Forgets a job and its log.
    pub fn remove(&self, job: JobId) -> io::Result<()> {
        for extension in ["json", "log"] {
            match fs::remove_file(self.path(job, extension)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Opens a job's log to add to it.
    pub fn open_log(&self, job: JobId) -> io::Result<JobLog> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(self.path(job, "log"))?;
        Ok(JobLog(Mutex::new(Some(file))))
    }

    /// A job's log, the oldest line first; a line cut off by a crash is left out.
    pub fn read_log(&self, job: JobId) -> io::Result<Vec<LogLine>> {
        let file = match File::open(self.path(job, "log")) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let lines = BufReader::new(file).lines();
        lines.filter_map(|line| line.map(|line| serde_json::from_str(&line).ok()).transpose()).collect()
    }

    fn path(&self, job: JobId, extension: &str) -> PathBuf {
        self.folder.join(format!("{job}.{extension}"))
    }
}

/// An open log of one job; without a file, messages are dropped.
#[derive(Debug)]
pub(crate) struct JobLog(Mutex<Option<File>>);

impl JobLog {
    /// A log that keeps nothing, for a job whose log cannot be opened.
    pub const fn closed() -> Self {
        Self(Mutex::new(None))
    }

    /// Adds a line, in one write.
    pub fn append(&self, line: &LogLine) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.as_mut().map_or(Ok(()), |file| file.write_all(&text))
    }
}

/// Which finished jobs are forgotten: all but the newest 1,000, and those that ended more than 90 days ago.
pub(crate) fn outdated(finished: &[(JobId, DateTime<Utc>)], now: DateTime<Utc>) -> Vec<JobId> {
    let mut newest_first = finished.to_vec();
    newest_first.sort_by_key(|(id, at)| (std::cmp::Reverse(*at), *id));
    let old = |(place, (_, at)): &(usize, &(JobId, DateTime<Utc>))| *place >= KEPT_JOBS || now - *at > KEPT_FOR;
    newest_first.iter().enumerate().filter(old).map(|(_, (id, _))| *id).collect()
}

#[cfg(test)]
mod tests {
    use backup_api::LogLevel;
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> JobId {
        JobId(Uuid::from_u128(number))
    }

    #[test]
    fn the_newest_thousand_of_ninety_days_are_kept() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let hourly: Vec<_> = (0..1002).map(|n| (id(n), now - TimeDelta::hours(i64::try_from(n).unwrap()))).collect();
        assert_eq!(outdated(&hourly, now), [id(1000), id(1001)]);
        let old = [(id(1), now - TimeDelta::days(90)), (id(2), now - TimeDelta::days(90) - TimeDelta::seconds(1))];
        assert_eq!(outdated(&old, now), [id(2)]);
    }

    #[test]
    fn a_log_keeps_whole_lines_only() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path().to_owned());
        let line = LogLine { at: DateTime::UNIX_EPOCH, level: LogLevel::Info, message: "Two\nlines".to_owned() };
        journal.open_log(id(1)).unwrap().append(&line).unwrap();
        let mut file = OpenOptions::new().append(true).open(folder.path().join(format!("{}.log", id(1)))).unwrap();
        file.write_all(b"{\"at\":\"2026-").unwrap();
        assert_eq!(journal.read_log(id(1)).unwrap(), [line]);
        assert_eq!(journal.read_log(id(2)).unwrap(), []);
    }
}
