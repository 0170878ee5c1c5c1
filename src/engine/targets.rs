//! Places that calls go to by name or fixed address: trunks' far ends and fixed devices. Names are
//! looked up ahead of time, so that no call waits for DNS; trunks are pinged.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Engine, Output};
use crate::core::name::TrunkName;
use crate::core::snapshot::Outbound;
use crate::core::time::{Mono, Now, Wall};
use crate::sip::flow::Flow;

/// How often names are looked up again and trunks are pinged: a carrier that moves or dies is
/// noticed within a minute, at a cost of one message.
const REFRESH: Duration = Duration::from_secs(60);

/// What is known of the targets of the present snapshot.
#[derive(Debug, Default)]
pub(super) struct Targets {
    known: BTreeMap<String, Target>,
    trunks: BTreeMap<TrunkName, TrunkState>,
    refresh_at: Option<Mono>,
}

/// One target.
#[derive(Debug)]
struct Target {
    outbound: Outbound,
    flow: Result<Flow, String>,
}

/// Whether a trunk answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TrunkState {
    /// `None` until the first answer or the first silence.
    pub(super) answers: Option<bool>,
    /// Since when.
    pub(super) since: Wall,
    /// Why not.
    pub(super) detail: String,
}

impl Targets {
    pub(super) fn next_timeout(&self) -> Option<Mono> {
        self.refresh_at
    }

    /// How `outbound` is reached, if that is known.
    pub(super) fn flow(&self, outbound: &Outbound) -> Result<Flow, String> {
        match self.known.get(&outbound.uri) {
            Some(target) => target.flow.clone(),
            None => Err("not looked up yet".to_owned()),
        }
    }

    pub(super) fn trunk(&self, name: &TrunkName) -> Option<&TrunkState> {
        self.trunks.get(name)
    }

    fn names_failed(&mut self, name: &TrunkName, detail: &str, wall: Wall) -> bool {
        self.set_trunk(name, false, detail.to_owned(), wall)
    }

    /// Takes in whether a trunk answers; true if that is news.
    pub(super) fn set_trunk(
        &mut self,
        name: &TrunkName,
        answers: bool,
        detail: String,
        wall: Wall,
    ) -> bool {
        let state = self
            .trunks
            .entry(name.clone())
            .or_insert_with(|| TrunkState {
                answers: None,
                since: wall,
                detail: String::new(),
            });
        let news = state.answers != Some(answers);
        if news {
            state.since = wall;
        }
        state.answers = Some(answers);
        state.detail = detail;
        news
    }
}

impl Engine {
    /// Looks up what the snapshot names and forgets what it no longer does.
    pub(super) fn adopt_snapshot(&mut self, now: Now) {
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let mut wanted: BTreeMap<String, Outbound> = BTreeMap::new();
        let fixed = snapshot
            .users
            .iter()
            .flat_map(|user| user.sip_contacts.iter());
        let trunks = snapshot
            .trunks
            .iter()
            .filter_map(|trunk| trunk.outbound.as_ref());
        for outbound in fixed.chain(trunks) {
            wanted.insert(outbound.uri.clone(), outbound.clone());
        }
        self.targets.known.retain(|uri, _| wanted.contains_key(uri));
        self.targets
            .trunks
            .retain(|name, _| snapshot.trunk(name).is_some());
        for (uri, outbound) in wanted {
            self.targets.known.entry(uri).or_insert_with(|| Target {
                outbound,
                flow: Err("not looked up yet".to_owned()),
            });
        }
        self.desk.snapshot_changed(&snapshot, now);
        self.conversations.snapshot_changed(&snapshot, now);
        self.registrar.snapshot_changed(&snapshot, now);
        self.refresh_targets(now);
    }

    /// Asks for every name again and pings the trunks that are known already.
    pub(super) fn refresh_targets(&mut self, now: Now) {
        self.targets.refresh_at = (!self.targets.known.is_empty()).then(|| now.mono + REFRESH);
        for target in self.targets.known.values() {
            self.outputs
                .push_back(Output::Resolve(target.outbound.clone()));
        }
    }

    pub(super) fn resolved(&mut self, target: Outbound, flow: Result<Flow, String>, now: Now) {
        let Some(known) = self.targets.known.get_mut(&target.uri) else {
            return;
        };
        known.flow = flow.clone();
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        for trunk in &snapshot.trunks {
            if trunk.outbound.as_ref() != Some(&target) {
                continue;
            }
            match &flow {
                Ok(flow) => self.ping_trunk(trunk, *flow, now),
                Err(error) => {
                    if self.targets.names_failed(&trunk.name, error, now.wall) {
                        self.warn(
                            now,
                            format!("trunk {:?} is not reachable: {error}", &*trunk.name),
                        );
                    }
                }
            }
        }
    }
}
