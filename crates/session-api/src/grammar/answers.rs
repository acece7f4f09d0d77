//! Earlier answers, for `$last` and `$1`.

use serde_json::Value;

/// The values that calls answered with, numbered from 1.
pub trait Answers {
    /// The number of answers given.
    fn count(&self) -> usize;

    /// One of them; none where it was forgotten or never was.
    fn answer(&self, number: usize) -> Option<&Value>;
}

/// A store that keeps no answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAnswers;

impl Answers for NoAnswers {
    fn count(&self) -> usize {
        0
    }

    fn answer(&self, _: usize) -> Option<&Value> {
        None
    }
}

/// The latest answers; the oldest of very many are forgotten, their numbers are not given again.
#[derive(Clone, Debug)]
pub struct AnswerHistory {
    values: std::collections::VecDeque<Value>,
    forgotten: usize,
    most: usize,
}

impl AnswerHistory {
    /// Keeps this many.
    pub fn most(most: usize) -> Self {
        Self { values: std::collections::VecDeque::new(), forgotten: 0, most }
    }

    /// Keeps a value and says its number.
    pub fn keep(&mut self, value: Value) -> usize {
        self.values.push_back(value);
        while self.values.len() > self.most {
            self.values.pop_front();
            self.forgotten += 1;
        }
        self.count()
    }
}

impl Answers for AnswerHistory {
    fn count(&self) -> usize {
        self.forgotten + self.values.len()
    }

    fn answer(&self, number: usize) -> Option<&Value> {
        self.values.get(number.checked_sub(self.forgotten + 1)?)
    }
}
