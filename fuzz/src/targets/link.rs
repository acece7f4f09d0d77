//! What comes over links of a fleet: frames, messages of the membership; and invitations.

use std::net::SocketAddr;
use std::time::Duration;

use nodes::{
    FleetMember, InvitationToken, LONGEST_FRAME, LinkFrame, LinkFrameReader, MemberId, Membership, MembershipEffect,
    MembershipPace,
};

/// Pieces that mean something there.
pub(super) const WORDS: &[&str] = &["\0\0\0\u{9}\u{4}", "\0\u{1}\0\0", "\0\0\0\u{1}\u{6}", "\u{7f}\0\0\0"];

pub(super) fn frames() -> Vec<Vec<u8>> {
    let all = [
        LinkFrame::Hello(b"{}".to_vec()),
        LinkFrame::Beat(7),
        LinkFrame::Echo(7),
        LinkFrame::Report(br#"{"v":1}"#.to_vec()),
        LinkFrame::Goodbye("this node leaves".to_owned()),
    ];
    vec![all.iter().flat_map(|frame| frame.bytes().expect("it is short")).collect()]
}

/// Frames are what they were written as, however the bytes are cut, and none is longer than it may be.
pub(super) fn frame(bytes: &[u8]) {
    let cut = bytes.first().map_or(1, |byte| usize::from(*byte) + 1);
    let read = |piece: usize| {
        let (mut reader, mut frames) = (LinkFrameReader::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            loop {
                match reader.next_frame() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
        }
        (frames, None)
    };
    let (frames, error) = read(cut);
    assert_eq!((&frames, &error), (&read(bytes.len().max(1)).0, &read(bytes.len().max(1)).1));
    let written: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes().expect("it was read")).collect();
    assert!(
        bytes.starts_with(&written)
            && frames.iter().all(|frame| frame.bytes().is_ok_and(|b| b.len() <= LONGEST_FRAME + 4))
    );
}

pub(super) fn invitations() -> Vec<Vec<u8>> {
    let token = InvitationToken { address: "fog-1.example.org:7940".to_owned(), fingerprint: [7; 32], secret: [9; 16] };
    vec![token.to_string().into_bytes()]
}

/// A line is an invitation that is written as it was, or is refused with words.
pub(super) fn invitation(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<InvitationToken>() {
        Ok(token) => assert_eq!(token.to_string(), text.trim()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn member(at: u8) -> FleetMember {
    let address = SocketAddr::from(([127, 0, 0, at], 7940));
    FleetMember { id: MemberId([at; 16]), life: 1, address, name: format!("n{at}") }
}

pub(super) fn messages() -> Vec<Vec<u8>> {
    let mut one = Membership::new(member(1), MembershipPace::Lan, 1);
    let effects = one.announce(member(2), Duration::ZERO);
    let sent = effects.into_iter().filter_map(|effect| match effect {
        MembershipEffect::Send { bytes, .. } => Some(bytes),
        _ => None,
    });
    sent.collect()
}

/// Whatever comes, the membership goes on, and sends no message that is longer than a frame.
pub(super) fn message(bytes: &[u8]) {
    let mut members = Membership::new(member(2), MembershipPace::Lan, 2);
    let mut effects = match members.hear(bytes, Duration::ZERO) {
        Ok(effects) => effects,
        Err(error) => error.effects,
    };
    for second in 1..20 {
        effects.extend(members.wake(Duration::from_secs(second)));
    }
    for effect in effects {
        if let MembershipEffect::Send { bytes, .. } = effect {
            assert!(LinkFrame::Swim(bytes).bytes().is_ok());
        }
    }
    assert_eq!(members.me().id, MemberId([2; 16]));
}
