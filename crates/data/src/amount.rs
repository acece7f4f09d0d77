//! Amounts as people write them: sizes, shares and durations.

/// Reads a size in bytes: `1500`, `64KiB`, `50GiB`, `2TB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size: write a number with a unit, such as 64KiB, 50GiB or 2TB");
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let each: u64 = match unit {
        "" | "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(each).ok_or_else(wrong)
}

/// Reads a share in percent: `10%`.
pub fn percent(text: &str) -> Result<u8, String> {
    let wrong = || format!("{text:?} is no share: write a whole number from 0 to 100 with a percent sign, such as 10%");
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    // A sign in front would be read, too.
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u8 = number.parse().map_err(|_| wrong())?;
    if is_plain && number <= 100 { Ok(number) } else { Err(wrong()) }
}

/// Reads a duration in milliseconds: `30s`, `1m`, `2h`. It is at least a second and at most a year.
pub fn duration(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no duration from a second to a year: write such as 30s, 5m or 1h");
    let read: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    let millis = u64::try_from(read.as_millis()).map_err(|_| wrong())?;
    if (1_000..=365 * 86_400_000).contains(&millis) { Ok(millis) } else { Err(wrong()) }
}

/// Writes a size for people.
pub fn size(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(each, _)| bytes >= *each);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(each, unit)| {
            let tenths = u128::from(bytes) * 10 / u128::from(each);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units_and_bounds() {
        assert_eq!(bytes("50GiB"), Ok(50 << 30));
        assert_eq!(bytes("2TB"), Ok(2_000_000_000_000));
        assert_eq!(bytes("1500"), Ok(1_500));
        for wrong in ["", "GiB", "1 GiB", "-1", "1.5GiB", "1gib", "99999999999TiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        assert_eq!((percent("10%"), percent("0%"), percent("100%")), (Ok(10), Ok(0), Ok(100)));
        for wrong in ["10", "101%", "-1%", "+1%", "%", "1.5%"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
        assert_eq!((duration("30s"), duration("1m"), duration("1h")), (Ok(30_000), Ok(60_000), Ok(3_600_000)));
        for wrong in ["", "10", "0s", "-1m", "500ms", "9000h", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!((size(12), size(1_536), size(u64::MAX)), ("12 B".into(), "1.5 KiB".into(), "16777215.9 TiB".into()));
    }
}
