//! Sentences about what was left out on purpose.

/// How many are kept: a thousand roles that do not exist are no reading.
const KEPT: usize = 40;

/// Notes, each once, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    lines: Vec<String>,
    more: usize,
}

impl Notes {
    /// Adds one, unless it is there.
    pub fn add(&mut self, note: &str) {
        if self.lines.iter().any(|line| line == note) {
            return;
        }
        if self.lines.len() < KEPT {
            self.lines.push(note.to_owned());
        } else {
            self.more += 1;
        }
    }

    /// All of them.
    pub fn into_lines(mut self) -> Vec<String> {
        if self.more > 0 {
            self.lines.push(format!("{} more notes like these were left out.", self.more));
        }
        self.lines
    }
}
