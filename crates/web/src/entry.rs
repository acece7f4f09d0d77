//! Who may come in: a ticket is used once and becomes a cookie. Pure but for the key: time is what the caller says it is.

use std::collections::HashMap;

use crate::key::{PageKey, Role, Token, TokenUse};

/// Seconds that a ticket is good for: where it is printed, and where it is opened at once.
pub(crate) const PRINTED: u64 = 600;
pub(crate) const OPENED: u64 = 30;
/// Seconds without a visit after which a cookie is good for nothing; a reader's, since it came in, unless its link says less
/// or more.
pub(crate) const IDLE: u32 = 12 * 3_600;
/// Seconds after which a cookie is made anew.
const RENEWED: u64 = 3_600;
/// Tries to come in, a second.
const MOST_TRIES: u32 = 5;
/// The name of the cookie.
pub(crate) const COOKIE: &str = "dyn-page";

/// Knows the tickets that were used.
#[derive(Debug)]
pub(crate) struct Entry {
    key: PageKey,
    /// With when they end.
    used: HashMap<[u8; 16], u64>,
    /// The second that tries are counted in, and how many there were.
    tries: (u64, u32),
}

/// The answer to a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The header that sets the cookie.
    Come(String),
    /// It is none, or it is too old.
    Refused,
    /// It was used before.
    Used,
    /// There are too many tries.
    TooMany,
}

impl Entry {
    pub(crate) fn new(key: PageKey) -> Self {
        Self { key, used: HashMap::new(), tries: (0, 0) }
    }

    pub(crate) fn key(&self) -> &PageKey {
        &self.key
    }

    /// Goes by another key: tickets and cookies of the one before are good for nothing.
    pub(crate) fn renew(&mut self, key: PageKey) {
        self.key = key;
        self.used.clear();
    }

    /// Takes a ticket, once.
    pub(crate) fn take(&mut self, ticket: &str, now: u64) -> Admission {
        if self.tries.0 != now {
            self.tries = (now, 0);
        }
        self.tries.1 += 1;
        if self.tries.1 > MOST_TRIES {
            return Admission::TooMany;
        }
        let found = opened(&self.key, TokenUse::Ticket, ticket);
        let Some((role, ticket)) = found.filter(|(_, ticket)| now <= ticket.moment) else {
            return Admission::Refused;
        };
        self.used.retain(|_, ends| *ends >= now);
        match self.used.insert(ticket.random, ticket.moment) {
            Some(_) => Admission::Used,
            None => Admission::Come(cookie(&self.key, role, now, ticket.access)),
        }
    }

    /// The cookie of a request, where there is a good one among them.
    pub(crate) fn known(&self, cookies: &str, now: u64) -> Option<(Role, Token)> {
        let own = cookies.split(';').filter_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='));
        own.filter_map(|text| opened(&self.key, TokenUse::Cookie, text))
            .find(|(_, cookie)| now.saturating_sub(cookie.moment) <= u64::from(cookie.access))
    }

    /// The header that makes a cookie anew where it is time to. A reader's ends where it was to end.
    pub(crate) fn renewed(&self, (role, cookie): (Role, Token), now: u64) -> Option<String> {
        let is_due = role == Role::Owner && now.saturating_sub(cookie.moment) > RENEWED;
        is_due.then(|| self::cookie(&self.key, role, now, cookie.access))
    }
}

/// A ticket that is good for so many seconds, for access of so many.
pub(crate) fn ticket(key: &PageKey, role: Role, now: u64, seconds: u64, access: u32) -> String {
    key.seal(TokenUse::Ticket(role), Token::new(now + seconds, access))
}

/// A token, and whose it is.
fn opened(key: &PageKey, of: fn(Role) -> TokenUse, text: &str) -> Option<(Role, Token)> {
    Role::ALL.into_iter().find_map(|role| Some((role, key.open_token(of(role), text)?)))
}

fn cookie(key: &PageKey, role: Role, now: u64, access: u32) -> String {
    let value = key.seal(TokenUse::Cookie(role), Token::new(now, access));
    format!("{COOKIE}={value}; Path=/; Max-Age={access}; HttpOnly; SameSite=Strict")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_is_a_ticket_or_a_cookie(text in "(\\PC{0,80}|[A-Za-z0-9_-]{0,90})", at in 0_usize..90, by in "[A-Za-z0-9_=; -]") {
            let mut entry = entry();
            prop_assert_eq!(entry.take(&text, 1_000), Admission::Refused);
            let cookies = format!("a; dyn-page={text}");
            prop_assert!(entry.known(&text, 1_000).is_none() && entry.known(&cookies, 1_000).is_none());
            // Nor one that was made and changed.
            let ticket = super::ticket(&entry.key, Role::Owner, 1_000, OPENED, IDLE);
            let mut changed: Vec<char> = ticket.chars().collect();
            let at = at % changed.len();
            changed[at] = by.chars().next().unwrap_or_default();
            let changed: String = changed.into_iter().collect();
            prop_assume!(changed != ticket);
            prop_assert_eq!(entry.take(&changed, 1_001), Admission::Refused);
        }
    }

    fn entry() -> Entry {
        Entry::new(PageKey::new())
    }

    fn value(admission: &Admission) -> String {
        match admission {
            Admission::Come(header) => header.split(';').next().unwrap().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_ticket_opens_once_and_within_its_time() {
        let mut entry = entry();
        let ticket = super::ticket(&entry.key, Role::Owner, 1_000, OPENED, IDLE);
        assert_eq!(entry.take(&ticket, 1_031), Admission::Refused, "too late");
        let cookie = value(&entry.take(&ticket, 1_030));
        assert_eq!(entry.take(&ticket, 1_030), Admission::Used);
        assert!(entry.known(&format!("theme=dark; {cookie}"), 1_030).is_some());
        let stranger = Entry::new(PageKey::new());
        assert!(stranger.known(&cookie, 1_030).is_none());
        assert_eq!(entry.take(&cookie["dyn-page=".len()..], 1_032), Admission::Refused, "a cookie is no ticket");
    }

    #[test]
    fn a_cookie_is_strict_closed_to_scripts_and_ends_when_nobody_comes() {
        let mut entry = entry();
        let ticket = super::ticket(&entry.key, Role::Owner, 0, PRINTED, IDLE);
        let Admission::Come(header) = entry.take(&ticket, 5) else { panic!("a ticket that is good") };
        assert!(header.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"), "{header}");
        let cookie = header.split(';').next().unwrap();
        let known = entry.known(cookie, 5 + u64::from(IDLE)).unwrap();
        assert_eq!(entry.known(cookie, 6 + u64::from(IDLE)), None);
        assert_eq!(entry.renewed(known, 5 + RENEWED), None);
        let later = entry.renewed(known, 6 + RENEWED).unwrap();
        assert!(entry.known(later.split(';').next().unwrap(), 5 + u64::from(IDLE) + RENEWED).is_some());
        assert_eq!(entry.known("dyn-page=; dyn-page=xyz; dyn-pagex=1", 5), None);
    }

    #[test]
    fn a_reader_stays_one_and_comes_to_an_end() {
        let mut entry = entry();
        let ticket = super::ticket(&entry.key, Role::Reader, 0, PRINTED, 90);
        let admission = entry.take(&ticket, 5);
        assert!(matches!(&admission, Admission::Come(header) if header.contains("Max-Age=90;")), "{admission:?}");
        let cookie = value(&admission);
        let known = entry.known(&cookie, 5 + 90).unwrap();
        assert_eq!(known.0, Role::Reader);
        assert_eq!(entry.renewed(known, 5 + 90), None, "it is made anew for no reader");
        assert_eq!(entry.known(&cookie, 6 + 90), None);
        assert_eq!(entry.take(&cookie["dyn-page=".len()..], 7), Admission::Refused, "a cookie is no ticket");
    }

    #[test]
    fn tries_are_few_a_second() {
        let mut entry = entry();
        let ticket = super::ticket(&entry.key, Role::Owner, 10, PRINTED, IDLE);
        for _ in 0..MOST_TRIES {
            assert_eq!(entry.take("guess", 10), Admission::Refused);
        }
        assert_eq!(entry.take(&ticket, 10), Admission::TooMany, "also one that is good");
        assert!(matches!(entry.take(&ticket, 11), Admission::Come(_)));
    }
}
