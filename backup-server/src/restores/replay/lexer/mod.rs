//! Splits a dump into statements, comments and the rows of `COPY`, however its bytes arrive.
//!
//! Follows the rules of PostgreSQL's and psql's own lexers. At most one statement is held in memory; rows pass through.

mod rows;
mod shape;

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2, memmem};

use super::refusals::Refusal;
use shape::Shape;

/// The longest statement, rows of `COPY` aside.
pub(super) const STATEMENT_LIMIT: usize = 64 * 1024 * 1024;
/// The line that `pg_dump` writes when it got to its end.
const COMPLETE: &str = "-- PostgreSQL database dump complete";

/// A part of a dump.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// One statement, without its semicolon. After a `COPY`, its rows follow.
    Statement(String),
    /// Lines for the `COPY` before, with their number of line ends.
    Rows(Bytes, u64),
    /// The end of those.
    EndOfRows,
    /// A comment that tells versions.
    Origin(String),
}

/// Where the lexer is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Inside {
    Plain,
    LineComment,
    BlockComment(u32),
    Quote,
    Escape,
    Identifier,
    /// With its whole delimiter, such as `$body$`.
    Dollar(Vec<u8>),
    /// Behind the semicolon of `COPY`, up to the end of its line.
    BeforeRows,
    Rows,
    AfterRows,
}

/// What a byte led to.
enum Step {
    Go,
    /// More bytes are needed to tell.
    Wait,
    Piece(Piece),
}

/// Splits a dump.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct Lexer {
    buffer: BytesMut,
    /// How far the buffer was looked at.
    at: usize,
    inside: Inside,
    /// Whether a statement begins at the buffer's start.
    started: bool,
    shape: Shape,
    /// An `E''` string just ended: a quote that follows continues it.
    after_escape: bool,
    /// Whether the next row begins at the buffer's start.
    line_start: bool,
    complete: bool,
    ended: bool,
    limit: usize,
}

impl Default for Lexer {
    fn default() -> Self {
        Self::with_limit(STATEMENT_LIMIT)
    }
}

impl Lexer {
    /// With another limit for a statement.
    fn with_limit(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            at: 0,
            inside: Inside::Plain,
            started: false,
            shape: Shape::default(),
            after_escape: false,
            line_start: true,
            complete: false,
            ended: false,
            limit,
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Says that there are no more bytes.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next piece; `None` when more bytes are needed or, after the end, when all went well.
    pub fn next(&mut self) -> Result<Option<Piece>, Refusal> {
        loop {
            let step = match self.inside {
                Inside::BeforeRows => self.before_rows()?,
                Inside::Rows => self.rows()?,
                Inside::AfterRows => {
                    self.inside = Inside::Plain;
                    Step::Piece(Piece::EndOfRows)
                }
                _ => self.sql()?,
            };
            match step {
                Step::Go => {}
                Step::Piece(piece) => return Ok(Some(piece)),
                Step::Wait if self.ended => return self.check_end().map(|()| None),
                Step::Wait if self.buffer.len() > self.limit => return Err(Refusal::TooLong { limit: self.limit }),
                Step::Wait => return Ok(None),
            }
        }
    }

    fn check_end(&self) -> Result<(), Refusal> {
        let whole = self.complete && !self.started && self.inside == Inside::Plain && self.buffer.is_empty();
        if whole { Ok(()) } else { Err(Refusal::Truncated) }
    }

    /// Looks at the bytes of a statement or between statements.
    fn sql(&mut self) -> Result<Step, Refusal> {
        while let Some(&byte) = self.buffer.get(self.at) {
            let step = match &self.inside {
                Inside::Plain => self.plain(byte)?,
                Inside::LineComment => self.line_comment(),
                Inside::BlockComment(depth) => self.block_comment(byte, *depth),
                Inside::Quote => self.quoted(memchr(b'\'', self.unseen())),
                Inside::Escape => self.quoted(memchr2(b'\'', b'\\', self.unseen())),
                Inside::Identifier => self.quoted(memchr(b'"', self.unseen())),
                Inside::Dollar(delimiter) => {
                    let (found, length) = (memmem::find(self.unseen(), delimiter), delimiter.len());
                    self.dollar(found, length)
                }
                Inside::BeforeRows | Inside::Rows | Inside::AfterRows => return Ok(Step::Go),
            };
            if !matches!(step, Step::Go) {
                return Ok(step);
            }
        }
        match (&self.inside, self.ended) {
            // The last line of a file need not end.
            (Inside::LineComment, true) => return Ok(self.end_of_comment(self.buffer.len())),
            (Inside::Plain, _) if !self.started => {
                self.buffer.advance(self.at);
                self.at = 0;
            }
            _ => {}
        }
        Ok(Step::Wait)
    }

    fn unseen(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// The byte at a distance; the inner `None` stands for the end of the dump.
    #[expect(clippy::option_option, reason = "not yet here and never coming are different answers")]
    fn ahead(&self, distance: usize) -> Option<Option<u8>> {
        match self.buffer.get(self.at + distance) {
            Some(&byte) => Some(Some(byte)),
            None if self.ended => Some(None),
            None => None,
        }
    }

    fn go(&mut self, bytes: usize) -> Step {
        self.at += bytes;
        Step::Go
    }

    /// What a statement is made of begins here.
    fn start(&mut self) {
        if !self.started {
            self.buffer.advance(self.at);
            (self.at, self.started, self.complete) = (0, true, false);
            self.shape = Shape::default();
        }
    }

    fn plain(&mut self, byte: u8) -> Result<Step, Refusal> {
        let next = match byte {
            b'-' | b'/' => match self.ahead(1) {
                Some(next) => next,
                None => return Ok(Step::Wait),
            },
            _ => None,
        };
        match (byte, next) {
            (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => return Ok(self.go(1)),
            (b'-', Some(b'-')) => return Ok(self.comment(Inside::LineComment)),
            (b'/', Some(b'*')) => return Ok(self.comment(Inside::BlockComment(1))),
            (b'\\', _) => return self.backslash(),
            (b';', _) => return self.semicolon(),
            _ => self.start(),
        }
        let continues_escape = std::mem::take(&mut self.after_escape) && byte == b'\'';
        match byte {
            b'\'' => self.inside = if continues_escape { Inside::Escape } else { Inside::Quote },
            b'"' => {
                self.shape.quoted_name();
                self.inside = Inside::Identifier;
            }
            b'(' => self.shape.parentheses += 1,
            b')' => self.shape.parentheses = self.shape.parentheses.saturating_sub(1),
            b'$' => return Ok(self.open_dollar()),
            byte if begins_word(byte) => return Ok(self.word()),
            _ => {}
        }
        Ok(self.go(1))
    }

    fn comment(&mut self, kind: Inside) -> Step {
        if !self.started {
            self.buffer.advance(self.at);
            self.at = 0;
        }
        self.inside = kind;
        self.go(2)
    }

    fn word(&mut self) -> Step {
        let length = self.unseen().iter().take_while(|&&byte| continues_word(byte)).count();
        let Some(next) = self.ahead(length) else { return Step::Wait };
        let word = &self.buffer[self.at..self.at + length];
        let escapes = next == Some(b'\'') && word.eq_ignore_ascii_case(b"e");
        self.shape.word(word);
        if escapes {
            self.inside = Inside::Escape;
        }
        self.go(length + usize::from(escapes))
    }

    fn open_dollar(&mut self) -> Step {
        let tag = self.unseen()[1..].iter().take_while(|&&byte| continues_word(byte) && byte != b'$').count();
        let Some(next) = self.ahead(tag + 1) else { return Step::Wait };
        let delimiter = &self.unseen()[..=tag];
        if next != Some(b'$') || delimiter.get(1).is_some_and(u8::is_ascii_digit) {
            return self.go(1);
        }
        self.inside = Inside::Dollar(self.buffer[self.at..self.at + tag + 2].to_vec());
        self.go(tag + 2)
    }

    fn dollar(&mut self, found: Option<usize>, length: usize) -> Step {
        if let Some(found) = found {
            self.inside = Inside::Plain;
            return self.go(found + length);
        }
        // The delimiter may begin in what is here.
        self.at = self.buffer.len().saturating_sub(length - 1).max(self.at);
        Step::Wait
    }

    /// Looks for the end of a quoted text at the next byte that can mean something in it.
    fn quoted(&mut self, found: Option<usize>) -> Step {
        let Some(found) = found else {
            self.at = self.buffer.len();
            return Step::Wait;
        };
        self.at += found;
        let quote = self.buffer[self.at];
        match self.ahead(1) {
            None => Step::Wait,
            Some(_) if quote == b'\\' => self.go(2),
            Some(next) if next == Some(quote) => self.go(2),
            Some(_) => {
                self.after_escape = self.inside == Inside::Escape;
                self.inside = Inside::Plain;
                self.go(1)
            }
        }
    }

    fn line_comment(&mut self) -> Step {
        if let Some(end) = memchr2(b'\n', b'\r', self.unseen()) {
            return self.end_of_comment(self.at + end);
        }
        self.at = self.buffer.len();
        Step::Wait
    }

    fn end_of_comment(&mut self, end: usize) -> Step {
        self.at = end;
        self.inside = Inside::Plain;
        if self.started {
            return Step::Go;
        }
        let comment = String::from_utf8_lossy(&self.buffer[..end]).trim_end().to_owned();
        self.complete |= comment == COMPLETE;
        if comment.starts_with("-- Dumped ") { Step::Piece(Piece::Origin(comment)) } else { Step::Go }
    }

    fn block_comment(&mut self, byte: u8, depth: u32) -> Step {
        if !matches!(byte, b'*' | b'/') {
            let next = memchr2(b'*', b'/', self.unseen());
            self.at = next.map_or(self.buffer.len(), |next| self.at + next);
            return Step::Go;
        }
        let Some(next) = self.ahead(1) else { return Step::Wait };
        let depth = match (byte, next) {
            (b'/', Some(b'*')) => depth + 1,
            (b'*', Some(b'/')) => depth - 1,
            _ => return self.go(1),
        };
        self.inside = if depth == 0 { Inside::Plain } else { Inside::BlockComment(depth) };
        self.go(2)
    }

    /// A meta-command. The two that `pg_dump` writes protect psql from others; nothing here needs them.
    fn backslash(&mut self) -> Result<Step, Refusal> {
        let line = match memchr(b'\n', self.unseen()) {
            Some(end) => &self.unseen()[..end],
            None if self.ended => self.unseen(),
            None => return Ok(Step::Wait),
        };
        let text = String::from_utf8_lossy(line);
        let token = text.strip_prefix(r"\restrict ").or_else(|| text.strip_prefix(r"\unrestrict "));
        let known = token.is_some_and(|token| token.trim_end().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if self.started || !known {
            let command = text.split_whitespace().next().unwrap_or_default();
            return Err(Refusal::MetaCommand(command.chars().take(40).collect()));
        }
        let length = line.len();
        Ok(self.go(length))
    }

    fn semicolon(&mut self) -> Result<Step, Refusal> {
        if !self.started || self.shape.parentheses > 0 || self.shape.bodies > 0 {
            return Ok(self.go(1));
        }
        let statement = self.buffer.split_to(self.at);
        self.buffer.advance(1);
        (self.at, self.started, self.after_escape) = (0, false, false);
        if self.shape.is_copy {
            self.inside = Inside::BeforeRows;
        }
        // A zero byte would cut the statement on its way to PostgreSQL.
        match String::from_utf8(statement.to_vec()) {
            Ok(statement) if !statement.contains('\0') => Ok(Step::Piece(Piece::Statement(statement))),
            _ => Err(Refusal::NotUtf8),
        }
    }
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn continues_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

#[cfg(test)]
mod tests;
