//! Dumps, read and executed against a real PostgreSQL.

mod fixtures;
mod hostile;
mod origins;
mod support;
