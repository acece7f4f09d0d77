//! The engines that functions run in. Each language is one variant; jail, pool and protocol know no other difference.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::frame::{CallEnd, FromJail, FunctionEnd, FunctionError, FunctionRun, Signature};
use crate::javascript;

/// The surroundings of a running function.
pub(crate) trait Around {
    /// Passes on a line or a call of the function's.
    fn say(&mut self, message: FromJail);

    /// Waits until then; where calls are under way, for the end of one of them at most.
    fn wait(&mut self, until: Instant, for_calls: bool) -> Option<(u32, CallEnd)>;
}

/// A language and its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FunctionEngine {
    /// QuickJS.
    JavaScript,
}

impl FunctionEngine {
    /// The engine for a source of this content type.
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let is = |name: &str| essence.eq_ignore_ascii_case(name);
        (is("text/javascript") || is("application/javascript")).then_some(Self::JavaScript)
    }

    /// Its language's name.
    pub fn language(self) -> &'static str {
        match self {
            Self::JavaScript => "javascript",
        }
    }

    /// Runs a function. `ended` hears how it ended, its nanoseconds and the bytes of lines that were cut, before what it
    /// leaves behind is cleared away.
    pub(crate) fn run(self, run: &FunctionRun, around: Box<dyn Around>, ended: impl FnOnce(FunctionEnd, u64, u64)) {
        match self {
            Self::JavaScript => javascript::run(run, around, ended),
        }
    }

    /// Reads a function, and does not call it.
    pub(crate) fn check(self, source: &str) -> Result<Signature, FunctionError> {
        match self {
            Self::JavaScript => javascript::check(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_known_by_content_type() {
        assert_eq!(FunctionEngine::of_content_type("text/javascript; charset=utf-8"), Some(FunctionEngine::JavaScript));
        assert_eq!(FunctionEngine::of_content_type("Application/JavaScript"), Some(FunctionEngine::JavaScript));
        assert_eq!(FunctionEngine::of_content_type("application/wasm"), None);
        assert_eq!(FunctionEngine::JavaScript.language(), "javascript");
    }
}
