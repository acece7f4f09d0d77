//! What a request works on, and how new that has to be: `Dyninka-Data: images/cats/1.jpg, models` and
//! `Dyninka-Data-Version: images=42, models=*`.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use crate::near::NearNeed;

/// Buckets that one request may name.
const MOST: usize = 64;
/// Bytes of a header's value.
const LONGEST: usize = 8 << 10;
/// Characters of a key that stand for themselves; any other is `%` and two digits.
const PLAIN: &[u8] = b"-._~/!$&'()*+:;=@";

/// A bucket that a request works on, or an object of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataNeed {
    pub bucket: String,
    pub key: Option<String>,
}

/// How new a bucket has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeededVersion {
    /// This change and all before it.
    AtLeast(u64),
    /// All that the master has: the number of a write is not known.
    Master,
}

/// The versions that a request needs, by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataVersions(pub BTreeMap<String, NeededVersion>);

/// What a request needs of buckets, by its headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestData {
    /// `Dyninka-Data`, as it came.
    pub text: String,
    pub needs: Vec<DataNeed>,
    pub versions: DataVersions,
}

/// A header that does not read: what is wrong, and at which character, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{header} does not read at character {at}: {why}")]
pub struct DataHeaderError {
    pub header: &'static str,
    pub at: usize,
    pub why: &'static str,
}

/// Reads `Dyninka-Data`.
pub fn read_data(value: &str) -> Result<Vec<DataNeed>, DataHeaderError> {
    let wrong = |at: usize, why| DataHeaderError { header: "Dyninka-Data", at: at + 1, why };
    let mut needs = Vec::new();
    for (at, item) in items(value).map_err(|(at, why)| wrong(at, why))? {
        let (bucket, key) = item.split_once('/').map_or((item, None), |(bucket, key)| (bucket, Some(key)));
        bucket_name(bucket).map_err(|(inside, why)| wrong(at + inside, why))?;
        let key = key.map(|key| decoded(key).map_err(|(inside, why)| wrong(at + bucket.len() + 1 + inside, why)));
        needs.push(DataNeed { bucket: bucket.to_owned(), key: key.transpose()? });
    }
    Ok(needs)
}

impl RequestData {
    /// Reads both headers.
    pub fn read(data: Option<&str>, versions: Option<&str>) -> Result<Self, DataHeaderError> {
        Ok(Self {
            text: data.unwrap_or_default().to_owned(),
            needs: data.map(read_data).transpose()?.unwrap_or_default(),
            versions: versions.map(DataVersions::read).transpose()?.unwrap_or_default(),
        })
    }

    /// What an instance has to hold: the buckets that the request names, else the service's own.
    pub fn needs<'a>(&'a self, own: Option<&'a str>) -> Vec<NearNeed<'a>> {
        let mut needs: Vec<NearNeed<'a>> = Vec::new();
        let named = self.needs.iter().map(|need| need.bucket.as_str());
        for bucket in named.chain(own.filter(|_| self.needs.is_empty())) {
            if needs.iter().all(|known| known.bucket != bucket) {
                needs.push(self.need(bucket));
            }
        }
        needs
    }

    /// How new a bucket has to be.
    pub fn need<'a>(&self, bucket: &'a str) -> NearNeed<'a> {
        NearNeed { bucket, version: self.versions.0.get(bucket).copied() }
    }
}

impl DataVersions {
    /// Reads `Dyninka-Data-Version`. Of a bucket that stands in it twice the newer version counts.
    pub fn read(value: &str) -> Result<Self, DataHeaderError> {
        let wrong = |at: usize, why| DataHeaderError { header: "Dyninka-Data-Version", at: at + 1, why };
        let mut versions = Self::default();
        for (at, item) in items(value).map_err(|(at, why)| wrong(at, why))? {
            let Some((bucket, number)) = item.split_once('=') else {
                return Err(wrong(at + item.len(), "= and a number are missing"));
            };
            bucket_name(bucket).map_err(|(inside, why)| wrong(at + inside, why))?;
            let behind = at + bucket.len() + 1;
            let version = match number {
                "*" => NeededVersion::Master,
                number => {
                    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
                    if digits == 0 || digits < number.len() {
                        return Err(wrong(behind + digits, "a version is a number or *"));
                    }
                    let number = number.parse().map_err(|_| wrong(behind, "no bucket has so many changes"))?;
                    NeededVersion::AtLeast(number)
                }
            };
            versions.need(bucket, version);
        }
        Ok(versions)
    }

    /// Adds what another hop wrote or saw.
    pub fn join(&mut self, other: &Self) {
        for (bucket, version) in &other.0 {
            self.need(bucket, *version);
        }
    }

    /// Asks for a version of a bucket, where a newer one is not asked for already.
    pub fn need(&mut self, bucket: &str, version: NeededVersion) {
        let known = self.0.entry(bucket.to_owned()).or_insert(version);
        *known = (*known).max(version);
    }
}

impl Display for DataVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (bucket, version)) in self.0.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            match version {
                NeededVersion::AtLeast(version) => write!(f, "{comma}{bucket}={version}")?,
                NeededVersion::Master => write!(f, "{comma}{bucket}=*")?,
            }
        }
        Ok(())
    }
}

impl Display for DataNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.bucket)?;
        let Some(key) = &self.key else { return Ok(()) };
        f.write_str("/")?;
        for byte in key.bytes() {
            if is_plain(byte) { write!(f, "{}", char::from(byte))? } else { write!(f, "%{byte:02X}")? }
        }
        Ok(())
    }
}

/// What is wrong, and how far in.
type Inside = (usize, &'static str);

/// The items of a list, each with its place; spaces around them are of no account.
fn items(value: &str) -> Result<Vec<(usize, &str)>, Inside> {
    header_items(value, ("the name of a bucket is missing", "it names more than 64 buckets"))
}

/// The same of any list, with the words for an item that is missing and for too many.
pub(crate) fn header_items<'a>(
    value: &'a str,
    (missing, many): (&'static str, &'static str),
) -> Result<Vec<(usize, &'a str)>, Inside> {
    if value.len() > LONGEST {
        return Err((LONGEST, "it is longer than 8 KiB"));
    }
    let (mut items, mut at) = (Vec::new(), 0);
    for part in value.split(',') {
        let item = part.trim_matches([' ', '\t']);
        let start = at + (part.len() - part.trim_start_matches([' ', '\t']).len());
        if item.is_empty() {
            return Err((start, missing));
        }
        if items.len() == MOST {
            return Err((start, many));
        }
        items.push((start, item));
        at += part.len() + 1;
    }
    Ok(items)
}

fn bucket_name(name: &str) -> Result<(), Inside> {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let wrong = name.bytes().position(|byte| !is_inner(byte) && byte != b'-' && byte != b'.');
    if let Some(at) = wrong {
        return Err((at, "a bucket's name has lower-case letters, digits, - and ."));
    }
    let has_ends = name.bytes().next().is_some_and(is_inner) && name.bytes().last().is_some_and(is_inner);
    if !(3..=63).contains(&name.len()) || !has_ends {
        return Err((0, "a bucket's name has 3 to 63 characters, and a letter or a digit at both ends"));
    }
    Ok(())
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || PLAIN.contains(&byte)
}

/// A key as the store has it.
fn decoded(text: &str) -> Result<String, Inside> {
    if text.is_empty() {
        return Err((0, "the key is missing"));
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&byte, behind)) = rest.split_first() {
        let at = text.len() - rest.len();
        rest = behind;
        if byte != b'%' {
            if !is_plain(byte) {
                return Err((at, "this character of a key is written as % and two digits"));
            }
            bytes.push(byte);
            continue;
        }
        let digit = |at: usize| behind.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (digit(0), digit(1)) {
            (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
            _ => return Err((at, "% is followed by two hexadecimal digits")),
        }
        rest = &behind[2..];
    }
    match String::from_utf8(bytes) {
        Ok(key) if !key.contains('\0') => Ok(key),
        Ok(_) => Err((0, "a key has no NUL")),
        Err(_) => Err((0, "the key is no UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data(value: &str) -> Result<Vec<String>, String> {
        let texts =
            |needs: Vec<DataNeed>| needs.into_iter().map(|need| format!("{} {:?}", need.bucket, need.key)).collect();
        read_data(value).map(texts).map_err(|error| error.to_string())
    }

    #[test]
    fn data_is_a_list_of_buckets_and_keys() {
        for (value, wanted) in [
            ("images", vec!["images None"]),
            ("images/cats/1.jpg, models", vec!["images Some(\"cats/1.jpg\")", "models None"]),
            (" images/a%2Cb%20%C3%BC ,models\t", vec!["images Some(\"a,b ü\")", "models None"]),
            ("images,images/a", vec!["images None", "images Some(\"a\")"]),
        ] {
            assert_eq!(data(value), Ok(wanted.into_iter().map(str::to_owned).collect()), "{value}");
        }
    }

    #[test]
    fn what_does_not_read_is_told_with_its_character() {
        let many = vec!["abc"; 65].join(",");
        let long = format!("images/{}", "a".repeat(LONGEST));
        for (value, at) in [
            ("", 1),
            ("images,", 8),
            ("images,,models", 8),
            ("Images", 1),
            ("imAges", 3),
            ("im", 1),
            ("images-", 1),
            ("images/", 8),
            ("images/a b", 9),
            ("images, models/ü", 16),
            ("images/a%2", 9),
            ("images/a%2g", 9),
            ("images/%00", 8),
            ("images/%FF", 8),
            ("images\r\nx", 7),
            (&many, 257),
            (&long, LONGEST + 1),
        ] {
            assert_eq!(read_data(value).map_err(|error| error.at), Err(at), "{value:.40}");
        }
        let words =
            "Dyninka-Data does not read at character 3: a bucket's name has lower-case letters, digits, - and .";
        assert_eq!(data("imAges"), Err(words.to_owned()));
    }

    #[test]
    fn versions_are_numbers_or_the_master_and_join_to_the_newest() {
        let read =
            |value: &str| DataVersions::read(value).map(|versions| versions.to_string()).map_err(|error| error.at);
        for (value, wanted) in [
            ("images=42", Ok("images=42")),
            ("models=1 , images=0", Ok("images=0, models=1")),
            ("images=*, images=9", Ok("images=*")),
            ("images=9,images=12", Ok("images=12")),
            ("images=18446744073709551615", Ok("images=18446744073709551615")),
            ("images=18446744073709551616", Err(8)),
            ("images", Err(7)),
            ("images=", Err(8)),
            ("images=-1", Err(8)),
            ("images=1x", Err(9)),
            ("images=**", Err(8)),
            ("=1", Err(1)),
            ("", Err(1)),
        ] {
            assert_eq!(read(value), wanted.map(str::to_owned), "{value}");
        }
        let all = ["images=3", "images=*, models=7", "images=9, models=2"]
            .map(|value| DataVersions::read(value).expect("it reads"));
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut joined = DataVersions::default();
            order.into_iter().for_each(|at: usize| joined.join(&all[at]));
            assert_eq!(joined.to_string(), "images=*, models=7");
        }
    }

    #[test]
    fn request_needs_what_it_names_and_else_what_its_service_works_on() {
        let read = |data, versions| RequestData::read(data, versions).expect("it reads");
        let needs = |of: &RequestData| {
            of.needs(Some("images"))
                .iter()
                .map(|need| format!("{} {:?}", need.bucket, need.version))
                .collect::<Vec<_>>()
        };
        assert_eq!(needs(&read(None, None)), ["images None"]);
        assert_eq!(needs(&read(None, Some("images=*"))), ["images Some(Master)"]);
        let both = read(Some("models/a, models/b, texts"), Some("models=4"));
        assert_eq!(needs(&both), ["models Some(AtLeast(4))", "texts None"]);
        assert!(read(None, None).needs(None).is_empty());
        assert!(RequestData::read(Some("a"), None).is_err() && RequestData::read(None, Some("a")).is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused_within_it(value in "\\PC{0,80}") {
            for error in [read_data(&value).err(), DataVersions::read(&value).err()].into_iter().flatten() {
                prop_assert!((1..=value.len() + 1).contains(&error.at));
            }
        }

        #[test]
        fn a_need_reads_as_it_was_written(bucket in "[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", key in proptest::option::of("[^\0]{1,40}")) {
            let need = DataNeed { bucket, key };
            let text = need.to_string();
            prop_assert!(text.is_ascii());
            prop_assert_eq!(read_data(&format!("{text}, models")).map(|needs| needs[0].clone()), Ok(need));
        }
    }
}
