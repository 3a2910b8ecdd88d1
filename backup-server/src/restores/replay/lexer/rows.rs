//! The rows of `COPY`, passed on as they come.

use bytes::Buf;
use memchr::memchr2_iter;

use super::{Inside, Lexer, Piece, Refusal, Step};

/// What `pg_dump` writes behind a backslash in rows. Anything else could be a meta-command for whoever reads these rows
/// as statements.
const ROW_ESCAPES: &[u8] = b"bfnrtvN\\";

impl Lexer {
    /// What stands behind the semicolon of `COPY`.
    pub(super) fn before_rows(&mut self) -> Result<Step, Refusal> {
        let blank = self.buffer.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
        match self.buffer.get(blank) {
            None => Ok(Step::Wait),
            Some(b'\n') => {
                self.buffer.advance(blank + 1);
                (self.inside, self.line_start) = (Inside::Rows, true);
                Ok(Step::Go)
            }
            Some(_) => Err(Refusal::Rows),
        }
    }

    /// Passes rows on, up to the line `\.`.
    pub(super) fn rows(&mut self) -> Result<Step, Refusal> {
        let (mut rows, mut past) = (0, 0);
        let (mut until, mut end) = (self.buffer.len(), None);
        for hit in memchr2_iter(b'\n', b'\\', &self.buffer) {
            if hit < past {
                continue;
            }
            if self.buffer[hit] == b'\n' {
                rows += 1;
                continue;
            }
            let first = if hit == 0 { self.line_start } else { self.buffer[hit - 1] == b'\n' };
            match self.buffer[hit + 1..] {
                [b'.', b'\n', ..] if first => end = Some(3),
                [b'.', b'\r', b'\n', ..] if first => end = Some(4),
                [b'.'] if first && self.ended => end = Some(2),
                [] | [b'.'] | [b'.', b'\r'] if first => {}
                [] => {}
                [byte, ..] if ROW_ESCAPES.contains(&byte) => {
                    past = hit + 2;
                    continue;
                }
                _ => return Err(Refusal::Rows),
            }
            until = hit;
            break;
        }
        let data = self.buffer.split_to(until).freeze();
        if let Some(length) = end {
            self.buffer.advance(length);
            self.inside = Inside::AfterRows;
        }
        if data.is_empty() {
            return Ok(if end.is_some() { Step::Go } else { Step::Wait });
        }
        self.line_start = data.ends_with(b"\n");
        Ok(Step::Piece(Piece::Rows(data, rows)))
    }
}
