//! Messages that were, are or will be sent, as the delivery log shows them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::names::names;

/// Identity of a message that was, is or will be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub Uuid);

/// How a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waits for others to join it.
    Collecting,
    /// Waits to be sent, or to be sent again.
    Waiting,
    /// Is being sent.
    Sending,
    /// Arrived.
    Delivered,
    /// Did not arrive and is not tried again.
    GivenUp,
    /// Nothing was left to send it for.
    Dropped,
}

names!(DeliveryState {
    Collecting: "collecting", "Collecting";
    Waiting: "waiting", "Waiting";
    Sending: "sending", "Sending";
    Delivered: "delivered", "Delivered";
    GivenUp: "given_up", "Given up";
    Dropped: "dropped", "Dropped";
});

/// A message that was, is or will be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Identity; the receiver of a webhook gets it, too.
    pub id: DeliveryId,
    /// The channel's name, or whose ping it is.
    pub channel: String,
    /// What it says, in a line.
    pub title: String,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it is sent (again), while it waits.
    pub due_at: Option<DateTime<Utc>>,
    /// What was answered, or why it did not arrive.
    pub answer: String,
}

/// One page of the delivery log, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryPage {
    /// The rows of this page.
    pub deliveries: Vec<Delivery>,
    /// How many there are.
    pub matching: u64,
    /// When the panel answered.
    pub as_of: DateTime<Utc>,
}

/// Rows of a page of the delivery log.
pub const DELIVERY_ROWS: u32 = 25;
