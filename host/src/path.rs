//! The services that called each other, first to last, as a header tells of them.

/// Some services' names, at least one, joined by commas.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    text: String,
    length: usize,
}

impl Path {
    /// A path of one service.
    pub(crate) fn of(service: &str) -> Self {
        Self { text: service.to_owned(), length: 1 }
    }

    /// What a caller's header says, and then this service. None where the header names what can be no service: who
    /// calls may have come to the app after this host was told of its peers, so names are not looked up.
    pub(crate) fn read(header: Option<&str>, service: &str) -> Option<Self> {
        let Some(header) = header else { return Some(Self::of(service)) };
        let mut path = Self { text: String::with_capacity(header.len() + 1 + service.len()), length: 0 };
        for name in header.split(',').map(str::trim) {
            if !is_service(name) {
                return None;
            }
            path.push(name);
        }
        path.push(service);
        Some(path)
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

    #[test]
    fn a_path_ends_with_who_reads_it() {
        let path = Path::read(Some("last, map"), "get").unwrap();
        assert_eq!((path.text(), path.len()), ("last,map,get", 3));
        let longer = path.then("x");
        assert_eq!((longer.names().collect::<Vec<_>>(), longer.len()), (vec!["last", "map", "get", "x"], 4));
        let own = Path::read(None, "get").unwrap();
        assert_eq!((own.text(), own.len()), ("get", 1));
        for wrong in ["", ",", "a,", "a b", "a\r\nb", "ä", &"x".repeat(64)] {
            assert!(Path::read(Some(wrong), "get").is_none(), "{wrong}");
        }
    }
}
