//! The stream of events (server-sent events): what happens in the inboxes that one may see, from where
//! one left off. What may be seen is looked at for each event anew.

mod entry;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Told, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::body::Asked;
use super::routes::Routes;
use super::{App, Asker, HttpError, Needs};
use crate::core::conversation::Happening;
use crate::core::hex::hex;
use crate::core::snapshot::Scope;
use crate::inbox::{Door, Published};
use entry::{Entry, entry};

/// Events that are kept for those who come back: some minutes of a busy day.
const KEPT: usize = 4_096;

/// Octets of events that are kept, whatever their number.
const KEPT_OCTETS: usize = 16 * 1024 * 1024;

/// Events that one listener may fall behind: then it is cut, and comes back with its last number.
const BEHIND: usize = 1_024;

/// Streams at once.
const STREAMS: usize = 4_096;

/// Streams of one token or person: windows on several machines. Nobody takes all there are.
const STREAMS_OF_ONE: usize = 100;

/// How often something is sent where nothing happens, so that proxies keep the connection and a
/// listener that is gone is noticed. Access is looked at then, too.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Everything that was told lately, and everybody who listens.
#[derive(Debug)]
pub(super) struct Events {
    boot: String,
    kept: Mutex<Kept>,
    live: broadcast::Sender<Arc<Entry>>,
    streams: Arc<Semaphore>,
    listeners: Arc<Mutex<HashMap<String, usize>>>,
}

/// A place among the streams, until it is dropped.
#[derive(Debug)]
struct Seat {
    listeners: Arc<Mutex<HashMap<String, usize>>>,
    asker: String,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut listeners = locked(&self.listeners);
        if let Some(count) = listeners.get_mut(&self.asker) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                listeners.remove(&self.asker);
            }
        }
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Arc<Entry>>,
    octets: usize,
    /// The number of the last one that was dropped, or came before the first.
    before: u64,
    last: u64,
    /// Some were missed after the last one.
    missed: bool,
}

impl Kept {
    fn push(&mut self, entry: Arc<Entry>) {
        if std::mem::take(&mut self.missed) {
            self.before = entry.number.saturating_sub(1);
        }
        self.last = entry.number;
        self.octets = self.octets.saturating_add(entry.data.len());
        self.entries.push_back(entry);
        while self.entries.len() > KEPT || self.octets > KEPT_OCTETS {
            let Some(old) = self.entries.pop_front() else {
                break;
            };
            self.octets = self.octets.saturating_sub(old.data.len());
            self.before = old.number;
        }
    }

    /// What was missed is not known: nobody can go on from before it.
    fn forget(&mut self) {
        self.entries.clear();
        self.octets = 0;
        self.missed = true;
    }

    /// Everything after `number`; `None`: some of it is gone.
    fn after(&self, number: u64) -> Option<Vec<Arc<Entry>>> {
        if self.missed || number < self.before || number > self.last {
            return None;
        }
        let later = self.entries.iter().filter(|entry| entry.number > number);
        Some(later.cloned().collect())
    }
}

impl Default for Events {
    fn default() -> Events {
        let mut boot = [0u8; 6];
        // Without randomness the time of the start tells one run from another.
        if getrandom::fill(&mut boot).is_err() {
            let millis = crate::clock::wall().as_millis().to_be_bytes();
            boot.copy_from_slice(&millis[2..]);
        }
        Events {
            boot: hex(&boot),
            kept: Mutex::default(),
            live: broadcast::Sender::new(BEHIND),
            streams: Arc::new(Semaphore::new(STREAMS)),
            listeners: Arc::default(),
        }
    }
}

impl Events {
    /// Listens to what happens, until the engine is gone.
    pub async fn listen(self: Arc<Self>, mut events: broadcast::Receiver<Published>) {
        loop {
            match events.recv().await {
                Ok(published) => self.take(&published),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!("{missed} events were missed: all streams begin anew");
                    self.kept().forget();
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn take(&self, published: &Published) {
        let number = published.number;
        let Some(entry) = entry(number, &published.event) else {
            self.kept().last = number;
            return;
        };
        let entry = Arc::new(entry);
        self.kept().push(Arc::clone(&entry));
        // Nobody listening is no error.
        let _ = self.live.send(entry);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        locked(&self.kept)
    }

    /// A place among the streams.
    fn seat(&self, asker: &str) -> Result<Seat, HttpError> {
        let busy = |text: &str| HttpError::Busy(text.to_owned());
        let streams = Arc::clone(&self.streams);
        let permit = streams.try_acquire_owned();
        let permit = permit.map_err(|_| busy("Too many listen at this moment."))?;
        let mut listeners = locked(&self.listeners);
        let own = listeners.entry(asker.to_owned()).or_default();
        if *own >= STREAMS_OF_ONE {
            return Err(busy("You listen too many times: close some streams."));
        }
        *own = own.saturating_add(1);
        Ok(Seat {
            listeners: Arc::clone(&self.listeners),
            asker: asker.to_owned(),
            _permit: permit,
        })
    }

    fn id(&self, number: u64) -> String {
        format!("{}.{number}", self.boot)
    }

    /// The number of an event of this run.
    fn number(&self, id: &str) -> Option<u64> {
        id.strip_prefix(self.boot.as_str())?
            .strip_prefix('.')?
            .parse()
            .ok()
    }
}

pub(super) fn add(routes: Routes) -> Routes {
    routes.add(Needs::scope(Scope::ReadConversations), routes!(events))
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Names of events, with commas between them: `message.added,conversation.assigned`.
    types: Option<String>,
    /// Only what happens in this conversation.
    conversation: Option<String>,
    /// Only what happens in this channel.
    channel: Option<String>,
    /// Where to go on, for clients that cannot send Last-Event-ID.
    last_event_id: Option<String>,
}

impl Filter {
    fn names(&self) -> Result<BTreeSet<&'static str>, HttpError> {
        let Some(types) = &self.types else {
            return Ok(Happening::NAMES.into_iter().collect());
        };
        types
            .split(',')
            .map(|wanted| {
                let mut names = Happening::NAMES.into_iter();
                names.find(|name| *name == wanted.trim()).ok_or_else(|| {
                    HttpError::Invalid(format!(
                        "There is no event {wanted:?}. There are: {}.",
                        Happening::NAMES.join(", ")
                    ))
                })
            })
            .collect()
    }
}

/// What happens, as it happens, in the inboxes that you see: a stream of server-sent events. Send the
/// last `id` as `Last-Event-ID` to go on from there; where too much has happened since, the first
/// event is `reset`: read again what you show.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(Filter), responses(
    (status = 200, description = "text/event-stream"),
    (status = 422, body = super::Problem),
    (status = 503, body = super::Problem),
))]
async fn events(
    State(app): State<App>,
    asker: Asker,
    headers: HeaderMap,
    Asked(filter): Asked<Filter>,
) -> Result<Response, HttpError> {
    let names = filter.names()?;
    let seat = app.events.seat(&asker.name)?;
    let header = headers.get("last-event-id");
    let header = header.and_then(|value| value.to_str().ok());
    let last = header.or(filter.last_event_id.as_deref());
    let listening = Listening::begin(app, asker, filter.wanted(names), last, seat);
    let told = stream::unfold(listening, |mut listening| async move {
        let told = listening.next().await?;
        Some((Ok::<Told, Infallible>(told), listening))
    });
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("");
    let mut response = Sse::new(told).keep_alive(keep_alive).into_response();
    let value = axum::http::HeaderValue::from_static("no");
    response.headers_mut().insert("x-accel-buffering", value);
    Ok(response)
}

impl Filter {
    fn wanted(&self, names: BTreeSet<&'static str>) -> Wanted {
        Wanted {
            names,
            conversation: self.conversation.clone(),
            channel: self.channel.clone(),
        }
    }
}

/// What one listener wants.
#[derive(Debug)]
struct Wanted {
    names: BTreeSet<&'static str>,
    conversation: Option<String>,
    channel: Option<String>,
}

/// One listener.
struct Listening {
    app: App,
    door: Door,
    asker: Asker,
    wanted: Wanted,
    /// What comes before what is live, in order.
    first: VecDeque<Told>,
    backlog: VecDeque<Arc<Entry>>,
    live: broadcast::Receiver<Arc<Entry>>,
    /// The last one that was looked at.
    last: u64,
    look_again: Instant,
    _seat: Seat,
}

impl Listening {
    fn begin(app: App, asker: Asker, wanted: Wanted, last: Option<&str>, seat: Seat) -> Listening {
        let events = Arc::clone(&app.events);
        let live = events.live.subscribe();
        let kept = events.kept();
        let newest = kept.last;
        let resumed = last.map(|id| {
            let number = events.number(id);
            number.and_then(|number| kept.after(number))
        });
        drop(kept);
        let mut first = VecDeque::new();
        let backlog = match resumed {
            None => {
                // So that a client that hears nothing at all has a number to come back with.
                let hello = Told::default().event("hello").id(events.id(newest));
                first.push_back(hello.data("{}"));
                VecDeque::new()
            }
            Some(None) => {
                let reset = Told::default().event("reset").id(events.id(newest));
                first.push_back(reset.data("{\"reason\":\"too much has happened since\"}"));
                VecDeque::new()
            }
            Some(Some(missed)) => VecDeque::from(missed),
        };
        Listening {
            door: app.services.door.clone(),
            app,
            asker,
            wanted,
            first,
            last: backlog
                .front()
                .map_or(newest, |entry| entry.number.saturating_sub(1)),
            backlog,
            live,
            look_again: Instant::from_std(crate::clock::instant(crate::clock::mono())) + HEARTBEAT,
            _seat: seat,
        }
    }

    /// The next event; `None`: the stream ends, because access has, or the listener is too slow.
    async fn next(&mut self) -> Option<Told> {
        if let Some(told) = self.first.pop_front() {
            return Some(told);
        }
        let mut stop = self.app.stop.subscribe();
        loop {
            let entry = match self.backlog.pop_front() {
                Some(entry) => entry,
                None => tokio::select! {
                    entry = self.live.recv() => match entry {
                        Ok(entry) => entry,
                        Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                    },
                    () = tokio::time::sleep_until(self.look_again) => {
                        self.look_again += HEARTBEAT;
                        self.asker = self.asker.again(&self.app, &self.door.snapshot())?;
                        continue;
                    }
                    _ = stop.wait_for(|stop| *stop) => return None,
                },
            };
            if entry.number <= self.last {
                continue;
            }
            self.last = entry.number;
            let snapshot = self.door.snapshot();
            self.asker = self.asker.again(&self.app, &snapshot)?;
            let may = self.may_see(&entry, &snapshot);
            if may && self.wants(&entry) {
                let id = self.app.events.id(entry.number);
                let told = Told::default().event(entry.name).id(id);
                return Some(told.data(entry.data.as_str()));
            }
        }
    }

    fn may_see(&self, entry: &Entry, snapshot: &crate::core::snapshot::Snapshot) -> bool {
        let scopes = self.asker.scopes.as_ref();
        let allowed = |scope| scopes.is_none_or(|scopes| scopes.contains(&scope));
        allowed(Scope::ReadConversations)
            && entry.scope.is_none_or(allowed)
            && self.asker.sees(snapshot, entry.inbox.as_ref())
    }

    fn wants(&self, entry: &Entry) -> bool {
        let is =
            |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        // Of what was deleted, read or is being written the channel is not known: it is told.
        let unknown = entry.channel.is_none() && entry.conversation.is_some();
        self.wanted.names.contains(entry.name)
            && is(&self.wanted.conversation, &entry.conversation)
            && (unknown || is(&self.wanted.channel, &entry.channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, octets: usize) -> Arc<Entry> {
        Arc::new(Entry {
            number,
            name: "typing",
            inbox: None,
            scope: None,
            conversation: None,
            channel: None,
            data: "x".repeat(octets),
        })
    }

    fn numbers(kept: &Kept, after: u64) -> Option<Vec<u64>> {
        let later = kept.after(after)?;
        Some(later.iter().map(|entry| entry.number).collect())
    }

    #[test]
    fn who_comes_back_gets_what_was_missed_or_is_told_that_it_is_gone() {
        let mut kept = Kept::default();
        assert_eq!(numbers(&kept, 0), Some(vec![]));
        (1..=3).for_each(|number| kept.push(entry(number, 10)));
        assert_eq!(numbers(&kept, 0), Some(vec![1, 2, 3]));
        assert_eq!(numbers(&kept, 2), Some(vec![3]));
        assert_eq!(numbers(&kept, 3), Some(vec![]));
        assert_eq!(numbers(&kept, 4), None, "a number of the future");
        kept.forget();
        assert_eq!(numbers(&kept, 3), None);
        kept.push(entry(9, 10));
        assert_eq!(numbers(&kept, 3), None);
        assert_eq!(numbers(&kept, 8), Some(vec![9]));
    }

    #[test]
    fn nobody_takes_all_streams() {
        let events = Events::default();
        let seats = (0..STREAMS_OF_ONE).map(|_| events.seat("user anna").unwrap());
        let mut seats: Vec<Seat> = seats.collect();
        assert_eq!(events.seat("user anna").unwrap_err().status().0, 503);
        assert!(events.seat("user bjorn").is_ok());
        seats.pop();
        assert!(events.seat("user anna").is_ok());
        seats.clear();
        assert!(locked(&events.listeners).is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_and_octets() {
        let mut kept = Kept::default();
        let many = KEPT as u64 + 5;
        (1..=many).for_each(|number| kept.push(entry(number, 1)));
        assert_eq!(kept.entries.len(), KEPT);
        assert_eq!(numbers(&kept, 4), None);
        assert_eq!(numbers(&kept, 5).map(|some| some.len()), Some(KEPT));
        kept.push(entry(many + 1, KEPT_OCTETS));
        assert_eq!(kept.entries.len(), 1);
        assert!(kept.octets <= KEPT_OCTETS);
    }
}
