//! Secrets at rest: XChaCha20-Poly1305 under a key derived from the server's key file, bound to their job.

use backup_api::JobId;
use base64::{Engine, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::Mac;
use rand::{TryRngCore, rngs::OsRng};
use serde::{Serialize, de::DeserializeOwned};

use crate::keys;

const NONCE_BYTES: usize = 24;

/// The key for a purpose, derived from the server's.
pub(crate) fn key(server_key: &[u8; 32], purpose: &str) -> [u8; 32] {
    keys::begin_mac(server_key, purpose).finalize().into_bytes().into()
}

/// Encrypts what a job was asked; it opens for the same job only.
pub(crate) fn seal<T: Serialize>(
    key: &[u8; 32],
    job: JobId,
    asked: &T,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut nonce = [0; NONCE_BYTES];
    OsRng.try_fill_bytes(&mut nonce)?;
    let json = serde_json::to_vec(asked)?;
    let payload = Payload { msg: &json, aad: job.0.as_bytes() };
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(|error| error.to_string())?;
    Ok(BASE64_STANDARD.encode([nonce.as_slice(), &sealed].concat()))
}

/// Decrypts what [`seal`] made; `None` with another key or for another job.
pub(crate) fn open<T: DeserializeOwned>(key: &[u8; 32], job: JobId, sealed: &str) -> Option<T> {
    let bytes = BASE64_STANDARD.decode(sealed).ok()?;
    let (nonce, text) = bytes.split_at_checked(NONCE_BYTES)?;
    let payload = Payload { msg: text, aad: job.0.as_bytes() };
    let json = XChaCha20Poly1305::new(key.into()).decrypt(XNonce::from_slice(nonce), payload).ok()?;
    serde_json::from_slice(&json).ok()
}
