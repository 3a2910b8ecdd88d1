//! Passwords: Argon2id, computed off the async threads.

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{Error, SaltString},
};
use backup_api::Secret;
use tokio::sync::Semaphore;

use super::Randomness;
use crate::error::{AppError, AppResult};

/// Each computation takes 19 MiB: only so many at once, whoever tries to sign in how often.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// The PHC text to store for a password.
pub async fn hash(password: Secret, randomness: &Randomness) -> AppResult<String> {
    let salt = SaltString::encode_b64(&randomness.bytes::<16>()).map_err(|error| broken(&error))?;
    let _turn = AT_ONCE.acquire().await.map_err(|_| AppError::Internal)?;
    tokio::task::spawn_blocking(move || {
        let hashed = Argon2::default().hash_password(password.reveal().as_bytes(), &salt);
        hashed.map(|hash| hash.to_string()).map_err(|error| broken(&error))
    })
    .await
    .map_err(|_| AppError::Internal)?
}

/// Whether a password is the stored one. Without a stored one it takes just as long, and is not.
pub async fn matches(password: Secret, stored: Option<String>) -> AppResult<bool> {
    let _turn = AT_ONCE.acquire().await.map_err(|_| AppError::Internal)?;
    tokio::task::spawn_blocking(move || {
        let decoy = stored.is_none();
        let stored = stored.unwrap_or_else(|| DECOY.to_owned());
        let hash = PasswordHash::new(&stored).map_err(|error| broken(&error))?;
        match Argon2::default().verify_password(password.reveal().as_bytes(), &hash) {
            Ok(()) => Ok(!decoy),
            Err(Error::Password) => Ok(false),
            Err(error) => Err(broken(&error)),
        }
    })
    .await
    .map_err(|_| AppError::Internal)?
}

/// A hash of nobody's password with the default costs: unknown addresses cost the same time as known ones.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn broken(error: &Error) -> AppError {
    tracing::error!("A password could not be hashed or compared: {error}");
    AppError::Internal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_same_password_matches_and_a_missing_one_never() {
        let stored = hash(Secret::new("correct horse"), &Randomness::of_system()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(matches(Secret::new("correct horse"), Some(stored.clone())).await.unwrap());
        assert!(!matches(Secret::new("correct horsf"), Some(stored)).await.unwrap());
        assert!(!matches(Secret::new("correct horse"), None).await.unwrap());
    }
}
