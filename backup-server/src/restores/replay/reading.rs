//! A dump's pieces, as its bytes arrive.

use backup_api::{Failure, FailureCode};
use futures::StreamExt;

use super::{
    lexer::{Lexer, Piece},
    stream::{DumpStream, failure_of},
};

/// Reads a dump piece by piece.
pub(super) struct Reading<F> {
    dump: DumpStream,
    lexer: Lexer,
    on_bytes: F,
    bytes: u64,
    ended: bool,
}

impl<F: Fn(u64) + Send + Sync> Reading<F> {
    /// Of a stream; `on_bytes` hears the bytes read so far.
    pub fn new(dump: DumpStream, on_bytes: F) -> Self {
        Self { dump, lexer: Lexer::default(), on_bytes, bytes: 0, ended: false }
    }

    /// The next piece; `None` after the end of a whole dump.
    pub async fn next(&mut self) -> Result<Option<Piece>, Failure> {
        loop {
            if let Some(piece) = self.lexer.next()? {
                return Ok(Some(piece));
            }
            if self.ended {
                return Ok(None);
            }
            match self.dump.next().await {
                Some(Ok(bytes)) => {
                    self.lexer.push(&bytes);
                    self.bytes += bytes.len() as u64;
                    (self.on_bytes)(self.bytes);
                }
                Some(Err(error)) => return Err(failure_of(error)),
                None => {
                    self.lexer.end();
                    self.ended = true;
                }
            }
        }
    }
}

/// The work was cancelled.
pub(super) fn cancelled() -> Failure {
    Failure { code: FailureCode::Cancelled, message: "Cancelled; nothing was kept.".to_owned() }
}
