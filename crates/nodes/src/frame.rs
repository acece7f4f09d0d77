//! What goes over a link: `u32 length, u8 kind, body`.

/// The longest frame, kind and body.
pub const LONGEST_FRAME: usize = 64 << 10;
/// Bytes of a length.
const LENGTH: usize = 4;

/// A frame of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkFrame {
    /// Who speaks, as JSON: the first frame of each side, and again whenever it changed.
    Hello(Vec<u8>),
    /// A message of the membership.
    Swim(Vec<u8>),
    /// A report of load.
    Report(Vec<u8>),
    /// A beat, with a number that its echo has.
    Beat(u64),
    Echo(u64),
    /// The last frame: why.
    Goodbye(String),
    /// The fleet's list of certificates that are void.
    Crl(Vec<u8>),
}

/// Bytes that are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkFrameError {
    #[error("a frame of {0} bytes: {LONGEST_FRAME} are the most")]
    Long(usize),
    #[error("a frame without a kind")]
    Empty,
    #[error("a frame of kind {0}, of which there is none")]
    Kind(u8),
    #[error("a frame of kind {kind} with {bytes} bytes")]
    Body { kind: u8, bytes: usize },
}

impl LinkFrame {
    /// The frame as it is sent; an error where it is too long.
    pub fn bytes(&self) -> Result<Vec<u8>, LinkFrameError> {
        let number;
        let (kind, body): (u8, &[u8]) = match self {
            Self::Hello(body) => (1, body),
            Self::Swim(body) => (2, body),
            Self::Report(body) => (3, body),
            Self::Beat(beat) | Self::Echo(beat) => {
                number = beat.to_be_bytes();
                (if matches!(self, Self::Beat(_)) { 4 } else { 5 }, &number)
            }
            Self::Goodbye(why) => (6, why.as_bytes()),
            Self::Crl(body) => (7, body),
        };
        let length = body.len() + 1;
        let fits = u32::try_from(length).ok().filter(|_| length <= LONGEST_FRAME);
        let said = fits.ok_or(LinkFrameError::Long(length))?;
        let mut bytes = Vec::with_capacity(LENGTH + length);
        bytes.extend(said.to_be_bytes());
        bytes.push(kind);
        bytes.extend(body);
        Ok(bytes)
    }

    fn read(kind: u8, body: &[u8]) -> Result<Self, LinkFrameError> {
        let wrong = LinkFrameError::Body { kind, bytes: body.len() };
        let number = || body.try_into().map(u64::from_be_bytes).map_err(|_| wrong.clone());
        Ok(match kind {
            1 => Self::Hello(body.to_vec()),
            2 => Self::Swim(body.to_vec()),
            3 => Self::Report(body.to_vec()),
            4 => Self::Beat(number()?),
            5 => Self::Echo(number()?),
            6 => Self::Goodbye(String::from_utf8(body.to_vec()).map_err(|_| wrong)?),
            7 => Self::Crl(body.to_vec()),
            kind => return Err(LinkFrameError::Kind(kind)),
        })
    }
}

/// Makes frames of bytes as they come.
#[derive(Clone, Debug, Default)]
pub struct LinkFrameReader {
    bytes: Vec<u8>,
}

impl LinkFrameReader {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame, once it is whole. After an error there is none any more.
    pub fn next_frame(&mut self) -> Result<Option<LinkFrame>, LinkFrameError> {
        let Some(said) = self.bytes.first_chunk::<LENGTH>() else { return Ok(None) };
        let length = u32::from_be_bytes(*said) as usize;
        if length > LONGEST_FRAME {
            return Err(LinkFrameError::Long(length));
        }
        if length == 0 {
            return Err(LinkFrameError::Empty);
        }
        let Some(frame) = self.bytes.get(LENGTH..LENGTH + length) else { return Ok(None) };
        let read = LinkFrame::read(frame[0], &frame[1..])?;
        self.bytes.drain(..LENGTH + length);
        Ok(Some(read))
    }
}
