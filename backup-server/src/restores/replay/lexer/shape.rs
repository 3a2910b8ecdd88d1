//! The shape of a statement, as far as it tells where the statement ends.

/// What decides whether a semicolon ends the statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// How deep in parentheses.
    pub parentheses: u32,
    /// First letters of the leading words `create`, `or`, `replace`, `function`, `procedure`, as psql keeps them.
    leading: Vec<u8>,
    words: usize,
    /// Depth of `BEGIN ATOMIC … END`.
    pub bodies: u32,
    /// Whether its first word is `COPY`.
    pub is_copy: bool,
}

impl Shape {
    /// Sees a name in quotes, which is no keyword.
    pub fn quoted_name(&mut self) {
        if self.words < 4 {
            self.leading.push(b' ');
        }
        self.words += 1;
    }

    /// Sees a word outside of quotes.
    pub fn word(&mut self, word: &[u8]) {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        self.is_copy |= self.words == 0 && is("copy");
        let leads = ["create", "or", "replace", "function", "procedure"].into_iter().any(is);
        if self.words < 4 {
            self.leading.push(if leads { word[0].to_ascii_lowercase() } else { b' ' });
        }
        self.words += 1;
        let routine = matches!(self.leading.as_slice(), [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p', ..]);
        if !routine || self.parentheses > 0 {
            return;
        }
        if is("begin") || (is("case") && self.bodies > 0) {
            self.bodies += 1;
        } else if is("end") {
            self.bodies = self.bodies.saturating_sub(1);
        }
    }
}
