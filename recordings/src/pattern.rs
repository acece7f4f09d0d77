//! Which fields of a value are meant.

/// A JSON pointer in which `*` stands for any key or index (`/users/*/token`), or a bare name, for the fields of that
/// name wherever they are (`password`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// From the root on.
    Pointer(Vec<PointerStep>),
    /// Anywhere.
    Name(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PointerStep {
    /// `*`
    Any,
    /// Of an object, or of a list in decimal.
    Key(String),
}

/// A text that means no fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read `{0}` as a path: write /user/token, /users/*/token, or a field's name alone")]
pub struct PathError(pub String);

impl Pattern {
    pub fn read(path: &str) -> Result<Self, PathError> {
        match path.strip_prefix('/') {
            Some(steps) => Ok(Self::Pointer(steps.split('/').map(PointerStep::read).collect())),
            None if path.is_empty() || path.contains('/') => Err(PathError(path.to_owned())),
            None => Ok(Self::Name(path.to_owned())),
        }
    }

    /// Whether the field at the end of these steps is meant.
    pub fn fits(&self, steps: &[String]) -> bool {
        match self {
            Self::Pointer(own) => own.len() == steps.len() && own.iter().zip(steps).all(|(own, step)| own.fits(step)),
            Self::Name(name) => steps.last() == Some(name),
        }
    }
}

impl PointerStep {
    fn read(text: &str) -> Self {
        if text == "*" { Self::Any } else { Self::Key(unescape(text)) }
    }

    /// Whether this key or index is meant.
    pub(crate) fn fits(&self, step: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Key(key) => key == step,
        }
    }
}

/// The JSON pointer (RFC 6901) of these steps.
pub(crate) fn pointer(steps: &[String]) -> String {
    steps.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_path_is_refused() {
        assert_eq!(Pattern::read("a/b"), Err(PathError("a/b".into())));
        assert_eq!(Pattern::read(""), Err(PathError(String::new())));
    }

    #[test]
    fn a_star_is_any_step_and_a_name_is_any_place() {
        let steps = |path: &[&str]| path.iter().map(|&step| step.to_owned()).collect::<Vec<_>>();
        let star = Pattern::read("/users/*/token").unwrap();
        assert!(star.fits(&steps(&["users", "3", "token"])) && star.fits(&steps(&["users", "a", "token"])));
        assert!(!star.fits(&steps(&["users", "token"])) && !star.fits(&steps(&["users", "3", "token", "x"])));
        let name = Pattern::read("token").unwrap();
        assert!(name.fits(&steps(&["users", "3", "token"])) && !name.fits(&steps(&["token", "x"])));
    }

    proptest! {
        #[test]
        fn a_written_pointer_reads_back(steps in prop::collection::vec("[a~/01*]{1,3}", 1..4)) {
            prop_assert!(Pattern::read(&pointer(&steps)).unwrap().fits(&steps));
        }
    }
}
