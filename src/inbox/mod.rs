//! The door between the engine and the edges that people and programs come in by: HTTP, mail, forms,
//! chat. Commands go in, and are answered once what came of them can be read; events come out.

mod attachments;
mod rates;
mod visitor;

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{broadcast, mpsc, oneshot, watch};

pub use attachments::{AttachmentError, Attachments, LARGEST_ATTACHMENT, clean_file_name};
pub use rates::{HourlyRates, KeyedRate, at_least_one};
pub use visitor::{VISITOR_COOKIE, Visitor};

use crate::core::conversation::{Command, Done, Event, Refusal, RefusalKind};
use crate::core::id::EventId;
use crate::core::snapshot::Snapshot;

/// Commands that may wait for the engine, each of which an edge waits for: beyond it, edges tell
/// their clients to come again.
const COMMANDS: usize = 4_096;

/// Events that a slow listener may fall behind before it misses some, which it is told.
const EVENTS: usize = 16_384;

/// The address of a client, as the outermost trusted proxy saw it. HTTP puts it into the extensions
/// of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// What one client has: an address of IPv4, or a /64 of IPv6 by its first address.
    pub fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address @ IpAddr::V4(_) => address,
        }
    }
}

/// A command, and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// What is asked for.
    pub command: Box<Command>,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Done, Refusal>>,
}

/// An event with its number, which counts up from 1 at each start of the daemon.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its number.
    pub number: u64,
    /// Its name for those outside, where it is kept until they know of it.
    pub id: Option<EventId>,
    /// What has happened.
    pub event: Arc<Event>,
}

/// The door. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Door {
    commands: mpsc::Sender<Asked>,
    events: broadcast::Sender<Published>,
    numbered: Arc<AtomicU64>,
    snapshot: Arc<watch::Sender<Arc<Snapshot>>>,
    attachments: Attachments,
}

impl Door {
    /// A door, and what comes through it. `attachments` is the directory of stored files.
    pub fn new(snapshot: Arc<Snapshot>, attachments: PathBuf) -> (Door, mpsc::Receiver<Asked>) {
        let (commands, asked) = mpsc::channel(COMMANDS);
        let door = Door {
            commands,
            events: broadcast::Sender::new(EVENTS),
            numbered: Arc::default(),
            snapshot: Arc::new(watch::Sender::new(snapshot)),
            attachments: Attachments::new(attachments),
        };
        (door, asked)
    }

    /// Asks the engine. What came of it can be read from the store when this returns.
    ///
    /// # Errors
    /// The engine refuses, does not keep up ([`RefusalKind::Busy`]), or is ending.
    pub async fn ask(&self, command: Command) -> Result<Done, Refusal> {
        let (answer, answered) = oneshot::channel();
        let command = Box::new(command);
        let busy = || Refusal {
            kind: RefusalKind::Busy,
            text: "Too much is going on at this moment. Try again in a few seconds.".to_owned(),
        };
        self.commands
            .try_send(Asked { command, answer })
            .map_err(|_| busy())?;
        answered.await.unwrap_or_else(|_| Err(busy()))
    }

    /// Commands that wait for the engine.
    pub fn waiting(&self) -> usize {
        let commands = &self.commands;
        commands.max_capacity().saturating_sub(commands.capacity())
    }

    /// Everything that happens from now on. A listener that falls behind is told how much it missed.
    pub fn events(&self) -> broadcast::Receiver<Published> {
        self.events.subscribe()
    }

    /// The configuration in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Tells when another configuration comes into force.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    /// The stored files.
    pub fn attachments(&self) -> &Attachments {
        &self.attachments
    }

    /// Tells everybody who listens of an event that is kept nowhere.
    pub fn publish(&self, event: Event) {
        self.publish_as(None, event);
    }

    /// Tells everybody who listens. For the daemon.
    pub fn publish_as(&self, id: Option<EventId>, event: Event) {
        let number = self.numbered.fetch_add(1, Ordering::Relaxed) + 1;
        let event = Arc::new(event);
        // Nobody listening is no error.
        let _ = self.events.send(Published { number, id, event });
    }

    /// Another configuration is in force. For the daemon.
    pub fn adopt(&self, snapshot: &Arc<Snapshot>) {
        self.snapshot.send_replace(Arc::clone(snapshot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one_client() {
        let network = |address: &str| ClientAddress(address.parse().unwrap()).network();
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), IpAddr::from([192, 0, 2, 1]));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
