//! Holdfast is gone: the commands of the recovery kit and of the README, as they are printed, give the database back.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use backup_api::{Backup, BackupFormat, RecoveryKit};
use testbed::Cluster;

use crate::setting::{Origin, REPOSITORY, Restored, Served, row_counts};

const README: &str = include_str!("../../../README.md");

/// A backup, its kit, and a folder to work in; the server that made it is gone.
struct Left {
    origin: Origin,
    backup: Backup,
    kit: RecoveryKit,
    folder: PathBuf,
    _served: Served,
}

impl Left {
    async fn by(name: &str, format: BackupFormat) -> Self {
        let origin = Origin::new(name);
        let served = Served::start().await;
        // It is not the latest one, so that the one that is wanted must be named.
        let backup = served.made(REPOSITORY, &origin.direct(), format).await;
        let later = if format == BackupFormat::Zip { BackupFormat::Dump } else { BackupFormat::Zip };
        served.made(REPOSITORY, &origin.direct(), later).await;
        let kit = served.client.recovery_kit(REPOSITORY).await.unwrap();
        let folder = origin.folder.path().join("rescue");
        fs::create_dir_all(folder.join("odoo")).unwrap();
        Self { origin, backup, kit, folder, _served: served }
    }

    /// Runs a script as somebody who may create databases on the server; gives what it says.
    fn run(&self, script: &str) -> String {
        let cluster = Cluster::shared();
        let path = format!("{}:{}", cluster.bin().display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.args(["-euc", script]).current_dir(&self.folder).env("PATH", path);
        bash.env("PGHOST", cluster.socket_folder()).env("PGPORT", cluster.port().to_string()).env("PGUSER", "odoo");
        let output = bash.env("RESTIC_CACHE_DIR", self.folder.join("cache")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The snapshot's ID as a person finds it: the first word of the line with the backup's UUID.
    fn snapshot(&self, list: &str) -> String {
        let id = self.backup.id.to_string();
        let line = list.lines().find(|line| line.contains(&id)).unwrap_or_else(|| panic!("{id} is not in\n{list}"));
        line.split_whitespace().next().unwrap().to_owned()
    }

    /// The database is the one that was backed up, as are the files of a zip.
    fn assert_is_back(&self, restored: &Restored, filestore: &Path) {
        assert_eq!(row_counts(&restored.0), row_counts(&self.origin.database.name));
        if self.backup.format == BackupFormat::Zip {
            let expected = self.origin.attachments();
            let files = expected.keys().map(|name| (name.clone(), fs::read(filestore.join(name)).unwrap()));
            assert!(files.collect::<BTreeMap<_, _>>() == expected, "the attachments differ");
        }
    }

    /// Takes the lines that are for the other format out.
    fn fits(&self, line: &str) -> bool {
        match self.backup.format {
            BackupFormat::Zip => !line.starts_with("pg_restore"),
            BackupFormat::Dump => {
                !["psql", "cp ", "cd ", "restic dump"].into_iter().any(|other| line.starts_with(other))
            }
        }
    }
}

#[tokio::test]
async fn the_recovery_kit_brings_zips_and_dumps_back() {
    for (name, format) in [("kit_zip", BackupFormat::Zip), ("kit_dump", BackupFormat::Dump)] {
        let left = Left::by(name, format).await;
        let restored = Restored(format!("{name}_back"));
        let lines: Vec<&str> = left.kit.instructions.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        let (exports, commands): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.starts_with("export "));
        assert_eq!((exports.len(), commands.len()), (2, 9), "{}", left.kit.instructions);
        let exports = exports.join("\n");
        let id = left.snapshot(&left.run(&format!("{exports}\n{}", commands[0])));
        let fitting = commands.into_iter().filter(|line| left.fits(line) && !line.starts_with("cd "));
        let script = fitting.collect::<Vec<_>>().join("\n");
        let script = script.replace("/var/lib/odoo/filestore", "./odoo").replace("NAME", &restored.0);
        left.run(&format!("{exports}\n{}", script.replace(" ID", &format!(" {id}"))));
        left.assert_is_back(&restored, &left.folder.join("odoo").join(&restored.0));
    }
}

/// The lines of the blocks below a heading.
fn printed(heading: &str) -> Vec<&'static str> {
    let section = README.split("\n## ").find_map(|section| section.strip_prefix(heading)).unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).collect()
}

#[tokio::test]
async fn the_readme_brings_zips_and_dumps_back() {
    for (name, format) in [("readme_zip", BackupFormat::Zip), ("readme_dump", BackupFormat::Dump)] {
        let left = Left::by(name, format).await;
        let restored = Restored(format!("{name}_back"));
        let commands = printed("Recovery without Holdfast");
        assert_eq!(commands.len(), 6, "{commands:?}");
        let filled_in = |line: &str| {
            let line = line.replace("'…'", &format!("'{}'", left.kit.password.reveal()));
            let line = line.replace("/var/lib/holdfast/backup-server/repositories/<backup UUID>", &left.kit.location);
            let line = line.replace("-r …", &format!("-r {}", left.kit.location));
            let line =
                line.replace("/tmp/rescue", "rescued").replace("/var/lib/odoo/.local/share/Odoo/filestore", "odoo");
            line.replace("createdb rescued", "createdb NAME")
                .replace("-d rescued", "-d NAME")
                .replace("NAME", &restored.0)
        };
        let [password, list, commands @ ..] = &commands[..] else { unreachable!() };
        let password = filled_in(password);
        let id = left.snapshot(&left.run(&format!("{password}\n{}", filled_in(list))));
        // One line has the way for each format.
        let both = commands.iter().flat_map(|line| line.split("# or: ")).map(|line| filled_in(line.trim()));
        let fitting: Vec<String> = both.filter(|line| left.fits(line)).collect();
        let script = fitting.join("\n").replace("<snapshot>", &id).replace(" database.dump", " rescued/database.dump");
        left.run(&format!("{password}\n{script}"));
        left.assert_is_back(&restored, &left.folder.join("odoo/rescued"));
    }
}
