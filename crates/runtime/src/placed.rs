//! State that the system knows.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
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
    /// Threads that use the cell at this moment or are about to: while there is one, its count is not given back.
    users: AtomicUsize,
}

/// Somebody who uses the cell.
struct User<'a>(&'a AtomicUsize);

impl Drop for User<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The value, locked. Its fields are dropped in this order: the lock, then the use.
struct Held<'a, T> {
    value: MutexGuard<'a, T>,
    _user: User<'a>,
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Placed<T> {
    /// State with an initial value, made by a function.
    pub const fn new(initial: fn() -> T) -> Self {
        Self { initial, cell: AtomicPtr::new(ptr::null_mut()), users: AtomicUsize::new(0) }
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
        let _user = self.enter();
        let mut value = value;
        if self.cell.load(Ordering::SeqCst).is_null() {
            match self.place(value) {
                Ok(_) => return,
                Err((_, not_placed)) => value = not_placed,
            }
        }
        // The old value is dropped once nobody is kept waiting for its lock.
        drop(self.update(|old| mem::replace(old, value)));
    }

    fn enter(&self) -> User<'_> {
        self.users.fetch_add(1, Ordering::SeqCst);
        User(&self.users)
    }

    fn lock(&self) -> Held<'_, T> {
        let user = self.enter();
        let value = self.cell(&user).lock().unwrap_or_else(PoisonError::into_inner);
        Held { value, _user: user }
    }

    /// The cell, for as long as the use lasts.
    fn cell<'a>(&'a self, _: &User<'a>) -> &'a Mutex<T> {
        let mut cell = self.cell.load(Ordering::SeqCst);
        if cell.is_null() {
            cell = self.place((self.initial)()).unwrap_or_else(|(first, _)| first);
        }
        // SAFETY: the pointer is one that was in the static after its user was counted. Its count is given back, by
        // `release` and `adopt`, only after it was taken out of the static and no user was counted thereafter.
        unsafe { &*cell }
    }

    /// Makes a cell of a value where there is none, or answers the cell that there is, and the value.
    fn place(&self, value: T) -> Result<*mut Mutex<T>, (*mut Mutex<T>, T)> {
        let fresh = Arc::into_raw(Arc::new(Mutex::new(value))).cast_mut();
        match self.cell.compare_exchange(ptr::null_mut(), fresh, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => Ok(fresh),
            Err(first) => {
                // SAFETY: `fresh` was made above and nobody else has seen it.
                let fresh = unsafe { Arc::from_raw(fresh) };
                match Arc::into_inner(fresh) {
                    Some(value) => Err((first, value.into_inner().unwrap_or_else(PoisonError::into_inner))),
                    None => unreachable!("nobody else has counted it"),
                }
            }
        }
    }

    /// Whether somebody holds the value at this moment.
    pub(crate) fn is_held(&self) -> bool {
        let user = self.enter();
        let is_there = !self.cell.load(Ordering::SeqCst).is_null();
        is_there && matches!(self.cell(&user).try_lock(), Err(TryLockError::WouldBlock))
    }

    /// A counted pointer to the cell, for `adopt` of another version. None while somebody holds the value: who never
    /// lets go of it would hold the other version up, too.
    pub(crate) fn share(&self) -> Option<*const Mutex<T>> {
        let user = self.enter();
        let cell = self.cell(&user);
        if matches!(cell.try_lock(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let cell: *const Mutex<T> = cell;
        // SAFETY: the pointer is that of a live `Arc`.
        unsafe { Arc::increment_strong_count(cell) };
        Some(cell)
    }

    /// Uses another version's cell from now on.
    ///
    /// # Safety
    /// `cell` comes from `share` of a `Placed<T>` with the same `T`, layout and allocator.
    pub(crate) unsafe fn adopt(&self, cell: *const Mutex<T>) {
        let before = self.cell.swap(cell.cast_mut(), Ordering::SeqCst);
        if !before.is_null() && self.users.load(Ordering::SeqCst) == 0 {
            // SAFETY: its count was the static's, which has another cell now, and whoever used it has gone. Where
            // somebody may still use it, it stays.
            drop(unsafe { Arc::from_raw(before) });
        }
    }

    /// Gives the cell back, unless somebody uses it: a value that no other version has is dropped. Whoever comes
    /// later begins with the initial value. Answers whether nothing is held here any more.
    pub(crate) fn release(&self) -> bool {
        if self.users.load(Ordering::SeqCst) > 0 {
            return false;
        }
        let cell = self.cell.swap(ptr::null_mut(), Ordering::SeqCst);
        if cell.is_null() {
            return true;
        }
        if self.users.load(Ordering::SeqCst) > 0 {
            // Somebody came meanwhile, and may have seen it. It goes back; where it cannot, since there is a new one
            // already, it stays for ever.
            let _ = self.cell.compare_exchange(ptr::null_mut(), cell, Ordering::SeqCst, Ordering::SeqCst);
            return false;
        }
        // SAFETY: its count was the static's, which has none now, and whoever used it has gone.
        drop(unsafe { Arc::from_raw(cell) });
        true
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

    /// Counts itself.
    struct Counted(&'static AtomicUsize);

    impl Counted {
        fn new(alive: &'static AtomicUsize) -> Self {
            alive.fetch_add(1, Ordering::SeqCst);
            Self(alive)
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_value_is_dropped_when_the_last_version_that_has_it_gives_it_back() {
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        static OLD: Placed<Counted> = Placed::new(|| Counted::new(&ALIVE));
        static NEW: Placed<Counted> = Placed::new(|| Counted::new(&ALIVE));
        let alive = || ALIVE.load(Ordering::SeqCst);
        // A version that used its own before it takes another's.
        NEW.read(|_| ());
        OLD.read(|_| ());
        assert_eq!(alive(), 2);
        // SAFETY: same type, same program.
        unsafe { NEW.adopt(OLD.share().expect("nobody holds it")) };
        assert_eq!(alive(), 1);
        assert!(OLD.release() && OLD.release());
        assert_eq!(alive(), 1, "the new version has it");
        NEW.read(|_| assert!(!NEW.release(), "it is held"));
        assert!(NEW.release());
        assert_eq!(alive(), 0);
        NEW.set(Counted::new(&ALIVE));
        assert_eq!(alive(), 1, "no initial value is made where another is set");
        NEW.set(Counted::new(&ALIVE));
        assert_eq!(alive(), 1);
    }

    #[test]
    fn whoever_uses_a_value_while_it_is_given_back_finds_one_that_is_alive() {
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        static STATE: Placed<(Counted, Box<u64>)> = Placed::new(|| (Counted::new(&ALIVE), Box::new(7)));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5_000).for_each(|_| assert_eq!(STATE.read(|value| *value.1), 7)));
            }
            scope.spawn(|| {
                (0..5_000).for_each(|_| {
                    STATE.release();
                })
            });
        });
    }
}
