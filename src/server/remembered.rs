//! Answers of the database, remembered for a moment.
//!
//! The chunks of an upload come by hundreds a second, and each asks the same: who is it, whose upload, which server. An
//! answer counts while nothing at all was committed through this process, so that whoever is signed out or sent elsewhere
//! here is so at once, and for two seconds at most, for another panel or a command may have changed it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::Panel;

/// How long an answer counts.
const LIFETIME: TimeDelta = TimeDelta::seconds(2);
/// When there are so many, those that do not count any more are dropped.
const MANY: usize = 64;

/// Answers by what was asked.
#[derive(Debug)]
pub struct Remembered<K, V>(Mutex<HashMap<K, (Moment, V)>>);

/// When the database was asked.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// What had been committed through this process.
    changes: u64,
    at: DateTime<Utc>,
}

impl Moment {
    /// Whether what was found out then still counts.
    fn counts(self, now: Self) -> bool {
        let age = now.at - self.at;
        self.changes == now.changes && age >= TimeDelta::zero() && age < LIFETIME
    }
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Remembered<K, V> {
    /// The remembered answer, else that of `ask`; that there is nothing is not remembered.
    pub async fn recall<E>(
        &self,
        panel: &Panel,
        key: K,
        ask: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<V>, E> {
        // Before the database is asked: a change meanwhile makes the answer worthless.
        let now = Moment { changes: panel.db.changes(), at: panel.clock.now() };
        if let Some(known) = self.known(&key, now) {
            return Ok(Some(known));
        }
        let answer = ask.await?;
        if let Some(value) = &answer {
            self.keep(key, now, value.clone());
        }
        Ok(answer)
    }

    fn known(&self, key: &K, now: Moment) -> Option<V> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(asked, _)| asked.counts(now)).map(|(_, value)| value.clone())
    }

    fn keep(&self, key: K, asked: Moment, value: V) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MANY {
            known.retain(|_, (other, _)| other.counts(asked));
        }
        known.insert(key, (asked, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(changes: u64, millis: i64) -> Moment {
        Moment { changes, at: DateTime::from_timestamp_millis(1_800_000_000_000 + millis).unwrap() }
    }

    #[test]
    fn an_answer_counts_until_a_change_and_for_two_seconds() {
        let remembered = Remembered::default();
        remembered.keep("a", at(7, 0), 1);
        assert_eq!(remembered.known(&"a", at(7, 1_999)), Some(1));
        assert_eq!(remembered.known(&"a", at(7, 2_000)), None);
        assert_eq!(remembered.known(&"a", at(8, 1)), None, "something was committed");
        assert_eq!(remembered.known(&"a", at(7, -1)), None, "the clock was turned back");
        assert_eq!(remembered.known(&"b", at(7, 0)), None);
    }

    #[test]
    fn what_does_not_count_any_more_makes_room() {
        let remembered = Remembered::default();
        for number in 0..10 * MANY {
            remembered.keep(number, at(0, 100 * i64::try_from(number).unwrap()), number);
        }
        assert!(remembered.0.lock().unwrap().len() <= MANY);
    }
}
