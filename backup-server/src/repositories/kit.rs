//! The recovery kit: how to read a repository when Holdfast is gone.

use std::path::Path;

use backup_api::{RecoveryKit, RepositoryId, Secret};

/// Writes it, with the exact commands.
pub(super) fn recovery_kit(repository: RepositoryId, folder: &Path, password: Secret) -> RecoveryKit {
    let location = folder.display().to_string();
    let instructions = format!(
        "Recovery kit for repository {repository}

This repository is in the open format of restic (https://restic.net), version 0.14 or later. With a copy of the folder
and the password you can read every backup in it, without Holdfast. Keep both apart from the server.

    export RESTIC_REPOSITORY='{quoted}'
    export RESTIC_PASSWORD='{password}'

List the backups (the host is the database, one tag is the backup's UUID):

    restic snapshots

Check that all of it is whole:

    restic check --read-data

Get one backup into a folder; put its ID from the list in place of ID:

    restic restore ID --target ./restored

There you find dump.sql (or database.dump), manifest.json and filestore/. zip-checksums.sfv holds the CRC-32 of each
file and is of no use to Odoo. To restore into PostgreSQL and Odoo's data folder:

    createdb NAME
    psql --no-psqlrc --set ON_ERROR_STOP=1 --dbname NAME --file ./restored/dump.sql
    pg_restore --no-owner --exit-on-error --dbname NAME ./restored/database.dump
    cp -a ./restored/filestore /var/lib/odoo/filestore/NAME

(psql for dump.sql, pg_restore for database.dump.) To get a zip that Odoo's database manager takes:

    cd restored && zip -r ../backup.zip dump.sql manifest.json filestore

To get the database alone, without a folder:

    restic dump ID /dump.sql > dump.sql

Only read with restic while the backup server runs. Never run `restic backup`, `forget`, `prune`, `repair` or `rewrite`
on a repository that is in use; work on a copy.
",
        quoted = location.replace('\'', r"'\''"),
        password = password.reveal(),
    );
    RecoveryKit { repository, location, password, instructions }
}
