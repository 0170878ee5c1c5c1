//! One deterministic machine: `handle(input, now)`, then drain `poll_output`, then wait until
//! `next_timeout`. It composes transactions, dialogs, the registrar, the desk and the calls by
//! function call, so that ordering is decided once and a run can be played again.
//!
//! Nothing here blocks, and nothing here knows a socket, a file or a clock.

mod addresses;
mod arrival;
mod caller;
mod carry_out;
mod dial;
mod inbox;
mod legs;
mod media;
mod ongoing;
mod refused;
mod requests;
mod status;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;

use crate::core::call;
use crate::core::conversation::{Command, Conversations, Done, Event, Refusal};
use crate::core::desk::{self, Desk, Load};
use crate::core::id::{CallId, LegId, RandomSource, VoicemailId};
use crate::core::name::UserName;
use crate::core::record::{Notice, Record, RegistrationRecord, VoicemailRecord};
use crate::core::snapshot::{Outbound, PerKind, Snapshot};
use crate::core::time::{Mono, Now, Wall};
use crate::media::command::{MediaCommand, MediaEvent, MediaId};
use crate::media::ports::PortPool;
use crate::sip::flow::Flow;
use crate::sip::message::Message;
use crate::sip::registrar::Registrar;
use crate::sip::transaction::Timers;
use crate::sip::user_agent::{RequestId, UserAgent, UserAgentConfig};

pub use caller::AT_HEADER;
pub use carry_out::local_time;
pub use inbox::Inbox;
pub use status::{CallStatus, ServiceStatus, Status, TrunkStatus, UserStatus};

use legs::Leg;
use media::MediaUse;
use ongoing::OngoingCall;
use refused::Refused;
use targets::Targets;

/// What the engine is told.
#[derive(Debug)]
pub enum Input {
    /// A SIP message came.
    Received {
        /// The message.
        message: Message,
        /// Over which flow.
        flow: Flow,
    },
    /// A TCP connection closed, or octets could not be sent over this flow.
    FlowFailed {
        /// Which flow.
        flow: Flow,
    },
    /// A media thread has something to say.
    Media(MediaEvent),
    /// The answer to [`Output::PrepareVoicemail`].
    VoicemailPrepared {
        /// Which.
        id: VoicemailId,
        /// The system's words where it failed.
        result: Result<(), String>,
    },
    /// A new configuration is in force for calls to come.
    Loaded(Arc<Snapshot>),
    /// A reload was refused; the old configuration stays.
    ReloadRefused {
        /// How many errors it had.
        errors: usize,
    },
    /// The answer to [`Output::Resolve`].
    Resolved {
        /// What was looked up.
        target: Outbound,
        /// How it is reached; or why it is not.
        flow: Result<Flow, String>,
    },
    /// An edge asks for something; [`Output::Answered`] follows.
    Commanded {
        /// Comes back with the answer.
        number: u64,
        /// What it asks for.
        command: Box<Command>,
    },
    /// Somebody wants to know how things are; [`Output::Status`] follows.
    StatusAsked {
        /// Comes back with the answer.
        question: u64,
    },
    /// No new calls; [`Output::Drained`] follows once the last one has ended, and everybody in it
    /// knows.
    DrainBegan,
    /// End every call now.
    ShutDown,
    /// `next_timeout` has come.
    TimeCame,
}

/// What the engine wants done. None of it may make the engine wait.
#[derive(Debug)]
pub enum Output {
    /// Send octets.
    Send {
        /// Over which flow.
        flow: Flow,
        /// One whole message.
        bytes: Bytes,
    },
    /// Tell a media thread.
    Media(MediaCommand),
    /// Keep a fact.
    Store(Box<Record>),
    /// Write the voicemail's record beside where its audio will be, synced;
    /// [`Input::VoicemailPrepared`] follows.
    PrepareVoicemail {
        /// The record.
        record: Box<VoicemailRecord>,
        /// The longest length, for which space is set aside.
        limit: Duration,
    },
    /// The voicemail's audio is complete and counts: keep its row, then write its record, and tell
    /// who is to be told.
    KeepVoicemail(Box<VoicemailRecord>, Option<Box<Notice>>),
    /// The voicemail does not count: remove record and audio.
    DiscardVoicemail(Box<VoicemailRecord>),
    /// Send a mail.
    Notify(Box<Notice>),
    /// Find out how this target is reached; [`Input::Resolved`] follows.
    Resolve(Outbound),
    /// The answer to [`Input::Commanded`]: to be given once every record before it can be read.
    Answered {
        /// The number of the command.
        number: u64,
        /// What it came to.
        result: Box<Result<Done, Refusal>>,
    },
    /// Something has happened in the inbox: to be told once every record before it can be read.
    Published(Box<Event>),
    /// Something that `tail` and the log show: one line.
    Tell {
        /// When.
        at: Wall,
        /// A warning rather than news.
        warning: bool,
        /// The line.
        text: String,
    },
    /// How things are.
    Status {
        /// The number of the question.
        question: u64,
        /// The answer.
        status: Box<Status>,
    },
    /// The last call has ended after [`Input::DrainBegan`].
    Drained,
}

/// What the engine needs to know of the machine it runs on.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The networks that the machine is attached to.
    pub attached: Vec<IpNet>,
    /// UDP ports of the media range that other programs hold.
    pub taken_ports: Vec<u16>,
}

/// The machine.
pub struct Engine {
    snapshot: Arc<Snapshot>,
    reload_refused: Option<(Wall, usize)>,
    environment: Environment,
    started: Wall,
    random: RandomSource,
    user_agent: UserAgent,
    registrar: Registrar,
    desk: Desk,
    conversations: Conversations,
    ports: PortPool,
    targets: Targets,
    refused: Refused,
    calls: BTreeMap<CallId, OngoingCall>,
    deadlines: BTreeSet<(Mono, CallId)>,
    legs: HashMap<LegId, Leg>,
    media: HashMap<MediaId, MediaUse>,
    next_media: u64,
    voicemails: HashMap<VoicemailId, CallId>,
    /// Voicemails whose records are being written, with those that were given up meanwhile: what is
    /// removed before it is written would stay.
    unprepared: HashMap<VoicemailId, Option<Box<VoicemailRecord>>>,
    pending: HashMap<RequestId, requests::Pending>,
    outputs: VecDeque<Output>,
    draining: Option<bool>,
    calls_taken: u64,
}

impl Engine {
    /// A machine without calls. `seed` decides every identifier it will make.
    pub fn new(
        snapshot: Arc<Snapshot>,
        environment: Environment,
        seed: [u8; 32],
        now: Now,
    ) -> Engine {
        let mut random = RandomSource::from_seed(seed);
        let user_agent = UserAgent::new(
            UserAgentConfig {
                user_agent_header: format!("Ringdesk/{}", env!("CARGO_PKG_VERSION")),
                timers: Timers::default(),
            },
            random.fork(),
        );
        let mut ports = PortPool::new(snapshot.settings.media.ports.clone(), &mut random);
        for port in &environment.taken_ports {
            ports.exclude(*port);
        }
        let registrar = Registrar::new(random.fork());
        let conversations = Conversations::new(random.fork());
        let mut engine = Engine {
            snapshot,
            reload_refused: None,
            environment,
            started: now.wall,
            random,
            user_agent,
            registrar,
            desk: Desk::new(),
            conversations,
            ports,
            targets: Targets::default(),
            refused: Refused::default(),
            calls: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            legs: HashMap::new(),
            media: HashMap::new(),
            next_media: 0,
            voicemails: HashMap::new(),
            unprepared: HashMap::new(),
            pending: HashMap::new(),
            outputs: VecDeque::new(),
            draining: None,
            calls_taken: 0,
        };
        engine.adopt_snapshot(now);
        engine.settle(now);
        engine
    }

    /// Takes in what the store knows from before: who was registered over UDP, and how busy users are.
    pub fn restore(
        &mut self,
        registrations: Vec<RegistrationRecord>,
        loads: Vec<(UserName, Load)>,
        now: Now,
    ) {
        for (user, load) in loads {
            // What is open is told conversation by conversation.
            let open = PerKind::default();
            self.desk.restore(&user, Load { open, ..load });
        }
        self.registrar.restore(registrations, now);
        // Somebody may have left the configuration since.
        let snapshot = Arc::clone(&self.snapshot);
        self.registrar.snapshot_changed(&snapshot, now);
        self.settle(now);
    }

    /// Takes in one input.
    pub fn handle(&mut self, input: Input, now: Now) {
        match input {
            Input::Received { message, flow } => {
                self.user_agent.handle_message(message, flow, now.mono);
            }
            Input::FlowFailed { flow } => {
                self.registrar.flow_failed(flow, now);
                self.user_agent.handle_transport_error(flow, now.mono);
            }
            Input::Media(event) => self.media_event(event, now),
            Input::VoicemailPrepared { id, result } => {
                self.voicemail_prepared(id);
                if let Some(call) = self.voicemails.get(&id).copied() {
                    if let Err(error) = &result {
                        self.warn(now, format!("{call} cannot leave a voicemail: {error}"));
                    }
                    self.call_event(call, call::Event::VoicemailPrepared(result), now);
                }
            }
            Input::Loaded(snapshot) => {
                self.snapshot = snapshot;
                self.reload_refused = None;
                self.adopt_snapshot(now);
            }
            Input::ReloadRefused { errors } => self.reload_refused = Some((now.wall, errors)),
            Input::Resolved { target, flow } => self.resolved(target, flow, now),
            Input::Commanded { number, command } => self.command(number, *command, now),
            Input::StatusAsked { question } => {
                let status = Box::new(self.status(now));
                self.outputs.push_back(Output::Status { question, status });
            }
            Input::DrainBegan => self.draining = Some(false),
            Input::ShutDown => {
                let calls: Vec<CallId> = self.calls.keys().copied().collect();
                for call in calls {
                    self.call_event(call, call::Event::ShutDown, now);
                }
            }
            Input::TimeCame => {}
        }
        self.fire_timers(now);
        self.settle(now);
    }

    /// The next thing to do, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::TimeCame`], at the latest.
    pub fn next_timeout(&self) -> Option<Mono> {
        [
            self.user_agent.next_timeout(),
            self.registrar.next_timeout(),
            self.desk.next_timeout(),
            self.conversations.next_timeout().map(|(_, at)| at),
            self.targets.next_timeout(),
            self.deadlines.first().map(|(at, _)| *at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// How many calls, legs and media legs there are: zero each when everything has ended.
    pub fn in_use(&self) -> (usize, usize, usize) {
        (self.calls.len(), self.legs.len(), self.media.len())
    }

    fn fire_timers(&mut self, now: Now) {
        let due = |at: Option<Mono>| at.is_some_and(|at| at <= now.mono);
        if due(self.user_agent.next_timeout()) {
            self.user_agent.handle_timeout(now.mono);
        }
        if due(self.registrar.next_timeout()) {
            self.registrar.handle_timeout(now);
        }
        if due(self.desk.next_timeout()) {
            self.desk.handle_timeout(now);
        }
        if due(self.conversations.next_timeout().map(|(_, at)| at)) {
            let snapshot = Arc::clone(&self.snapshot);
            self.conversations.handle_timeout(&snapshot, now);
        }
        if due(self.targets.next_timeout()) {
            self.refresh_targets(now);
        }
        while let Some((at, call)) = self.deadlines.first().copied()
            && at <= now.mono
        {
            self.deadlines.remove(&(at, call));
            self.with_call(call, now, |call, _| {
                call.machine.handle_timeout(call.shift.apply(now));
            });
        }
    }

    /// Lets every part do what follows from what another has done, until all are quiet.
    fn settle(&mut self, now: Now) {
        loop {
            if let Some(event) = self.user_agent.poll_event() {
                self.user_agent_event(event, now);
            } else if let Some(action) = self.registrar.poll_action() {
                self.registrar_action(action, now);
            } else if let Some(action) = self.conversations.poll_action() {
                self.conversation_action(action, now);
            } else if let Some(action) = self.desk.poll_action() {
                self.desk_action(action, now);
            } else if !self.answer_command() {
                break;
            }
        }
        if self.draining == Some(false)
            && self.calls.is_empty()
            && self.legs.is_empty()
            && !self.user_agent.is_saying_goodbye()
        {
            self.draining = Some(true);
            self.outputs.push_back(Output::Drained);
        }
    }

    fn desk_action(&mut self, action: desk::Action, now: Now) {
        match action {
            desk::Action::Reselect { call, cause } => {
                self.call_event(call, call::Event::CandidatesChanged(cause), now);
            }
            desk::Action::ReselectMessage {
                conversation,
                cause,
            } => self.give_out(conversation, cause, now),
            desk::Action::StorePresence(record) => self.presence_changed(record, now),
        }
    }

    fn store(&mut self, record: Record) {
        self.outputs.push_back(Output::Store(Box::new(record)));
    }

    fn tell(&mut self, now: Now, text: String) {
        self.outputs.push_back(Output::Tell {
            at: now.wall,
            warning: false,
            text,
        });
    }

    fn warn(&mut self, now: Now, text: String) {
        self.outputs.push_back(Output::Tell {
            at: now.wall,
            warning: true,
            text,
        });
    }

    fn audio_directory(&self) -> PathBuf {
        self.snapshot.settings.store.audio.clone()
    }
}
