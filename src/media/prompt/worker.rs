//! Where uploads are decoded: on threads of their own, a few at once, each for a limited time. What
//! goes wrong there ends there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use crate::clock;

use super::PromptError;

/// Uploads that are decoded at the same time: people upload one prompt at a time, and calls need the
/// other cores.
const AT_ONCE: usize = 2;

/// The longest that an upload waits for others: people are waiting for its answer.
const MOST_WAITING: Duration = Duration::from_secs(10);

/// The longest that one may take. Five minutes of MP3 take a second or two.
const MOST_TIME: Duration = Duration::from_secs(30);

/// How much longer the caller waits for a decoder that does not look at the time.
const GRACE: Duration = Duration::from_secs(5);

static WORKERS: LazyLock<Workers> = LazyLock::new(|| Workers::new(AT_ONCE, MOST_WAITING));

/// Does `work` on a thread of its own and waits for it. `work` is given what tells it that its time is
/// over.
///
/// # Errors
/// Too many others run, it took too long, it panicked, or what `work` says.
pub(super) fn run<T: Send + 'static>(
    work: impl FnOnce(&dyn Fn() -> bool) -> Result<T, PromptError> + Send + 'static,
) -> Result<T, PromptError> {
    WORKERS.run(work)
}

/// Does `work`; a panic is one of its errors.
pub(super) fn catch<T>(work: impl FnOnce() -> Result<T, PromptError>) -> Result<T, PromptError> {
    // Nothing that `work` has begun is seen again.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(PromptError::Fault))
}

/// So many places.
struct Workers {
    places: Arc<Places>,
    waiting: Duration,
}

struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One of them; it is given back by the thread that has it, when its work is over.
struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

impl Workers {
    fn new(at_once: usize, waiting: Duration) -> Workers {
        let places = Places {
            free: Mutex::new(at_once),
            freed: Condvar::new(),
        };
        Workers {
            places: Arc::new(places),
            waiting,
        }
    }

    fn take(&self) -> Option<Place> {
        let places = &self.places;
        let free = places.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut free, _) = places
            .freed
            .wait_timeout_while(free, self.waiting, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(1)?;
        Some(Place(Arc::clone(places)))
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Fn() -> bool) -> Result<T, PromptError> + Send + 'static,
    ) -> Result<T, PromptError> {
        let place = self.take().ok_or(PromptError::Busy)?;
        let (answer, answered) = mpsc::sync_channel(1);
        let begun = clock::mono();
        let decoding = move || {
            let is_late = || clock::mono().since(begun) > MOST_TIME;
            let result = catch(|| work(&is_late));
            drop(place);
            // Nobody waits any more for what took too long.
            let _ = answer.send(result);
        };
        thread::Builder::new()
            .name("prompt".to_owned())
            .spawn(decoding)?;
        answered
            .recv_timeout(MOST_TIME + GRACE)
            .unwrap_or(Err(PromptError::TooMuchWork))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn a_panic_is_an_error_and_gives_its_place_back() {
        let workers = Workers::new(1, Duration::ZERO);
        let fault = workers.run(|_| -> Result<(), PromptError> { panic!("as decoders do") });
        assert!(matches!(fault, Err(PromptError::Fault)));
        workers.run(|_| Ok(())).unwrap();
    }

    #[test]
    fn a_few_run_at_once_and_the_next_is_told_to_come_again() {
        static ALL_RUN: Barrier = Barrier::new(3);
        static OVER: Barrier = Barrier::new(3);
        let workers = Workers::new(2, Duration::ZERO);
        thread::scope(|scope| {
            let work = || {
                workers.run(|is_late| {
                    ALL_RUN.wait();
                    OVER.wait();
                    Ok(is_late())
                })
            };
            let running = [scope.spawn(work), scope.spawn(work)];
            ALL_RUN.wait();
            let third = workers.run(|_| Ok(()));
            OVER.wait();
            assert!(matches!(third, Err(PromptError::Busy)));
            for run in running {
                assert!(!run.join().unwrap().unwrap());
            }
        });
        workers.run(|_| Ok(())).unwrap();
    }

    #[test]
    fn whoever_may_wait_gets_the_place_of_another() {
        let workers = Workers::new(1, Duration::from_secs(60));
        thread::scope(|scope| {
            let works = [(); 8].map(|()| scope.spawn(|| workers.run(|_| Ok(()))));
            for work in works {
                work.join().unwrap().unwrap();
            }
        });
    }
}
