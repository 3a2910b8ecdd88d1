//! Dumps, read and executed against a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in the functions around it too")]

mod fixtures;
mod hostile;
mod origins;
mod support;
