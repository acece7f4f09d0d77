//! Placed state as the host sees it: by name, as JSON where its type allows, by its cell where versions agree.

use std::ffi::c_void;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{self, CallAnswer};
use crate::border::Kind;
use crate::placed::Placed;

/// A placed static, its type forgotten.
pub struct State {
    /// Name of the static.
    pub name: &'static str,
    /// See [`border::State::fingerprint`](crate::border::State::fingerprint).
    pub fingerprint: &'static str,
    /// See [`border::State::apart`](crate::border::State::apart).
    pub apart: Option<&'static str>,
    /// Size and alignment of its type, and what the compiler calls it.
    pub layout: fn() -> (usize, usize, &'static str),
    /// Its JSON, of so many bytes at most.
    pub read: fn(usize) -> CallAnswer,
    /// Puts JSON in its place.
    pub write: fn(&[u8]) -> CallAnswer,
    /// A counted pointer to its cell; null while a call holds its value.
    pub share: fn() -> *const c_void,
    /// Takes another version's cell.
    ///
    /// Only for what `share` of a version with the same layout and behaviour gave.
    pub adopt: unsafe fn(*const c_void),
    /// Whether a call holds it.
    pub held: fn() -> bool,
    /// Gives its cell back, unless somebody uses it.
    pub release: fn() -> bool,
}

/// Asks at compile time whether a type serialises: `(&Probe(&STATIC)).read()` finds [`Json`] for a type that does,
/// and with one reference more, so only then, [`Opaque`] for any other.
pub struct Probe<'a, T>(pub &'a Placed<T>);

/// State that is JSON.
pub trait Json {
    /// The value.
    fn read(&self) -> CallAnswer {
        self.read_within(usize::MAX)
    }
    /// The value, in so many bytes at most: whoever waits for its lock waits no longer than these take to write.
    fn read_within(&self, most: usize) -> CallAnswer;
    /// Another value in its place; untouched when it does not read.
    fn write(&self, json: &[u8]) -> CallAnswer;
}

/// State that is not.
pub trait Opaque {
    /// Nothing to read.
    fn read(&self) -> CallAnswer {
        self.read_within(0)
    }
    /// Nothing to read.
    fn read_within(&self, most: usize) -> CallAnswer;
    /// Nothing to write.
    fn write(&self, json: &[u8]) -> CallAnswer;
}

impl<T: Serialize + DeserializeOwned> Json for Probe<'_, T> {
    fn read_within(&self, most: usize) -> CallAnswer {
        self.0.read(|value| answer::value_within(value, most))
    }

    fn write(&self, json: &[u8]) -> CallAnswer {
        match serde_json::from_slice(json) {
            Ok(value) => {
                self.0.set(value);
                CallAnswer::new(Kind::Value, b"null".to_vec())
            }
            Err(error) => answer::rejected("state", "", &error),
        }
    }
}

impl<T> Opaque for &Probe<'_, T> {
    fn read_within(&self, _: usize) -> CallAnswer {
        answer::filtered()
    }

    fn write(&self, _: &[u8]) -> CallAnswer {
        answer::rejected(
            "state",
            "",
            &serde::de::Error::custom("its type does not implement Serialize and Deserialize"),
        )
    }
}

impl<T> Probe<'_, T> {
    /// A counted pointer to the cell; null while a call holds the value, perhaps for ever.
    pub fn share(&self) -> *const c_void {
        self.0.share().map_or(std::ptr::null(), <*const _>::cast)
    }

    /// Takes another version's cell.
    ///
    /// # Safety
    /// It comes from [`Probe::share`] over a type of the same layout and behaviour.
    pub unsafe fn adopt(&self, cell: *const c_void) {
        // SAFETY: the caller's promise.
        unsafe { self.0.adopt(cell.cast()) };
    }

    /// Whether a call holds the value.
    pub fn is_held(&self) -> bool {
        self.0.is_held()
    }

    /// Gives the cell back, unless somebody uses it.
    pub fn release(&self) -> bool {
        self.0.release()
    }

    /// Size and alignment of the type, and what the compiler calls it.
    pub fn layout(&self) -> (usize, usize, &'static str) {
        (size_of::<T>(), align_of::<T>(), std::any::type_name::<T>())
    }
}
