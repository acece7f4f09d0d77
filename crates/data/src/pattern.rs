//! Patterns of keys, by segments of a path: `*` is any text within a segment, `**` any segments.

/// Whether a key is one of those that a pattern means.
pub fn matches(pattern: &str, key: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let key: Vec<&str> = key.split('/').collect();
    // `reached[n]`: the pattern so far means the first n segments.
    let mut reached = vec![false; key.len() + 1];
    reached[0] = true;
    for part in pattern {
        let mut next = vec![false; key.len() + 1];
        for at in (0..=key.len()).filter(|at| reached[*at]) {
            if part == "**" {
                next[at..].fill(true);
                break;
            }
            if key.get(at).is_some_and(|segment| within(part, segment)) {
                next[at + 1] = true;
            }
        }
        reached = next;
    }
    reached[key.len()]
}

/// One segment: `*` is any text.
fn within(pattern: &str, segment: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = segment.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What is wrong with a pattern.
pub fn mistake(pattern: &str) -> Option<String> {
    if pattern.is_empty() || pattern.starts_with('/') {
        return Some(format!("{pattern:?} is no pattern of keys: they do not begin with a slash"));
    }
    let mixed = pattern.split('/').find(|part| part.contains("**") && *part != "**");
    mixed.map(|part| format!("{part:?} in {pattern:?} mixes ** with text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_go_by_segments() {
        for (pattern, key) in [
            ("photos/**", "photos/a/b.jpg"),
            ("**/*.tmp", "a.tmp"),
            ("**/*.tmp", "a/b/c.tmp"),
            ("a/*/c", "a/b/c"),
            ("a*c*e", "abcde"),
            ("**", "a/b//"),
            ("a/**/b", "a/b"),
        ] {
            assert!(matches(pattern, key), "{pattern} {key}");
        }
        for (pattern, key) in
            [("photos/*", "photos/a/b"), ("*.tmp", "a/b.tmp"), ("a*c", "abd"), ("a", "ab"), ("a*a", "a")]
        {
            assert!(!matches(pattern, key), "{pattern} {key}");
        }
        assert!(mistake("a**/b").is_some() && mistake("/a").is_some() && mistake("**/a*").is_none());
    }
}
