//! The token in a link: what it grants, and an HMAC-SHA256 over it.

use backup_api::{BackupId, LinkCompression, RepositoryId};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::keys;

const VERSION: u8 = 1;
const PAYLOAD: usize = 1 + 16 + 16 + 16 + 1 + 8;

/// What a link allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The link's identity.
    pub link: Uuid,
    /// The repository of the backup.
    pub repository: RepositoryId,
    /// The one backup.
    pub backup: BackupId,
    /// How the zip is packed.
    pub compression: LinkCompression,
    /// When it ends, to the second.
    pub expires_at: DateTime<Utc>,
}

/// A token that this server did not make, or that was changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link was altered or comes from another server")]
pub(crate) struct TokenError;

impl Grant {
    /// The signed token.
    pub fn sign(&self, key: &[u8; 32]) -> String {
        let mut bytes = self.payload().to_vec();
        let mac = mac(key, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a token grants, when its signature is right (compared in constant time). Its time is not looked at.
    pub fn verify(token: &str, key: &[u8; 32]) -> Result<Self, TokenError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError)?;
        let (payload, signature) = bytes.split_at_checked(PAYLOAD).ok_or(TokenError)?;
        mac(key, payload).verify_slice(signature).map_err(|_| TokenError)?;
        Self::parse(payload).ok_or(TokenError)
    }

    fn payload(&self) -> [u8; PAYLOAD] {
        let mut bytes = [0; PAYLOAD];
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(self.link.as_bytes());
        bytes[17..33].copy_from_slice(self.repository.0.as_bytes());
        bytes[33..49].copy_from_slice(self.backup.0.as_bytes());
        bytes[49] = u8::from(self.compression == LinkCompression::Deflated);
        bytes[50..].copy_from_slice(&self.expires_at.timestamp().to_be_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let id = |from: usize| Uuid::from_slice(bytes.get(from..from + 16)?).ok();
        let compression = match (bytes.first()?, bytes.get(49)?) {
            (&VERSION, 0) => LinkCompression::Stored,
            (&VERSION, 1) => LinkCompression::Deflated,
            _ => return None,
        };
        let seconds = i64::from_be_bytes(bytes.get(50..PAYLOAD)?.try_into().ok()?);
        Some(Self {
            link: id(1)?,
            repository: RepositoryId(id(17)?),
            backup: BackupId(id(33)?),
            compression,
            expires_at: DateTime::from_timestamp(seconds, 0)?,
        })
    }
}

fn mac(key: &[u8; 32], payload: &[u8]) -> Hmac<Sha256> {
    let mut mac = keys::begin_mac(key, "holdfast download link");
    mac.update(payload);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            link: Uuid::from_u128(1),
            repository: RepositoryId(Uuid::from_u128(2)),
            backup: BackupId(Uuid::from_u128(3)),
            compression: LinkCompression::Deflated,
            expires_at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        }
    }

    #[test]
    fn a_token_gives_back_what_was_signed() {
        let token = grant().sign(&[7; 32]);
        assert_eq!(Grant::verify(&token, &[7; 32]), Ok(grant()));
        assert!(token.len() < 128 && !token.contains(['/', '+', '=']), "{token}");
    }

    #[test]
    fn every_changed_bit_a_shorter_token_and_another_key_are_refused() {
        let token = grant().sign(&[7; 32]);
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Grant::verify(&BASE64_URL_SAFE_NO_PAD.encode(altered), &[7; 32]), Err(TokenError), "bit {bit}");
        }
        for length in 0..token.len() {
            assert_eq!(Grant::verify(&token[..length], &[7; 32]), Err(TokenError), "{length} characters");
        }
        assert_eq!(Grant::verify(&token, &[8; 32]), Err(TokenError));
    }
}
