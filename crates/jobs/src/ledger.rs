//! Bills: what the meters of hosts count, added up exactly once.

/// What a host's meter says of one account and one version, since the host began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeterReading {
    pub ns: i64,
    pub calls: i64,
}

/// The reading that was added up last, and of which life of the host it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastReading {
    pub epoch: String,
    pub reading: MeterReading,
}

/// What a reading adds to the bill. A host that was started anew counts from zero. A difference may be negative by
/// microseconds, when a call under way ends sooner than its last reading guessed.
pub fn added(last: Option<&LastReading>, epoch: &str, now: MeterReading) -> MeterReading {
    let before = last.filter(|last| last.epoch == epoch).map(|last| last.reading).unwrap_or_default();
    MeterReading { ns: now.ns - before.ns, calls: now.calls - before.calls }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Any readings of any lives of a host, some of them read twice: the bill is what each life counted last.
        #[test]
        fn each_nanosecond_is_added_up_once(
            lives in prop::collection::vec(prop::collection::vec((0_i64..1_000, 0_i64..3), 1..10), 1..5), twice: bool
        ) {
            let (mut last, mut bill, mut expected) = (None, MeterReading::default(), MeterReading::default());
            for (life, readings) in lives.iter().enumerate() {
                let epoch = life.to_string();
                let mut now = MeterReading::default();
                for (ns, calls) in readings {
                    now = MeterReading { ns: now.ns + ns, calls: now.calls + calls };
                    for _ in 0..1 + usize::from(twice) {
                        let more = added(last.as_ref(), &epoch, now);
                        bill = MeterReading { ns: bill.ns + more.ns, calls: bill.calls + more.calls };
                        last = Some(LastReading { epoch: epoch.clone(), reading: now });
                    }
                }
                expected = MeterReading { ns: expected.ns + now.ns, calls: expected.calls + now.calls };
            }
            prop_assert_eq!(bill, expected);
        }
    }
}
