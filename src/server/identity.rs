//! What tells a panel from others: its key file, which all panels of a database share, and its data folder.

use std::{fs, io, path::Path};

use backup_api::Secret;
use uuid::Uuid;

use super::{
    StartError,
    db::{Db, query},
    secrets::{Secrets, write_new},
};
use crate::backup_servers::store::TOKEN;

/// Where the canary is sealed for.
const CANARY: &str = "key_check.sealed";

/// Makes sure that what is stored in the database was sealed with this panel's key file; the first panel says so.
pub async fn check_key(db: &Db, secrets: &Secrets, data: &Path) -> Result<(), StartError> {
    let other = || StartError::OtherKey(data.join("secret.key"));
    if canary(db).await?.is_none() {
        // A database from before there was a canary may hold secrets.
        let token: Option<(Uuid, Vec<u8>)> =
            query!(db, fetch_optional, "SELECT id, token FROM backup_servers WHERE NOT embedded LIMIT 1")?;
        if token.is_some_and(|(row, token)| secrets.open_sealed(TOKEN, row, &token).is_err()) {
            return Err(other());
        }
        let mut tx = db.begin().await?;
        let sealed = secrets.seal(CANARY, Uuid::nil(), &Secret::new("canary"));
        query!(tx, execute, "INSERT INTO key_check (id, sealed) VALUES (1, $1) ON CONFLICT (id) DO NOTHING", sealed)?;
        tx.commit().await?;
    }
    // Read again: another panel may have been the first.
    let sealed = canary(db).await?.unwrap_or_default();
    secrets.open_sealed(CANARY, Uuid::nil(), &sealed).map(drop).map_err(|_| other())
}

async fn canary(db: &Db) -> Result<Option<Vec<u8>>, sqlx::Error> {
    let row: Option<(Vec<u8>,)> = query!(db, fetch_optional, "SELECT sealed FROM key_check WHERE id = 1")?;
    Ok(row.map(|(sealed,)| sealed))
}

/// The identity of a data folder, in its file `folder.id`; made when there is none.
pub fn of_folder(data: &Path, fresh: Uuid) -> io::Result<Uuid> {
    let path = data.join("folder.id");
    match fs::read_to_string(&path) {
        Ok(id) => id
            .trim()
            .parse()
            .map_err(|_| io::Error::other(format!("{} holds no identity; put it back from a backup", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_new(&path, format!("{fresh}\n").as_bytes())?;
            Ok(fresh)
        }
        Err(error) => Err(error),
    }
}
