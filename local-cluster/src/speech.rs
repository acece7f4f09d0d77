//! What a host writes, line by line, and each line at the service whose it is.

use std::collections::BTreeMap;

use protocol::voice::{Spoken, Voices};

use crate::backend::{BackendEvent, Stream};
use crate::lines::Lines;

/// What a host writes to one of its streams.
pub(crate) struct Speech {
    stream: Stream,
    /// The service that the host began with: what is nobody's is told as its.
    first: String,
    voices: Voices,
    lines: BTreeMap<String, Lines>,
}

impl Speech {
    pub(crate) fn new(first: String, stream: Stream) -> Self {
        Self { stream, first, voices: Voices::default(), lines: BTreeMap::new() }
    }

    /// Takes what was written, and tells every line that it ends. Answers the service that ended the host, where it says so.
    pub(crate) fn take(&mut self, bytes: &[u8], tell: impl Fn(BackendEvent)) -> Option<String> {
        let Self { stream, first, voices, lines } = self;
        let mut undone = None;
        voices.take(bytes, |spoken| match spoken {
            Spoken::Bytes(name, bytes) => {
                let service = if name.is_empty() { first.as_str() } else { name };
                let log = |line| {
                    tell(BackendEvent::Log { service: service.to_owned(), stream: *stream, line });
                };
                match lines.get_mut(service) {
                    Some(begun) => begun.take(bytes, log),
                    None => lines.entry(service.to_owned()).or_default().take(bytes, log),
                }
            }
            Spoken::Undone(name) => undone = Some(name.to_owned()),
        });
        undone
    }

    /// Tells the last lines, where nothing ended them.
    pub(crate) fn end(self, tell: impl Fn(BackendEvent)) {
        for (service, lines) in self.lines {
            lines.end(|line| tell(BackendEvent::Log { service, stream: self.stream, line }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn lines_of_services_that_write_at_the_same_time_are_whole() {
        let mut speech = Speech::new("get".to_owned(), Stream::Stdout);
        let told = RefCell::new(Vec::new());
        let tell = |event| {
            if let BackendEvent::Log { service, line, .. } = event {
                told.borrow_mut().push(format!("{service}: {line}"));
            }
        };
        assert_eq!(speech.take(b"own\n\x1emap\x1fone \x1esum\x1fx\ny", tell), None);
        assert_eq!(speech.take(b"\x1emap\x1fline\n\x1e!map\n", tell).as_deref(), Some("map"));
        speech.end(tell);
        assert_eq!(told.into_inner(), ["get: own", "sum: x", "map: one line", "sum: y"]);
    }
}
