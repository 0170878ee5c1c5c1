//! Waiting for what must come, with a generous limit: a slow machine is no failure.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use ringdesk::clock;

/// Longer than anything takes on a machine under load.
pub const LIMIT: Duration = Duration::from_secs(60);

/// How often is looked at what sends no event of its own: files, processes, rows.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until there is something; panics with `what` when it does not come.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_some(look).unwrap_or_else(|| panic!("{what}: never came"))
}

/// Looks until there is something; `None` when the limit is over.
pub fn until_some<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let began = clock::mono();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if clock::mono().since(began) > LIMIT {
            return None;
        }
        pause(LOOK_EVERY);
    }
}

/// Lets time pass, for pacing audio and for looking again.
#[expect(
    clippy::disallowed_methods,
    reason = "other processes are looked at, and audio has a pace"
)]
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
            let left = LIMIT.checked_sub(clock::mono().since(began))?;
            value = self.changed.wait_timeout(value, left).unwrap().0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
