//! Where the code of a service stands by now. An edit above a function moves its lines and changes nothing it means, so its
//! library is not built anew, and what it says of places is that of the text it was built from.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::model::App;
use crate::slice::relative;
use crate::sources::folder;
use crate::tokens;
use crate::tree::{Item, Kind, Tree};

/// From this place on, code stands elsewhere: lines at the same distance, columns where only the first line's moved. All
/// count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CodeShift {
    /// Line and column it was compiled at.
    pub was: (u32, u32),
    /// Line and column it stands at.
    pub now: (u32, u32),
}

impl App {
    /// Stands for the places of all that a service is compiled from: equal, and a library of the one text names the
    /// lines of the other.
    pub(crate) fn places(tree: &Tree, items: impl Iterator<Item = usize>) -> String {
        let words = items.map(|number| &tree.items[number]).filter(|item| tells(item)).map(|item| {
            let place = tree.place(item.file, &item.range());
            let text = &tree.files[item.file].text[item.range()];
            format!("{}:{}:{} {text}", file_of(tree, item).display(), place.line, place.column)
        });
        let words: Vec<String> = words.collect();
        tokens::combine(words.iter().map(String::as_str))
    }

    /// For a service whose library is one of `built`, which means the same: where its code stands now, by the file, seen
    /// from the root file's folder. A file is left out where everything stands where it stood.
    pub fn moved(&self, built: &App, service: &str) -> BTreeMap<PathBuf, Vec<CodeShift>> {
        let (Some(was), Some(now)) = (built.service(service), self.service(service)) else { return BTreeMap::new() };
        if was.places == now.places {
            return BTreeMap::new();
        }
        let (was, mut now) = (by_content(built, &was.reach.items), by_content(self, &now.reach.items));
        let mut moved: BTreeMap<PathBuf, Vec<CodeShift>> = BTreeMap::new();
        for (content, items) in was {
            let there = now.remove(&content).unwrap_or_default();
            for (was, now) in items.into_iter().zip(there) {
                let (was, now) = (&built.tree.items[was], &self.tree.items[now]);
                let file = file_of(&built.tree, was);
                if file == file_of(&self.tree, now) {
                    moved.entry(file).or_default().extend(shifts((&built.tree, was), (&self.tree, now)));
                }
            }
        }
        moved.retain(|_, shifts| {
            shifts.sort_unstable();
            shifts.iter().any(|shift| shift.was != shift.now)
        });
        moved
    }
}

/// Whether something compiled from it can name its place.
fn tells(item: &Item) -> bool {
    !matches!(item.kind, Kind::Use { .. } | Kind::Module { .. } | Kind::Main | Kind::Test)
}

fn file_of(tree: &Tree, item: &Item) -> PathBuf {
    relative(&folder(&tree.files[0].path), &tree.files[item.file].path)
}

/// Items by what they are, in the order of the text.
fn by_content<'a>(
    app: &'a App,
    items: &std::collections::BTreeSet<usize>,
) -> BTreeMap<(&'a [String], &'a str), Vec<usize>> {
    let mut found: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for number in items {
        let item = &app.tree.items[*number];
        if tells(item) {
            let home = app.tree.modules[item.module].path.as_slice();
            found.entry((home, item.hash.as_str())).or_default().push(*number);
        }
    }
    found
}

fn shifts((old, was): (&Tree, &Item), (new, now): (&Tree, &Item)) -> Vec<CodeShift> {
    let (from, to) = (&old.files[was.file], &new.files[now.file]);
    let (before, after) = (&from.text[was.range()], &to.text[now.range()]);
    let starts = |text: &str| {
        let mut found = Vec::new();
        starts(text.parse().unwrap_or_default(), &mut found);
        found.into_iter().map(|range| range.start).collect::<Vec<_>>()
    };
    let (mut was_at, mut now_at) = (vec![0], vec![0]);
    if before != after {
        let (first, second) = (starts(before), starts(after));
        if first.len() == second.len() {
            (was_at, now_at) = (first, second);
        }
    }
    let mut shifts: Vec<CodeShift> = Vec::new();
    let small = |(line, column): (usize, usize)| (line as u32, column as u32);
    for (one, other) in was_at.into_iter().zip(now_at) {
        let one = small(from.position(was.range().start + one));
        let other = small(to.position(now.range().start + other));
        if shifts.last().is_none_or(|last| last.apply(one) != other) {
            shifts.push(CodeShift { was: one, now: other });
        }
    }
    shifts
}

/// Where tokens begin, documentation left out.
fn starts(tokens: TokenStream, found: &mut Vec<Range<usize>>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(sign) if sign.as_char() == '#' => {
                let mark = sign.span().byte_range();
                let bang = tokens.next_if(|next| matches!(next, TokenTree::Punct(next) if next.as_char() == '!'));
                if tokens
                    .next_if(|next| matches!(next, TokenTree::Group(group) if tokens::is_documentation(group)))
                    .is_none()
                {
                    found.push(mark);
                    found.extend(bang.map(|bang| bang.span().byte_range()));
                }
            }
            TokenTree::Group(group) => {
                if group.delimiter() != Delimiter::None {
                    found.push(group.span_open().byte_range());
                }
                starts(group.stream(), found);
                if group.delimiter() != Delimiter::None {
                    found.push(group.span_close().byte_range());
                }
            }
            other => found.push(other.span().byte_range()),
        }
    }
}

impl CodeShift {
    /// Where a place behind this one stands now.
    pub fn apply(&self, (line, column): (u32, u32)) -> (u32, u32) {
        let column = if line == self.was.0 { (column + self.now.1).saturating_sub(self.was.1) } else { column };
        ((line + self.now.0).saturating_sub(self.was.0), column)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{App, Sources};

    fn app(text: &str) -> App {
        let texts = [("app.rs".into(), text.into())].into();
        crate::parse(&Sources { root: "app.rs".into(), texts, ..Sources::default() }).0
    }

    /// Where the marked place of the old text is by the shifts, and where it is in the new text.
    fn ends(old: &str, new: &str, mark: &str) -> ((u32, u32), (u32, u32)) {
        let place = |text: &str| {
            let at = text.find(mark).unwrap_or_else(|| panic!("{mark} in {text}"));
            let line = text[..at].matches('\n').count() + 1;
            let column = at - text[..at].rfind('\n').map_or(0, |newline| newline + 1) + 1;
            (line as u32, column as u32)
        };
        let (built, now) = (app(old), app(new));
        assert!(crate::compare(&built, &now).is_nothing(), "{new}");
        let moved = now.moved(&built, "one");
        let shifts = moved.get(Path::new("app.rs")).map(Vec::as_slice).unwrap_or_default();
        let was = place(old);
        let last = shifts.iter().rev().find(|shift| shift.was <= was);
        (last.map_or(was, |shift| shift.apply(was)), place(new))
    }

    const OLD: &str = "fn help(n: u64) -> u64 { n.checked_mul(2).expect(\"HELP\") }\n\
        #[service] fn one(n: u64) -> u64 {\n    let n = help(n);\n    assert!(n > 1, \"MARK\"); n + n\n}\n\
        fn main() { one() }\n";

    #[test]
    fn a_place_is_found_where_it_stands_now() {
        let edits: [(&str, &str); 8] = [
            ("fn help", "// said\n\nfn help"),
            ("#[service]", "\n\n\n#[service]"),
            ("#[service] fn", "#[service]\n/// Said.\nfn"),
            ("    let n", "    // said\n\n    let n"),
            ("    assert!", "        /* said */ assert!"),
            ("(n > 1, ", "(\n    n > 1,\n    "),
            ("u64 {\n    let n = help(n);\n", "u64 { let n = help(n);\n"),
            ("fn main() { one() }\n", "fn main() { one() }\n// said\n"),
        ];
        for (from, to) in edits {
            let new = OLD.replacen(from, to, 1);
            for mark in ["assert!", "help(n);", "n + n", "n.checked_mul"] {
                let (found, stands) = ends(OLD, &new, mark);
                assert_eq!(found, stands, "{mark} in {new}");
            }
        }
        let swapped =
            "#[service] fn one(n: u64) -> u64 { help(n) }\nfn help(n: u64) -> u64 { n / 0 }\nfn main() { one() }";
        let back =
            "fn help(n: u64) -> u64 { n / 0 }\n#[service] fn one(n: u64) -> u64 { help(n) }\nfn main() { one() }";
        let (found, stands) = ends(swapped, back, "n / 0");
        assert_eq!(found, stands);
    }

    #[test]
    fn what_stands_where_it_stood_has_no_shift() {
        let new = OLD.replace("fn main() {", "\n// said\nfn main() { ");
        assert!(app(&new).moved(&app(OLD), "one").is_empty());
        assert_eq!(app(&new).services[0].places, app(OLD).services[0].places);
        assert_ne!(app(&format!("\n{OLD}")).services[0].places, app(OLD).services[0].places);
    }
}
