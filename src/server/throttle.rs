//! Slows down guessing: each failed sign-in of an address or an account makes the next one wait longer.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

/// Failures that cost nothing: everybody mistypes.
const FREE_FAILURES: u32 = 4;
/// An address waits at most this long.
const ADDRESS_LIMIT: TimeDelta = TimeDelta::minutes(15);
/// An account waits at most this long, so that nobody can lock somebody else out for good.
const ACCOUNT_LIMIT: TimeDelta = TimeDelta::minutes(1);
/// Failures are forgotten after this long.
const MEMORY: TimeDelta = TimeDelta::hours(1);
/// Entries before old ones are swept.
const SWEEP_AT: usize = 10_000;

/// Counts failed sign-ins in memory.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<Key, Failures>>);

/// Who is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A client's network address.
    Address(String),
    /// An e-mail address that somebody tries to sign in with.
    Account(String),
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: DateTime<Utc>,
}

impl Throttle {
    /// How long these must wait before they may try again; `None`: now.
    pub fn wait(&self, keys: &[Key], now: DateTime<Utc>) -> Option<TimeDelta> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |key: &Key| entries.get(key).map(|failures| failures.last + delay(key, failures.count) - now);
        keys.iter().filter_map(left).max().filter(|left| *left > TimeDelta::zero())
    }

    /// Counts a failure.
    pub fn failed(&self, keys: &[Key], now: DateTime<Utc>) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() > SWEEP_AT {
            entries.retain(|_, failures| now - failures.last < MEMORY);
        }
        for key in keys {
            let failures = entries.entry(key.clone()).or_insert(Failures { count: 0, last: now });
            if now - failures.last > MEMORY {
                failures.count = 0;
            }
            failures.count += 1;
            failures.last = now;
        }
    }

    /// After a success: forgets the account's failures and takes back the one that the attempt counted for the
    /// address. The address keeps its earlier ones, or one known password would free it for the next guesses.
    pub fn succeeded(&self, keys: &[Key]) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            match key {
                Key::Account(_) => drop(entries.remove(key)),
                Key::Address(_) => {
                    if let Some(failures) = entries.get_mut(key) {
                        failures.count = failures.count.saturating_sub(1);
                    }
                }
            }
        }
    }
}

fn delay(key: &Key, count: u32) -> TimeDelta {
    let limit = match key {
        Key::Address(_) => ADDRESS_LIMIT,
        Key::Account(_) => ACCOUNT_LIMIT,
    };
    match count.checked_sub(FREE_FAILURES) {
        None | Some(0) => TimeDelta::zero(),
        Some(more) => TimeDelta::seconds(1 << more.min(20)).min(limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_763_800_000, 0).unwrap()
    }

    #[test]
    fn delays_grow_after_the_free_failures_up_to_the_limit() {
        let throttle = Throttle::default();
        let key = [Key::Address("192.0.2.1".into())];
        let mut waits = Vec::new();
        for _ in 0..16 {
            throttle.failed(&key, now());
            waits.push(throttle.wait(&key, now()).map_or(0, |wait| wait.num_seconds()));
        }
        assert_eq!(waits, [0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(throttle.wait(&key, now() + TimeDelta::minutes(15)), None);
        assert_eq!(throttle.wait(&[Key::Address("192.0.2.2".into())], now()), None);
    }

    #[test]
    fn an_account_waits_a_minute_at_most_and_is_free_after_a_success() {
        let throttle = Throttle::default();
        let key = Key::Account("ada@example.com".into());
        for _ in 0..30 {
            throttle.failed(std::slice::from_ref(&key), now());
        }
        assert_eq!(throttle.wait(std::slice::from_ref(&key), now()), Some(TimeDelta::minutes(1)));
        throttle.succeeded(std::slice::from_ref(&key));
        assert_eq!(throttle.wait(std::slice::from_ref(&key), now()), None);
    }

    #[test]
    fn failures_are_forgotten_after_an_hour() {
        let throttle = Throttle::default();
        let key = [Key::Account("ada@example.com".into())];
        for _ in 0..10 {
            throttle.failed(&key, now());
        }
        let later = now() + TimeDelta::minutes(61);
        throttle.failed(&key, later);
        assert_eq!(throttle.wait(&key, later), None);
    }
}
