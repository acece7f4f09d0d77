use super::*;

// In the package a service is called as a function; `wait` gives its answer.
#[test]
fn warm_keeps_what_is_above_18_degrees() {
    let kept = |celsius| {
        warm(Reading { celsius })
            .wait()
            .expect("an answer")
            .is_some()
    };
    assert!(kept(21.0));
    assert!(!kept(17.5));
}

#[test]
fn average_counts_readings() {
    let first = average(Reading { celsius: 20.0 })
        .wait()
        .expect("an answer");
    let second = average(Reading { celsius: 22.0 })
        .wait()
        .expect("an answer");
    assert_eq!((first.count, second.count), (1, 2));
    assert_eq!(second.celsius, 21.0);
}
