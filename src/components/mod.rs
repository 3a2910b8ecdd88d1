//! What pages are built of: small components, and the plain functions behind them.

pub mod addresses;
pub mod badge;
pub mod browser;
pub mod calendar;
pub mod choice;
pub mod copy;
pub mod dialog;
pub mod fetched;
pub mod field;
pub mod figures;
pub mod forms;
pub mod frame;
pub mod icon;
pub mod moment;
pub mod notice;
pub mod page;
pub mod progress;
pub mod search;
pub mod table;
pub mod toast;
pub mod typed;

pub use badge::{Badge, Tone};
pub use choice::Choice;
pub use copy::CopyButton;
pub use dialog::{Dialog, DialogEnd, Guard};
pub use fetched::{Session, fetched, fetched_beside};
pub use field::{Field, FieldError};
pub use icon::{Anchor, Glyph, Icon};
pub use moment::Moment;
pub use notice::{ActionFailure, Empty, Failure, Notice, Waiting};
pub use page::{Head, NotFound};
pub use progress::Bar;
pub use search::Search;
pub use table::{Column, Pager, TableHead};
pub use toast::{Toast, Toasts};
