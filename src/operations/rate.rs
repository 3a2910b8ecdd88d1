//! How fast bytes move, smoothed so that a person can read it.

use std::time::Duration;

use backup_api::Phase;

/// Shorter steps say nothing.
const STEP: Duration = Duration::from_millis(250);

/// Bytes a second within one phase.
#[derive(Debug, Default)]
pub struct Rate {
    last: Option<(Phase, u64, Duration)>,
    smoothed: Option<u64>,
}

impl Rate {
    /// The rate after `done` bytes of a phase, seen `now` (since whenever, but always the same moment); `None` while
    /// nothing has moved in it.
    pub fn after(&mut self, phase: Phase, done: u64, now: Duration) -> Option<u64> {
        match self.last {
            Some((known, before, at)) if known == phase && done >= before => {
                let passed = now.saturating_sub(at);
                if passed < STEP {
                    return self.smoothed;
                }
                let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
                let rate = (done - before).saturating_mul(1000) / millis.max(1);
                self.smoothed = match self.smoothed {
                    Some(smoothed) => Some((smoothed.saturating_mul(3).saturating_add(rate)) / 4),
                    None if rate > 0 => Some(rate),
                    None => None,
                };
            }
            _ => self.smoothed = None,
        }
        self.last = Some((phase, done, now));
        self.smoothed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_smoothed_and_starts_anew_in_each_phase() {
        let mut rate = Rate::default();
        let at = Duration::from_millis;
        assert_eq!(rate.after(Phase::Database, 0, at(0)), None);
        assert_eq!(rate.after(Phase::Database, 1_000_000, at(1000)), Some(1_000_000));
        assert_eq!(rate.after(Phase::Database, 1_500_000, at(1100)), Some(1_000_000), "too soon to tell");
        assert_eq!(rate.after(Phase::Database, 6_000_000, at(2000)), Some(2_000_000));
        assert_eq!(rate.after(Phase::Filestore, 10, at(2500)), None);
    }
}
