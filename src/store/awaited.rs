//! Those who wait until what they did can be read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use super::journal::Position;
use crate::core::time::Mono;

/// How long at most somebody waits for the database once the journal has it: longer than a
/// checkpoint takes on a disk that others write much to, shorter than a person's patience.
const LONGEST: Duration = Duration::from_secs(10);

/// Those who wait, and how far the database is.
#[derive(Default)]
pub(super) struct Awaited {
    state: Mutex<State>,
    /// Those without patience on their way to here, and those who are here.
    hurried: AtomicUsize,
    /// The same of those with patience.
    listeners: AtomicUsize,
    /// The threads of the journal and of the database.
    threads: OnceLock<Vec<Thread>>,
}

#[derive(Default)]
struct State {
    applied: Position,
    /// In the order of the journal, which is that of their time too.
    waiting: VecDeque<Waiting>,
    /// Somebody was called before the database had it, and that was told of.
    late: bool,
}

/// How soon somebody must be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// An answer that somebody waits for: the threads hurry.
    None,
    /// News for those who listen: what comes within a moment is told together.
    Some,
}

struct Waiting {
    until: Position,
    patience: Patience,
    latest: Mono,
    then: Box<dyn FnOnce() + Send>,
}

impl Awaited {
    /// The threads that hurry where somebody waits: the journal's first.
    pub fn wakes(&self, threads: impl Iterator<Item = Thread>) {
        let _ = self.threads.set(threads.collect());
    }

    /// Somebody is going to wait.
    pub fn announce(&self, patience: Patience) {
        self.those(patience).fetch_add(1, Ordering::SeqCst);
    }

    /// Who was announced does not wait any more.
    pub fn forget(&self, patience: Patience) {
        self.those(patience).fetch_sub(1, Ordering::SeqCst);
    }

    /// True if somebody of that patience waits or is going to.
    pub fn any(&self, patience: Patience) -> bool {
        self.those(patience).load(Ordering::SeqCst) > 0
    }

    fn those(&self, patience: Patience) -> &AtomicUsize {
        match patience {
            Patience::None => &self.hurried,
            Patience::Some => &self.listeners,
        }
    }

    /// Ends what rests the threads take.
    pub fn hurry(&self) {
        for thread in self.threads.get().into_iter().flatten() {
            thread.unpark();
        }
    }

    /// Ends what rest the thread of the database takes.
    pub fn hurry_database(&self) {
        if let Some(thread) = self.threads.get().and_then(|threads| threads.last()) {
            thread.unpark();
        }
    }

    /// Calls `then` once the database has come to `until`.
    pub fn wait(
        &self,
        until: Position,
        now: Mono,
        patience: Patience,
        then: Box<dyn FnOnce() + Send>,
    ) {
        let mut state = self.state();
        state.waiting.push_back(Waiting {
            until,
            patience,
            latest: now + LONGEST,
            then,
        });
        let applied = state.applied;
        self.call(&mut state, |waiting| waiting.until <= applied);
    }

    /// The database has come so far.
    pub fn call_applied(&self, applied: Position) {
        let mut state = self.state();
        state.applied = applied;
        self.call(&mut state, |waiting| waiting.until <= applied);
        if state.waiting.is_empty() {
            state.late = false;
        }
    }

    /// Calls those who waited too long; true where that is to be told of.
    pub fn call_overdue(&self, now: Mono) -> bool {
        let mut state = self.state();
        let called = self.call(&mut state, |waiting| waiting.latest <= now);
        called && !std::mem::replace(&mut state.late, true)
    }

    /// Calls everybody.
    pub fn call_all(&self) {
        self.call(&mut self.state(), |_| true);
    }

    /// When somebody will have waited too long.
    pub fn next(&self) -> Option<Mono> {
        self.state().waiting.front().map(|waiting| waiting.latest)
    }

    /// Calls those at the front of whom that is true. While the state is held, so that nobody is
    /// called before somebody who came earlier.
    fn call(&self, state: &mut State, due: impl Fn(&Waiting) -> bool) -> bool {
        let mut called = false;
        while state.waiting.front().is_some_and(&due)
            && let Some(waiting) = state.waiting.pop_front()
        {
            (waiting.then)();
            self.forget(waiting.patience);
            called = true;
        }
        called
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets more come, unless the daemon ends.
pub(super) fn rest(time: Duration, closing: &AtomicBool) {
    if !closing.load(Ordering::Relaxed) {
        std::thread::park_timeout(time);
    }
}
