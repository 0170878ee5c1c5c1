//! Waiting for what other threads and processes do.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use ringdesk::clock;

pub use super::looking::{PATIENCE, until, until_some};

/// Lets time pass, for pacing audio.
#[expect(clippy::disallowed_methods, reason = "audio has a pace")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A value that threads watch.
#[derive(Debug, Default)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    /// Changes the value and wakes who waits.
    pub fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Looks at the value as it is.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// Waits until `find` finds something; `None` when the limit is over.
    pub fn wait<R>(&self, mut find: impl FnMut(&mut T) -> Option<R>) -> Option<R> {
        let began = clock::mono();
        let mut value = self.lock();
        loop {
            if let Some(found) = find(&mut value) {
                return Some(found);
            }
            let left = PATIENCE.checked_sub(clock::mono().since(began))?;
            value = self.changed.wait_timeout(value, left).unwrap().0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
