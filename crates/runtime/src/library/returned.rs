//! What a function returns, by its type: an alias of `Result` is one, a type of the user's that is called so is none.
//!
//! `(&&&Returned::of(&output)).kind()` takes the first of four traits that fits, from the most references to none.

use std::fmt::Display;
use std::marker::PhantomData;

use serde::Serialize;

use super::answer::{CallAnswer, failed, filtered, value};
use crate::flow::FlowStep;

/// A type that a function returns.
pub struct Returned<T>(PhantomData<fn() -> T>);

impl<T> Returned<T> {
    /// The type by itself.
    pub const TYPE: Self = Self(PhantomData);

    /// The type of a value.
    pub fn of(_: &T) -> Self {
        Self::TYPE
    }
}

/// A `Result`, under whatever name.
pub trait Fallible {
    /// The value it holds when it is no error.
    type Value;
}

impl<T, E> Fallible for Result<T, E> {
    type Value = T;
}

/// A value, whatever it is.
pub struct Plain<T>(PhantomData<fn() -> T>);

/// `Option<T>`.
pub struct Filtering<T>(PhantomData<fn() -> T>);

/// `Result<T, E>`.
pub struct Failing<T, E>(PhantomData<fn() -> (T, E)>);

/// `Result<Option<T>, E>`.
pub struct FailingOrFiltering<T, E>(PhantomData<fn() -> (T, E)>);

/// Of any type that is none of the others.
pub trait IsPlain<T> {
    /// The kind.
    fn kind(&self) -> Plain<T> {
        Plain(PhantomData)
    }
}

/// Of an `Option`.
pub trait IsFiltering<T> {
    /// The kind.
    fn kind(&self) -> Filtering<T> {
        Filtering(PhantomData)
    }
}

/// Of a `Result`.
pub trait IsFailing<T, E> {
    /// The kind.
    fn kind(&self) -> Failing<T, E> {
        Failing(PhantomData)
    }
}

/// Of a `Result` with an `Option` in it.
pub trait IsFailingOrFiltering<T, E> {
    /// The kind.
    fn kind(&self) -> FailingOrFiltering<T, E> {
        FailingOrFiltering(PhantomData)
    }
}

impl<T> IsPlain<T> for Returned<T> {}
impl<T> IsFiltering<T> for &Returned<Option<T>> {}
impl<T, E> IsFailing<T, E> for &Returned<Result<T, E>> {}
impl<T, E> IsFailingOrFiltering<T, E> for &&Returned<Result<Option<T>, E>> {}

/// Said where types are compared and nothing runs.
fn never<T>() -> FlowStep<T> {
    unreachable!("the flow is checked, not run")
}

impl<T> Plain<T> {
    /// The end of a call.
    pub fn answer(self, output: T) -> CallAnswer
    where
        T: Serialize,
    {
        value(&output)
    }

    /// The value that travels along the flow.
    pub fn flow(self) -> FlowStep<T> {
        never()
    }
}

impl<T> Filtering<T> {
    /// The end of a call.
    pub fn answer(self, output: Option<T>) -> CallAnswer
    where
        T: Serialize,
    {
        output.as_ref().map_or_else(filtered, value)
    }

    /// The value that travels along the flow.
    pub fn flow(self) -> FlowStep<T> {
        never()
    }
}

impl<T, E> Failing<T, E> {
    /// The end of a call.
    pub fn answer(self, output: Result<T, E>) -> CallAnswer
    where
        T: Serialize,
        E: Display + 'static,
    {
        output.map_or_else(failed, |output| value(&output))
    }

    /// The value that travels along the flow.
    pub fn flow(self) -> FlowStep<T> {
        never()
    }
}

impl<T, E> FailingOrFiltering<T, E> {
    /// The end of a call.
    pub fn answer(self, output: Result<Option<T>, E>) -> CallAnswer
    where
        T: Serialize,
        E: Display + 'static,
    {
        output.map_or_else(failed, |output| output.as_ref().map_or_else(filtered, value))
    }

    /// The value that travels along the flow.
    pub fn flow(self) -> FlowStep<T> {
        never()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::border::Kind;

    macro_rules! answered {
        ($output:expr) => {{
            let output = $output;
            let answer = (&&&Returned::of(&output)).kind().answer(output);
            (answer.kind, String::from_utf8_lossy(&answer.body).into_owned())
        }};
    }

    type Res<T> = Result<T, String>;
    type Maybe = Option<u8>;
    type Both = Res<Maybe>;

    mod own {
        #[derive(serde::Serialize)]
        pub(super) enum Option {
            Some(u8),
        }
    }

    #[test]
    fn what_is_returned_is_known_by_its_type() {
        let is = |kind, body: &str| (kind, body.to_owned());
        let failed = || is(Kind::Failed, r#"{"message":"no"}"#);
        assert_eq!(answered!(7_u8), is(Kind::Value, "7"));
        assert_eq!(answered!(Res::Ok(7_u8)), is(Kind::Value, "7"));
        assert_eq!(answered!(Res::<u8>::Err("no".to_owned())), failed());
        assert_eq!(answered!(Maybe::Some(7)), is(Kind::Value, "7"));
        assert_eq!(answered!(Maybe::None), is(Kind::Filtered, ""));
        assert_eq!(answered!(Both::Ok(Some(7))), is(Kind::Value, "7"));
        assert_eq!(answered!(Both::Ok(None)), is(Kind::Filtered, ""));
        assert_eq!(answered!(Both::Err("no".to_owned())), failed());
        assert_eq!(answered!(crate::Result::<u8>::Err(crate::Error::new("no"))), failed());
        let never = is(Kind::Failed, r#"{"message":"no","retry":"never"}"#);
        assert_eq!(answered!(crate::Result::<u8>::Err(crate::Error::permanent("no"))), never);
        let later = crate::Error::later(std::time::Duration::from_secs(5));
        let asked = is(Kind::Failed, r#"{"message":"it is to run again in 5s","retry_ms":5000}"#);
        assert_eq!(answered!(crate::Result::<u8>::Err(later)), asked);
        assert_eq!(answered!(own::Option::Some(7)), is(Kind::Value, r#"{"Some":7}"#));
        assert_eq!(answered!(Some(Res::Ok(7_u8))), is(Kind::Value, r#"{"Ok":7}"#), "what is filtered is the outer one");
    }
}
