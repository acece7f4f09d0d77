use super::*;

fn compared(bar: f64) -> Compared {
    Compared {
        reading: Reading { second: 1, bar },
        mean: 4.0,
        deviation: 0.1,
    }
}

#[test]
fn spread_needs_a_full_window() {
    assert!(spread(&[4.0; WINDOW - 1]).is_none());
    assert_eq!(spread(&[4.0; WINDOW]), Some((4.0, 0.0)));
}

// In the package a service is called as a function; `wait` gives its answer.
#[test]
fn alarm_keeps_what_is_far_from_the_mean() {
    assert!(alarm(compared(4.2)).wait().expect("an answer").is_none());
    let far = alarm(compared(2.5))
        .wait()
        .expect("an answer")
        .expect("an alarm");
    assert_eq!(far.expected, 4.0);
}
