//! The bytes of a dump, and failures that travel in them.

use std::{error::Error, fmt, io, pin::Pin};

use backup_api::{Failure, FailureCode};
use bytes::Bytes;
use futures::Stream;

/// The bytes of a dump, in pieces of any size.
pub type DumpStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A failure on its way through a stream.
#[derive(Debug)]
struct Carried(Failure);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl Error for Carried {}

/// Puts a failure into a stream; [`failure_of`] takes it out again.
pub fn io_error(failure: Failure) -> io::Error {
    io::Error::other(Carried(failure))
}

/// The failure that an error of a stream stands for.
pub fn failure_of(error: io::Error) -> Failure {
    match error.downcast::<Carried>() {
        Ok(carried) => carried.0,
        Err(error) => Failure {
            code: FailureCode::Storage,
            message: format!(
                "The backup's dump could not be read to its end: {error}. Verify the backup, or take another."
            ),
        },
    }
}
