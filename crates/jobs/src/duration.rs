//! Durations as people write them: `250ms`, `10s`, `15m`, `24h`, `30d`.

/// Reads a duration, in milliseconds. A number alone has no unit and is refused.
pub fn read(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no duration: write a number with a unit, such as 250ms, 10s, 15m, 24h or 7d");
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let each = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = number.checked_mul(each).filter(|millis| *millis <= LONGEST_MS);
    millis.ok_or_else(|| format!("{text:?} is longer than ten years"))
}

/// Writes a duration in its largest whole unit.
pub fn write(millis: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.into_iter().find(|(each, _)| millis > 0 && millis.is_multiple_of(*each));
    unit.map_or_else(|| format!("{millis}ms"), |(each, unit)| format!("{}{unit}", millis / each))
}

/// Ten years.
const LONGEST_MS: u64 = 3_650 * 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_an_end() {
        for (text, millis) in [("0s", 0), ("250ms", 250), ("10s", 10_000), ("15m", 900_000), ("7d", 604_800_000)] {
            assert_eq!(read(text), Ok(millis), "{text}");
        }
        for wrong in ["", "10", "s", "-1s", "1.5s", "1 s", "1S", "1w", "99999999999999999999s", "3651d", "１s"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        for millis in [0, 1, 999, 1_000, 60_000, 90_000, 3_600_000, 86_400_000] {
            assert_eq!(read(&write(millis)), Ok(millis));
        }
    }
}
