//! Figures as a person reads them: three digits and a unit, the same in every front end.

/// Nanoseconds: `350 ns`, `12 µs`, and on as [`micros`].
pub fn nanos(nanos: u64) -> String {
    if nanos < 1_000 { format!("{nanos} ns") } else { micros(nanos / 1_000) }
}

/// Microseconds: `850 µs`, `1.20 ms`, `3.4 s`.
pub fn micros(micros: u64) -> String {
    if micros < 1_000 { format!("{micros} µs") } else { millis(micros as f64 / 1_000.0) }
}

/// Milliseconds: `0.35 ms`, `12.3 ms`, `84 ms`, `3.40 s`.
pub fn millis(millis: f64) -> String {
    if millis < 999.5 { format!("{} ms", digits(millis)) } else { format!("{} s", digits(millis / 1_000.0)) }
}

/// Bytes, in powers of ten: `350 B`, `242 kB`, `1.20 MB`.
pub fn bytes(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 999.5 => format!("{bytes} B"),
        b if b < 999_500.0 => format!("{} kB", digits(b / 1e3)),
        b if b < 999_500_000.0 => format!("{} MB", digits(b / 1e6)),
        b => format!("{} GB", digits(b / 1e9)),
    }
}

/// A rate a second, or any figure that wants three digits: `0.2`, `12.3`, `1.2k`.
pub fn rate(rate: f64) -> String {
    match rate {
        r if r < 0.05 => "0".into(),
        r if r < 99.95 => format!("{r:.1}"),
        r if r < 9_999.5 => format!("{r:.0}"),
        r if r < 999_500.0 => format!("{}k", digits(r / 1_000.0)),
        r => format!("{}M", digits(r / 1_000_000.0)),
    }
}

/// A count: `9999`, `12.3k`.
pub fn count(n: u64) -> String {
    if n < 10_000 { n.to_string() } else { rate(n as f64) }
}

/// An age: `now`, `12 s`, `3 min`, `2 h`, `4 d`.
pub fn age(millis: u64) -> String {
    match millis / 1_000 {
        0 => "now".into(),
        s @ 1..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min", s / 60),
        s @ 3_600..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

/// An age in a sentence: `now`, `12 s ago`.
pub fn ago(millis: u64) -> String {
    if millis < 1_000 { "now".into() } else { format!("{} ago", age(millis)) }
}

/// A moment of the session: `0:07`, `12:34`, `1:02:03`.
pub fn clock(millis: u64) -> String {
    let seconds = millis / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `1 error`, `2 errors`.
pub fn many(n: usize, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

/// The seven first digits of a version's hash.
pub fn short(version: &str) -> &str {
    let hash = version.rsplit('@').next().unwrap_or(version);
    hash.char_indices().nth(7).map_or(hash, |(at, _)| &hash[..at])
}

fn digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        let said: Vec<_> = [0, 999, 1_000, 9_994, 9_996, 12_340, 84_100, 999_600, 3_400_000].map(micros).into();
        let expected = ["0 µs", "999 µs", "1.00 ms", "9.99 ms", "10.0 ms", "12.3 ms", "84.1 ms", "1.00 s", "3.40 s"];
        assert_eq!(said, expected);
        assert_eq!(nanos(350), "350 ns");
        let said: Vec<_> = [0, 999, 1_000, 32_358, 242_000, 1_204_000, 3_400_000_000].map(bytes).into();
        assert_eq!(said, ["0 B", "999 B", "1.00 kB", "32.4 kB", "242 kB", "1.20 MB", "3.40 GB"]);
    }

    #[test]
    fn rates_and_counts_stay_narrow() {
        assert_eq!(
            [0.0, 0.24, 12.34, 1_234.4, 20_000.0, 3.2e6].map(rate),
            ["0", "0.2", "12.3", "1234", "20.0k", "3.20M"]
        );
        assert_eq!([9_999, 10_000, 415_359].map(count), ["9999", "10.0k", "415k"]);
    }

    #[test]
    fn times_are_said_in_the_unit_that_fits() {
        assert_eq!([0, 12_000, 61_000, 7_200_000, 400_000_000].map(age), ["now", "12 s", "1 min", "2 h", "4 d"]);
        assert_eq!([999, 12_000].map(ago), ["now", "12 s ago"]);
        assert_eq!([7_000, 754_000, 3_723_000].map(clock), ["0:07", "12:34", "1:02:03"]);
    }

    #[test]
    fn a_version_is_told_by_seven_digits() {
        assert_eq!(short("map@0123456789abcdef"), "0123456");
        assert_eq!(short("éé"), "éé");
    }
}
