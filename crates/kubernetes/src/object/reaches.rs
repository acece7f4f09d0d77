//! What a service reaches, as it is kept on its Deployment: small, however much that is. All annotations of an object
//! share 256 KiB.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Up to here it is kept as it is.
const PLAIN: usize = 16 << 10;
/// Up to here it is kept packed, with short hashes; what is larger is kept as one hash.
const PACKED: usize = 48 << 10;
/// What is larger than this does not come below that.
const PACKABLE: usize = 2 << 20;
/// What is unpacked is no larger, whoever wrote it.
const UNPACKED: u64 = 16 << 20;
/// Digits of a hash that is packed.
const DIGITS: usize = 8;
/// How packed text begins.
const MARK: &str = "gzip:";
/// The label of what is kept as one hash.
pub(crate) const REST: &str = "everything it reaches";
/// What is kept of it all the same: whom a service calls.
pub(crate) const CALLS: &str = "the signature of ";

/// Label to hash, as text.
pub(crate) fn write(reaches: &BTreeMap<String, String>) -> String {
    let plain = serde_json::to_string(reaches).unwrap_or_default();
    if plain.len() <= PLAIN {
        return plain;
    }
    match (plain.len() <= PACKABLE).then(|| pack(&short(reaches))) {
        Some(Ok(packed)) if packed.len() <= PACKED => packed,
        _ => write_one(reaches),
    }
}

/// All of it as one hash, which is small in any case.
pub(crate) fn write_one(reaches: &BTreeMap<String, String>) -> String {
    serde_json::to_string(&whole(reaches)).unwrap_or_default()
}

/// What was written; nothing where it was written by another release and is not known here.
pub(crate) fn read(text: &str) -> BTreeMap<String, String> {
    let json = match text.strip_prefix(MARK) {
        Some(packed) => unpack(packed).unwrap_or_default(),
        None => text.to_owned(),
    };
    serde_json::from_str(&json).unwrap_or_default()
}

/// What is reached now, told as what was reached before is: so that they can be compared.
pub(crate) fn alike(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    if before.contains_key(REST) {
        return whole(after);
    }
    let is_short = before.values().any(|hash| hash.len() == DIGITS);
    if is_short { short(after) } else { after.clone() }
}

fn short(reaches: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let cut = |hash: &String| hash.get(..DIGITS).unwrap_or(hash).to_owned();
    reaches.iter().map(|(label, hash)| (label.clone(), cut(hash))).collect()
}

fn whole(reaches: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let all: Vec<&str> = reaches.iter().flat_map(|(label, hash)| [label.as_str(), hash.as_str()]).collect();
    let rest = (REST.to_owned(), crate::model::hash(&all));
    let calls = reaches.iter().filter(|(label, _)| label.starts_with(CALLS));
    calls.map(|(label, hash)| (label.clone(), hash.clone())).chain([rest]).collect()
}

fn pack(reaches: &BTreeMap<String, String>) -> io::Result<String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&serde_json::to_vec(reaches)?)?;
    Ok(format!("{MARK}{}", STANDARD.encode(encoder.finish()?)))
}

fn unpack(text: &str) -> Option<String> {
    let packed = STANDARD.decode(text).ok()?;
    let mut json = String::new();
    GzDecoder::new(packed.as_slice()).take(UNPACKED).read_to_string(&mut json).ok()?;
    Some(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaches(count: usize) -> BTreeMap<String, String> {
        let hash = |number: usize| blake3::hash(&number.to_le_bytes()).to_hex()[..32].to_owned();
        let helpers = (0..count).map(|number| (format!("helper some_helper_{number}()"), hash(number)));
        helpers.chain([("the signature of entry()".to_owned(), hash(count))]).collect()
    }

    #[test]
    fn it_stays_small_and_changes_are_told_however_much_is_reached() {
        for count in [0, 100, 1_000, 4_200, 10_000, 40_000] {
            let before = reaches(count);
            let text = write(&before);
            assert!(text.len() <= PACKED, "{count}: {}", text.len());
            let kept = read(&text);
            assert!(app::reasons(&kept, &alike(&kept, &before)).is_empty(), "{count}: the same is no change");
            assert!(kept.keys().any(|label| label == "the signature of entry()"), "{count}");
            let mut after = before.clone();
            after.insert("helper some_helper_7()".to_owned(), "0123456789abcdef0123456789abcdef".to_owned());
            assert!(!app::reasons(&kept, &alike(&kept, &after)).is_empty(), "{count}: a change is told");
        }
    }

    #[test]
    fn what_is_not_ours_reads_as_nothing() {
        for text in ["", "{", "gzip:", "gzip:AAAA", "[]"] {
            assert!(read(text).is_empty(), "{text}");
        }
    }
}
