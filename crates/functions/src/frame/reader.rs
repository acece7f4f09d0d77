//! Frames out of bytes, in whatever parts these come.

use serde::Serialize;

/// Bytes of a length.
const HEAD: usize = 4;

/// Bytes that are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than the reader allows.
    #[error("a frame of {bytes} bytes, where at most {most} are allowed")]
    TooLong { bytes: usize, most: usize },
    /// Its content is not what was expected.
    #[error("a frame that is not understood: {0}")]
    Nonsense(String),
}

/// A message as a frame: four bytes of length, least first, then JSON.
pub fn frame(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; HEAD];
    serde_json::to_writer(&mut bytes, message).map_err(|error| FrameError::Nonsense(error.to_string()))?;
    let length = bytes.len() - HEAD;
    let head = u32::try_from(length).map_err(|_| FrameError::TooLong { bytes: length, most: u32::MAX as usize })?;
    bytes[..HEAD].copy_from_slice(&head.to_le_bytes());
    Ok(bytes)
}

/// Takes bytes in and gives frames out. It holds at most one frame that is not whole yet, of bounded length.
#[derive(Debug)]
pub struct FrameReader {
    bytes: Vec<u8>,
    /// Where the next frame begins.
    start: usize,
    most: usize,
}

impl FrameReader {
    /// Reads frames of at most `most` bytes.
    pub fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, most }
    }

    /// Takes in what has come.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, if it has come.
    pub fn next_frame<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let rest = &self.bytes[self.start..];
        let Some((head, rest)) = rest.split_first_chunk::<HEAD>() else { return Ok(None) };
        let length = u32::from_le_bytes(*head) as usize;
        if length > self.most {
            return Err(FrameError::TooLong { bytes: length, most: self.most });
        }
        let Some(content) = rest.get(..length) else { return Ok(None) };
        let message = serde_json::from_slice(content).map_err(|error| FrameError::Nonsense(error.to_string()));
        self.start += HEAD + length;
        message.map(Some)
    }

    /// Whether bytes are left of which no whole frame has come.
    pub fn is_within_frame(&self) -> bool {
        self.start < self.bytes.len()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes_come() {
        let mut reader = FrameReader::new(10);
        reader.push(&11_u32.to_le_bytes());
        assert_eq!(reader.next_frame::<u8>(), Err(FrameError::TooLong { bytes: 11, most: 10 }));
        let mut reader = FrameReader::new(10);
        reader.push(&u32::MAX.to_le_bytes());
        assert!(reader.next_frame::<u8>().is_err() && reader.bytes.capacity() < 64);
    }

    #[test]
    fn nonsense_is_an_error_and_the_next_frame_is_read() {
        let mut reader = FrameReader::new(100);
        reader.push(&[2, 0, 0, 0, b'{', b'{']);
        reader.push(&frame(&7_u8).unwrap());
        assert!(matches!(reader.next_frame::<u8>(), Err(FrameError::Nonsense(_))));
        assert_eq!(reader.next_frame::<u8>(), Ok(Some(7)));
        assert!(!reader.is_within_frame());
    }

    proptest! {
        #[test]
        fn frames_are_the_same_in_whatever_parts_they_come(
            texts in prop::collection::vec(".{0,40}", 0..8),
            parts in prop::collection::vec(1_usize..20, 1..40),
        ) {
            let bytes: Vec<u8> = texts.iter().flat_map(|text| frame(text).unwrap()).collect();
            let mut reader = FrameReader::new(1000);
            let (mut found, mut rest) = (Vec::new(), &bytes[..]);
            for part in parts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*part).min(rest.len()));
                rest = later;
                reader.push(now);
                while let Some(text) = reader.next_frame::<String>().unwrap() {
                    found.push(text);
                }
            }
            prop_assert_eq!(found, texts);
            prop_assert!(!reader.is_within_frame());
        }
    }
}
