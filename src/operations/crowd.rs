//! How many streams of events a browser has open at once. Over HTTP/1.1 a browser opens six connections to a host for all
//! of its tabs together, and an open stream holds one: with six of them no tab could ask for anything any more.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::Notify;

/// Streams of a session; the other connections are for everything else.
const AT_ONCE: usize = 4;

/// The open streams of each session, the oldest first.
#[derive(Debug, Default)]
pub struct Crowd(Mutex<HashMap<Vec<u8>, VecDeque<Weak<Notify>>>>);

impl Crowd {
    /// A place for one more stream of a session, held until it is dropped. It is rung when the stream has to make room
    /// for a newer one.
    pub fn enter(&self, session: &[u8]) -> Arc<Notify> {
        let place = Arc::new(Notify::new());
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, places| {
            places.retain(|place| place.strong_count() > 0);
            !places.is_empty()
        });
        let places = sessions.entry(session.to_vec()).or_default();
        places.push_back(Arc::downgrade(&place));
        while places.len() > AT_ONCE {
            if let Some(oldest) = places.pop_front().as_ref().and_then(Weak::upgrade) {
                oldest.notify_one();
            }
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn rung(place: &Notify) -> bool {
        place.notified().now_or_never().is_some()
    }

    #[test]
    fn the_oldest_of_a_session_makes_room_and_one_that_ended_has_made_it() {
        let crowd = Crowd::default();
        let other = crowd.enter(b"other");
        let mut places: Vec<_> = (0..AT_ONCE).map(|_| crowd.enter(b"session")).collect();
        assert!(!places.iter().any(|place| rung(place)));
        drop(places.remove(1));
        places.push(crowd.enter(b"session"));
        assert!(!places.iter().any(|place| rung(place)), "one had ended");
        places.push(crowd.enter(b"session"));
        let told: Vec<_> = places.iter().map(|place| rung(place)).collect();
        assert_eq!(told, [true, false, false, false, false]);
        assert!(!rung(&other));
        drop((places, other));
        drop(crowd.enter(b"third"));
        assert_eq!(crowd.0.lock().unwrap().len(), 1, "sessions without streams are forgotten");
    }
}
