//! A larger database, with sales and CRM, where its fixtures are (`HOLDFAST_FIXTURES`): uploaded, restored, undone.

use std::{collections::BTreeMap, fs, path::Path};

use backup_api::{DatabaseName, JobState, RestoreMode, RestorePlan, Secret, Source};
use testbed::Cluster;

use super::setting::{State, restored, undo};
use crate::{
    setting::{Restored, Served, unzip},
    uploads::setting::{import_of, run, upload},
};

/// A backup as Odoo made it, restored as Odoo would: `psql` and the files of its filestore.
struct Expected {
    database: Restored,
    files: BTreeMap<String, Vec<u8>>,
}

impl Expected {
    fn of(name: &str, zip: &Path) -> Self {
        let database = Restored::empty(name);
        let mut entries = unzip(zip);
        let at = entries.iter().position(|(name, _)| name == "dump.sql").unwrap();
        let (_, dump) = entries.swap_remove(at);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), dump).unwrap();
        database.feed("psql", &["--no-psqlrc", "--quiet"], file.path());
        let files = entries.into_iter().filter_map(|(name, content)| {
            let name = name.strip_prefix("filestore/")?;
            (!name.ends_with('/')).then(|| (name.to_owned(), content))
        });
        Self { database, files: files.collect() }
    }

    fn assert_is(&self, state: &State) {
        let expected = State::of(Cluster::shared(), &self.database.0, Path::new("/nowhere"));
        assert_eq!(state.rows, expected.rows);
        assert_eq!(state.sequences, expected.sequences);
        assert_eq!(state.parameters, expected.parameters);
        assert_eq!(state.extensions, expected.extensions);
        let wanted = expected.attachments.keys().filter_map(|name| Some((name.clone(), self.files.get(name)?.clone())));
        let wanted: BTreeMap<_, _> = wanted.collect();
        assert_eq!(wanted.len(), expected.attachments.len(), "the fixture is whole");
        assert!(state.attachments == wanted, "the attachments differ");
    }
}

#[tokio::test]
async fn two_days_of_a_larger_database_are_uploaded_restored_and_undone() {
    let Some(fixtures) = std::env::var_os("HOLDFAST_FIXTURES") else {
        eprintln!("skipped: HOLDFAST_FIXTURES names no folder");
        return;
    };
    let days = ["acme18_day1.zip", "acme18_day2.zip"].map(|name| Path::new(&fixtures).join(name));
    let expected = [Expected::of("rs_acme_one", &days[0]), Expected::of("rs_acme_two", &days[1])];
    let served = Served::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (live, filestore) = (Restored("rs_acme".to_owned()), folder.path().join("filestore/rs_acme"));
    fs::create_dir_all(filestore.parent().unwrap()).unwrap();
    let plan = RestorePlan {
        target: Source::Postgres {
            url: Secret::new(Cluster::shared().url()),
            database: DatabaseName::parse(&live.0).unwrap(),
            filestore: Some(filestore.display().to_string()),
            addons: Vec::new(),
        },
        mode: RestoreMode::Replace,
        neutralize: false,
        safety_backup: None,
        undo_seconds: 3600,
    };
    let mut last = None;
    for (day, expected) in days.iter().zip(&expected) {
        let bytes = fs::read(day).unwrap();
        let start = import_of(upload(&served.client, "acme.zip", &bytes).await);
        let imported = run(&served.client, crate::setting::REPOSITORY, &start).await;
        assert_eq!(imported.state, JobState::Succeeded, "{:?}", imported.failure);
        let job = restored(&served.client, start.backup, &plan).await;
        expected.assert_is(&State::of(Cluster::shared(), &live.0, &filestore));
        let done = job.restored.unwrap();
        assert_eq!(done.tables, State::of(Cluster::shared(), &live.0, &filestore).rows.lines().count() as u64);
        last = Some(job.id);
    }
    let undone = undo(&served.client, last.unwrap(), &plan.target).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    expected[0].assert_is(&State::of(Cluster::shared(), &live.0, &filestore));
}
