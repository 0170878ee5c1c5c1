//! How things are, for `ringdesk status`.

use serde::{Deserialize, Serialize};

use super::Engine;
use super::requests::device_facts;
use crate::core::call::Timer;
use crate::core::id::CallId;
use crate::core::name::{ChannelName, TrunkName, UserName};
use crate::core::routing::{Busy, Code, words};
use crate::core::snapshot::User;
use crate::core::time::{Now, Wall};

/// The state of the daemon at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The moment.
    pub at: Wall,
    /// When the daemon started.
    pub started: Wall,
    /// The program's version.
    pub version: String,
    /// The configuration in force.
    pub snapshot: u64,
    /// When it was loaded.
    pub loaded: Wall,
    /// A later reload was refused: when, and how many errors it had.
    pub reload_refused: Option<(Wall, usize)>,
    /// Trunks.
    pub trunks: Vec<TrunkStatus>,
    /// Users and their phones.
    pub users: Vec<UserStatus>,
    /// Call channels: name and hours now, in words.
    pub channels: Vec<(ChannelName, String)>,
    /// Calls in progress.
    pub calls: Vec<CallStatus>,
    /// Calls taken since the start.
    pub calls_taken: u64,
    /// Pairs of media ports in use, and how many there are.
    pub ports: (usize, usize),
    /// Sources whose requests were turned away: address, how often, since when, last.
    pub refused: Vec<(String, u64, Wall, Wall)>,
    /// Services besides SIP: the web server, mailboxes, mail that is sent. The engine knows none of
    /// them; whoever runs it adds them.
    #[serde(default)]
    pub services: Vec<ServiceStatus>,
}

/// A service besides SIP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// `http`, `mailbox of support`.
    pub name: String,
    /// Whether it works.
    pub works: bool,
    /// Where it is, or why it does not work.
    pub detail: String,
}

/// A trunk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrunkStatus {
    /// Its name.
    pub name: TrunkName,
    /// Whether it answers our OPTIONS; `None`: not asked (no `outbound`), or not yet.
    pub answers: Option<bool>,
    /// Since when.
    pub since: Option<Wall>,
    /// Why not.
    pub detail: String,
}

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserStatus {
    /// Who.
    pub name: UserName,
    /// Registered devices: source, User-Agent, and when the registration runs out.
    pub devices: Vec<(String, String, Wall)>,
    /// Devices with a fixed address, and a number in the phone network; with what is wrong where one
    /// cannot be reached.
    pub fixed: Vec<(String, Option<String>)>,
    /// Rung or talking: `on-call: call …`.
    pub busy: Option<String>,
    /// What an admin should know where no phone can be rung: `no-device: registration ran out …`.
    pub detail: String,
}

/// A call in progress.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallStatus {
    /// Which.
    pub id: CallId,
    /// Its channel.
    pub channel: ChannelName,
    /// The caller, `anonymous` where not shown.
    pub from: String,
    /// When it began.
    pub began: Wall,
    /// What it does.
    pub doing: String,
    /// What it waits for, and for how many seconds at most.
    pub waits: Option<(String, u64)>,
}

impl Engine {
    pub(super) fn status(&self, now: Now) -> Status {
        let snapshot = &self.snapshot;
        Status {
            at: now.wall,
            started: self.started,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            snapshot: snapshot.version,
            loaded: snapshot.loaded_at,
            reload_refused: self.reload_refused,
            trunks: snapshot
                .trunks
                .iter()
                .map(|trunk| {
                    let state = self.targets.trunk(&trunk.name);
                    TrunkStatus {
                        name: trunk.name.clone(),
                        answers: state.and_then(|state| state.answers),
                        since: state.map(|state| state.since),
                        detail: state.map(|state| state.detail.clone()).unwrap_or_default(),
                    }
                })
                .collect(),
            users: snapshot
                .users
                .iter()
                .map(|user| self.user_status(user, now))
                .collect(),
            channels: snapshot
                .channels
                .iter()
                .map(|channel| {
                    let hours = snapshot.hours_of(channel, now.wall);
                    (channel.name.clone(), words::hours(&hours, snapshot.version))
                })
                .collect(),
            calls: self
                .calls
                .values()
                .map(|call| CallStatus {
                    id: call.id,
                    channel: call.channel.clone(),
                    from: call
                        .record
                        .from
                        .as_ref()
                        .map_or_else(|| "anonymous".to_owned(), |from| from.to_string()),
                    began: call.record.began,
                    doing: call.machine.describe(),
                    waits: call.machine.next_timeout().map(|(timer, at)| {
                        (waits_for(timer).to_owned(), at.since(now.mono).as_secs())
                    }),
                })
                .collect(),
            calls_taken: self.calls_taken,
            ports: (self.ports.in_use(), self.ports.capacity()),
            refused: self
                .refused
                .iter()
                .map(|(ip, turned)| (ip.to_string(), turned.times, turned.since, turned.last))
                .collect(),
            services: Vec::new(),
        }
    }

    fn user_status(&self, user: &User, now: Now) -> UserStatus {
        let snapshot = &self.snapshot;
        let devices = self.registrar.devices_of(&user.name);
        let external = user.external.as_ref().map(|external| {
            // Without a trunk of its own, the call's is used, so that any may do.
            let trunk = external.trunk.as_ref();
            let problem = trunk
                .and_then(|name| snapshot.trunk(name))
                .and_then(|trunk| trunk.outbound.as_ref())
                .and_then(|outbound| self.targets.flow(outbound).err());
            (external.number.to_string(), problem)
        });
        let contacts = user.sip_contacts.iter().map(|contact| {
            let problem = self.targets.flow(contact).err();
            (contact.uri.clone(), problem)
        });
        let facts = device_facts(&self.registrar, &self.targets, snapshot, None, &user.name);
        let clock = |at| words::clock(snapshot, user.schedule.as_ref(), at, now.wall);
        let may_ring = facts.reachable > 0 || external.as_ref().is_some_and(|(_, no)| no.is_none());
        let detail = if may_ring {
            String::new()
        } else {
            let why = words::no_device(&facts, now.wall, clock);
            format!("{}: {why}", words::code(Code::NoDevice))
        };
        UserStatus {
            name: user.name.clone(),
            devices: devices
                .map(|binding| {
                    (
                        binding.flow.remote.to_string(),
                        binding.user_agent.clone().unwrap_or_default(),
                        binding.expires,
                    )
                })
                .collect(),
            fixed: contacts.chain(external).collect(),
            busy: match self.desk.busy(&user.name) {
                Busy::Free => None,
                Busy::Ringing(call) => Some(format!("{}: call {call}", words::code(Code::Ringing))),
                Busy::OnCall(call) => Some(format!("{}: call {call}", words::code(Code::OnCall))),
            },
            detail,
        }
    }
}

fn waits_for(timer: Timer) -> &'static str {
    match timer {
        Timer::GiveUpLeg(_) => "a phone's first answer",
        Timer::EndTurn => "the end of this turn",
        Timer::EndStep => "the end of this step",
        Timer::RepeatRinging => "telling the caller again that it rings",
        Timer::AskSilent => "asking again whether a silent side is there",
        Timer::GiveUpPreparing => "the disk, to begin the voicemail",
        Timer::GiveUpCompleting => "the disk, to complete the voicemail",
    }
}
