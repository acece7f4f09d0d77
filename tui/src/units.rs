//! Figures, in the glyphs of a theme.

pub(crate) use session_api::units::{age, ago, bytes, clock, count, many, millis, rate, short};

use crate::theme::Theme;

/// Nanoseconds: `350 ns`, `12 µs`, and on as [`micros`].
pub(crate) fn nanos(theme: Theme, nanos: u64) -> String {
    in_glyphs(theme, &session_api::units::nanos(nanos))
}

/// Microseconds: `850 µs`, `1.20 ms`, `3.4 s`.
pub(crate) fn micros(theme: Theme, micros: u64) -> String {
    in_glyphs(theme, &session_api::units::micros(micros))
}

fn in_glyphs(theme: Theme, figure: &str) -> String {
    figure.replace("µs", theme.glyphs().micro)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_without_a_glyph_has_a_word_for_it() {
        assert_eq!(micros(Theme { colour: true, ascii: true }, 12), "12 us");
        assert_eq!(nanos(Theme { colour: true, ascii: false }, 12_000), "12 µs");
    }
}
