//! What this panel sends at this moment: not too much at once, and only some of it through one channel, so that a receiver
//! that hangs keeps nobody else waiting.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

use super::{DeliveryId, outbox::Due};
use crate::server::Panel;

/// Messages that are sent at once.
const AT_ONCE: usize = 64;
/// Of these through one channel; the addresses that subscriptions have of their own count as one.
const EACH: usize = 8;

/// The messages that are being sent, each with its channel.
#[derive(Debug, Default)]
pub struct Places(Mutex<HashMap<DeliveryId, Option<Uuid>>>);

impl Places {
    fn lock(&self) -> MutexGuard<'_, HashMap<DeliveryId, Option<Uuid>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, due: Due) -> bool {
        let mut taken = self.lock();
        let through = taken.values().filter(|channel| **channel == due.channel).count();
        if taken.len() >= AT_ONCE || through >= EACH || taken.contains_key(&due.id) {
            return false;
        }
        taken.insert(due.id, due.channel);
        true
    }
}

/// One of them; free again when this goes, however the sending ended.
#[derive(Debug)]
pub struct Place {
    panel: Panel,
    id: DeliveryId,
}

impl Place {
    /// A place for a message; `None` while there is no room, or this panel sends it already, be its lease over or not.
    pub fn for_one(panel: &Panel, due: Due) -> Option<Self> {
        panel.sending.has_room(due).then(|| Self { panel: panel.clone(), id: due.id })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.panel.sending.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(id: u128, channel: u128) -> Due {
        Due { id: DeliveryId(Uuid::from_u128(id)), channel: (channel > 0).then(|| Uuid::from_u128(channel)) }
    }

    #[test]
    fn nobody_takes_all_the_room_and_nothing_is_sent_twice_at_once() {
        let places = Places::default();
        let taken = (1..=100).filter(|id| places.has_room(due(*id, 7))).count();
        assert_eq!(taken, EACH);
        assert!(!places.has_room(due(1, 8)), "it is being sent");
        let own = (101..=200).filter(|id| places.has_room(due(*id, 0))).count();
        assert_eq!(own, EACH, "addresses of subscriptions are one channel");
        let others = (201..=900).filter(|id| places.has_room(due(*id, *id))).count();
        assert_eq!(others, AT_ONCE - 2 * EACH);
        places.lock().remove(&DeliveryId(Uuid::from_u128(1)));
        assert!(places.has_room(due(99, 7)));
    }
}
