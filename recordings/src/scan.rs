//! One pass over a recording's lines, in which only what a list says is read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Bytes of the longest line that is read. The writer's are shorter: large bodies are beside it.
const LONGEST: u64 = 64 << 20;

/// What a list says of a request, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestEntry {
    pub(crate) offset: u64,
    pub(crate) length: u32,
    /// Services that took part.
    pub hops: u32,
    /// When it began: milliseconds since 1970.
    pub at: u64,
    /// Nanoseconds in functions, all of them together.
    pub function_ns: u64,
    /// How the last service ended.
    pub outcome: Ending,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Value,
    /// With nothing.
    Filtered,
    /// With a problem.
    Failed,
}

/// What the pass found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) entries: Vec<RequestEntry>,
    /// Where keyframes are, and how long.
    pub(crate) keyframes: Vec<(u64, u32)>,
    pub(crate) lost: u64,
    pub(crate) unread: u64,
}

/// A line of either kind, nearly all of it passed over.
#[derive(Deserialize)]
struct Line {
    at: Option<u64>,
    hops: Option<Vec<Hop>>,
    keyframe: Option<IgnoredAny>,
    lost: Option<u64>,
}

#[derive(Deserialize)]
struct Hop {
    function_ns: u64,
    end: End,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum End {
    Value(IgnoredAny),
    Filtered,
    Failed(IgnoredAny),
}

impl Scan {
    /// The first line, and what follows it.
    pub(crate) fn of(file: &File) -> io::Result<(Vec<u8>, Self)> {
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let (mut first, mut line) = (Vec::new(), Vec::new());
        let mut offset = take_line(&mut reader, &mut first)?;
        let mut scan = Self::default();
        loop {
            let taken = take_line(&mut reader, &mut line)?;
            if taken == 0 {
                return Ok((first, scan));
            }
            if line.is_empty() && taken == 1 {
                // Ends half a line of a disk that refused.
            } else if taken > LONGEST || !scan.read(offset, &line) {
                scan.unread += 1;
            }
            offset += taken;
        }
    }

    /// Whether the line says something.
    fn read(&mut self, offset: u64, line: &[u8]) -> bool {
        let Ok(length) = u32::try_from(line.len()) else { return false };
        // What is passed over is not looked at closely, so that it is text is checked here.
        let Ok(text) = str::from_utf8(line) else { return false };
        let Ok(read) = serde_json::from_str::<Line>(text) else { return false };
        match read {
            Line { at: Some(at), hops: Some(hops), .. } => self.entries.push(RequestEntry {
                offset,
                length,
                hops: u32::try_from(hops.len()).unwrap_or(u32::MAX),
                at,
                function_ns: hops.iter().fold(0, |sum, hop| sum.saturating_add(hop.function_ns)),
                outcome: match hops.last().map(|hop| &hop.end) {
                    Some(End::Value(_)) => Ending::Value,
                    Some(End::Filtered) | None => Ending::Filtered,
                    Some(End::Failed(_)) => Ending::Failed,
                },
            }),
            Line { keyframe: Some(_), .. } => self.keyframes.push((offset, length)),
            Line { lost: Some(lost), .. } => self.lost = self.lost.saturating_add(lost),
            _ => return false,
        }
        true
    }
}

/// The next line without its end, and how many bytes of the file it is; of a longer one than is read, the beginning.
fn take_line(reader: &mut impl BufRead, into: &mut Vec<u8>) -> io::Result<u64> {
    into.clear();
    let mut taken = reader.by_ref().take(LONGEST + 1).read_until(b'\n', into)? as u64;
    if into.last() == Some(&b'\n') {
        into.pop();
    } else if taken > LONGEST {
        into.clear();
        into.shrink_to(0);
        taken += skip_line(reader)?;
    }
    Ok(taken)
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let held = reader.fill_buf()?;
        if held.is_empty() {
            return Ok(skipped);
        }
        let end = held.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(held.len(), |at| at + 1);
        reader.consume(taken);
        skipped += taken as u64;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}
