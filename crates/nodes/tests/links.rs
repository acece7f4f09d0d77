//! Frames, beats, invitations, neighbours, and those that are left alone.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use balance::{NodeId, ServiceId};
use nodes::{
    AwayCircuits, AwayOutcomeSeen, BEAT, FleetRole, InvitationBook, InvitationRefusal, InvitationToken,
    InvitationTokenError, LONGEST_FRAME, LinkFrame, LinkFrameError, LinkFrameReader, LinkPulse, MemberId,
    NeighbourCandidate, NeighbourRule, NeighbourRuleError, choose_neighbours,
};
use proptest::prelude::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn frames_of_a_wrong_kind_or_length_are_refused() {
    let read = |bytes: &[u8]| {
        let mut reader = LinkFrameReader::default();
        reader.push(bytes);
        reader.next_frame()
    };
    assert_eq!(read(&[0, 0, 0, 2, 6]), Ok(None), "half of a frame");
    assert_eq!(read(&[0, 0, 0, 0]), Err(LinkFrameError::Empty));
    assert_eq!(read(&[0, 0, 0, 1, 9]), Err(LinkFrameError::Kind(9)));
    assert_eq!(read(&[0, 0, 0, 2, 4, 1]), Err(LinkFrameError::Body { kind: 4, bytes: 1 }));
    assert_eq!(read(&[0, 0, 0, 2, 6, 0xff]), Err(LinkFrameError::Body { kind: 6, bytes: 1 }));
    // Ten mebibytes are refused before a byte of them is kept.
    assert_eq!(read(&[0, 0xa0, 0, 0]), Err(LinkFrameError::Long(10 << 20)));
    assert_eq!(LinkFrame::Report(vec![0; LONGEST_FRAME]).bytes(), Err(LinkFrameError::Long(LONGEST_FRAME + 1)));
}

fn frame() -> impl Strategy<Value = LinkFrame> {
    let body = || prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        body().prop_map(LinkFrame::Hello),
        body().prop_map(LinkFrame::Swim),
        body().prop_map(LinkFrame::Report),
        any::<u64>().prop_map(LinkFrame::Beat),
        any::<u64>().prop_map(LinkFrame::Echo),
        ".{0,40}".prop_map(LinkFrame::Goodbye),
        body().prop_map(LinkFrame::Crl),
    ]
}

proptest! {
    #[test]
    fn frames_are_read_as_they_were_written_however_they_are_cut(
        frames in prop::collection::vec(frame(), 0..8), cut in 1..64usize
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes().unwrap()).collect();
        let (mut reader, mut read) = (LinkFrameReader::default(), Vec::new());
        for piece in bytes.chunks(cut) {
            reader.push(piece);
            while let Some(frame) = reader.next_frame().unwrap() {
                read.push(frame);
            }
        }
        prop_assert_eq!(read, frames);
    }

    #[test]
    fn invitations_are_read_as_they_were_written_and_never_in_part(
        host in "[a-z]{1,20}", port in 1..=u16::MAX, secret in any::<[u8; 16]>(), cut in any::<prop::sample::Index>()
    ) {
        let token = InvitationToken { address: format!("{host}:{port}"), fingerprint: [7; 32], secret };
        let text = token.to_string();
        prop_assert_eq!(text.parse(), Ok(token));
        prop_assert!(text[..cut.index(text.len())].parse::<InvitationToken>().is_err());
    }
}

#[test]
fn an_invitation_that_is_none_says_what_is_wrong_with_it() {
    let parse = |text: &str| text.parse::<InvitationToken>().unwrap_err();
    assert_eq!(parse("token"), InvitationTokenError::Prefix);
    assert_eq!(parse("dynj1_ab%c"), InvitationTokenError::Character(9));
    assert_eq!(parse("dynj1_"), InvitationTokenError::Cut);
    let token = InvitationToken { address: "nowhere".to_owned(), fingerprint: [0; 32], secret: [0; 16] };
    assert_eq!(parse(&token.to_string()), InvitationTokenError::Address("nowhere".to_owned()));
    assert!(!format!("{token:?}").contains("secret"));
}

#[test]
fn an_invitation_is_good_for_its_uses_and_its_time_and_is_not_to_be_guessed() {
    let mut book = InvitationBook::default();
    let now = |second: u64| Duration::from_secs(second);
    book.give(&[1; 16], 1, 1000, FleetRole::Node);
    book.give(&[2; 16], 2, 1000, FleetRole::Operator);
    assert_eq!(book.redeem(&[1; 16], 500, now(0)), Ok(FleetRole::Node));
    let used = book.redeem(&[1; 16], 500, now(1));
    assert_eq!(used, Err(InvitationRefusal::Invalid));
    assert_eq!(book.redeem(&[2; 16], 500, now(2)), Ok(FleetRole::Operator));
    // Late, used and never given are told in the same words.
    assert_eq!(book.redeem(&[2; 16], 1000, now(3)), used);
    assert_eq!(book.redeem(&[9; 16], 500, now(4)), used);
    // Of a thousand tries in a second five are looked at.
    book.give(&[3; 16], 1, 1000, FleetRole::Node);
    let tries = (0..1000u64).map(|at| book.redeem(&[4; 16], 500, now(10) + Duration::from_micros(at)));
    let looked = tries.filter(|tried| *tried == Err(InvitationRefusal::Invalid)).count();
    assert_eq!(looked, 5);
    assert_eq!(book.redeem(&[3; 16], 500, now(10) + ms(2)), Err(InvitationRefusal::TooOften), "nor are right ones");
    assert_eq!(book.redeem(&[3; 16], 500, now(12)), Ok(FleetRole::Node));
    book.give_back(&[3; 16]);
    // What is kept has no secret in it, and is the same book.
    book.give(&[5; 16], 1, 1000, FleetRole::Node);
    let kept = serde_json::to_string(&book).unwrap();
    assert!(!kept.contains("5,5,5,5"), "{kept}");
    let mut book: InvitationBook = serde_json::from_str(&kept).unwrap();
    assert_eq!(book.redeem(&[5; 16], 500, now(20)), Ok(FleetRole::Node));
}

#[test]
fn a_link_is_lost_after_three_beats_without_an_echo() {
    let mut pulse = LinkPulse::new(Duration::ZERO);
    assert_eq!(pulse.rtt(), None);
    for at in 0..10 {
        let now = BEAT * at;
        let beat = pulse.beat(now);
        pulse.echo(beat, now + ms(u64::from(3 + at)));
        assert!(!pulse.is_lost(now + BEAT));
    }
    // The shortest of the last eight.
    assert_eq!(pulse.rtt(), Some(ms(5)));
    let last = BEAT * 9;
    for at in 10..13 {
        assert!(!pulse.is_lost(BEAT * at - ms(1)));
        pulse.beat(BEAT * at);
    }
    assert!(pulse.is_lost(last + BEAT * 3 + ms(13)));
    // An echo of nothing is none.
    pulse.echo(9999, BEAT * 13);
    assert!(pulse.is_lost(BEAT * 13));
    pulse.echo(13, BEAT * 13);
    assert!(!pulse.is_lost(BEAT * 13));
}

fn candidate(at: u8, rtt: Option<u64>, shares: Option<bool>) -> NeighbourCandidate {
    NeighbourCandidate {
        id: MemberId([at; 16]),
        name: format!("n{at}"),
        labels: BTreeMap::from([("zone".to_owned(), if at < 3 { "a" } else { "b" }.to_owned())]),
        rtt: rtt.map(ms),
        shares,
    }
}

#[test]
fn neighbours_are_those_that_are_named_and_the_nearest_with_a_service_in_common() {
    let all = [
        candidate(1, Some(9), Some(true)),
        candidate(2, Some(1), Some(false)),
        candidate(3, Some(2), Some(true)),
        candidate(4, None, None),
        candidate(5, Some(5), Some(true)),
    ];
    let chosen = |rules: &[&str]| {
        let rules: Vec<NeighbourRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        choose_neighbours(&rules, &all).into_iter().map(|id| id.0[0]).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&[]), [1, 2, 3, 4, 5]);
    assert_eq!(chosen(&["nearest=2"]), [3, 5]);
    assert_eq!(chosen(&["nearest=4"]), [1, 3, 4, 5], "nothing is known of the fourth, and the second has nothing");
    assert_eq!(chosen(&["n2"]), [2]);
    assert_eq!(chosen(&["zone=a", "nearest=1"]), [1, 2, 3]);
    let wrong = |text: &str| text.parse::<NeighbourRule>().unwrap_err();
    assert_eq!(wrong("nearest=0"), NeighbourRuleError::Nearest("0".to_owned()));
    assert_eq!(wrong("Fog 1"), NeighbourRuleError::Word("Fog 1".to_owned()));
}

#[test]
fn a_neighbour_that_promises_what_it_does_not_do_is_left_alone() {
    let (service, node) = (ServiceId(0), NodeId(1));
    let mut circuits = AwayCircuits::default();
    let refused = |circuits: &mut AwayCircuits, count: usize, now| {
        for _ in 0..count {
            circuits.note(service, node, AwayOutcomeSeen::Refused, now);
        }
        circuits.is_open(service, node, now)
    };
    assert!(!refused(&mut circuits, 9, ms(0)));
    let well = AwayOutcomeSeen::Answered { took: ms(3), said: ms(2) };
    circuits.note(service, node, well, ms(0));
    assert!(!refused(&mut circuits, 9, ms(0)), "an answer between them");
    assert!(refused(&mut circuits, 1, ms(0)));
    assert_eq!(circuits.open(service, ms(999)), [node]);
    assert!(circuits.open(ServiceId(1), ms(999)).is_empty() && !circuits.is_open(service, node, ms(1000)));
    // After a pause the first refusal is enough, and the pause is longer.
    assert!(refused(&mut circuits, 1, ms(1000)) && circuits.is_open(service, node, ms(2999)));
    circuits.note(service, node, well, ms(3001));
    // One that says that it takes two milliseconds and takes five seconds.
    for at in 0..10 {
        assert!(!circuits.is_open(service, node, ms(4000)), "after {at}");
        circuits.note(service, node, AwayOutcomeSeen::Answered { took: ms(5000), said: ms(2) }, ms(4000));
    }
    assert!(circuits.is_open(service, node, ms(4001)));
}
