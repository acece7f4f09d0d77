//! The services that called each other, first to last, as a header tells of them.

use http::HeaderValue;

/// A header that is no path.
#[derive(Debug)]
pub(crate) enum PathError {
    /// It names what can be no service.
    Names,
    /// So many services called each other; the path, where it is not longer than services would have let it become.
    Deep { services: usize, path: Path },
}

/// Some services' names, at least one, joined by commas.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    text: String,
    length: usize,
}

impl Path {
    pub(crate) fn of(service: &str) -> Self {
        Self { text: service.to_owned(), length: 1 }
    }

    /// What a caller's header says, and then this service; `deepest` services are let on it. Who calls may have come to
    /// the app after this host was told of its peers, so names are not looked up.
    pub(crate) fn read(header: Option<&HeaderValue>, service: &str, deepest: usize) -> Result<Self, PathError> {
        let Some(header) = header else { return Ok(Self::of(service)) };
        let header = header.to_str().map_err(|_| PathError::Names)?;
        // Counted before anything is kept of it: a caller may write as many as a header holds.
        let services = header.bytes().filter(|byte| *byte == b',').count() + 2;
        if services > deepest.saturating_add(1) {
            return Err(PathError::Deep { services, path: Self::of(service) });
        }
        let mut path = Self { text: String::with_capacity(header.len() + 1 + service.len()), length: 0 };
        for name in header.split(',').map(str::trim) {
            if !is_service(name) {
                return Err(PathError::Names);
            }
            path.push(name);
        }
        path.push(service);
        if services > deepest { Err(PathError::Deep { services, path }) } else { Ok(path) }
    }

    /// The path of a call to a service; `deepest` services are let on it. The services that would be on it where those
    /// are too many.
    pub(crate) fn called(&self, service: &str, deepest: usize) -> Result<Self, usize> {
        let services = self.length + 1;
        if services > deepest { Err(services) } else { Ok(self.then(service)) }
    }

    /// The path with a service more.
    pub(crate) fn then(&self, service: &str) -> Self {
        let mut path = self.clone();
        path.push(service);
        path
    }

    fn push(&mut self, service: &str) {
        if self.length > 0 {
            self.text.push(',');
        }
        self.text.push_str(service);
        self.length += 1;
    }

    /// Services on it.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// As it stands in a header.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Each service on it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.text.split(',')
    }
}

/// Whether a name can be a service's: one that is a DNS label once `_` became `-`.
fn is_service(name: &str) -> bool {
    (1..=63).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(header: &'static str, deepest: usize) -> Result<Path, PathError> {
        Path::read(Some(&HeaderValue::from_bytes(header.as_bytes()).unwrap()), "get", deepest)
    }

    #[test]
    fn a_path_ends_with_who_reads_it() {
        let path = read("last, map", 3).unwrap();
        assert_eq!((path.text(), path.len()), ("last,map,get", 3));
        let longer = path.then("x");
        assert_eq!((longer.names().collect::<Vec<_>>(), longer.len()), (vec!["last", "map", "get", "x"], 4));
        let own = Path::read(None, "get", 3).unwrap();
        assert_eq!((own.text(), own.len()), ("get", 1));
        let long: &'static str = "x".repeat(64).leak();
        for wrong in ["", ",", "a,", "a b", "a\tb", "\u{e4}", long] {
            assert!(matches!(read(wrong, 9), Err(PathError::Names)), "{wrong}");
        }
    }

    #[test]
    fn a_path_is_no_longer_than_services_would_have_let_it_become() {
        let deep = |header| match read(header, 3) {
            Err(PathError::Deep { services, path }) => (services, path.text().to_owned()),
            other => panic!("{other:?}"),
        };
        assert_eq!(deep("a,b,c"), (4, "a,b,c,get".to_owned()));
        let long: &'static str = "a,".repeat(100_000).leak();
        assert_eq!(deep(long), (100_002, "get".to_owned()));
        assert_eq!(deep(",,,,"), (6, "get".to_owned()));
    }
}
