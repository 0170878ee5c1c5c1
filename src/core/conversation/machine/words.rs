//! What people, teams and programs are called in a conversation.

use crate::core::conversation::{Actor, Assignee, Author};
use crate::core::snapshot::Snapshot;

pub(super) fn author(by: &Actor) -> Author {
    match by {
        Actor::User(user) => Author::User(user.clone()),
        Actor::Program(_) | Actor::Ringdesk => Author::Automatic,
    }
}

pub(super) fn author_name(by: &Actor, snapshot: &Snapshot) -> String {
    match by {
        Actor::User(name) => snapshot.name_of_user(name),
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

pub(super) fn called(assignee: &Assignee, snapshot: &Snapshot) -> String {
    match assignee {
        Assignee::User(user) => snapshot.name_of_user(user),
        Assignee::Team(team) => format!("team {team}"),
        Assignee::CustomerAgent(agent) => snapshot.name_of_customer_agent(agent),
    }
}
