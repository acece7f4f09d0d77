//! A line that is being typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::act::Completions;

/// A line that is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub purpose: Purpose,
    /// As it stands.
    pub text: String,
    /// Where the cursor is, in bytes, between two characters.
    pub cursor: usize,
    /// What can stand at the cursor.
    pub completions: Completions,
    pub taken: Option<usize>,
    /// Which line of the history is shown.
    pub recalled: Option<usize>,
}

/// What a line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A command of the grammar.
    Command,
    /// Which services and edits are listed.
    Filter,
    /// What is looked for in the logs.
    Search,
}

/// What a key did to a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// The text is another.
    Changed,
    /// The text is the same.
    Same,
    /// The line is done.
    Done,
    /// The line is given up.
    GivenUp,
}

impl Prompt {
    /// A prompt with a text in it, the cursor behind.
    pub fn new(purpose: Purpose, text: impl Into<String>) -> Self {
        let text = text.into();
        let cursor = text.len();
        Self { purpose, text, cursor, completions: Completions::default(), taken: None, recalled: None }
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent, history: &[String]) -> Typed {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => Typed::Done,
            KeyCode::Esc if self.taken.is_some() => {
                self.taken = None;
                Typed::Changed
            }
            KeyCode::Esc => Typed::GivenUp,
            KeyCode::Char('c' | 'g') if control => Typed::GivenUp,
            KeyCode::Tab => self.take(1),
            KeyCode::BackTab => self.take(-1),
            KeyCode::Up => self.recall(history, -1),
            KeyCode::Down => self.recall(history, 1),
            KeyCode::Left => self.go(self.before()),
            KeyCode::Right => self.go(self.after()),
            KeyCode::Home => self.go(0),
            KeyCode::End => self.go(self.text.len()),
            KeyCode::Char('a') if control => self.go(0),
            KeyCode::Char('e') if control => self.go(self.text.len()),
            KeyCode::Char('u') if control => self.cut(0, self.cursor),
            KeyCode::Char('k') if control => self.cut(self.cursor, self.text.len()),
            KeyCode::Char('w') if control => self.cut(self.word(), self.cursor),
            KeyCode::Backspace if self.text.is_empty() => Typed::GivenUp,
            KeyCode::Backspace => self.cut(self.before(), self.cursor),
            KeyCode::Delete => self.cut(self.cursor, self.after()),
            KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => self.insert(&c.to_string()),
            _ => Typed::Same,
        }
    }

    /// Puts text in at the cursor.
    pub(crate) fn insert(&mut self, text: &str) -> Typed {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.text.insert_str(self.cursor, &text);
        self.cursor += text.len();
        Typed::Changed
    }

    fn go(&mut self, cursor: usize) -> Typed {
        self.cursor = cursor;
        Typed::Changed
    }

    fn cut(&mut self, from: usize, to: usize) -> Typed {
        self.text.replace_range(from..to, "");
        self.cursor = from;
        Typed::Changed
    }

    /// Puts the next word that can stand here in the place of the one that does.
    fn take(&mut self, step: isize) -> Typed {
        let count = self.completions.words.len();
        if count == 0 {
            return Typed::Same;
        }
        let next = match self.taken {
            Some(taken) => (taken as isize + step).rem_euclid(count as isize) as usize,
            None if step < 0 => count - 1,
            None => 0,
        };
        let word = &self.completions.words[next];
        let start = self.completions.start;
        if !self.text.is_char_boundary(start) || start > self.cursor {
            return Typed::Same;
        }
        self.text.replace_range(start..self.cursor, word);
        self.cursor = start + word.len();
        // The only word there is leaves nothing to go through.
        self.taken = (count > 1).then_some(next);
        if count > 1 { Typed::Same } else { Typed::Changed }
    }

    fn recall(&mut self, history: &[String], step: isize) -> Typed {
        if self.purpose != Purpose::Command || history.is_empty() {
            return Typed::Same;
        }
        let now = self.recalled.unwrap_or(history.len()) as isize + step;
        let now = now.clamp(0, history.len() as isize) as usize;
        self.recalled = (now < history.len()).then_some(now);
        self.text = history.get(now).cloned().unwrap_or_default();
        self.go(self.text.len())
    }

    fn before(&self) -> usize {
        self.text[..self.cursor].char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        self.text[self.cursor..].chars().next().map_or(self.cursor, |c| self.cursor + c.len_utf8())
    }

    fn word(&self) -> usize {
        let head = self.text[..self.cursor].trim_end();
        head.char_indices().rev().find(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(prompt: &mut Prompt, code: KeyCode) -> Typed {
        prompt.key(KeyEvent::new(code, KeyModifiers::NONE), &["first".into(), "second".into()])
    }

    #[test]
    fn tab_goes_through_what_can_stand_there_and_around() {
        let mut prompt = Prompt::new(Purpose::Command, "map get");
        prompt.completions = Completions { start: 4, words: vec!["get".into(), "get_all".into()] };
        press(&mut prompt, KeyCode::Tab);
        press(&mut prompt, KeyCode::Tab);
        assert_eq!(prompt.text, "map get_all");
        press(&mut prompt, KeyCode::Tab);
        assert_eq!((prompt.text.as_str(), prompt.cursor), ("map get", 7));
    }

    #[test]
    fn characters_of_any_width_are_walked_and_cut_whole() {
        let mut prompt = Prompt::new(Purpose::Command, "é→ x");
        for _ in 0..3 {
            press(&mut prompt, KeyCode::Left);
        }
        press(&mut prompt, KeyCode::Delete);
        assert_eq!(prompt.text, "é x");
        press(&mut prompt, KeyCode::Backspace);
        assert_eq!((prompt.text.as_str(), prompt.cursor), (" x", 0));
        prompt.key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL), &[]);
        assert_eq!(prompt.text, " x");
    }

    #[test]
    fn up_brings_back_what_was_run() {
        let mut prompt = Prompt::new(Purpose::Command, "");
        press(&mut prompt, KeyCode::Up);
        press(&mut prompt, KeyCode::Up);
        press(&mut prompt, KeyCode::Up);
        assert_eq!(prompt.text, "first");
        press(&mut prompt, KeyCode::Down);
        press(&mut prompt, KeyCode::Down);
        assert_eq!(prompt.text, "");
    }
}
