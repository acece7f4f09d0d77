//! How deeply a text is nested, before anything that recurses over it is asked.

use std::any::Any;
use std::ops::Range;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Brackets in brackets. Nobody writes more by hand; rustc's own limit for what macros make is 128.
const BRACKETS: usize = 256;

/// Tokens without an end of a statement, an item or an element between them, counted along the brackets they are in:
/// `!!!!x` and `a + b + c` nest by a level for each. A chain of a thousand method calls passes.
const CHAIN: usize = 5_000;

/// The stack that texts are read on, in bytes. The deepest that passes was seen to take less than 32 MiB; what is not
/// touched of it takes no memory.
const STACK: usize = 256 << 20;

/// Runs what goes as deep as a text is nested, on a stack of its own, so that no thread of the caller's runs over. The
/// words of a panic, which is a fault of this room or of syn, are the error.
pub(crate) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().name("parse".to_owned()).stack_size(STACK);
        match reader.spawn_scoped(scope, work) {
            Ok(reader) => reader.join().map_err(|panic| explain(&*panic)),
            Err(error) => Err(format!("no thread to read it on: {error}")),
        }
    })
}

fn explain(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the reader itself failed ({})", words.unwrap_or("no words"))
}

/// Where tokens are nested too deeply to be read.
pub(crate) fn too_deep(tokens: &TokenStream) -> Option<Range<usize>> {
    let level = |tokens: TokenStream, begin| Level { tokens: tokens.into_iter().peekable(), begin, chain: begin };
    let mut open = vec![level(tokens.clone(), 0)];
    while let Some(last) = open.last_mut() {
        let Some(token) = last.tokens.next() else {
            open.pop();
            continue;
        };
        last.chain += 1;
        if last.chain > CHAIN {
            return Some(token.span().byte_range());
        }
        match token {
            TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | ',') => last.chain = last.begin,
            TokenTree::Group(group) => {
                let begin = last.chain;
                if group.delimiter() == Delimiter::Brace && last.tokens.peek().is_none_or(begins) {
                    last.chain = last.begin;
                }
                if open.len() > BRACKETS {
                    return Some(group.span_open().byte_range());
                }
                open.push(level(group.stream(), begin));
            }
            _ => {}
        }
    }
    None
}

/// The tokens of a bracket, or of the file.
struct Level {
    tokens: std::iter::Peekable<proc_macro2::token_stream::IntoIter>,
    /// The chain its bracket stands in.
    begin: usize,
    chain: usize,
}

/// Whether a token after a closing brace begins something else.
fn begins(token: &TokenTree) -> bool {
    match token {
        TokenTree::Punct(punct) => punct.as_char() == '#',
        TokenTree::Ident(word) => word != "else" && word != "as",
        _ => true,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn refused(text: &str) -> bool {
        too_deep(&text.parse().unwrap()).is_some()
    }

    #[test]
    fn what_people_write_passes() {
        assert!(!refused(&format!("fn f() {{ {} }}", "g(1); ".repeat(20_000))));
        assert!(!refused(&"#[a] fn f() -> u8 { if x { 1 } else { 2 } } impl A for B {} ".repeat(5_000)));
        assert!(!refused(&format!("fn f() {{ a{} }}", ".b(c)".repeat(1_000))));
        assert!(!refused(&format!("fn f() {{ match x {{ {} }} }}", "A => {} 1 => {} ".repeat(5_000))));
    }

    #[test]
    fn what_would_overflow_a_stack_does_not() {
        assert!(refused(&format!("{}{}", "(".repeat(300), ")".repeat(300))));
        assert!(refused(&"!".repeat(6_000)));
        assert!(refused(&format!("a{}", "+ a".repeat(6_000))));
        assert!(refused(&format!("if a {{}} {}", "else if b {}".repeat(6_000))));
        assert!(refused(
            &"(a b c d e f g h i j k l m n o p q r s t"
                .repeat(250)
                .chars()
                .chain(")".repeat(250).chars())
                .collect::<String>()
        ));
    }
}
