//! The guard of deletions: what looks like a lost master deletes nothing.

/// Whether so many keys that vanished at once are too many to be believed. Three may always go.
pub fn is_too_much(gone: u64, known: u64, percent: u8) -> bool {
    gone > 3 && u128::from(gone) * 100 > u128::from(known) * u128::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_stops_and_three_go() {
        assert!(is_too_much(300, 1_000, 10));
        assert!(!is_too_much(3, 1_000, 10));
        assert!(!is_too_much(3, 3, 10));
        assert!(is_too_much(4, 4, 10));
        assert!(!is_too_much(100, 1_000, 10) && is_too_much(101, 1_000, 10));
        assert!(!is_too_much(u64::MAX, u64::MAX, 100));
    }
}
