//! Chunks that arrived before the ones in front of them.
//!
//! Where an answer takes long to come, a client sends several chunks at once. Each is written where it belongs as soon as
//! it is here, and counts when all before it is there, too. A crash forgets those that do not count yet; they come again.

use std::collections::BTreeMap;

use backup_api::Upload;

/// The most chunks that are remembered: small ones must not cost more memory than large ones.
const MOST: usize = 64;

/// What is in the file beyond the offset up to which it is whole.
#[derive(Debug, Default)]
pub(super) struct Ahead(BTreeMap<u64, u64>);

impl Ahead {
    /// Whether one from `start` to `end` may be kept while the file is whole up to `offset`.
    pub fn has_room(&self, offset: u64, start: u64, end: u64) -> bool {
        start > offset && end - offset <= Upload::AHEAD_BYTES && self.0.len() < MOST
    }

    /// Remembers one. Those that share bytes with it are forgotten: it was written over them.
    pub fn keep(&mut self, start: u64, end: u64) {
        self.0.retain(|other, other_end| *other_end <= start || *other >= end);
        self.0.insert(start, end);
    }

    /// How far the file is whole when it is so up to `offset`.
    pub fn follow(&mut self, mut offset: u64) -> u64 {
        while let Some(end) = self.0.remove(&offset).filter(|end| *end > offset) {
            offset = end;
        }
        offset
    }

    /// Forgets all.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_count_when_all_before_them_is_there() {
        let mut ahead = Ahead::default();
        for (start, end) in [(20, 30), (30, 35), (50, 60)] {
            assert!(ahead.has_room(0, start, end));
            ahead.keep(start, end);
        }
        assert_eq!(ahead.follow(10), 10);
        ahead.keep(10, 20);
        assert_eq!(ahead.follow(10), 35);
        ahead.keep(35, 50);
        assert_eq!(ahead.follow(35), 60);
        assert_eq!(ahead.follow(60), 60);
    }

    #[test]
    fn one_that_is_written_over_does_not_count() {
        let mut ahead = Ahead::default();
        ahead.keep(20, 30);
        ahead.keep(30, 40);
        ahead.keep(25, 35);
        ahead.keep(10, 25);
        assert_eq!(ahead.follow(10), 35, "20 to 30 and 30 to 40 are gone");
        ahead.keep(50, 60);
        ahead.forget();
        assert_eq!(ahead.follow(50), 50);
        ahead.keep(50, 50);
        assert_eq!(ahead.follow(50), 50, "one without bytes moves nothing");
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let mut ahead = Ahead::default();
        let far = Upload::AHEAD_BYTES;
        assert!(ahead.has_room(7, 8, 7 + far) && !ahead.has_room(7, 8, 8 + far) && !ahead.has_room(7, 7, 9));
        for at in 1..=u64::try_from(MOST).unwrap() {
            assert!(ahead.has_room(0, 2 * at, 2 * at + 1), "{at}");
            ahead.keep(2 * at, 2 * at + 1);
        }
        assert!(!ahead.has_room(0, 1_000, 1_001));
    }
}
