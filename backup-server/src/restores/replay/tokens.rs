//! Reads one statement word by word.

use std::borrow::Cow;

use super::contents::TableName;

/// The smallest part of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword or an unquoted name, as written.
    Word(&'a str),
    /// A quoted name, unquoted.
    Name(Cow<'a, str>),
    /// A `'…'` string, unquoted, or what stands between `$$`.
    Text(Cow<'a, str>),
    /// An `E'…'` string, as written.
    Escaped(&'a str),
    /// Digits.
    Number(&'a str),
    /// Anything else.
    Mark(char),
}

/// A place in a statement. Cheap to copy, so that one can look ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// At the statement's beginning.
    pub fn new(statement: &'a str) -> Self {
        Self { rest: statement }
    }

    /// Takes the keyword if it comes next.
    pub fn eat(&mut self, keyword: &str) -> bool {
        let mut ahead = *self;
        let found = matches!(ahead.next(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        if found {
            *self = ahead;
        }
        found
    }

    /// Takes all of these keywords if they come next.
    pub fn eat_all(&mut self, keywords: &[&str]) -> bool {
        let mut ahead = *self;
        let found = keywords.iter().all(|keyword| ahead.eat(keyword));
        if found {
            *self = ahead;
        }
        found
    }

    /// Takes the mark if it comes next.
    pub fn eat_mark(&mut self, mark: char) -> bool {
        let mut ahead = *self;
        let found = ahead.next() == Some(Token::Mark(mark));
        if found {
            *self = ahead;
        }
        found
    }

    /// Takes one name, as PostgreSQL would keep it.
    pub fn name(&mut self) -> Option<String> {
        match self.next()? {
            Token::Word(word) => Some(word.to_lowercase()),
            Token::Name(name) => Some(name.into_owned()),
            _ => None,
        }
    }

    /// Takes a name that may have a schema before it.
    pub fn qualified(&mut self, schema: &str) -> Option<TableName> {
        let first = self.name()?;
        if !self.eat_mark('.') {
            return Some(TableName::new(schema, first));
        }
        Some(TableName::new(first, self.name()?))
    }

    /// The keywords outside of parentheses and quotes, in lower case.
    pub fn outer_words(self) -> impl Iterator<Item = String> {
        let mut depth = 0_u32;
        self.filter_map(move |token| {
            match token {
                Token::Mark('(') => depth += 1,
                Token::Mark(')') => depth = depth.saturating_sub(1),
                Token::Word(word) if depth == 0 => return Some(word.to_lowercase()),
                _ => {}
            }
            None
        })
    }

    /// Whether nothing comes any more.
    pub fn is_at_end(mut self) -> bool {
        self.next().is_none()
    }

    fn skip_blank(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
            if self.rest.starts_with("--") {
                self.rest = self.rest.find(['\n', '\r']).map_or("", |end| &self.rest[end..]);
            } else if self.rest.starts_with("/*") {
                self.skip_comment();
            } else {
                return;
            }
        }
    }

    fn skip_comment(&mut self) {
        let mut depth = 0_u32;
        loop {
            let next = self.rest.find("/*").into_iter().chain(self.rest.find("*/")).min();
            let Some(next) = next else {
                self.rest = "";
                return;
            };
            let opens = self.rest[next..].starts_with("/*");
            self.rest = &self.rest[next + 2..];
            depth = if opens { depth + 1 } else { depth.saturating_sub(1) };
            if depth == 0 {
                return;
            }
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Takes a quoted text and gives what is between the quotes, doubled quotes made one.
    fn quoted(&mut self, quote: char) -> Cow<'a, str> {
        let inside = &self.rest[1..];
        let mut from = 0;
        let mut doubled = false;
        let end = loop {
            match inside[from..].find(quote) {
                None => break inside.len(),
                Some(found) if inside[from + found + 1..].starts_with(quote) => {
                    (from, doubled) = (from + found + 2, true);
                }
                Some(found) => break from + found,
            }
        };
        self.take(end + 2);
        let text = &inside[..end];
        if doubled { text.replace(&format!("{quote}{quote}"), &quote.to_string()).into() } else { text.into() }
    }

    fn escaped(&mut self) -> &'a str {
        let bytes = self.rest.as_bytes();
        let mut at = 2;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' => at += 2,
                b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
                b'\'' => break,
                _ => at += 1,
            }
        }
        let at = at.min(bytes.len());
        // A backslash before a character of several bytes may end amid it.
        let at = (at..=bytes.len()).find(|&at| self.rest.is_char_boundary(at)).unwrap_or(bytes.len());
        self.take(at + 1)
    }

    fn dollar(&mut self) -> Token<'a> {
        let tag = self.rest[1..].find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()));
        let delimiter = tag.map(|tag| &self.rest[..tag + 2]).filter(|delimiter| delimiter.ends_with('$'));
        let Some(delimiter) = delimiter.filter(|text| !text.as_bytes()[1].is_ascii_digit()) else {
            self.take(1);
            return Token::Mark('$');
        };
        self.take(delimiter.len());
        let end = self.rest.find(delimiter).unwrap_or(self.rest.len());
        let body = self.take(end);
        self.take(delimiter.len());
        Token::Text(body.into())
    }
}

#[expect(clippy::copy_iterator, reason = "looking ahead is what it is copied for")]
impl<'a> Iterator for Cursor<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blank();
        let first = self.rest.chars().next()?;
        Some(match first {
            '\'' => Token::Text(self.quoted('\'')),
            '"' => Token::Name(self.quoted('"')),
            '$' => self.dollar(),
            'e' | 'E' if self.rest[1..].starts_with('\'') => Token::Escaped(self.escaped()),
            '0'..='9' => {
                let end = self.rest.find(|c: char| !c.is_ascii_digit());
                Token::Number(self.take(end.unwrap_or(self.rest.len())))
            }
            c if c.is_ascii_alphabetic() || c == '_' || !c.is_ascii() => {
                let end =
                    self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()));
                Token::Word(self.take(end.unwrap_or(self.rest.len())))
            }
            mark => {
                self.take(mark.len_utf8());
                Token::Mark(mark)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_word_by_word() {
        let sql = "ALTER /* a /* b */ c */ TABLE \"A\"\"b\".x -- y\n ADD 12 'it''s' E'\\'x' $a$ ; $$ $a$ $1 a$b$;é(";
        let tokens: Vec<Token<'_>> = Cursor::new(sql).collect();
        let expected = [
            Token::Word("ALTER"),
            Token::Word("TABLE"),
            Token::Name("A\"b".into()),
            Token::Mark('.'),
            Token::Word("x"),
            Token::Word("ADD"),
            Token::Number("12"),
            Token::Text("it's".into()),
            Token::Escaped("E'\\'x'"),
            Token::Text(" ; $$ ".into()),
            Token::Mark('$'),
            Token::Number("1"),
            Token::Word("a$b$"),
            Token::Mark(';'),
            Token::Word("é"),
            Token::Mark('('),
        ];
        assert_eq!(tokens, expected);
    }

    #[test]
    fn whatever_is_cut_is_read_to_its_end() {
        let sql = "A \"b\"\"c' 'd''e E'\\é $é$ x $é$ /* /* */ -- é";
        for (cut, _) in sql.char_indices() {
            let _ = Cursor::new(&sql[..cut]).count() + Cursor::new(&sql[cut..]).count();
        }
    }

    #[test]
    fn names_are_kept_as_postgresql_keeps_them() {
        let mut cursor = Cursor::new("Public.\"Res Partner\" RES");
        assert_eq!(cursor.qualified("x"), Some(TableName::new("public", "Res Partner")));
        assert_eq!(cursor.qualified("x"), Some(TableName::new("x", "res")));
        assert!(cursor.is_at_end());
    }
}
