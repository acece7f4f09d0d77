//! Times in words.

/// Milliseconds with as many digits as matter.
pub(crate) fn ms(ms: f64) -> String {
    match ms {
        _ if ms < 10.0 => format!("{ms:.2} ms"),
        _ if ms < 100.0 => format!("{ms:.1} ms"),
        _ if ms < 10_000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1000.0),
    }
}

/// How long ago something was: seconds, minutes, hours.
pub(crate) fn ago(now_ms: u64, then_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(then_ms) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `map@3f2a`: as much of a version's hash as tells two versions apart for a person.
pub(crate) fn short(version: &str) -> &str {
    let end = version.find('@').and_then(|at| version[at..].char_indices().nth(5).map(|(more, _)| at + more));
    end.map_or(version, |end| &version[..end])
}

/// `1 call`, `2 calls`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
