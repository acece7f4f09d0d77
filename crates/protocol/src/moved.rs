//! Where code stands by now whose library was built when it stood elsewhere: an edit above it moves its lines and is no
//! reason to build it anew.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// For one library, the places that moved since it was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// File name of the library this is about.
    pub library: String,
    /// By file, seen from the folder of the app's: from this line and column on, code stands at that line and column.
    pub files: BTreeMap<String, Vec<Shift>>,
}

/// A stretch of code that stands elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shift {
    /// Line and column it was compiled at.
    pub was: (u32, u32),
    /// Line and column it stands at.
    pub now: (u32, u32),
}

impl Moved {
    /// Where a place that a library names is now; none where it did not move.
    pub fn place(&self, file: &str, at: (u32, u32)) -> Option<(u32, u32)> {
        let named = self.files.iter().filter(|(known, _)| Path::new(file).ends_with(known.trim_start_matches("../")));
        let (_, shifts) = named.max_by_key(|(known, _)| known.len())?;
        let shift = shifts.get(shifts.partition_point(|shift| shift.was <= at).checked_sub(1)?)?;
        let column = if at.0 == shift.was.0 { (at.1 + shift.now.1).saturating_sub(shift.was.1) } else { at.1 };
        Some(((at.0 + shift.now.0).saturating_sub(shift.was.0), column)).filter(|now| *now != at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_by_the_stretch_it_is_in() {
        let shift = |was, now| Shift { was, now };
        let near = vec![shift((1, 1), (1, 1)), shift((4, 1), (6, 1)), shift((5, 9), (9, 5))];
        let far = vec![shift((1, 1), (101, 1))];
        let files = BTreeMap::from([("app.rs".to_owned(), near), ("m/app.rs".to_owned(), far)]);
        let moved = Moved { library: "lib-1.so".to_owned(), files };
        assert_eq!(moved.place("/x/app.rs", (2, 7)), None);
        assert_eq!(moved.place("app.rs", (4, 7)), Some((6, 7)));
        assert_eq!(moved.place("x/app.rs", (5, 12)), Some((9, 8)));
        assert_eq!(moved.place("x/app.rs", (6, 12)), Some((10, 12)));
        assert_eq!(moved.place("x/m/app.rs", (6, 12)), Some((106, 12)));
        assert_eq!(moved.place("/rustc/library/core.rs", (6, 12)), None);
    }
}
