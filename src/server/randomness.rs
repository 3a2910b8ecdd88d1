//! Randomness as a parameter: ids and tokens come from here, so that tests can choose them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A source of random bytes.
#[derive(Clone)]
pub struct Randomness(Arc<Source>);

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

struct Source {
    fill: Box<Fill>,
    /// The millisecond of the last id, and below it the place that the id has in that millisecond.
    last: AtomicU64,
}

/// Places in a millisecond, as bits: what a UUID of version 7 has for them.
const PLACE_BITS: u32 = 12;
const LAST_PLACE: u64 = (1 << PLACE_BITS) - 1;

impl Randomness {
    /// The operating system's.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that randomness comes from")]
    pub fn of_system() -> Self {
        Self::new(|bytes| rand::RngCore::fill_bytes(&mut rand::rng(), bytes))
    }

    /// Fills buffers by `fill`.
    pub fn new(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Source { fill: Box::new(fill), last: AtomicU64::new(0) }))
    }

    /// Some bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0.fill)(&mut bytes);
        bytes
    }

    /// An opaque 256-bit token, safe in addresses and cookies.
    pub fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }

    /// A UUID (version 7) that sorts by the moment, and among those of a millisecond by which was made first.
    pub fn id(&self, now: DateTime<Utc>) -> Uuid {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        let mut rest = self.bytes::<10>();
        rest[..2].copy_from_slice(&self.place(millis).to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
    }

    /// The next place in this millisecond; when all are taken, the last one again.
    fn place(&self, millis: u64) -> u16 {
        let first = millis << PLACE_BITS;
        let places = first..=first + LAST_PLACE;
        let next = |last: u64| if places.contains(&last) { (last + 1).min(*places.end()) } else { first };
        let before = self.0.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        let (Ok(before) | Err(before)) = before;
        u16::try_from(next(before) - first).unwrap_or_default()
    }
}

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Randomness")
    }
}

/// What is stored of a token: who reads the database cannot use it.
pub fn hash_of_token(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn ids_sort_by_moment_and_then_by_order() {
        let randomness = Randomness::of_system();
        let moment = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let ids: Vec<Uuid> = (0..5_000).map(|_| randomness.id(moment)).collect();
        assert!(ids[..4_096].is_sorted(), "as many as there are places for");
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 5_000);
        let later = randomness.id(moment + TimeDelta::milliseconds(1));
        assert!(ids.iter().all(|id| *id < later));
        assert!(randomness.id(moment) < later, "a clock that was put back");
        assert_eq!(later.get_version_num(), 7);
    }
}
