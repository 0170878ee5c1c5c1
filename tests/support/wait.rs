//! Waiting for what must come, with a generous limit: a slow machine is no failure.

use std::time::Duration;

use ringdesk::clock;

/// How long anything may take; the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How often is looked at what sends no event of its own: files, processes, rows.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until there is something; panics with `what` when it does not come.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_some(look).unwrap_or_else(|| panic!("{what} did not come"))
}

/// Looks until there is something; `None` when it does not come.
pub fn until_some<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = clock::mono() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if clock::mono() > end {
            return None;
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// [`until`] beside other tasks.
pub async fn until_async<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = clock::mono() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(clock::mono() < end, "{what} did not come");
        tokio::time::timeout(LOOK_EVERY, std::future::pending::<()>())
            .await
            .unwrap_err();
    }
}
