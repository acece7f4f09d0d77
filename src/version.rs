//! Which `dyn` this is, and the formats that it speaks.

/// The version, and the commit where it was built in a clone.
pub(crate) fn short() -> String {
    let commit = option_env!("DYN_COMMIT").map(|commit| format!(" ({commit})")).unwrap_or_default();
    format!("{}{commit}", env!("CARGO_PKG_VERSION"))
}

/// The same with a line for each format: another `dyn` understands those of equal numbers.
pub(crate) fn long() -> String {
    let formats = [
        ("session API", session_api::API_VERSION),
        ("recordings", recordings::FORMAT),
        ("library interface", host::LIBRARY_INTERFACE),
        ("headers between services", protocol::header::FORMAT),
    ];
    let lines: Vec<String> = formats.iter().map(|(name, number)| format!("{name}: {number}")).collect();
    format!("{}\n{}", short(), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_a_line() {
        let long = long();
        assert!(long.starts_with(&short()), "{long}");
        for line in ["session API: 1", "recordings: 1", "library interface: ", "headers between services: 1"] {
            assert!(long.contains(line), "{long}");
        }
    }
}
