//! Bodies of requests in memory: counted as they arrive, and bounded together, however many clients
//! send at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use futures_util::StreamExt;

/// Octets of all bodies in memory at once: four of the largest.
const MOST: usize = 4 * super::guard::LARGEST_BODY;

/// All bodies in memory.
#[derive(Debug)]
pub(super) struct Bodies {
    octets: Arc<AtomicUsize>,
    most: usize,
}

impl Default for Bodies {
    fn default() -> Bodies {
        Bodies {
            octets: Arc::default(),
            most: MOST,
        }
    }
}

/// What one request has sent. While it lives, its octets count.
#[derive(Clone, Debug)]
pub(super) struct Held(Arc<Share>);

#[derive(Debug)]
struct Share {
    all: Arc<AtomicUsize>,
    most: usize,
    own: AtomicUsize,
    refused: AtomicBool,
}

/// All bodies together are too large at this moment.
#[derive(Debug, thiserror::Error)]
#[error("too much is sent at this moment")]
struct TooMuch;

impl Bodies {
    /// The body, counted as it arrives, and its count.
    pub fn count(&self, body: Body) -> (Body, Held) {
        let held = Held(Arc::new(Share {
            all: Arc::clone(&self.octets),
            most: self.most,
            own: AtomicUsize::new(0),
            refused: AtomicBool::new(false),
        }));
        let share = Arc::clone(&held.0);
        let parts = body.into_data_stream().map(move |part| {
            let part = part?;
            share.take(part).map_err(axum::Error::new)
        });
        (Body::from_stream(parts), held)
    }
}

impl Held {
    /// Whether something of it was not taken in, because all bodies together were too large.
    pub fn is_refused(&self) -> bool {
        self.0.refused.load(Ordering::Relaxed)
    }
}

impl Share {
    fn take(&self, part: Bytes) -> Result<Bytes, TooMuch> {
        let size = part.len();
        self.own.fetch_add(size, Ordering::Relaxed);
        let before = self.all.fetch_add(size, Ordering::Relaxed);
        if before.saturating_add(size) > self.most {
            self.refused.store(true, Ordering::Relaxed);
            return Err(TooMuch);
        }
        Ok(part)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let own = self.own.load(Ordering::Relaxed);
        self.all.fetch_sub(own, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_that_are_too_large_together_are_refused_and_leave_room_behind() {
        let bodies = Bodies {
            most: 10,
            ..Bodies::default()
        };
        let read = async |octets: usize| {
            let (body, held) = bodies.count(Body::from("x".repeat(octets)));
            let read = axum::body::to_bytes(body, 100).await;
            (read.map(|octets| octets.len()).ok(), held)
        };
        let (first, held) = read(6).await;
        assert_eq!((first, held.is_refused()), (Some(6), false));
        let (second, refused) = read(6).await;
        assert_eq!((second, refused.is_refused()), (None, true));
        drop(refused);
        let (third, _) = read(4).await;
        assert_eq!(third, Some(4));
        drop(held);
        let (fourth, _) = read(10).await;
        assert_eq!(fourth, Some(10));
    }
}
