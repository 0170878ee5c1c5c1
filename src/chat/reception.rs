//! Who comes now: is somebody there, or only a word, or a form for a message?

use crate::clock;
use crate::core::snapshot::{Channel, ChatChannel, RuleName, Snapshot, Target};

/// What a visitor can reach at this moment.
pub(super) struct Reception {
    /// People, or a customer agent, may be reached.
    pub open: bool,
    /// The plain word of closed hours.
    pub closed: Option<String>,
    /// Whether a message may be left.
    pub message_form: bool,
}

/// What is in force for whoever comes now, as far as the configuration and the hours say.
pub(super) fn reception(
    snapshot: &Snapshot,
    channel: &Channel,
    settings: &ChatChannel,
) -> Reception {
    let hours = snapshot.hours_of(channel, clock::wall());
    let rule_name = channel.rule_in_force(hours.openness);
    let rule = channel.rule(rule_name);
    let seeks = |target| match target {
        Target::Lists | Target::ContactOwner | Target::CustomerAgent => true,
        Target::Nobody => false,
    };
    let open = rule_name == RuleName::Assign || rule.steps.iter().any(|step| seeks(step.target));
    Reception {
        open,
        closed: rule.reply.clone().filter(|_| !open),
        message_form: settings.offline_form && !open,
    }
}
