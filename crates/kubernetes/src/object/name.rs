//! What objects are called.

use crate::model::hash;

/// The port of a service inside the cluster.
pub const PORT: u16 = 80;
/// The longest name of a Service, and the longest value of a label (RFC 1035, 2.3.4).
const LONGEST: usize = 63;
/// The longest name of objects that are no host's (RFC 1123, as Kubernetes reads it).
const LONGEST_SUBDOMAIN: usize = 253;
/// What of a name is a place's at most.
const LONGEST_PLACE: usize = 24;
/// Digits that tell a name apart that had to be changed.
const MARK: usize = 8;

/// The name of a service in one wire form: of its Deployment and of the Service that leads to it. `NAME-wWIRE`, where
/// eight digits stand for the form, and NAME is cut and told apart by a hash where it does not fit.
pub fn of_form(dns: &str, wire: &str) -> String {
    with(dns, &format!("w{}", wire.get(..8).unwrap_or(wire)))
}

/// The same in one place: `NAME-wWIRE-PLACE`.
pub fn of_place(dns: &str, wire: &str, place: &str) -> String {
    with(dns, &format!("w{}-{}", wire.get(..8).unwrap_or(wire), within(place, LONGEST_PLACE)))
}

/// The name of a group's Deployment: `NAME-gHASH`, where eight digits stand for its members and their schemas.
pub(crate) fn of_group(group: &str, hash: &str) -> String {
    with(&plain(group), &format!("g{}", hash.get(..8).unwrap_or(hash)))
}

/// A group's name as a label's value.
pub(crate) fn of_group_label(group: &str) -> String {
    within(&plain(group), LONGEST)
}

/// The name of a service's port in the pods of a group, which has at most 15 characters.
pub(crate) fn of_port(dns: &str) -> String {
    format!("s{}", &hash(&[dns])[..10])
}

/// The name of a ConfigMap with some content.
pub(crate) fn of_config(dns: &str, content: &str) -> String {
    with(dns, &format!("c{}", &hash(&[content])[..12]))
}

/// The name of what an app has one of: its Secret, its Lease, its Ingress. Names that are no DNS label are told apart
/// by a hash.
pub fn of_app(app: &str, what: &str) -> String {
    with(&format!("dyninka-{}", plain(app)), what)
}

/// The name of the ConfigMap that keeps a push.
pub fn of_record(app: &str, number: u32) -> String {
    with(&plain(app), &format!("push-{number}"))
}

/// The value of a label that says of which app an object is: the app's name where that can be a label's value, else one
/// that stands for it.
pub(crate) fn of_label(app: &str) -> String {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = app.as_bytes();
    let inner = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
    // One that looks as if it stood for another might be taken for it.
    let stands_for = app.strip_prefix("app-").is_some_and(|hash| is_hash(hash, 16));
    if inner && ends(bytes.first()) && ends(bytes.last()) && bytes.len() <= LONGEST && !stands_for {
        app.to_owned()
    } else {
        format!("app-{}", hash(&[app]))
    }
}

/// An app's name as a DNS label but for its length, told apart by a hash where it is none itself, or looks as if it had
/// been told apart.
pub(crate) fn plain(app: &str) -> String {
    let lower = app.to_ascii_lowercase();
    let is_label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let plain: String = lower.chars().map(|c| if is_label(c) { c } else { '-' }).collect();
    let plain = plain.trim_matches('-');
    let is_marked = plain.rsplit('-').next().is_some_and(|mark| is_hash(mark, MARK));
    if plain == app && !is_marked {
        plain.to_owned()
    } else {
        format!("{plain}-{}", &hash(&[app])[..MARK]).trim_start_matches('-').to_owned()
    }
}

fn is_hash(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A name with a suffix, within what a DNS label holds.
fn with(name: &str, suffix: &str) -> String {
    format!("{}-{suffix}", within(name, LONGEST - suffix.len() - 1))
}

/// A name within some room, more than nine characters; one that is cut is told apart by a hash.
pub(crate) fn within(name: &str, room: usize) -> String {
    if name.len() <= room {
        return name.to_owned();
    }
    let short = name.get(..room - MARK - 1).unwrap_or(name).trim_end_matches('-');
    format!("{short}-{}", &hash(&[name])[..MARK])
}

/// Why Kubernetes would not take objects by their names, in words: a name that is none of its kind's, or two of a kind
/// with one name. Looked at before anything is built, sent or written.
pub fn unfit(objects: &[serde_json::Value], reserved: &[(&str, String)]) -> Option<String> {
    let mut seen: std::collections::BTreeSet<(&str, &str)> =
        reserved.iter().map(|(kind, name)| (*kind, name.as_str())).collect();
    for object in objects {
        let kind = object["kind"].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if let Some(why) = unfit_name(kind, name) {
            return Some(format!("the name {name:?} of a {kind} {why}"));
        }
        if !seen.insert((kind, name)) {
            return Some(format!("two objects would be the {kind} {name}"));
        }
        for (key, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            let inner = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            let ends = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
            if value.len() > LONGEST || !inner || !ends(value.bytes().next()) || !ends(value.bytes().last()) {
                return Some(format!("{value:?} cannot be the label {key} of the {kind} {name}"));
            }
        }
    }
    None
}

/// Why a name is none of a kind's objects: a Service's is a label of RFC 1035, all others' are subdomains of RFC 1123.
fn unfit_name(kind: &str, name: &str) -> Option<String> {
    let longest = if kind == "Service" { LONGEST } else { LONGEST_SUBDOMAIN };
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        label.bytes().all(|byte| is_end(byte) || byte == b'-')
            && label.bytes().next().is_some_and(is_end)
            && label.bytes().last().is_some_and(is_end)
    };
    if name.len() > longest {
        return Some(format!("has {} characters, and at most {longest} are allowed", name.len()));
    }
    let is_one = match kind {
        "Service" => is_label(name) && name.starts_with(|first: char| first.is_ascii_lowercase()),
        _ => name.split('.').all(is_label),
    };
    (!is_one).then(|| "is not of lower-case letters, digits and hyphens with letters or digits at its ends".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_fit_a_label_and_stay_apart() {
        let long = "a".repeat(60);
        let other = format!("{}b", "a".repeat(59));
        let (one, another) = (of_form(&long, "0123456789abcdef"), of_form(&other, "0123456789abcdef"));
        assert!(one.len() == 63 && one.ends_with("-w01234567"), "{one}");
        assert_ne!(one, another);
        assert_eq!(of_form("get", "0123456789abcdef"), "get-w01234567");
        assert_eq!(of_form(&"a".repeat(53), "0123456789abcdef").len(), 63);
        assert_eq!(of_place("get", "0123456789abcdef", "hpc"), "get-w01234567-hpc");
        let in_long = of_place(&long, "0123456789abcdef", &long);
        assert!(in_long.len() == 63 && in_long.contains("-w01234567-aaa"), "{in_long}");
        // The cut does not leave two dashes, which some resolvers take for an encoded name.
        let dashed = format!("{}-{}", "a".repeat(43), "b".repeat(16));
        assert!(!of_form(&dashed, "0123456789abcdef").contains("--"));
    }

    #[test]
    fn an_app_of_any_name_has_names_of_objects() {
        assert_eq!(of_app("building", "key"), "dyninka-building-key");
        let names = ["my_app", "my-app", "My_App", "größe", "a b", "."].map(|app| of_app(app, "key"));
        for name in &names {
            assert!(
                name.len() <= 63 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
        }
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn what_kubernetes_would_refuse_is_found() {
        let object = |kind: &str, name: &str| serde_json::json!({ "kind": kind, "metadata": { "name": name } });
        for (kind, name) in [
            ("ConfigMap", "my_app-push-1"),
            ("ConfigMap", "MyApp"),
            ("ConfigMap", "a..b"),
            ("Service", "1st"),
            ("Service", "get-"),
            ("Service", ""),
            ("Service", &"a".repeat(64)),
        ] {
            assert!(unfit(&[object(kind, name)], &[]).is_some(), "{kind} {name}");
        }
        assert_eq!(unfit(&[object("ConfigMap", "1st.of-two"), object("Service", "get")], &[]), None);
        let twice = unfit(&[object("Service", "get"), object("Service", "get")], &[]);
        assert_eq!(twice.as_deref(), Some("two objects would be the Service get"));
        let taken = unfit(&[object("Service", "dyninka-app-images")], &[("Service", of_app("app", "images"))]);
        assert!(taken.is_some_and(|why| why.contains("dyninka-app-images")));
    }

    #[test]
    fn a_name_that_looks_like_another_that_was_told_apart_is_told_apart_itself() {
        let marked = plain("my_app");
        assert_ne!(plain(&marked), marked);
        let stands_for = of_label("größe");
        assert_ne!(of_label(&stands_for), stands_for);
    }
}
