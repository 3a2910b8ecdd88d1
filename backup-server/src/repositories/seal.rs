//! The little of restic's format that the storage library does not do for us.
//!
//! Two things: a key file with a cheap scrypt (the library's takes 128 MiB; a password of 256 random bits needs no
//! stretching), and one more tree (the library records the size of a stream as 0, and `restic restore` then makes an
//! empty `dump.sql`). The format is described in restic's `doc/design.rst`.

use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce, aead::Aead};
use base64::{Engine, prelude::BASE64_STANDARD};
use rand::{TryRngCore, rngs::OsRng};
use rustic_core::{
    Id,
    repofile::{MasterKey, Tree},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::errors::StorageError;

/// log₂ of scrypt's cost: 16 MiB. The password that it protects has 256 random bits.
const SCRYPT_LOG_N: u8 = 14;
/// A compressed tree, in a pack's header.
const COMPRESSED_TREE: u8 = 3;

/// A file of a repository: its name and its bytes.
pub(super) struct Sealed {
    pub(super) id: Id,
    pub(super) bytes: Vec<u8>,
}

impl Sealed {
    fn new(bytes: Vec<u8>) -> Result<Self, StorageError> {
        Ok(Self { id: id_of(&bytes)?, bytes })
    }
}

/// A key file that opens the repository with `password`.
pub(super) fn key_file(master: &MasterKey, password: &str) -> Result<Sealed, StorageError> {
    let salt = random::<64>()?;
    let params = scrypt::Params::new(SCRYPT_LOG_N, 8, 1).map_err(|error| broken(&error))?;
    let mut key = [0; 64];
    scrypt::scrypt(password.as_bytes(), &salt, &params, &mut key).map_err(|error| broken(&error))?;
    let master = serde_json::to_vec(master).map_err(|error| broken(&error))?;
    let file = json!({
        "hostname": "holdfast", "username": "holdfast", "kdf": "scrypt",
        "N": params.n(), "r": params.r(), "p": params.p(),
        "data": BASE64_STANDARD.encode(seal(Key::from_slice(&key), &master)?),
        "salt": BASE64_STANDARD.encode(salt),
    });
    Sealed::new(file.to_string().into_bytes())
}

/// A pack with one tree in it, and the index file that names it.
pub(super) struct PackedTree {
    pub(super) tree: Id,
    pub(super) pack: Sealed,
    pub(super) index: Sealed,
}

/// Packs one tree.
pub(super) fn pack_tree(master: &MasterKey, tree: &Tree) -> Result<PackedTree, StorageError> {
    let key = key_of(master);
    let (json, _) = tree.serialize().map_err(|error| broken(&error))?;
    let tree = id_of(&json)?;
    let blob = seal(&key, &zstd::encode_all(json.as_slice(), 0).map_err(|error| broken(&error))?)?;
    let (length, plain) = (length_of(&blob)?, length_of(&json)?);

    let mut header = vec![COMPRESSED_TREE];
    header.extend(length.to_le_bytes());
    header.extend(plain.to_le_bytes());
    header.extend(Sha256::digest(&json));
    let header = seal(&key, &header)?;
    let mut pack = blob;
    pack.extend_from_slice(&header);
    pack.extend(length_of(&header)?.to_le_bytes());
    let pack = Sealed::new(pack)?;

    let index = json!({"packs": [{"id": pack.id, "blobs": [
        {"id": tree, "type": "tree", "offset": 0, "length": length, "uncompressed_length": plain},
    ]}]});
    let index = Sealed::new(seal(&key, index.to_string().as_bytes())?)?;
    Ok(PackedTree { tree, pack, index })
}

/// A password of 256 random bits.
pub(super) fn random_password() -> Result<String, StorageError> {
    random::<32>().map(hex::encode)
}

fn key_of(master: &MasterKey) -> Key {
    let mut key = Key::default();
    key[..32].copy_from_slice(&master.encrypt);
    key[32..48].copy_from_slice(&master.mac.k);
    key[48..].copy_from_slice(&master.mac.r);
    key
}

fn seal(key: &Key, plain: &[u8]) -> Result<Vec<u8>, StorageError> {
    let nonce = Nonce::from(random::<16>()?);
    let cipher = Aes256CtrPoly1305Aes::new(key).encrypt(&nonce, plain).map_err(|error| broken(&error))?;
    Ok([nonce.as_slice(), &cipher].concat())
}

fn random<const N: usize>() -> Result<[u8; N], StorageError> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| broken(&error))?;
    Ok(bytes)
}

fn id_of(bytes: &[u8]) -> Result<Id, StorageError> {
    hex::encode(Sha256::digest(bytes)).parse().map_err(|_| StorageError::Internal("a checksum is no name".to_owned()))
}

fn length_of(bytes: &[u8]) -> Result<u32, StorageError> {
    u32::try_from(bytes.len()).map_err(|error| broken(&error))
}

fn broken(error: &dyn std::fmt::Display) -> StorageError {
    StorageError::Internal(format!("a part of the repository could not be made: {error}"))
}
