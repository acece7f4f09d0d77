//! Values as they are written.

use recordings::send::Tempo;

/// `256M` and the like: powers of 1024, as Docker reads them.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..].to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        _ => None,
    };
    let size = shift.and_then(|shift| digits.parse::<u64>().ok()?.checked_mul(1 << shift));
    size.filter(|size| *size > 0).ok_or_else(|| "a size such as 512K, 256M or 2G".to_owned())
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds from 0.001 to 86400".to_owned()),
    }
}

pub(super) fn cpus(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(cpus) if (0.01..=1024.0).contains(&cpus) => Ok(cpus),
        _ => Err("a number of CPUs from 0.01, e.g. 0.5".to_owned()),
    }
}

pub(super) fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(tolerance) if (0.0..=1.0).contains(&tolerance) => Ok(tolerance),
        _ => Err("a share from 0 to 1, e.g. 1e-9".to_owned()),
    }
}

pub(super) fn pace(text: &str) -> Result<Tempo, String> {
    match text.strip_suffix('x').map(str::parse) {
        _ if text == "fast" => Ok(Tempo::Fast),
        Some(Ok(times)) if (0.001..=1e6).contains(&times) => Ok(Tempo::Recorded(times)),
        _ => Err("a pace such as 1x, 2.5x or fast".to_owned()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, expected) in
            [("1", 1), ("512K", 512 << 10), ("8M", 8 << 20), ("256mb", 256 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(bytes(text).unwrap(), expected, "{text}");
        }
        for text in ["", "M", "8X", "-1", "0", "99999999999G"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
