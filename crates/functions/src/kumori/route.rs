//! Paths.

/// The resource that a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    User(String),
    Time(String),
    Functions(String),
    Function(String, String),
    Run(String, String),
    Job(String),
    Outcome(String),
}

impl Route {
    /// Reads a path, as a request line has it. A slash at the end changes nothing.
    pub(super) fn read(path: &str) -> Option<Self> {
        let path = path.split(['?', '#']).next()?.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let parts: Option<Vec<String>> = path.split('/').map(decoded).collect();
        let parts = parts?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        if parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        Some(match parts[..] {
            ["u", user] => Self::User(user.to_owned()),
            ["u", user, "time"] => Self::Time(user.to_owned()),
            ["u", user, "fn"] => Self::Functions(user.to_owned()),
            ["u", user, "fn", function] => Self::Function(user.to_owned(), function.to_owned()),
            ["u", user, "fn", function, "run"] => Self::Run(user.to_owned(), function.to_owned()),
            ["j", job] => Self::Job(job.to_owned()),
            ["j", job, "res"] => Self::Outcome(job.to_owned()),
            _ => return None,
        })
    }

    /// The user in the path, if there is one.
    pub(super) fn user(&self) -> Option<&str> {
        match self {
            Self::User(user) | Self::Time(user) | Self::Functions(user) => Some(user),
            Self::Function(user, _) | Self::Run(user, _) => Some(user),
            Self::Job(_) | Self::Outcome(_) => None,
        }
    }
}

/// A part of a path without its percent signs; none where what they stand for is no text.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_read_as_documented() {
        let read = |path| Route::read(path);
        assert_eq!(read("/u/user1"), Some(Route::User("user1".to_owned())));
        assert_eq!(read("/u/user1/"), Some(Route::User("user1".to_owned())));
        assert_eq!(read("/u/a%20b/fn/c.d%2Fe?x=1"), Some(Route::Function("a b".to_owned(), "c.d/e".to_owned())));
        assert_eq!(read("/u/a/fn/f/run"), Some(Route::Run("a".to_owned(), "f".to_owned())));
        assert_eq!(read("/j/7/res"), Some(Route::Outcome("7".to_owned())));
        for path in
            ["", "/", "/u", "/u/", "/u//fn", "/x/a", "/u/a/fn/f/run/x", "/j/7/x", "/u/%", "/u/%f", "/u/%ff", "/u/%+1"]
        {
            assert_eq!(read(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_read(path in "/[uj]/[%a-f0-9/.?é]{0,20}") {
            Route::read(&path);
        }
    }
}
