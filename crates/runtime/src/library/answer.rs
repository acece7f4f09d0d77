//! What a call ended with, on its way over the border.

use std::fmt::Display;
use std::io;

use serde::Serialize;
use serde_json::json;

use crate::border::{CallOutcome, Kind};
use crate::error::{Error, Retry};

/// The end of a call.
#[derive(Debug)]
pub struct CallAnswer {
    pub(crate) kind: Kind,
    pub(crate) body: Vec<u8>,
    nanos: u64,
}

/// The function returned a value.
pub fn value<T: Serialize>(value: &T) -> CallAnswer {
    match serde_json::to_vec(value) {
        Ok(body) => CallAnswer::new(Kind::Value, body),
        Err(error) => message(&format!("the result is not JSON: {error}")),
    }
}

/// A value that is kept only where it is small: it is written no further than that.
pub(crate) fn value_within<T: Serialize>(value: &T, most: usize) -> CallAnswer {
    let mut room = Room { written: Vec::new(), most };
    match serde_json::to_writer(&mut room, value) {
        Ok(()) => CallAnswer::new(Kind::Value, room.written),
        Err(error) if error.is_io() => message(&format!("it takes more than {most} bytes")),
        Err(error) => message(&format!("it is not JSON: {error}")),
    }
}

/// Takes so many bytes and no more.
struct Room {
    written: Vec<u8>,
    most: usize,
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.most - self.written.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The function returned `None`.
pub fn filtered() -> CallAnswer {
    CallAnswer::new(Kind::Filtered, Vec::new())
}

/// The function returned an error.
pub fn failed<E: Display + 'static>(error: E) -> CallAnswer {
    let error = Error::from_returned(error);
    match error.problem() {
        Some(problem) => CallAnswer::new(Kind::Upstream, problem.as_bytes().to_vec()),
        None => {
            let mut body = json!({ "message": error.to_string() });
            match error.retry() {
                Retry::Usual => {}
                Retry::Never => body["retry"] = "never".into(),
                Retry::Later(millis) => body["retry_ms"] = millis.into(),
            }
            CallAnswer::new(Kind::Failed, body.to_string().into_bytes())
        }
    }
}

fn message(words: &str) -> CallAnswer {
    CallAnswer::new(Kind::Failed, json!({ "message": words }).to_string().into_bytes())
}

/// An input does not read as its type.
pub(crate) fn rejected(input: &str, path: &str, error: &serde_json::Error) -> CallAnswer {
    let path = if path.is_empty() {
        input.to_owned()
    } else if path.starts_with('[') {
        format!("{input}{path}")
    } else {
        format!("{input}.{path}")
    };
    let body = json!({ "input": input, "path": path, "message": error.to_string() });
    CallAnswer::new(Kind::Rejected, body.to_string().into_bytes())
}

pub(crate) fn missing(input: &str) -> CallAnswer {
    let body = json!({ "input": input, "path": input, "message": "is missing" });
    CallAnswer::new(Kind::Rejected, body.to_string().into_bytes())
}

impl CallAnswer {
    pub(crate) fn new(kind: Kind, body: Vec<u8>) -> Self {
        Self { kind, body, nanos: 0 }
    }

    /// The `message` of its body; empty where it has none.
    pub(crate) fn message(&self) -> String {
        let body = serde_json::from_slice::<serde_json::Value>(&self.body).unwrap_or_default();
        body["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Notes the time in the function.
    pub fn took(mut self, nanos: u64) -> Self {
        self.nanos = nanos;
        self
    }
}

impl From<CallAnswer> for CallOutcome {
    fn from(answer: CallAnswer) -> Self {
        let mut outcome = Self::new(answer.kind, answer.body);
        outcome.nanos = answer.nanos;
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde::Serializer;

    use super::*;

    /// A list that counts how many of its items were looked at.
    struct Long<'a>(usize, &'a Cell<usize>);

    impl Serialize for Long<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..self.0).inspect(|_| self.1.set(self.1.get() + 1)))
        }
    }

    #[test]
    fn a_value_that_is_too_large_is_not_written_to_its_end() {
        let looked = Cell::new(0);
        let answer = value_within(&Long(100_000_000, &looked), 64 << 10);
        assert_eq!(answer.kind, Kind::Failed);
        assert!(looked.get() < 64 << 10, "{} items were written", looked.get());
        let whole = |most| value_within(&"12345", most);
        assert_eq!((whole(7).kind, whole(7).body), (Kind::Value, b"\"12345\"".to_vec()));
        assert_eq!(whole(6).kind, Kind::Failed);
    }
}
