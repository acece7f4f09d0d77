//! Watermarks: up to which change of a bucket a replica has everything.

/// The number of the last change that a replica has with all before it. `head` is the bucket's last change, `oldest` the
/// oldest one that the replica still lacks.
pub fn through(head: u64, oldest: Option<u64>) -> u64 {
    oldest.map_or(head, |oldest| head.min(oldest.saturating_sub(1)))
}

/// Whether a reader that wrote change `wrote` may read at a replica.
pub fn is_new_enough(through: u64, wrote: u64) -> bool {
    through >= wrote
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_has_all_before_what_it_lacks() {
        assert_eq!((through(9, None), through(9, Some(4)), through(9, Some(1)), through(0, None)), (9, 3, 0, 0));
        assert!(is_new_enough(through(9, Some(4)), 3) && !is_new_enough(through(9, Some(4)), 4));
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_lacking_is_promised(head in 0_u64..1_000, lacks in proptest::collection::btree_set(1_u64..1_000, 0..20)) {
            let lacks: Vec<u64> = lacks.into_iter().filter(|seq| *seq <= head).collect();
            let through = through(head, lacks.first().copied());
            for wrote in 1..=head {
                let may = is_new_enough(through, wrote);
                proptest::prop_assert_eq!(may, lacks.iter().all(|lack| *lack > wrote));
            }
        }
    }
}
