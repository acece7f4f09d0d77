//! What a library is built for.

/// What a library is built for: it decides how rustc is called, and what a version stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// To be seen at once: not optimised, types apart, files named as the user names them.
    #[default]
    Dev,
    /// The same for a debugger: with debug information and frame pointers. A library names lines of the user's file as it
    /// is, so one whose lines moved is another version.
    Debug,
    /// To be shipped: optimised, without symbols, and free of where it was built. The same source with the same
    /// locked dependencies and the same rustc has the same version on every machine, and gives the same bytes
    /// wherever the app lies on this one. (On a machine whose cache or cargo's home lies elsewhere, the names of
    /// files of dependencies differ, in panics' words for one.)
    ///
    /// Overflows are still panics, as they were when the service was tried out; `debug_assert!` is off.
    Optimised,
}

impl Profile {
    /// `-C opt-level`.
    pub(crate) fn level(self) -> u8 {
        match self {
            Self::Dev | Self::Debug => 0,
            Self::Optimised => 3,
        }
    }

    /// What keys and versions know it by.
    pub(crate) fn mark(self) -> &'static [u8] {
        match self {
            Self::Dev => &[0],
            Self::Debug => &[0, 1],
            Self::Optimised => &[3],
        }
    }

    /// How code is generated.
    pub(crate) fn codegen(self) -> &'static [&'static str] {
        match self {
            Self::Dev => {
                &["-Copt-level=0", "-Cdebug-assertions=on", "-Coverflow-checks=on", "-Cpanic=unwind", "-Cdebuginfo=0"]
            }
            Self::Debug => &[
                "-Copt-level=0",
                "-Cdebug-assertions=on",
                "-Coverflow-checks=on",
                "-Cpanic=unwind",
                // Lines alone would leave out locals.
                "-Cdebuginfo=2",
                "-Cforce-frame-pointers=yes",
            ],
            // One unit: nothing depends on how many cores there are.
            Self::Optimised => &[
                "-Copt-level=3",
                "-Ccodegen-units=1",
                "-Cdebug-assertions=off",
                "-Coverflow-checks=on",
                "-Cpanic=unwind",
                "-Cdebuginfo=0",
            ],
        }
    }

    /// What is left out of a library.
    pub(crate) fn strip(self) -> &'static str {
        match self {
            Self::Dev => "-Cstrip=debuginfo",
            Self::Debug => "-Cstrip=none",
            Self::Optimised => "-Cstrip=symbols",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debuggers_and_profilers_find_locals_and_frames_in_a_debug_build_alone() {
        for (profile, is_for_debuggers) in [(Profile::Dev, false), (Profile::Debug, true), (Profile::Optimised, false)]
        {
            for argument in ["-Cforce-frame-pointers=yes", "-Cdebuginfo=2"] {
                assert_eq!(profile.codegen().contains(&argument), is_for_debuggers, "{profile:?} {argument}");
            }
        }
        assert_eq!(Profile::Debug.strip(), "-Cstrip=none");
    }
}
