//! Removals of many backups at once, as retention asks for them.

mod job;
pub(crate) mod routes;

pub(crate) use job::RemovalJob;
