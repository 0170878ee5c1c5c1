//! How things are, for `ringdesk status`.

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::core::id::CallId;
use crate::core::name::{ChannelName, TrunkName, UserName};
use crate::core::routing::words;
use crate::core::schedule::HoursState;
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
    /// What an admin should know where there are none.
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
                .map(|user| self.user_status(&user.name))
                .collect(),
            channels: snapshot
                .channels
                .iter()
                .map(|channel| {
                    let hours = match channel
                        .schedule
                        .as_deref()
                        .and_then(|n| snapshot.schedule(n))
                    {
                        Some(schedule) => schedule.state_at(now.wall),
                        None => HoursState::always_open(),
                    };
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
                    waits: call
                        .machine
                        .next_timeout()
                        .map(|(timer, at)| (format!("{timer:?}"), at.since(now.mono).as_secs())),
                })
                .collect(),
            calls_taken: self.calls_taken,
            ports: (self.ports.in_use(), self.ports.capacity()),
            refused: self
                .refused
                .iter()
                .map(|(ip, turned)| (ip.to_string(), turned.times, turned.since, turned.last))
                .collect(),
        }
    }

    fn user_status(&self, user: &UserName) -> UserStatus {
        UserStatus {
            name: user.clone(),
            devices: self
                .registrar
                .devices_of(user)
                .map(|binding| {
                    (
                        binding.flow.remote.to_string(),
                        binding.user_agent.clone().unwrap_or_default(),
                        binding.expires,
                    )
                })
                .collect(),
            detail: String::new(),
        }
    }
}
