//! The bearer token and the key that signs links: made once, kept in files of the owner only.

use std::{io, path::Path};

use backup_api::Secret;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::durable;

/// The bearer token, compared without telling by time how much of a guess was right.
#[derive(Clone, Debug)]
pub struct Token {
    secret: Secret,
    digest: [u8; 32],
}

impl Token {
    /// Reads the token; makes one when there is none, and says so with `true`.
    pub fn load_or_make(path: &Path) -> io::Result<(Self, bool)> {
        let known = durable::read(path)?;
        let is_new = known.is_none();
        let text = match known {
            Some(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
            None => format!("hfb_{}", BASE64_URL_SAFE_NO_PAD.encode(random_bytes()?)),
        };
        if text.len() < 16 {
            let message = format!("{} holds no token; remove the file to get a new one", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        if is_new {
            durable::write(path, format!("{text}\n").as_bytes())?;
        }
        Ok((Self { digest: Sha256::digest(&text).into(), secret: Secret::new(text) }, is_new))
    }

    /// The token itself.
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Whether `guess` is the token.
    pub fn matches(&self, guess: &str) -> bool {
        let guess: [u8; 32] = Sha256::digest(guess).into();
        self.digest.ct_eq(&guess).into()
    }
}

/// A 32-byte key from a file; made when there is none.
pub fn load_or_make_key(path: &Path) -> io::Result<[u8; 32]> {
    if let Some(bytes) = durable::read(path)? {
        return bytes.try_into().map_err(|_| {
            let message = format!("{} is damaged; remove the file to get a new key (links end then)", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        });
    }
    let key = random_bytes()?;
    durable::write(path, &key)?;
    Ok(key)
}

/// Begins an HMAC-SHA256 under `key` for one purpose, so that what is signed for one is worth nothing for another.
pub fn begin_mac(key: &[u8; 32], purpose: &str) -> Hmac<Sha256> {
    // HMAC fills a key with zeros up to the hash's block.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::new(&block.into());
    mac.update(purpose.as_bytes());
    mac.update(&[0]);
    mac
}

fn random_bytes() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_and_key_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let (first, is_new) = Token::load_or_make(&path).unwrap();
        let (second, is_new_again) = Token::load_or_make(&path).unwrap();
        assert!(is_new && !is_new_again);
        assert_eq!(first.secret(), second.secret());
        assert!(first.matches(second.secret().reveal()));
        assert!(!first.matches("hfb_"));
        let key = folder.path().join("key");
        assert_eq!(load_or_make_key(&key).unwrap(), load_or_make_key(&key).unwrap());
        durable::write(&key, b"short").unwrap();
        assert!(load_or_make_key(&key).is_err());
    }
}
