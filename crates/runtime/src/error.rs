//! Why a service failed.

use std::any::Any;
use std::fmt::{self, Debug, Display};
use std::time::Duration;

/// The return type of a service that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a service failed. Any [`std::error::Error`] turns into one with `?`.
///
/// The error of a service that was called keeps the problem document (RFC 9457) it came with, so that whoever
/// passes it on passes on where it came from.
pub struct Error {
    message: String,
    service: Option<String>,
    problem: Option<String>,
    retry: Retry,
}

/// What an error says of another attempt, where the function runs as a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Retry {
    /// As the job says.
    #[default]
    Usual,
    /// It would fail again.
    Never,
    /// After so many milliseconds, without using an attempt.
    Later(u64),
}

impl Error {
    /// An error of the app's own words.
    pub fn new(message: impl Display) -> Self {
        Self { message: message.to_string(), service: None, problem: None, retry: Retry::Usual }
    }

    /// An error that comes again however often the function runs: a job that ends with it fails at once, whatever attempts
    /// are left. Elsewhere it is an error as any other.
    ///
    /// ```
    /// # use dyninka::{Error, Result};
    /// fn price(customer: u32) -> Result<f64> {
    ///     if customer == 0 { Err(Error::permanent("no such customer")) } else { Ok(9.5) }
    /// }
    /// # assert_eq!(price(0).unwrap_err().to_string(), "no such customer");
    /// ```
    pub fn permanent(message: impl Display) -> Self {
        Self { retry: Retry::Never, ..Self::new(message) }
    }

    /// Asks for another run after a while: a job that ends with it runs again then and uses no attempt, a hundred times at
    /// most. Elsewhere it is an error as any other.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use dyninka::{Error, Result};
    /// fn fetch(is_there: bool) -> Result<()> {
    ///     if is_there { Ok(()) } else { Err(Error::later(Duration::from_secs(30))) }
    /// }
    /// # assert_eq!(fetch(false).unwrap_err().to_string(), "it is to run again in 30s");
    /// ```
    pub fn later(after: Duration) -> Self {
        let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        Self { retry: Retry::Later(millis), ..Self::new(format!("it is to run again in {after:?}")) }
    }

    /// What it says of another attempt.
    pub(crate) fn retry(&self) -> Retry {
        self.retry
    }

    /// The service it came from, where it came from one that was called.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// The problem document it came with, where it came over the border.
    #[doc(hidden)]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// The error a problem document stands for.
    pub(crate) fn from_problem(problem: String) -> Self {
        let parsed: Option<serde_json::Value> = serde_json::from_str(&problem).ok();
        let word = |name: &str| Some(parsed.as_ref()?.get(name)?.as_str()?.to_owned());
        let message = word("detail").or_else(|| word("title")).unwrap_or_else(|| problem.clone());
        Self { message, service: word("service"), problem: Some(problem), retry: Retry::Usual }
    }

    /// Turns what a service returned as its error into ours: one of ours stays what it is, in a box too.
    #[doc(hidden)]
    pub fn from_returned<E: Display + 'static>(error: E) -> Self {
        let mut slot = Some(error);
        let any: &mut dyn Any = &mut slot;
        let ours = if let Some(ours) = any.downcast_mut::<Option<Self>>() {
            ours.take()
        } else if let Some(boxed) = any.downcast_mut::<Option<Box<dyn std::error::Error + Send + Sync>>>() {
            boxed.take().map(|boxed| boxed.downcast::<Boxed>().map_or_else(|other| words(&*other), |ours| ours.0))
        } else if let Some(boxed) = any.downcast_mut::<Option<Box<dyn std::error::Error>>>() {
            boxed.take().map(|boxed| boxed.downcast::<Boxed>().map_or_else(|other| words(&*other), |ours| ours.0))
        } else {
            None
        };
        // The alternate form: error types that hold a chain of causes tell all of it there.
        ours.unwrap_or_else(|| Self::new(slot.map(|error| format!("{error:#}")).unwrap_or_default()))
    }

    /// Notes where it came from, unless that is known.
    pub(crate) fn of(mut self, service: &str) -> Self {
        self.service.get_or_insert_with(|| service.to_owned());
        self
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        words(&error)
    }
}

/// An error's words and its causes'.
fn words(error: &dyn std::error::Error) -> Error {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        // Many libraries repeat their cause's words in their own.
        if !message.contains(&words) {
            message.push_str(": ");
            message.push_str(&words);
        }
        source = cause.source();
    }
    Error::new(message)
}

/// An [`Error`] in a box: it is no [`std::error::Error`] itself, else `?` could not make one of any other.
#[derive(Debug)]
struct Boxed(Error);

impl Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Boxed {}

impl From<Error> for Box<dyn std::error::Error + Send + Sync> {
    fn from(error: Error) -> Self {
        Box::new(Boxed(error))
    }
}

impl From<Error> for Box<dyn std::error::Error> {
    fn from(error: Error) -> Self {
        Box::new(Boxed(error))
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("message", &self.message).field("service", &self.service).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_stays_ours_and_others_lend_their_words() {
        let ours = Error::from_problem(r#"{"detail":"no such key","service":"lookup"}"#.to_owned());
        let returned = Error::from_returned(ours);
        assert_eq!((returned.to_string().as_str(), returned.service()), ("no such key", Some("lookup")));
        assert!(returned.problem().is_some());
        assert_eq!(Error::from_returned("plain words").to_string(), "plain words");
        let problem = r#"{"detail":"no such key","service":"lookup"}"#;
        let boxed: Box<dyn std::error::Error> = Error::from_problem(problem.to_owned()).into();
        assert_eq!(Error::from_returned(boxed).problem(), Some(problem));
        let boxed: Box<dyn std::error::Error + Send + Sync> = Error::from_problem(problem.to_owned()).into();
        assert_eq!(Error::from_returned(boxed).problem(), Some(problem));
    }

    #[test]
    fn causes_are_told_once() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("read the port")
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let cause = "x".parse::<u16>().map_err(Outer).map_err(Error::from);
        assert_eq!(
            cause.err().map(|error| error.to_string()).as_deref(),
            Some("read the port: invalid digit found in string")
        );
    }
}
