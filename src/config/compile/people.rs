//! `[[user]]`, `[[team]]`, `[[inbox]]`, and who has access to what.

use std::str::FromStr;

use argon2::PasswordHash;
use lettre::Address;

use super::schedules::Zones;
use super::trunks::outbound;
use super::{Directory, absence};
use crate::config::diagnostic::{Findings, Place};
use crate::config::files::{Files, Password};
use crate::config::section::Placed;
use crate::config::tree::{TeamEntry, Tree, UserEntry};
use crate::core::name::{InboxName, ScheduleName, TeamName, TrunkName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::snapshot::{External, Inbox, Secret, Team, User};

pub(super) struct People {
    pub users: Vec<User>,
    pub teams: Vec<Team>,
    pub inboxes: Vec<Inbox>,
}

pub(super) fn compile(
    tree: &Tree,
    directory: &Directory<'_>,
    files: &Files,
    zones: &mut Zones,
    findings: &mut Findings,
) -> People {
    People {
        users: tree
            .users
            .iter()
            .map(|entry| user(entry, tree, directory, files, zones, findings))
            .collect(),
        teams: tree
            .teams
            .iter()
            .map(|entry| team(entry, tree, directory, findings))
            .collect(),
        inboxes: tree
            .inboxes
            .iter()
            .map(|entry| Inbox {
                name: InboxName::from(entry.name.value.as_str()),
                teams: entry.teams.as_ref().map(|teams| {
                    teams
                        .iter()
                        .filter(|team| directory.teams.check(team, directory.unread, findings))
                        .map(|team| TeamName::from(team.value.as_str()))
                        .collect()
                }),
            })
            .collect(),
    }
}

fn user(
    entry: &UserEntry,
    tree: &Tree,
    directory: &Directory<'_>,
    files: &Files,
    zones: &mut Zones,
    findings: &mut Findings,
) -> User {
    let name = entry.name.value.as_str();
    if let Some(email) = &entry.email {
        check_address("email", email, findings);
    }
    if let Some(schedule) = &entry.schedule {
        directory
            .schedules
            .check(schedule, directory.unread, findings);
    }
    let displayed = entry.display_name.as_ref();
    if let Some(displayed) = displayed.filter(|text| text.value.chars().any(char::is_control)) {
        findings.error(&displayed.place, "`display_name` takes one line of text.");
    }
    User {
        name: UserName::from(name),
        display_name: displayed.map_or(name, |text| &text.value).to_owned(),
        email: entry.email.as_ref().map(|email| email.value.clone()),
        seat: entry.seat,
        sip_password: sip_password(entry, files, findings),
        sip_contacts: entry
            .sip_contacts
            .iter()
            .filter_map(|contact| outbound(contact, findings))
            .collect(),
        external: external(entry, tree, directory, findings),
        schedule: entry
            .schedule
            .as_ref()
            .map(|schedule| ScheduleName::from(schedule.value.as_str())),
        wrap_up: entry.wrap_up.unwrap_or_default(),
        role: entry.role,
        password_hash: password_hash(entry, files, findings),
        capacity: entry.capacity,
        capacity_on_call: entry.capacity_on_call,
        presence_by_hours: presence_by_hours(entry, findings),
        out_of_office: absence::absences(entry, tree, zones, findings),
    }
}

fn sip_password(entry: &UserEntry, files: &Files, findings: &mut Findings) -> Option<Secret> {
    let file = entry.sip_password_file.as_ref()?;
    match files.password(file, findings) {
        Password::Read(secret) => Some(secret),
        Password::Unusable => None,
        Password::Missing => {
            let name = &entry.name.value;
            let message = format!(
                "{name}'s phones cannot register yet: there is no file {}. Run: ringdesk secret {name}",
                file.value
            );
            findings.warning(&file.place, message);
            None
        }
    }
}

/// The hash of the password for signing in, in the PHC string format.
fn password_hash(entry: &UserEntry, files: &Files, findings: &mut Findings) -> Option<Secret> {
    let file = entry.password_file.as_ref()?;
    let name = &entry.name.value;
    match files.password(file, findings) {
        Password::Read(secret) if is_argon2id(&secret.0) => Some(secret),
        Password::Read(_) => {
            let message = format!(
                "the file {} holds no argon2id hash of a password. Remove it: `ringdesk password {name}` makes a right one.",
                files.path(&file.value).display()
            );
            findings.error(&file.place, message);
            None
        }
        Password::Unusable => None,
        Password::Missing => {
            let message = format!(
                "{name} cannot sign in yet: there is no file {}. Run: ringdesk password {name}",
                file.value
            );
            findings.warning(&file.place, message);
            None
        }
    }
}

fn is_argon2id(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| {
        hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some()
    })
}

fn presence_by_hours(entry: &UserEntry, findings: &mut Findings) -> bool {
    let Some(written) = &entry.presence_by_hours else {
        return false;
    };
    if written.value && entry.schedule.is_none() {
        let message =
            "`presence_by_hours` needs `schedule` beside it: the hours that set presence.";
        findings.error(&written.place, message);
    }
    written.value
}

fn external(
    entry: &UserEntry,
    tree: &Tree,
    directory: &Directory<'_>,
    findings: &mut Findings,
) -> Option<External> {
    if let (Some(trunk), None) = (&entry.external_trunk, &entry.external_number) {
        findings.error(
            &trunk.place,
            "`external_trunk` needs `external_number` beside it.",
        );
    }
    let number = number(entry.external_number.as_ref()?, findings);
    match &entry.external_trunk {
        Some(trunk) if directory.trunks.check(trunk, directory.unread, findings) => {
            let has_outbound = tree
                .trunks
                .iter()
                .any(|it| it.name.value == trunk.value && it.outbound.is_some());
            if !has_outbound {
                let message = format!(
                    "trunk \"{}\" has no `outbound`, so no number can be called through it. Add it, or name another trunk.",
                    trunk.value
                );
                findings.error(&trunk.place, message);
            }
        }
        Some(_) => {}
        None if tree.trunks.iter().all(|trunk| trunk.outbound.is_none()) => {
            let message = format!(
                "{}'s external number cannot ring: no trunk has `outbound`.",
                entry.name.value
            );
            let place = entry.external_number.as_ref().map(|number| &number.place);
            findings.warning(place.unwrap_or(&entry.name.place), message);
        }
        None => {}
    }
    Some(External {
        number: number?,
        trunk: entry
            .external_trunk
            .as_ref()
            .map(|trunk| TrunkName::from(trunk.value.as_str())),
    })
}

fn team(
    entry: &TeamEntry,
    tree: &Tree,
    directory: &Directory<'_>,
    findings: &mut Findings,
) -> Team {
    let mut seen: Vec<&Placed<String>> = Vec::new();
    for member in entry.members.iter().chain(&entry.extra_members) {
        directory.users.check(member, directory.unread, findings);
        if let Some(first) = seen.iter().find(|it| it.value == member.value) {
            let message = format!(
                "\"{}\" stands in team \"{}\" already ({}). Remove one.",
                member.value, entry.name.value, first.place
            );
            findings.error(&member.place, message);
        }
        seen.push(member);
    }
    for member in &entry.members {
        let user = tree.users.iter().find(|it| it.name.value == member.value);
        if user.is_some_and(|user| user.seat.is_none()) {
            let message = format!(
                "\"{0}\" of team \"{1}\" has no seat: rules that name the team pass {0} over.",
                member.value, entry.name.value
            );
            findings.warning(&member.place, message);
        }
    }
    let names = |written: &[Placed<String>]| {
        written
            .iter()
            .map(|member| UserName::from(member.value.as_str()))
            .collect()
    };
    Team {
        name: TeamName::from(entry.name.value.as_str()),
        members: names(&entry.members),
        extra_members: names(&entry.extra_members),
    }
}

/// A number in international form.
pub(super) fn number(text: &Placed<String>, findings: &mut Findings) -> Option<PhoneNumber> {
    PhoneNumber::from_str(&text.value)
        .map_err(|problem| findings.error(&text.place, format!("{problem}.")))
        .ok()
}

/// Checks a mail address.
pub(super) fn check_address(key: &str, text: &Placed<String>, findings: &mut Findings) {
    if Address::from_str(&text.value).is_err() {
        let message = format!(
            "`{key}`: \"{}\" is not a mail address, like office@example.com.",
            text.value
        );
        findings.error(&text.place, message);
    }
}

/// Who may be named in the rules of one channel.
pub(super) struct Access<'a> {
    tree: &'a Tree,
    directory: &'a Directory<'a>,
    /// The inbox and the teams with access; `None`: everybody has.
    inbox: Option<(&'a str, &'a [Placed<String>])>,
}

impl<'a> Access<'a> {
    /// Access to the inbox of that name.
    pub fn to(tree: &'a Tree, directory: &'a Directory<'a>, inbox: Option<&str>) -> Access<'a> {
        let inbox = inbox
            .and_then(|name| tree.inboxes.iter().find(|inbox| inbox.name.value == name))
            .and_then(|inbox| Some((inbox.name.value.as_str(), inbox.teams.as_deref()?)));
        Access {
            tree,
            directory,
            inbox,
        }
    }

    /// A user that a rule names: must exist, have a seat, and have access.
    pub fn check_user(&self, user: &Placed<String>, findings: &mut Findings) {
        if !self
            .directory
            .users
            .check(user, self.directory.unread, findings)
        {
            return;
        }
        let name = user.value.as_str();
        let entry = self.tree.users.iter().find(|it| it.name.value == name);
        if let Some(entry) = entry.filter(|entry| entry.seat.is_none()) {
            let message = format!(
                "user \"{name}\" has no seat, so no rule may name {name}. Give {name} seat = \"service\" or \"sales\" ({}).",
                entry.name.place
            );
            findings.error(&user.place, message);
        }
        let Some((inbox, teams)) = self.inbox else {
            return;
        };
        if self.directory.unread.is_any() || self.is_in_one_of(name, teams) {
            return;
        }
        let advice = match teams {
            [] => format!("Give inbox \"{inbox}\" a team that {name} is in."),
            _ => format!("Add {name} to one of them."),
        };
        self.refuse("user", name, &user.place, &advice, findings);
    }

    /// A team that a rule names: must exist and have access.
    pub fn check_team(&self, team: &Placed<String>, findings: &mut Findings) {
        if !self
            .directory
            .teams
            .check(team, self.directory.unread, findings)
        {
            return;
        }
        let Some((inbox, teams)) = self.inbox else {
            return;
        };
        let name = team.value.as_str();
        let meant = |team: &Placed<String>| self.directory.teams.meant(&team.value) == name;
        if !teams.iter().any(meant) {
            let place = self.directory.inboxes.place(inbox);
            let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
            let advice = format!("Add {name} to the teams of the inbox{place}.");
            self.refuse("team", name, &team.place, &advice, findings);
        }
    }

    /// True when that user may see what is in the inbox.
    pub fn admits(&self, user: &str) -> bool {
        self.inbox
            .is_none_or(|(_, teams)| self.is_in_one_of(user, teams))
    }

    /// A misspelt name is one error; that somebody has no access for it is not another.
    fn is_in_one_of(&self, user: &str, teams: &[Placed<String>]) -> bool {
        let names: Vec<&str> = teams
            .iter()
            .map(|team| self.directory.teams.meant(&team.value))
            .collect();
        self.tree
            .teams
            .iter()
            .filter(|team| names.contains(&team.name.value.as_str()))
            .flat_map(|team| team.members.iter().chain(&team.extra_members))
            .any(|member| self.directory.users.meant(&member.value) == user)
    }

    fn refuse(&self, kind: &str, name: &str, place: &Place, advice: &str, findings: &mut Findings) {
        let Some((inbox, teams)) = self.inbox else {
            return;
        };
        let teams: Vec<&str> = teams.iter().map(|team| team.value.as_str()).collect();
        let teams = if teams.is_empty() {
            "none".to_owned()
        } else {
            teams.join(", ")
        };
        let message = format!(
            "{kind} \"{name}\" has no access to inbox \"{inbox}\" (teams: {teams}). {advice}"
        );
        findings.error(place, message);
    }
}
