//! Plans at rest: XChaCha20-Poly1305 under a key derived from the server's key file, bound to their restore.

use backup_api::{JobId, RestorePlan};
use base64::{Engine, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::Mac;
use rand::{TryRngCore, rngs::OsRng};

use crate::keys;

const NONCE_BYTES: usize = 24;

/// The key for plans, derived from the server's.
pub(super) fn key(server_key: &[u8; 32]) -> [u8; 32] {
    keys::begin_mac(server_key, "holdfast restore plans").finalize().into_bytes().into()
}

/// Encrypts a plan; it opens for the same restore only.
pub(super) fn seal(key: &[u8; 32], restore: JobId, plan: &RestorePlan) -> Result<String, Box<dyn std::error::Error>> {
    let mut nonce = [0; NONCE_BYTES];
    OsRng.try_fill_bytes(&mut nonce)?;
    let json = serde_json::to_vec(plan)?;
    let payload = Payload { msg: &json, aad: restore.0.as_bytes() };
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(|error| error.to_string())?;
    Ok(BASE64_STANDARD.encode([nonce.as_slice(), &sealed].concat()))
}

/// Decrypts what [`seal`] made; `None` with another key or for another restore.
pub(super) fn open(key: &[u8; 32], restore: JobId, sealed: &str) -> Option<RestorePlan> {
    let bytes = BASE64_STANDARD.decode(sealed).ok()?;
    let (nonce, text) = bytes.split_at_checked(NONCE_BYTES)?;
    let payload = Payload { msg: text, aad: restore.0.as_bytes() };
    let json = XChaCha20Poly1305::new(key.into()).decrypt(XNonce::from_slice(nonce), payload).ok()?;
    serde_json::from_slice(&json).ok()
}
