//! Alerts the whole way: what is told, to whom, once, and what becomes of it when nobody answers.

mod channels;
mod events;
mod hooks;
mod keeper;
mod logged;
mod mail;
mod many;
mod own;
mod panels;
mod pings;
mod retries;
pub mod scene;
mod sink;
mod slow;
mod unwatched;
