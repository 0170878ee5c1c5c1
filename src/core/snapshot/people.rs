//! People, the teams that they are in, and the inboxes that teams have access to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Outbound, PerKind, Secret};
use crate::core::name::{InboxName, ScheduleName, TeamName, TrunkName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::time::Wall;

/// The licence without which no rule may name or reach a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seat {
    /// Sales.
    Sales,
    /// Service.
    Service,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name that rules and phones use.
    pub name: UserName,
    /// The name that people read; the user name where none was given.
    pub display_name: String,
    /// Mail address.
    pub email: Option<String>,
    /// No seat: no rule may name or reach this person.
    pub seat: Option<Seat>,
    /// The password that this user's phones register with.
    pub sip_password: Option<Secret>,
    /// Phones with a fixed address, which do not register.
    pub sip_contacts: Vec<Outbound>,
    /// A number in the phone network that rings too.
    pub external: Option<External>,
    /// Own working hours.
    pub schedule: Option<ScheduleName>,
    /// Time after a call in which no other is offered.
    pub wrap_up: Duration,
    /// What the person may do over the API beside the daily work.
    pub role: Role,
    /// The argon2id hash of the password for signing in, as a PHC string.
    pub password_hash: Option<Secret>,
    /// Open conversations of each kind beyond which none is assigned automatically; `None`: any number.
    pub capacity: PerKind<Option<u32>>,
    /// The same while the person is on a call; `None`: as `capacity`.
    pub capacity_on_call: PerKind<Option<u32>>,
    /// Whether own hours set presence: their start sets available, their end away.
    pub presence_by_hours: bool,
    /// Absences, `[from, until)`, in order.
    pub out_of_office: Vec<Absence>,
}

impl User {
    /// The absence that an instant lies in.
    pub fn absence_at(&self, at: Wall) -> Option<&Absence> {
        let mut absences = self.out_of_office.iter();
        absences.find(|absence| absence.from <= at && at < absence.until)
    }
}

/// What a person may do over the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Works in the inboxes that the person has access to.
    #[default]
    Agent,
    /// Sees all inboxes, reassigns all, changes rules and prompts.
    Admin,
}

/// A time in which a person is out of office.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// Its first instant.
    pub from: Wall,
    /// The first instant after it.
    pub until: Wall,
}

/// A user's number in the phone network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The number to call.
    pub number: PhoneNumber,
    /// Through which trunk; `None`: the call's own.
    pub trunk: Option<TrunkName>,
}

/// Users that rules can name together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// Its name.
    pub name: TeamName,
    /// Main members: a rule that names the team reaches these.
    pub members: Vec<UserName>,
    /// Extra members: reached by hand only.
    pub extra_members: Vec<UserName>,
}

impl Team {
    /// Main and extra members.
    pub fn everybody(&self) -> impl Iterator<Item = &UserName> {
        self.members.iter().chain(&self.extra_members)
    }

    /// Whether somebody is a main or an extra member.
    pub fn includes(&self, user: &str) -> bool {
        self.everybody().any(|member| &**member == user)
    }
}

/// A group of channels, and who has access to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    /// Its name.
    pub name: InboxName,
    /// The teams with access; `None`: everybody.
    pub teams: Option<Vec<TeamName>>,
}
