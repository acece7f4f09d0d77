//! Durations as people write them.

use std::time::Duration;

/// Reads `250us`, `100ms`, `60s`, `5m`, `1h` or `1d`; the hint where it is none of these.
pub fn duration(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        "" => return Err(format!("say the unit, as in \"{number}ms\" or \"{number}s\"")),
        _ => return Err("units are us, ms, s, m, h and d".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "write it as \"100ms\", \"60s\" or \"5m\"".to_owned())?;
    if number < 0.0 {
        return Err("a duration cannot be negative".to_owned());
    }
    Duration::try_from_secs_f64(number * unit).map_err(|_| "that is longer than any clock runs".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit_and_refused_with_a_hint() {
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("20").expect_err("no unit"), "say the unit, as in \"20ms\" or \"20s\"");
        assert_eq!(duration("-1ms").expect_err("negative"), "a duration cannot be negative");
        for wrong in ["", "s", "1e400h", "NaNs", "5 s", "5x"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
