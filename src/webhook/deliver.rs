//! The thread that takes events in and sends them. What it decides is decided by
//! [`Schedule`]; here are the disk and the requests.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::task::{JoinError, JoinSet};

use super::attempt::{ANSWER, Attempt, attempt};
use super::queue::{Delivery, Queue, Waiting, octets};
use super::schedule::{Action, Burial, Key, Name, Outcome, Policy, Refusal, Schedule};
use super::{WebhookError, payload};
use crate::clock;
use crate::core::id::{DeliveryId, EventId, RandomSource};
use crate::core::record::EventRecord;
use crate::core::snapshot::{Snapshot, Webhook};
use crate::core::time::Mono;
use crate::inbox::{Door, Published};
use crate::outgoing::{Client, Limits};

/// Events that are put on the disk together.
const BATCH: usize = 256;

/// What the thread and those who look share.
pub(super) struct Shared {
    directory: PathBuf,
    state: Mutex<State>,
    pub(super) wake: tokio::sync::Notify,
    stopping: AtomicBool,
    tell: Box<dyn Fn(bool, String) + Send + Sync>,
}

/// What both change.
pub(super) struct State {
    pub(super) queue: Queue,
    pub(super) schedule: Schedule,
    pub(super) random: RandomSource,
    pub(super) webhooks: BTreeMap<Name, Webhook>,
    /// The files of what waits.
    pub(super) files: BTreeMap<Key, DeliveryId>,
    /// What went wrong last with each webhook.
    pub(super) problems: BTreeMap<Name, String>,
    pub(super) lost: BTreeMap<Name, u64>,
}

impl Shared {
    pub fn open(
        directory: &Path,
        policy: Policy,
        webhooks: &[Webhook],
        tell: Box<dyn Fn(bool, String) + Send + Sync>,
    ) -> Result<Shared, WebhookError> {
        let unusable = |source| WebhookError::Queue {
            path: directory.to_owned(),
            source,
        };
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed).map_err(|error| unusable(std::io::Error::other(error)))?;
        let mut random = RandomSource::from_seed(seed);
        let mut warn = |text| tell(true, text);
        let (queue, waiting) = Queue::open(directory, &mut warn).map_err(unusable)?;
        let mut state = State {
            queue,
            schedule: Schedule::new(policy, random.fork()),
            random,
            webhooks: BTreeMap::new(),
            files: BTreeMap::new(),
            problems: BTreeMap::new(),
            lost: BTreeMap::new(),
        };
        state.configure(webhooks);
        for one in &waiting {
            state.schedule_it(one);
        }
        Ok(Shared {
            directory: directory.to_owned(),
            state: Mutex::new(state),
            wake: tokio::sync::Notify::new(),
            stopping: AtomicBool::new(false),
            tell,
        })
    }

    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Takes in what happened before: of `events`, all that came after the last one that was taken in.
    pub fn catch_up(&self, events: &[EventRecord]) {
        let last = self.state().queue.taken();
        let known = events.iter().position(|it| Some(it.id) == last);
        let begin = known.map_or(0, |place| place.saturating_add(1));
        let missed = events.get(begin..).unwrap_or_default();
        let missed = missed.iter().map(|it| Published {
            number: 0,
            id: Some(it.id),
            event: Arc::new(it.event.clone()),
        });
        let missed: Vec<Published> = missed.collect();
        for batch in missed.chunks(BATCH) {
            self.take_in(batch);
        }
    }

    /// Puts events on the disk, once for each webhook that wants them.
    fn take_in(&self, events: &[Published]) {
        let mut state = self.state();
        let mut deliveries = Vec::new();
        for published in events {
            state.make_deliveries(published, &mut deliveries, &*self.tell);
            if let Some(id) = published.id {
                state.queue.took(id);
            }
        }
        if let Err(error) = state.queue.write(&deliveries) {
            // Those that are there whole are sent; for the others there is no second place to keep them.
            (self.tell)(
                true,
                format!(
                    "{} events for webhooks may be lost: {}",
                    deliveries.len(),
                    self.unusable(error)
                ),
            );
        }
        for delivery in &deliveries {
            state.schedule_it(&Waiting::new(delivery, delivery.queued, 0));
        }
    }

    /// What an event missed means for each webhook: a gap in its numbers.
    fn missed(&self, events: u64) {
        let mut state = self.state();
        let names: Vec<Name> = state.webhooks.keys().cloned().collect();
        for name in names {
            state.queue.next_sequence(&name);
            let lost = state.lost.entry(name).or_default();
            *lost = lost.saturating_add(events);
        }
        drop(state);
        (self.tell)(
            true,
            format!(
                "webhooks fell behind: {events} events were not told to them. Is the disk slow?"
            ),
        );
    }

    pub(super) fn unusable(&self, source: std::io::Error) -> WebhookError {
        WebhookError::Queue {
            path: self.directory.clone(),
            source,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

impl State {
    fn configure(&mut self, webhooks: &[Webhook]) {
        let named = webhooks
            .iter()
            .map(|webhook| (Name::from(webhook.name.as_str()), webhook.clone()));
        self.webhooks = named.collect();
        let names = self.webhooks.keys().cloned().collect();
        self.schedule.handle_configured(&names, clock::now());
    }

    pub(super) fn schedule_it(&mut self, waiting: &Waiting) {
        self.files.insert(waiting.key.clone(), waiting.id);
        self.schedule.handle_queued(
            waiting.key.clone(),
            waiting.octets,
            waiting.since,
            waiting.attempts,
            clock::now(),
        );
    }

    fn make_deliveries(
        &mut self,
        published: &Published,
        deliveries: &mut Vec<Delivery>,
        tell: &dyn Fn(bool, String),
    ) {
        let event = &*published.event;
        let Some((name, data)) = payload::told(event) else {
            return;
        };
        let id = match published.id {
            Some(id) => id,
            None => EventId(self.random.uuid(event.at)),
        };
        for (webhook, settings) in &self.webhooks {
            let key = key_of(id, webhook);
            // Taken in before a crash that kept us from noting so.
            if !payload::wants(settings, event, name) || self.queue.knows(key) {
                continue;
            }
            // Also one that is not taken in has its number, so that the endpoint sees the gap.
            let sequence = self.queue.next_sequence(webhook);
            let delivery = Delivery {
                id: key,
                webhook: webhook.to_string(),
                sequence,
                event: name.to_owned(),
                queued: clock::wall(),
                body: payload::body(id, name, event.at, sequence, &data),
            };
            match self.schedule.admits(webhook, octets(&delivery)) {
                Ok(()) => deliveries.push(delivery),
                Err(refusal) => {
                    let lost = self.lost.entry(webhook.clone()).or_default();
                    *lost = lost.saturating_add(1);
                    if *lost == 1 && refusal == Refusal::Full {
                        tell(
                            true,
                            format!(
                                "the webhook {webhook} has as much waiting as may wait: events are lost to it until its endpoint works"
                            ),
                        );
                    }
                }
            }
        }
    }
}

/// The key of an event's delivery to a webhook: the same however often it is taken in. It begins with
/// the event's time, as all identifiers do.
fn key_of(event: EventId, webhook: &str) -> DeliveryId {
    const TIME_OCTETS: usize = 6;
    let mut hash = Sha256::new();
    hash.update(event.0.as_bytes());
    hash.update(webhook.as_bytes());
    let mut octets = *event.0.as_bytes();
    let own = octets.iter_mut().skip(TIME_OCTETS);
    for (octet, of_hash) in own.zip(hash.finalize()) {
        *octet = of_hash;
    }
    let key = uuid::Builder::from_bytes(octets).with_version(uuid::Version::SortRand);
    DeliveryId(key.with_variant(uuid::Variant::RFC4122).into_uuid())
}

/// What the thread has for itself.
pub(super) struct Deliverer {
    shared: Arc<Shared>,
    runtime: Runtime,
    client: Client,
    events: broadcast::Receiver<Published>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Deliverer {
    pub fn new(shared: Arc<Shared>, door: &Door) -> Result<Deliverer, WebhookError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(WebhookError::Thread)?;
        let limits = Limits {
            answer: ANSWER,
            ..Limits::default()
        };
        Ok(Deliverer {
            shared,
            runtime,
            client: Client::new(limits).map_err(WebhookError::Outgoing)?,
            events: door.events(),
            snapshots: door.snapshots(),
        })
    }

    /// Sends until the daemon stops.
    pub fn run(self) {
        let Deliverer {
            shared,
            runtime,
            client,
            events,
            snapshots,
        } = self;
        let course = Course {
            shared,
            client,
            attempts: JoinSet::new(),
            keys: HashMap::new(),
        };
        runtime.block_on(course.serve(events, snapshots));
        // A lookup of a name may block for long; nobody waits for it.
        runtime.shutdown_background();
    }
}

/// Its course inside the runtime.
struct Course {
    shared: Arc<Shared>,
    client: Client,
    attempts: JoinSet<Attempt>,
    keys: HashMap<tokio::task::Id, Key>,
}

impl Course {
    async fn serve(
        mut self,
        mut events: broadcast::Receiver<Published>,
        mut snapshots: watch::Receiver<Arc<Snapshot>>,
    ) {
        loop {
            self.perform();
            if self.shared.is_stopping() {
                self.take_in(&mut events, None);
                return;
            }
            let wake = self.shared.state().schedule.next_timeout();
            tokio::select! {
                received = events.recv() => match received {
                    Ok(published) => self.take_in(&mut events, Some(published)),
                    Err(RecvError::Lagged(number)) => self.shared.missed(number),
                    Err(RecvError::Closed) => return,
                },
                Some(ended) = self.attempts.join_next_with_id() => self.attempted(ended),
                Ok(()) = snapshots.changed() => {
                    let snapshot = Arc::clone(&snapshots.borrow_and_update());
                    self.shared.state().configure(&snapshot.webhooks);
                }
                () = self.shared.wake.notified() => {}
                () = until(wake) => self.shared.state().schedule.handle_timeout(clock::now()),
            }
        }
    }

    /// Takes in what has happened, as much of it as there is.
    fn take_in(&self, events: &mut broadcast::Receiver<Published>, first: Option<Published>) {
        let mut batch: Vec<Published> = first.into_iter().collect();
        loop {
            match events.try_recv() {
                Ok(published) => batch.push(published),
                Err(TryRecvError::Lagged(number)) => self.shared.missed(number),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
            if batch.len() >= BATCH {
                self.shared.take_in(&batch);
                batch.clear();
            }
        }
        self.shared.take_in(&batch);
    }

    /// Does what the schedule asks for.
    fn perform(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        let mut buried = false;
        while let Some(action) = state.schedule.poll_action() {
            match action {
                Action::Send(key) => self.send(&mut state, key),
                Action::Forget(key) => {
                    if let Some(id) = state.files.remove(&key) {
                        state.queue.forget(id);
                    }
                }
                Action::Note { key, attempts } => {
                    let problem = state.problems.get(&key.webhook).cloned();
                    if let Some(id) = state.files.get(&key) {
                        // Without it attempts are counted anew after a restart.
                        let _ = state.queue.note(*id, attempts, problem);
                    }
                }
                Action::Bury {
                    key,
                    attempts,
                    burial,
                } => {
                    buried = true;
                    self.bury(&mut state, &key, attempts, burial);
                }
                Action::TellTrouble {
                    webhook,
                    wait,
                    waiting,
                } => {
                    let problem = state.problems.get(&webhook).map_or("", String::as_str);
                    let seconds = wait.as_secs().max(1);
                    self.tell(true, format!(
                        "the webhook {webhook} fails, {waiting} wait, the next attempt is in {seconds} s: {problem}"
                    ));
                }
                Action::TellWorking(webhook) => {
                    self.tell(false, format!("the webhook {webhook} works again"));
                }
                Action::TellStopped(webhook) => self.tell(true, format!(
                    "the webhook {webhook} answered 410 (gone): nothing more is sent to it until the configuration is loaded again"
                )),
            }
        }
        if buried && let Err(error) = state.queue.settle(clock::wall()) {
            self.tell(true, self.shared.unusable(error).to_string());
        }
    }

    fn send(&mut self, state: &mut State, key: Key) {
        let id = state.files.get(&key).copied();
        let webhook = state.webhooks.get(&key.webhook);
        let (Some(id), Some(webhook)) = (id, webhook) else {
            return;
        };
        match state.queue.read(id) {
            Ok(delivery) => {
                let attempt = attempt(self.client.clone(), webhook.clone(), delivery);
                let task = self.attempts.spawn(attempt);
                self.keys.insert(task.id(), key);
            }
            Err(error) => {
                self.tell(
                    true,
                    format!(
                        "a delivery for the webhook {} is lost, its file cannot be read: {error}",
                        key.webhook
                    ),
                );
                let now = clock::now();
                state
                    .schedule
                    .handle_attempted(&key, &Outcome::Accepted, now);
            }
        }
    }

    fn bury(&self, state: &mut State, key: &Key, attempts: u32, burial: Burial) {
        let Some(id) = state.files.remove(key) else {
            return;
        };
        let problem = state.problems.get(&key.webhook).cloned();
        let reason = match burial {
            Burial::GivenUp => "it was tried for a day",
            Burial::Gone => "the endpoint answered 410 (gone)",
            Burial::Removed => "the webhook was removed from the configuration",
        };
        let problem = problem.filter(|_| attempts > 0);
        let now = clock::wall();
        if let Err(error) = state.queue.bury(id, attempts, problem, reason, now) {
            self.tell(true, self.shared.unusable(error).to_string());
        }
    }

    fn attempted(&mut self, ended: Result<(tokio::task::Id, Attempt), JoinError>) {
        let (task, outcome, problem) = match ended {
            Ok((task, (outcome, problem))) => (task, outcome, problem),
            Err(error) => {
                let failed = Outcome::Failed { retry_after: None };
                (error.id(), failed, Some("the attempt broke off".to_owned()))
            }
        };
        let Some(key) = self.keys.remove(&task) else {
            return;
        };
        let mut state = self.shared.state();
        match problem {
            Some(problem) => state.problems.insert(key.webhook.clone(), problem),
            None => state.problems.remove(&key.webhook),
        };
        let now = clock::now();
        state.schedule.handle_attempted(&key, &outcome, now);
    }

    fn tell(&self, warning: bool, text: String) {
        (self.shared.tell)(warning, text);
    }
}

async fn until(at: Option<Mono>) {
    match at {
        Some(at) => tokio::time::sleep_until(clock::instant(at).into()).await,
        None => std::future::pending().await,
    }
}
