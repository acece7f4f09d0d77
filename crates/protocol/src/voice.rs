//! What the services of one host write to its standard output and error, marked with whose it is.
//!
//! A mark is [`MARK`], a service's Rust name and [`NAMED`]: what follows is that service's, up to the next mark. No name:
//! it is the host's. [`MARK`], [`UNDONE`], a name and the end of the line say that a function of that service ended the host: an
//! engine keeps what ends no line to itself.

/// Begins a mark.
pub const MARK: u8 = 0x1e;
/// Ends a mark.
pub const NAMED: u8 = 0x1f;
/// After [`MARK`]: the service ended the host.
pub const UNDONE: u8 = b'!';
/// A mark that goes on for longer is none.
const LONGEST: usize = 100;

/// Reads what a host writes.
#[derive(Debug, Default)]
pub struct Voices {
    /// Whose turn it is; empty: the host's.
    speaker: String,
    /// A mark that has begun.
    mark: Vec<u8>,
}

/// A part of what a host writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken<'a> {
    /// Written by this service, or by the host where the name is empty.
    Bytes(&'a str, &'a [u8]),
    /// This service ended the host.
    Undone(&'a str),
}

impl Voices {
    /// Takes what was written, and tells whose each part is.
    pub fn take(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Spoken<'_>)) {
        while !bytes.is_empty() {
            if self.mark.is_empty() {
                let (own, rest) = bytes.split_at(bytes.iter().position(|byte| *byte == MARK).unwrap_or(bytes.len()));
                if !own.is_empty() {
                    tell(Spoken::Bytes(&self.speaker, own));
                }
                bytes = rest;
            }
            let Some((first, rest)) = bytes.split_first() else { return };
            let is_again = *first == MARK && !self.mark.is_empty();
            // What is no mark after all was written like the rest.
            if is_again || self.mark.len() == LONGEST {
                tell(Spoken::Bytes(&self.speaker, &std::mem::take(&mut self.mark)));
                continue;
            }
            bytes = rest;
            self.mark.push(*first);
            let is_last = *first == b'\n' && self.mark.get(1) == Some(&UNDONE);
            if *first == NAMED || is_last {
                self.named(&mut tell);
            }
        }
    }

    fn named(&mut self, tell: &mut impl FnMut(Spoken<'_>)) {
        let mark = std::mem::take(&mut self.mark);
        let name = &mark[1..mark.len() - 1];
        let (ended, name) = name.strip_prefix(&[UNDONE]).map_or((false, name), |name| (true, name));
        let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        match std::str::from_utf8(name).ok().filter(|_| is_name) {
            Some(name) if ended => tell(Spoken::Undone(name)),
            Some(name) => name.clone_into(&mut self.speaker),
            None => tell(Spoken::Bytes(&self.speaker, &mark)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(parts: &[&[u8]]) -> Vec<(String, String)> {
        let (mut voices, mut told) = (Voices::default(), Vec::<(String, String)>::new());
        for part in parts {
            voices.take(part, |spoken| match spoken {
                Spoken::Bytes(name, bytes) => {
                    let text = String::from_utf8_lossy(bytes);
                    match told.last_mut().filter(|(last, _)| last == name) {
                        Some((_, before)) => before.push_str(&text),
                        None => told.push((name.to_owned(), text.into_owned())),
                    }
                }
                Spoken::Undone(name) => told.push((name.to_owned(), "!".to_owned())),
            });
        }
        told
    }

    fn own(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn what_each_service_writes_is_its_own_however_it_comes() {
        let text = b"host\n\x1eget\x1fone\n\x1emap\x1ftw\x1eget\x1fthree\x1e\x1fhost\n\x1e!map\n";
        let expected =
            own(&[("", "host\n"), ("get", "one\n"), ("map", "tw"), ("get", "three"), ("", "host\n"), ("map", "!")]);
        assert_eq!(told(&[text]), expected);
        for at in 0..=text.len() {
            assert_eq!(told(&[&text[..at], &text[at..]]), expected, "{at}");
        }
    }

    #[test]
    fn what_is_no_mark_is_written_as_it_is() {
        let long = format!("\x1e{}\x1f", "x".repeat(200));
        for text in ["\x1ea b\x1fc", "\x1f\x1f", &long] {
            assert_eq!(told(&[text.as_bytes()]), own(&[("", text)]));
        }
        assert_eq!(told(&[b"\x1e\x1eget\x1fx"]), own(&[("", "\x1e"), ("get", "x")]));
    }
}
