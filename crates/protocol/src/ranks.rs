//! Whether one sample of times is larger than another: the Mann-Whitney U test.
//!
//! Times are skewed and have outliers, so means say little and a t-test assumes what is not so; ranks assume nothing
//! of the shape. Mann and Whitney, "On a Test of Whether one of Two Random Variables is Stochastically Larger than the
//! Other", Annals of Mathematical Statistics 18 (1947); normal approximation with the correction for ties and for
//! continuity as in Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 3rd edition, section 4.1.

/// What the test finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranks {
    /// U of the second sample: pairs in which its value is the larger one, ties counted half.
    pub u: f64,
    /// How likely a difference at least this large is where there is none (two-sided).
    pub p: f64,
    /// The chance that a value of the second sample is larger than one of the first, ties counted half. 0.5: alike.
    pub larger: f64,
}

/// Compares two samples. None where one is empty.
pub fn compare(first: &[u64], second: &[u64]) -> Option<Ranks> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let mut all: Vec<_> = first.iter().map(|&value| (value, false)).collect();
    all.extend(second.iter().map(|&value| (value, true)));
    all.sort_unstable();
    let (mut rank_sum, mut ties, mut before) = (0.0, 0.0, 0.0);
    for equal in all.chunk_by(|(a, _), (b, _)| a == b) {
        let count = equal.len() as f64;
        // The mean of the ranks they hold together, counted from 1.
        let rank = before + (count + 1.0) / 2.0;
        rank_sum += rank * equal.iter().filter(|(_, second)| *second).count() as f64;
        ties += count * (count * count - 1.0);
        before += count;
    }
    let (m, n) = (first.len() as f64, second.len() as f64);
    let (u, pairs, both) = (rank_sum - n * (n + 1.0) / 2.0, m * n, m + n);
    let variance = pairs / 12.0 * (both + 1.0 - ties / (both * (both - 1.0)));
    let distance = ((u - pairs / 2.0).abs() - 0.5).max(0.0);
    // No variance: every value is the same.
    let p = if variance > 0.0 { libm::erfc(distance / (2.0 * variance).sqrt()) } else { 1.0 };
    Some(Ranks { u, p: p.min(1.0), larger: u / pairs })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn scipy_s_documented_example() {
        // scipy.stats.mannwhitneyu: U 17, p 0.11134688653314041 with method="asymptotic".
        let found = compare(&[20, 11, 17, 12], &[19, 22, 16, 29, 24]).unwrap();
        assert_eq!(found.u, 17.0);
        assert!((found.p - 0.111_346_886_533_140_41).abs() < 1e-12, "{found:?}");
        assert_eq!(found.larger, 0.85);
    }

    #[test]
    fn r_s_documented_example_with_ties() {
        // R, ?wilcox.test: Ozone by Month of airquality, May against August: W 127.5, p 0.0001208.
        let may = [41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115, 37];
        let august =
            [39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118, 84, 85];
        let found = compare(&august, &may).unwrap();
        assert_eq!(found.u, 127.5);
        assert!((found.p - 0.000_120_8).abs() < 5e-8, "{found:?}");
        let other = compare(&may, &august).unwrap();
        assert_eq!((other.u, other.p), (26.0 * 26.0 - 127.5, found.p));
    }

    #[test]
    fn what_is_alike_is_no_evidence() {
        assert_eq!(compare(&[5; 40], &[5; 40]), Some(Ranks { u: 800.0, p: 1.0, larger: 0.5 }));
        let same: Vec<u64> = (0..50).collect();
        assert_eq!(compare(&same, &same).unwrap().p, 1.0);
        assert_eq!(compare(&[], &[1]), None);
        assert_eq!(compare(&[1], &[1]), Some(Ranks { u: 0.5, p: 1.0, larger: 0.5 }));
    }
}
