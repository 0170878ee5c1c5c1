//! What people, teams and programs are called in a conversation.

use crate::core::conversation::{Actor, Assignee, Author};
use crate::core::name::{AgentName, UserName};
use crate::core::snapshot::Snapshot;

pub(super) fn author(by: &Actor) -> Author {
    match by {
        Actor::User(user) => Author::User(user.clone()),
        Actor::Program(_) | Actor::Ringdesk => Author::Automatic,
    }
}

pub(super) fn author_name(by: &Actor, snapshot: &Snapshot) -> String {
    match by {
        Actor::User(name) => display_name(name, snapshot),
        Actor::Program(name) => name.clone(),
        Actor::Ringdesk => "Ringdesk".to_owned(),
    }
}

/// Who did it, as assignments keep it.
pub(super) fn said_by(by: &Actor) -> String {
    match by {
        Actor::User(name) => name.to_string(),
        Actor::Program(name) => format!("token {name}"),
        Actor::Ringdesk => "ringdesk".to_owned(),
    }
}

/// The name that people read.
pub(super) fn display_name(user: &UserName, snapshot: &Snapshot) -> String {
    match snapshot.user(user) {
        Some(user) => user.display_name.clone(),
        None => user.to_string(),
    }
}

pub(super) fn called(assignee: &Assignee, snapshot: &Snapshot) -> String {
    match assignee {
        Assignee::User(user) => display_name(user, snapshot),
        Assignee::Team(team) => format!("team {team}"),
        Assignee::CustomerAgent(agent) => agent_name(agent, snapshot),
    }
}

pub(super) fn agent_name(agent: &AgentName, snapshot: &Snapshot) -> String {
    match snapshot.customer_agent(agent) {
        Some(agent) => agent.display_name.clone(),
        None => agent.to_string(),
    }
}
