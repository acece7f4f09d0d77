//! What objects are called.

use crate::model::hash;

/// The port of a service inside the cluster.
pub const PORT: u16 = 80;
/// The longest name of a Service, and the longest value of a label (RFC 1035, 2.3.4).
const LONGEST: usize = 63;

/// The name of a service in one wire form: of its Deployment and of the Service that leads to it. `NAME-wWIRE`, where
/// eight digits stand for the form, and NAME is cut and told apart by a hash where it does not fit.
pub fn of_form(dns: &str, wire: &str) -> String {
    with(dns, &format!("w{}", wire.get(..8).unwrap_or(wire)))
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

/// An app's name as a DNS label, told apart by a hash where it is none itself.
pub(crate) fn plain(app: &str) -> String {
    let lower = app.to_ascii_lowercase().replace('_', "-");
    let is_label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let plain: String = lower.chars().map(|c| if is_label(c) { c } else { '-' }).collect();
    let plain = plain.trim_matches('-');
    if plain == app {
        plain.to_owned()
    } else {
        format!("{plain}-{}", &hash(&[app])[..8]).trim_start_matches('-').to_owned()
    }
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
    let short = name.get(..room - 9).unwrap_or(name).trim_end_matches('-');
    format!("{short}-{}", &hash(&[name])[..8])
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
}
