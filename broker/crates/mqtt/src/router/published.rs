//! A value that is replaced as a whole and read without a lock, with a number that says when it was replaced.
//!
//! The order of four accesses decides whether a reader can keep something stale for good:
//!
//! - a writer swaps the value in, *then* raises the epoch;
//! - a reader takes the epoch, *then* the value.
//!
//! So a reader's value is never older than the epoch that it goes by. If a change falls between its two
//! accesses the value is fresher than that, and is only read once more for nothing. The tests run this
//! protocol under every interleaving that a model checker can find, hence the two traits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

/// Where the newest version stands.
pub(super) trait Place<T> {
    fn of(value: T) -> Self;
    fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R;
    fn swap(&self, value: T) -> Arc<T>;
}

/// A counter. Who sees a number sees all that its writer did before raising it.
pub(super) trait Counter: Default {
    fn get(&self) -> u64;
    fn raise(&self);
}

/// One writer at a time.
pub(super) trait Turn: Default {
    fn take<R>(&self, work: impl FnOnce() -> R) -> R;
}

#[derive(Debug)]
pub(super) struct Published<T, P = ArcSwap<T>, C = AtomicU64, W = Mutex<()>> {
    place: P,
    epoch: C,
    writer: W,
    kind: std::marker::PhantomData<T>,
}

impl<T: Clone + Default, P: Place<T>, C: Counter, W: Turn> Published<T, P, C, W> {
    pub(super) fn new() -> Self {
        let kind = std::marker::PhantomData;
        Self { place: P::of(T::default()), epoch: C::default(), writer: W::default(), kind }
    }

    /// The number of changes so far.
    #[inline]
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// Reads the newest version, with the epoch that what is made of it holds for.
    pub(super) fn read<R>(&self, read: impl FnOnce(u64, &T) -> R) -> R {
        let epoch = self.epoch.get();
        self.place.read(|value| read(epoch, value))
    }

    /// Makes a new version of the newest one. `change` says whether it changed anything, and its result.
    pub(super) fn edit<R>(&self, change: impl FnOnce(&mut T) -> (bool, R)) -> R {
        let (result, old) = self.writer.take(|| {
            let mut value = self.place.read(T::clone);
            let (changed, result) = change(&mut value);
            if !changed {
                return (result, None);
            }
            let old = self.place.swap(value);
            self.epoch.raise();
            (result, Some(old))
        });
        // What only the old version held is freed here, when the next writer has its turn already.
        drop(old);
        result
    }
}

impl<T> Place<T> for ArcSwap<T> {
    fn of(value: T) -> Self {
        Self::from_pointee(value)
    }

    fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.load())
    }

    fn swap(&self, value: T) -> Arc<T> {
        Self::swap(self, Arc::new(value))
    }
}

impl Counter for AtomicU64 {
    #[inline]
    fn get(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    fn raise(&self) {
        self.fetch_add(1, Ordering::Release);
    }
}

impl Turn for Mutex<()> {
    fn take<R>(&self, work: impl FnOnce() -> R) -> R {
        let _turn = self.lock();
        work()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shuttle::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use shuttle::sync::{Mutex, RwLock};
    use shuttle::thread;

    use super::{Counter, Place, Published, Turn};

    /// Swaps in one step, as the real one does; the checker interrupts before and after.
    struct Pointer(RwLock<Arc<u64>>);

    impl Place<u64> for Pointer {
        fn of(value: u64) -> Self {
            Self(RwLock::new(Arc::new(value)))
        }
        fn read<R>(&self, read: impl FnOnce(&u64) -> R) -> R {
            let value = Arc::clone(&self.0.read().unwrap());
            read(&value)
        }
        fn swap(&self, value: u64) -> Arc<u64> {
            std::mem::replace(&mut *self.0.write().unwrap(), Arc::new(value))
        }
    }

    impl Counter for AtomicU64 {
        fn get(&self) -> u64 {
            self.load(SeqCst)
        }
        fn raise(&self) {
            self.fetch_add(1, SeqCst);
        }
    }

    impl Turn for Mutex<()> {
        fn take<R>(&self, work: impl FnOnce() -> R) -> R {
            let _turn = self.lock().unwrap();
            work()
        }
    }

    type Checked = Published<u64, Pointer, AtomicU64, Mutex<()>>;

    /// Two writers count up; a reader keeps what it read for as long as the epoch says that it may.
    fn history() {
        let published = Arc::new(Checked::new());
        let finished = Arc::new(AtomicU64::new(0));
        let writers = [(); 2].map(|()| {
            let (published, finished) = (Arc::clone(&published), Arc::clone(&finished));
            thread::spawn(move || {
                for _ in 0..2 {
                    published.edit(|value| {
                        *value += 1;
                        (true, ())
                    });
                    finished.fetch_add(1, SeqCst);
                }
            })
        });
        let mut memo = published.read(|epoch, value| (epoch, *value));
        for _ in 0..4 {
            let before = finished.load(SeqCst);
            if memo.0 != published.epoch() {
                memo = published.read(|epoch, value| (epoch, *value));
            }
            assert!(memo.1 >= before, "{before} changes had finished, the memo shows {}", memo.1);
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        if memo.0 != published.epoch() {
            memo = published.read(|epoch, value| (epoch, *value));
        }
        assert_eq!(memo, (4, 4), "no change is lost, and none stays unseen");
    }

    #[test]
    fn a_reader_that_goes_by_the_epoch_never_keeps_what_is_stale() {
        shuttle::check_random(history, 5_000);
        shuttle::check_pct(history, 5_000, 3);
    }

    #[test]
    fn what_changes_nothing_is_not_published() {
        shuttle::check_random(
            || {
                let published = Checked::new();
                assert_eq!(published.edit(|value| (false, *value)), 0);
                assert_eq!(published.epoch(), 0);
            },
            1,
        );
    }
}
