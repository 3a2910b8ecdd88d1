//! What the browser knows of work under way, and when lists should be fetched again.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::{Operation, OperationId, OperationPage};
use crate::{components::browser, error::AppResult, subscriptions::SubscriptionId};

/// Work under way, followed live; in the context of every page inside the frame.
#[derive(Clone, Copy)]
pub struct Live {
    /// What the server knew when the page was made.
    pub first: Resource<AppResult<OperationPage>>,
    /// What has been followed since; `None` before the stream is open.
    pub unfinished: RwSignal<Option<Vec<Operation>>>,
    /// Rises when an operation began or ended, and once a minute: lists depend on it to be fetched again.
    pub beat: RwSignal<u32>,
    /// The server's clock as the browser reckons it; `None` until then.
    pub now: RwSignal<Option<DateTime<Utc>>>,
}

impl Live {
    /// A follower that starts with what the server knew, put into the context.
    pub fn provide(first: Resource<AppResult<OperationPage>>) -> Self {
        let live = Self { first, unfinished: RwSignal::new(None), beat: RwSignal::new(0), now: RwSignal::new(None) };
        provide_context(live);
        live
    }

    /// Asks every list to fetch again.
    pub fn refresh(self) {
        self.beat.try_update(|beat| *beat = beat.wrapping_add(1));
    }

    /// Work under way (of one subscription), given what the server knew.
    pub fn unfinished(self, first: &[Operation], subscription: Option<SubscriptionId>) -> Vec<Operation> {
        self.unfinished.with(|known| {
            let all = known.as_deref().unwrap_or(first);
            all.iter().filter(|operation| of(operation, subscription)).cloned().collect()
        })
    }

    /// Takes a change of an operation; says whether it ended one.
    pub fn take(self, operation: Operation) -> bool {
        let (ended, begins) = (operation.state.is_final(), !self.knows(operation.id));
        self.unfinished.try_update(|known| merge(known.get_or_insert_default(), operation));
        if ended || begins {
            self.refresh();
        }
        ended
    }

    fn knows(self, id: OperationId) -> bool {
        let listed = |all: &[Operation]| all.iter().any(|operation| operation.id == id);
        self.unfinished.with_untracked(|known| known.as_deref().is_some_and(listed))
            || self.first.with_untracked(|first| matches!(first, Some(Ok(page)) if listed(&page.operations)))
    }

    /// Reckons the server's clock from what it said `as_of` and how long ago that was.
    pub fn tick(self, ahead: chrono::TimeDelta) {
        if let Some(now) = browser::now() {
            self.now.try_set(Some(now + ahead));
        }
    }
}

fn of(operation: &Operation, subscription: Option<SubscriptionId>) -> bool {
    subscription.is_none() || operation.subscription == subscription
}

/// Puts a change among what is known: the newest first, ended ones leave.
fn merge(known: &mut Vec<Operation>, operation: Operation) {
    match known.iter().position(|other| other.id == operation.id) {
        Some(at) if operation.state.is_final() => drop(known.remove(at)),
        Some(at) => known[at] = operation,
        None if operation.state.is_final() => {}
        None => known.insert(0, operation),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use backup_api::{JobState, Phase, Progress};
    use uuid::Uuid;

    use super::*;
    use crate::operations::OperationKind;

    pub fn operation(number: u128, state: JobState) -> Operation {
        Operation {
            id: OperationId(Uuid::from_u128(number)),
            kind: OperationKind::Backup,
            subscription: Some(SubscriptionId(Uuid::from_u128(number * 10))),
            subscription_name: "Acme Trading".to_owned(),
            server: "This machine".to_owned(),
            asked_by: "Ada".to_owned(),
            state,
            phase: Phase::Filestore,
            progress: Progress { done_bytes: 412_000_000, total_bytes: Some(1_190_000_000) },
            bytes_per_second: Some(96_000_000),
            created_at: DateTime::UNIX_EPOCH,
            started_at: Some(DateTime::UNIX_EPOCH),
            finished_at: None,
            failure: None,
            restore: None,
            import: None,
        }
    }

    #[test]
    fn changes_update_their_operation_and_ended_ones_leave() {
        let mut known = Vec::new();
        merge(&mut known, operation(1, JobState::Queued));
        merge(&mut known, operation(2, JobState::Queued));
        merge(&mut known, operation(1, JobState::Running));
        let states: Vec<_> = known.iter().map(|operation| (operation.id.0.as_u128(), operation.state)).collect();
        assert_eq!(states, [(2, JobState::Queued), (1, JobState::Running)]);
        merge(&mut known, operation(1, JobState::Failed));
        merge(&mut known, operation(3, JobState::Succeeded));
        assert_eq!(known, [operation(2, JobState::Queued)]);
    }
}
