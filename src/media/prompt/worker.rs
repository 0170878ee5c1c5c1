//! Where uploads are decoded: on threads of their own, a few at once, each for a limited time. What
//! goes wrong there ends there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::clock;

use super::PromptError;

/// Uploads that are decoded at the same time: people upload one prompt at a time, and calls need the
/// other cores.
const AT_ONCE: usize = 2;

/// The longest that one may take. Five minutes of MP3 take a second or two.
const MOST_TIME: Duration = Duration::from_secs(30);

/// How much longer the caller waits for a decoder that does not look at the time.
const GRACE: Duration = Duration::from_secs(5);

static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// A place among those that run; it is given back by the thread that has it, when it ends.
struct Place;

impl Place {
    fn take() -> Option<Place> {
        let more = |running: usize| (running < AT_ONCE).then_some(running + 1);
        RUNNING
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .ok()
            .map(|_| Place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Does `work` on a thread of its own and waits for it. `work` is given what tells it that its time is
/// over.
///
/// # Errors
/// Too many others run, it took too long, it panicked, or what `work` says.
pub(super) fn run<T: Send + 'static>(
    work: impl FnOnce(&dyn Fn() -> bool) -> Result<T, PromptError> + Send + 'static,
) -> Result<T, PromptError> {
    let place = Place::take().ok_or(PromptError::Busy)?;
    let (answer, answered) = mpsc::sync_channel(1);
    let begun = clock::mono();
    let decoding = move || {
        let _place = place;
        let is_late = || clock::mono().since(begun) > MOST_TIME;
        let result = catch_unwind(AssertUnwindSafe(|| work(&is_late)));
        // Nobody waits any more for what took too long.
        let _ = answer.send(result.unwrap_or(Err(PromptError::Fault)));
    };
    thread::Builder::new()
        .name("prompt".to_owned())
        .spawn(decoding)?;
    answered
        .recv_timeout(MOST_TIME + GRACE)
        .unwrap_or(Err(PromptError::TooMuchWork))
}
