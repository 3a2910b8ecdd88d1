//! What runs at this moment, in memory: progress changes too often to be written down.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, broadcast};

use super::{Operation, OperationId, crowd::Crowd};

/// Changes that a slow reader may fall behind; it then gets everything anew.
const BACKLOG: usize = 256;

/// The unfinished operations and whoever watches them.
#[derive(Debug)]
pub struct Live {
    operations: Mutex<HashMap<OperationId, Tracked>>,
    changes: broadcast::Sender<Operation>,
    /// The open streams of each browser.
    pub crowd: Crowd,
}

#[derive(Debug)]
struct Tracked {
    operation: Operation,
    wake: Arc<Notify>,
}

impl Default for Live {
    fn default() -> Self {
        Self { operations: Mutex::default(), changes: broadcast::channel(BACKLOG).0, crowd: Crowd::default() }
    }
}

impl Live {
    /// Tells where an operation stands; a finished one is forgotten here.
    pub fn publish(&self, operation: &Operation) {
        {
            let mut operations = self.lock();
            if operation.state.is_final() {
                operations.remove(&operation.id);
            } else {
                let tracked = operations
                    .entry(operation.id)
                    .or_insert_with(|| Tracked { operation: operation.clone(), wake: Arc::default() });
                tracked.operation = operation.clone();
            }
        }
        // An Err says that nobody watches.
        drop(self.changes.send(operation.clone()));
    }

    /// Replaces a stored operation by what is known of it at this moment.
    pub fn refresh(&self, operation: &mut Operation) {
        if let Some(tracked) = self.lock().get(&operation.id)
            && !operation.state.is_final()
        {
            *operation = tracked.operation.clone();
        }
    }

    /// Whether this panel follows an operation.
    pub fn knows(&self, id: OperationId) -> bool {
        self.lock().contains_key(&id)
    }

    /// Wakes the follower of an operation, which waits between two attempts or for the next event.
    pub fn wake(&self, id: OperationId) {
        if let Some(tracked) = self.lock().get(&id) {
            tracked.wake.notify_one();
        }
    }

    /// What the follower of an operation waits on.
    pub fn waker(&self, id: OperationId) -> Arc<Notify> {
        self.lock().get(&id).map(|tracked| Arc::clone(&tracked.wake)).unwrap_or_default()
    }

    /// Every change from now on.
    pub fn changes(&self) -> broadcast::Receiver<Operation> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OperationId, Tracked>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
