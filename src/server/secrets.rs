//! Secrets at rest: XChaCha20-Poly1305 under a key file; bound to the place where they are stored.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use backup_api::Secret;
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use uuid::Uuid;

use super::{Randomness, StartError};

const NONCE_BYTES: usize = 24;

/// Seals and opens what is stored encrypted.
#[derive(Clone)]
pub struct Secrets {
    cipher: XChaCha20Poly1305,
    randomness: Randomness,
}

/// A stored secret cannot be read: another key file, or the row was altered.
#[derive(Debug, thiserror::Error)]
#[error("a stored secret of {0} cannot be opened with this key file")]
pub struct Unreadable(pub &'static str);

impl Secrets {
    /// Reads the key file `secret.key` in `data`, or makes it at the first start.
    pub fn open(data: &Path, randomness: Randomness) -> Result<Self, StartError> {
        let path = data.join("secret.key");
        let key = match fs::read(&path) {
            Ok(key) => key,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(&path, &randomness)?,
            Err(error) => return Err(error.into()),
        };
        keep_private(&path)?;
        let cipher = XChaCha20Poly1305::new_from_slice(&key).map_err(|_| StartError::KeyFile(path))?;
        Ok(Self { cipher, randomness })
    }

    /// Encrypts `secret` for the column `place` of the row `row`; it opens nowhere else.
    pub fn seal(&self, place: &'static str, row: Uuid, secret: &Secret) -> Vec<u8> {
        let nonce = self.randomness.bytes::<NONCE_BYTES>();
        let payload = Payload { msg: secret.reveal().as_bytes(), aad: &bound_to(place, row) };
        let sealed = self.cipher.encrypt(XNonce::from_slice(&nonce), payload).unwrap_or_default();
        [nonce.as_slice(), &sealed].concat()
    }

    /// Decrypts what [`Self::seal`] made for the same place and row.
    pub fn open_sealed(&self, place: &'static str, row: Uuid, sealed: &[u8]) -> Result<Secret, Unreadable> {
        let (nonce, text) = sealed.split_at_checked(NONCE_BYTES).ok_or(Unreadable(place))?;
        let payload = Payload { msg: text, aad: &bound_to(place, row) };
        let plain = self.cipher.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| Unreadable(place))?;
        String::from_utf8(plain).map(Secret::new).map_err(|_| Unreadable(place))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// Lets only the owner read a file.
pub fn keep_private(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// The token in a file of the owner only; made when there is none.
pub fn token_file(path: &Path, randomness: &Randomness) -> io::Result<String> {
    let token = match fs::read_to_string(path) {
        Ok(token) => token,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = randomness.token();
            write_new(path, format!("{token}\n").as_bytes())?;
            token
        }
        Err(error) => return Err(error),
    };
    keep_private(path)?;
    match token.trim() {
        "" => Err(io::Error::other(format!("{} holds no token; remove the file to get a new one", path.display()))),
        token => Ok(token.to_owned()),
    }
}

fn make_key(path: &Path, randomness: &Randomness) -> io::Result<Vec<u8>> {
    let key = randomness.bytes::<32>().to_vec();
    write_new(path, &key)?;
    Ok(key)
}

/// Writes a file of the owner only, which must not be there yet.
pub fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn bound_to(place: &str, row: Uuid) -> Vec<u8> {
    [place.as_bytes(), b"\0", row.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_only_where_it_was_stored_and_never_looks_the_same_twice() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(folder.path(), Randomness::of_system()).unwrap();
        let (row, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = secrets.seal("servers.token", row, &Secret::new("hunter2"));
        assert_eq!(secrets.open_sealed("servers.token", row, &sealed).unwrap().reveal(), "hunter2");
        assert!(secrets.open_sealed("servers.token", other, &sealed).is_err());
        assert!(secrets.open_sealed("subscriptions.postgres_url", row, &sealed).is_err());
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        assert_ne!(sealed, secrets.seal("servers.token", row, &Secret::new("hunter2")));
        let mut altered = sealed.clone();
        *altered.last_mut().unwrap() ^= 1;
        assert!(secrets.open_sealed("servers.token", row, &altered).is_err());
        assert!(secrets.open_sealed("servers.token", row, &[]).is_err());
    }

    #[test]
    fn the_key_file_is_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = Secrets::open(folder.path(), Randomness::of_system()).unwrap();
        let sealed = first.seal("a", Uuid::nil(), &Secret::new("x"));
        let second = Secrets::open(folder.path(), Randomness::of_system()).unwrap();
        assert_eq!(second.open_sealed("a", Uuid::nil(), &sealed).unwrap().reveal(), "x");
        let mode = fs::metadata(folder.path().join("secret.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
