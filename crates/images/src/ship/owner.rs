//! Whose images are whose: what they are called, so that retention touches none but ours.

use std::collections::BTreeSet;

use crate::Image;

/// An app, at a place it is pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    app: String,
    place: String,
}

/// Digits of a digest in a tag: enough to tell images of one app apart for ever.
const DIGITS: usize = 16;
/// The longest name of an app in a repository's: with registry and folder it has to stay within 255 characters.
const LONGEST: usize = 63;
/// Digits of a place in a tag.
const PLACE: usize = 8;

impl Owner {
    /// `place` tells the clusters and namespaces apart that an app is pushed to (a cluster's UID and a namespace): they
    /// may share a registry, and each keeps and removes its own.
    pub fn new(app: &str, place: &str) -> Self {
        let place = blake3::hash(place.as_bytes()).to_hex()[..PLACE].to_owned();
        Self { app: app.to_owned(), place }
    }

    pub fn app(&self) -> &str {
        &self.app
    }

    /// The app's name as a part of a repository's: lower case, digits and single hyphens. What loses something on the
    /// way gets a mark, so that two apps never share one.
    pub(crate) fn repository(&self) -> String {
        let mut name = String::new();
        for letter in self.app.chars() {
            match letter.to_ascii_lowercase() {
                letter if letter.is_ascii_alphanumeric() => name.push(letter),
                _ if name.is_empty() || name.ends_with('-') => {}
                _ => name.push('-'),
            }
        }
        let name = name.trim_end_matches('-');
        if name == self.app && name.len() <= LONGEST {
            return name.to_owned();
        }
        // What is cut begins alike and is told apart by its mark.
        let name = name.get(..LONGEST - 7).unwrap_or(name).trim_end_matches('-');
        let mark = &blake3::hash(self.app.as_bytes()).to_hex()[..6];
        if name.is_empty() { format!("app-{mark}") } else { format!("{name}-{mark}") }
    }

    /// The tag of an image: service, place, digest.
    pub(crate) fn tag(&self, image: &Image) -> String {
        format!("{}.{}.{}", image.service, self.place, &image.digest.hex()[..DIGITS])
    }

    /// Reads a tag; `None` where it is not one of [`Self::tag`]'s, for whatever place.
    pub(crate) fn read(tag: &str) -> Option<Tag<'_>> {
        let mut parts = tag.rsplitn(3, '.');
        let (digest, place, service) = (parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hex(digest, DIGITS) && is_hex(place, PLACE) && !service.is_empty()).then_some(Tag { place, digest })
    }

    /// Of the tags of a repository, those that may go: ours, of images whose digest none of `keep` (references) names.
    pub(crate) fn unwanted<'t>(&self, tags: &'t BTreeSet<String>, keep: &BTreeSet<String>) -> Unwanted<'t> {
        let kept = |digest: &str| {
            keep.iter().any(|kept| {
                let by_digest = kept.rsplit_once("@sha256:").is_some_and(|(_, hex)| hex.starts_with(digest));
                by_digest || kept.rsplit_once('.').is_some_and(|(_, of_tag)| of_tag == digest)
            })
        };
        let read: Vec<_> = tags.iter().filter_map(|tag| Some((tag.as_str(), Self::read(tag)?))).collect();
        let ours = read.iter().copied().filter(|(_, tag)| tag.place == self.place);
        let (go, stay): (Vec<_>, Vec<_>) = ours.partition(|(_, tag)| !kept(tag.digest));
        let (shared, alone) = go.into_iter().partition::<Vec<_>, _>(|(_, tag)| {
            // The same image, at another place.
            read.iter().any(|(_, other)| other.digest == tag.digest && other.place != self.place)
        });
        let names = |tags: Vec<(&'t str, Tag<'t>)>| tags.into_iter().map(|(name, _)| name).collect();
        Unwanted { alone: names(alone), shared: names(shared), kept: stay.len() }
    }

    /// Whether a tag is ours at this place.
    pub(crate) fn owns(&self, tag: &str) -> bool {
        Self::read(tag).is_some_and(|tag| tag.place == self.place)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag<'t> {
    pub(crate) place: &'t str,
    /// The first digits of the manifest's digest.
    pub(crate) digest: &'t str,
}

/// Tags that may go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unwanted<'t> {
    /// Their images, too.
    pub(crate) alone: Vec<&'t str>,
    /// Their images have to stay: another place has them.
    pub(crate) shared: Vec<&'t str>,
    /// Tags of ours that stay.
    pub(crate) kept: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_named_after_the_app_and_no_two_share_one() {
        let name = |app: &str| Owner::new(app, "").repository();
        assert_eq!(name("smart-building"), "smart-building");
        for (app, start) in [("My App", "my-app-"), ("my_app", "my-app-"), ("__", "app-"), ("größe", "gr-e-")] {
            assert!(name(app).starts_with(start), "{}", name(app));
        }
        assert_ne!(name("My App"), name("my_app"));
        let (one, other) = (name(&"a".repeat(250)), name(&"a".repeat(249)));
        assert!(one.len() <= LONGEST && one != other, "{one} {other}");
    }

    #[test]
    fn only_what_is_ours_and_unwanted_goes() {
        let (here, there) = (Owner::new("app", "here"), Owner::new("app", "there"));
        let tag = |owner: &Owner, service: &str, digit: &str| format!("{service}.{}.{}", owner.place, digit.repeat(16));
        let tags = [
            tag(&here, "map", "a"),
            tag(&here, "map", "b"),
            tag(&here, "reduce", "c"),
            tag(&here, "sum", "e"),
            tag(&there, "map", "d"),
            tag(&there, "reduce", "c"),
            "latest".to_owned(),
            "1.2.3".to_owned(),
            format!("{}.{}", here.place, "a".repeat(16)),
        ];
        let tags: BTreeSet<String> = tags.into_iter().collect();
        let keep = [format!("localhost:5000/dyninka/app@sha256:{}", "a".repeat(64)), tag(&here, "sum", "e")];
        let unwanted = here.unwanted(&tags, &keep.into_iter().collect());
        assert_eq!(unwanted.alone, [tag(&here, "map", "b").as_str()]);
        assert_eq!(unwanted.shared, [tag(&here, "reduce", "c").as_str()]);
        assert_eq!(unwanted.kept, 2);
    }
}
