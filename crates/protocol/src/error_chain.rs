//! Errors in words.

use std::error::Error;

/// An error and its sources in one line. A source that an outer error repeats stands once.
pub fn error_chain(error: &dyn Error) -> String {
    let mut words = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let said = error.to_string();
        if !words.contains(&said) {
            let separator = if words.is_empty() { "" } else { ": " };
            words = words + separator + &said;
        }
        next = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Layer {
        words: &'static str,
        source: Option<Box<Layer>>,
    }

    #[test]
    fn an_error_chain_says_each_source_once() {
        let chain = |all: &[&'static str]| {
            let layer = all.iter().rev().fold(None, |source, words| Some(Box::new(Layer { words, source })));
            layer.map(|layer| error_chain(&*layer)).unwrap_or_default()
        };
        assert_eq!(chain(&["send", "connect", "refused"]), "send: connect: refused");
        assert_eq!(chain(&["send: connect: refused", "connect: refused", "refused"]), "send: connect: refused");
        assert_eq!(chain(&["", "refused"]), "refused");
    }
}
