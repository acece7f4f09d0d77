//! State that the system knows.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// State of one service, tied to it by `#[placed(service)]`: it is kept over an edit of the service's code, shown
/// and set by the tools, and carried when the service moves.
///
/// The value is made on first use. Access is one at a time; a panic while the value is held leaves it as it is then.
///
/// ```
/// use dyninka::Placed;
///
/// static COUNT: Placed<u64> = Placed::new(u64::default);
/// assert_eq!(COUNT.update(|count| { *count += 1; *count }), 1);
/// ```
pub struct Placed<T> {
    initial: fn() -> T,
    /// A counted pointer of an `Arc<Mutex<T>>`, null before the first use. On the heap, so that a newer version of
    /// the service's library can use the very same value.
    cell: AtomicPtr<Mutex<T>>,
}

impl<T> Placed<T> {
    /// State with an initial value, made by a function.
    pub const fn new(initial: fn() -> T) -> Self {
        Self { initial, cell: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Changes the value under its lock.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.lock())
    }

    /// Looks at the value under its lock.
    pub fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// A copy of the value.
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        self.read(T::clone)
    }

    /// Puts another value in its place.
    pub fn set(&self, value: T) {
        self.update(|old| *old = value);
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.cell().lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cell(&self) -> &Mutex<T> {
        let mut cell = self.cell.load(Ordering::Acquire);
        if cell.is_null() {
            let fresh = Arc::into_raw(Arc::new(Mutex::new((self.initial)()))).cast_mut();
            let placed = self.cell.compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire);
            cell = placed.map_or_else(
                |first| {
                    // SAFETY: `fresh` was made above and nobody else has seen it.
                    drop(unsafe { Arc::from_raw(fresh) });
                    first
                },
                |_| fresh,
            );
        }
        // SAFETY: a cell, once placed, keeps its count for as long as the static: see `adopt`.
        unsafe { &*cell }
    }

    /// A counted pointer to the cell, for `adopt` of another version. None while somebody holds the value: who never
    /// lets go of it would hold the other version up, too.
    pub(crate) fn share(&self) -> Option<*const Mutex<T>> {
        let cell = self.cell();
        if matches!(cell.try_lock(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let cell: *const Mutex<T> = cell;
        // SAFETY: the pointer is that of a live `Arc`.
        unsafe { Arc::increment_strong_count(cell) };
        Some(cell)
    }

    /// Uses another version's cell from now on. A cell used before keeps its count: somebody may hold it.
    ///
    /// # Safety
    /// `cell` comes from `share` of a `Placed<T>` with the same `T`, layout and allocator.
    pub(crate) unsafe fn adopt(&self, cell: *const Mutex<T>) {
        self.cell.store(cell.cast_mut(), Ordering::Release);
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Placed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.read(|value| f.debug_tuple("Placed").field(value).finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_race_for_the_first_use_share_one_value() {
        static COUNT: Placed<u64> = Placed::new(u64::default);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1000).for_each(|_| COUNT.update(|count| *count += 1)));
            }
        });
        assert_eq!(COUNT.get(), 8000);
    }

    #[test]
    fn a_panic_leaves_the_value_as_it_was_then() {
        static VALUE: Placed<Vec<u8>> = Placed::new(Vec::new);
        let panicked = std::panic::catch_unwind(|| {
            VALUE.update(|value| {
                value.push(1);
                panic!("in the middle");
            })
        });
        assert!(panicked.is_err());
        assert_eq!(VALUE.get(), [1]);
    }

    #[test]
    fn an_adopted_cell_is_the_same_value() {
        static OLD: Placed<u64> = Placed::new(|| 7);
        static NEW: Placed<u64> = Placed::new(|| 0);
        OLD.read(|_| assert!(OLD.share().is_none(), "it is held"));
        // SAFETY: same type, same program.
        unsafe { NEW.adopt(OLD.share().expect("nobody holds it")) };
        NEW.update(|value| *value += 1);
        assert_eq!(OLD.get(), 8);
    }
}
