//! Who may do what. What somebody may not see does not exist for them: it is refused as not found.
//!
//! | | who |
//! |---|---|
//! | see, mark as read | whoever has access to the inbox; admins see all; a program sees the inboxes of its token |
//! | reply, note, change the status | of those, people with a seat, and programs |
//! | assign what nobody, a team of theirs, or a customer agent has, or what is theirs; delete it | the same people |
//! | assign or delete what is somebody else's | admins with a seat, and programs |
//!
//! It can be assigned to people with a seat who have access to the inbox as main or extra members of
//! its teams, and to those teams. Capacity is not asked: by hand it may be exceeded.

use super::command::{Actor, Refusal, RefusalKind};
use super::record::{Assignee, ConversationRecord};
use crate::core::name::{InboxName, TeamName};
use crate::core::snapshot::{Role, Snapshot, User};

/// Something that is done to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act<'a> {
    /// Look at it, or mark it as read.
    See,
    /// Write to the other side.
    Reply,
    /// Write to colleagues.
    Note,
    /// Open it, close it, let it wait.
    SetStatus,
    /// Give it to somebody, or to nobody.
    Assign(Option<&'a Assignee>),
    /// Delete it.
    Delete,
}

/// Whether somebody may see what is in an inbox.
pub fn may_see(snapshot: &Snapshot, actor: &Actor, inbox: Option<&InboxName>) -> bool {
    match actor {
        Actor::Ringdesk => true,
        Actor::User(name) => snapshot
            .user(name)
            .is_some_and(|user| user.role == Role::Admin || snapshot.has_access(&user.name, inbox)),
        Actor::Program(name) => {
            let token = snapshot.tokens.iter().find(|token| token.name == *name);
            token.is_some_and(|token| match (&token.inboxes, inbox) {
                (None, _) | (Some(_), None) => true,
                (Some(inboxes), Some(inbox)) => inboxes.contains(inbox),
            })
        }
    }
}

/// Whether somebody may do this to a conversation.
///
/// # Errors
/// [`RefusalKind::NotFound`] where it may not be seen, [`RefusalKind::Forbidden`] where the rest is
/// missing, [`RefusalKind::Invalid`] where nobody could assign it so.
pub fn may(
    snapshot: &Snapshot,
    actor: &Actor,
    conversation: &ConversationRecord,
    act: Act<'_>,
) -> Result<(), Refusal> {
    if !may_see(snapshot, actor, conversation.inbox.as_ref()) {
        return Err(not_found(conversation.id));
    }
    match act {
        Act::See => {}
        Act::Reply | Act::Note | Act::SetStatus => {
            seated(snapshot, actor)?;
        }
        Act::Assign(_) | Act::Delete => {
            let user = seated(snapshot, actor)?;
            if let (Some(user), Some(holder)) = (user, &conversation.assignee)
                && !may_take_from(snapshot, user, holder)
            {
                return Err(forbidden(format!(
                    "The conversation is assigned to {holder}. That person, or an admin, can give it away."
                )));
            }
        }
    }
    match act {
        Act::Assign(Some(to)) => may_have(snapshot, conversation.inbox.as_ref(), to),
        Act::See | Act::Reply | Act::Note | Act::SetStatus | Act::Assign(None) | Act::Delete => {
            Ok(())
        }
    }
}

/// Whether it may be assigned to them by hand.
///
/// # Errors
/// [`RefusalKind::Invalid`], with the reason.
pub fn may_have(
    snapshot: &Snapshot,
    inbox: Option<&InboxName>,
    to: &Assignee,
) -> Result<(), Refusal> {
    match to {
        Assignee::User(name) => {
            let Some(user) = snapshot.user(name) else {
                return Err(invalid(format!("There is no user {name:?}.")));
            };
            if user.seat.is_none() {
                return Err(invalid(format!(
                    "{name} has no seat, and can be assigned nothing."
                )));
            }
            if !snapshot.has_access(name, inbox) {
                return Err(invalid(format!(
                    "{name} is in none of the teams with access to this inbox."
                )));
            }
            Ok(())
        }
        Assignee::Team(name) => {
            if snapshot.team(name).is_none() {
                return Err(invalid(format!("There is no team {name:?}.")));
            }
            if team_has_access(snapshot, inbox, name) {
                Ok(())
            } else {
                Err(invalid(format!(
                    "The team {name} has no access to this inbox."
                )))
            }
        }
        Assignee::CustomerAgent(_) => Err(invalid(
            "A customer agent is given conversations by rules only.".to_owned(),
        )),
    }
}

/// Whether somebody who has a conversation may keep it under this configuration.
pub(super) fn may_keep(
    snapshot: &Snapshot,
    inbox: Option<&InboxName>,
    assignee: &Assignee,
) -> bool {
    match assignee {
        Assignee::User(_) | Assignee::Team(_) => may_have(snapshot, inbox, assignee).is_ok(),
        Assignee::CustomerAgent(agent) => snapshot.customer_agent(agent).is_some(),
    }
}

/// Whether somebody may change contacts: people with a seat; programs were asked for their scope.
///
/// # Errors
/// There is no such user, or no seat.
pub fn may_change_contacts(snapshot: &Snapshot, actor: &Actor) -> Result<(), Refusal> {
    seated(snapshot, actor).map(|_| ())
}

/// Whether somebody may say that this user is there or away: the user, and admins.
///
/// # Errors
/// There is no such user, or it is for others to say.
pub fn may_set_presence(snapshot: &Snapshot, actor: &Actor, user: &str) -> Result<(), Refusal> {
    if snapshot.user(user).is_none() {
        return Err(Refusal {
            kind: RefusalKind::NotFound,
            text: format!("There is no user {user:?}."),
        });
    }
    match actor {
        Actor::Ringdesk | Actor::Program(_) => Ok(()),
        Actor::User(name) if **name == *user => Ok(()),
        Actor::User(name) => match snapshot.user(name) {
            Some(asker) if asker.role == Role::Admin => Ok(()),
            Some(_) | None => Err(forbidden(
                "Only an admin can say that somebody else is there or away.".to_owned(),
            )),
        },
    }
}

/// What is answered where there is no such conversation, or none that the asker may see.
pub(super) fn not_found(id: crate::core::id::ConversationId) -> Refusal {
    Refusal {
        kind: RefusalKind::NotFound,
        text: format!("There is no conversation {id}."),
    }
}

/// The person who acts, who has a seat; `None`: no person acts.
fn seated<'a>(snapshot: &'a Snapshot, actor: &Actor) -> Result<Option<&'a User>, Refusal> {
    let Actor::User(name) = actor else {
        return Ok(None);
    };
    match snapshot.user(name) {
        Some(user) if user.seat.is_some() => Ok(Some(user)),
        Some(_) | None => Err(forbidden(format!(
            "{name} has no seat. With one (`seat = \"service\"`) people can answer and assign."
        ))),
    }
}

fn may_take_from(snapshot: &Snapshot, user: &User, holder: &Assignee) -> bool {
    user.role == Role::Admin
        || match holder {
            Assignee::User(name) => *name == user.name,
            Assignee::CustomerAgent(_) => true,
            // What a team that is gone has is nobody's.
            Assignee::Team(name) => snapshot
                .team(name)
                .is_none_or(|team| team.includes(&user.name)),
        }
}

fn team_has_access(snapshot: &Snapshot, inbox: Option<&InboxName>, team: &TeamName) -> bool {
    let Some(inbox) = inbox else {
        return true;
    };
    snapshot.inbox(inbox).is_some_and(|inbox| {
        let teams = inbox.teams.as_ref();
        teams.is_none_or(|teams| teams.contains(team))
    })
}

fn forbidden(text: String) -> Refusal {
    Refusal {
        kind: RefusalKind::Forbidden,
        text,
    }
}

fn invalid(text: String) -> Refusal {
    Refusal {
        kind: RefusalKind::Invalid,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sample;
    use crate::core::snapshot::{Kind, Token};

    /// Customers: team support (anna, bjorn; extra carl; nils without a seat). Dora is an admin and
    /// in no team, eva in another team, ada an admin without a seat.
    fn snapshot() -> Snapshot {
        let named = |name: &str, seat: bool, role| User {
            role,
            seat: sample::user(name).seat.filter(|_| seat),
            ..sample::user(name)
        };
        let users = vec![
            named("anna", true, Role::Agent),
            named("bjorn", true, Role::Agent),
            named("carl", true, Role::Agent),
            named("nils", false, Role::Agent),
            named("eva", true, Role::Agent),
            named("dora", true, Role::Admin),
            named("ada", false, Role::Admin),
        ];
        let mut support = sample::team("support", &["anna", "bjorn", "nils"]);
        support.extra_members = sample::names(&["carl"]);
        let teams = vec![support, sample::team("sales", &["eva"])];
        let mut snapshot = sample::snapshot(users, teams, vec![]);
        sample::add(
            &mut snapshot.inboxes,
            sample::inbox("customers", &["support"]),
        );
        let token = |name: &str, inboxes: Option<Vec<InboxName>>| Token {
            name: name.to_owned(),
            sha256: [0; 32],
            scopes: Vec::new(),
            user: None,
            inboxes,
        };
        snapshot.tokens = vec![
            token("all", None),
            token("ours", Some(vec!["customers".into()])),
            token("others", Some(vec!["elsewhere".into()])),
        ];
        snapshot
    }

    fn conversation(inbox: Option<&str>, assignee: Option<Assignee>) -> ConversationRecord {
        ConversationRecord {
            inbox: inbox.map(InboxName::from),
            assignee,
            ..ConversationRecord::begun(
                Default::default(),
                Kind::Email,
                "mail".into(),
                Default::default(),
            )
        }
    }

    fn user(name: &str) -> Actor {
        Actor::User(name.into())
    }

    /// `.` allowed, `N` not found, `F` forbidden, `I` invalid.
    fn letter(result: Result<(), Refusal>) -> char {
        match result.map_err(|refusal| refusal.kind) {
            Ok(()) => '.',
            Err(RefusalKind::NotFound) => 'N',
            Err(RefusalKind::Forbidden) => 'F',
            Err(RefusalKind::Invalid) => 'I',
            Err(RefusalKind::Conflict | RefusalKind::Busy) => '?',
        }
    }

    #[test]
    fn who_may_do_what_in_an_inbox_of_one_team() {
        let snapshot = snapshot();
        let bjorn = Assignee::User("bjorn".into());
        let acts: [Act<'_>; 7] = [
            Act::See,
            Act::Reply,
            Act::Note,
            Act::SetStatus,
            Act::Assign(Some(&bjorn)),
            Act::Assign(None),
            Act::Delete,
        ];
        let actors = [
            user("anna"),
            user("bjorn"),
            user("carl"),
            user("nils"),
            user("eva"),
            user("dora"),
            user("ada"),
            user("nobody"),
            Actor::Program("all".to_owned()),
            Actor::Program("ours".to_owned()),
            Actor::Program("others".to_owned()),
            Actor::Program("none".to_owned()),
            Actor::Ringdesk,
        ];
        let holders = [
            None,
            Some(Assignee::User("anna".into())),
            Some(Assignee::Team("support".into())),
            Some(Assignee::Team("sales".into())),
            Some(Assignee::CustomerAgent("robot".into())),
        ];
        let mut table = String::new();
        for actor in &actors {
            let name = match actor {
                Actor::User(name) => name.to_string(),
                Actor::Program(name) => format!("token {name}"),
                Actor::Ringdesk => "ringdesk".to_owned(),
            };
            table.push_str(&format!("{name:<12}"));
            for holder in &holders {
                let row = conversation(Some("customers"), holder.clone());
                let letters: String = acts
                    .iter()
                    .map(|act| letter(may(&snapshot, actor, &row, *act)))
                    .collect();
                table.push_str(&format!(" {letters}"));
            }
            table.push('\n');
        }
        // Columns: with nobody, anna, her team, another team, a customer agent. Letters: see, reply,
        // note, status, assign to bjorn, unassign, delete.
        insta::assert_snapshot!(table, @r"
        anna         ....... ....... ....... ....FFF .......
        bjorn        ....... ....FFF ....... ....FFF .......
        carl         ....... ....FFF ....... ....FFF .......
        nils         .FFFFFF .FFFFFF .FFFFFF .FFFFFF .FFFFFF
        eva          NNNNNNN NNNNNNN NNNNNNN NNNNNNN NNNNNNN
        dora         ....... ....... ....... ....... .......
        ada          .FFFFFF .FFFFFF .FFFFFF .FFFFFF .FFFFFF
        nobody       NNNNNNN NNNNNNN NNNNNNN NNNNNNN NNNNNNN
        token all    ....... ....... ....... ....... .......
        token ours   ....... ....... ....... ....... .......
        token others NNNNNNN NNNNNNN NNNNNNN NNNNNNN NNNNNNN
        token none   NNNNNNN NNNNNNN NNNNNNN NNNNNNN NNNNNNN
        ringdesk     ....... ....... ....... ....... .......
        ");
    }

    #[test]
    fn by_hand_it_goes_to_members_of_the_inboxs_teams_and_those_teams_alone() {
        let snapshot = snapshot();
        let person = |name: &str| Assignee::User(name.into());
        let team = |name: &str| Assignee::Team(name.into());
        for (inbox, to, allowed) in [
            (Some("customers"), person("anna"), true),
            (Some("customers"), person("carl"), true),
            (Some("customers"), person("nils"), false),
            (Some("customers"), person("eva"), false),
            (Some("customers"), person("dora"), false),
            (Some("customers"), person("nobody"), false),
            (Some("customers"), team("support"), true),
            (Some("customers"), team("sales"), false),
            (Some("customers"), team("none"), false),
            (
                Some("customers"),
                Assignee::CustomerAgent("robot".into()),
                false,
            ),
            (None, person("eva"), true),
            (None, person("nils"), false),
            (None, team("sales"), true),
            (Some("gone"), person("anna"), false),
            (Some("gone"), team("support"), false),
        ] {
            let inbox = inbox.map(InboxName::from);
            let result = may_have(&snapshot, inbox.as_ref(), &to);
            assert_eq!(result.is_ok(), allowed, "{inbox:?} {to} {result:?}");
        }
    }

    #[test]
    fn what_is_in_no_inbox_is_everybodys_and_what_is_in_a_gone_one_is_the_admins() {
        let snapshot = snapshot();
        let gone = InboxName::from("gone");
        assert!(may_see(&snapshot, &user("eva"), None));
        assert!(!may_see(&snapshot, &user("anna"), Some(&gone)));
        assert!(may_see(&snapshot, &user("dora"), Some(&gone)));
        assert!(!may_see(&snapshot, &user("nobody"), None));
    }

    #[test]
    fn people_say_where_they_are_and_admins_may_for_them() {
        let snapshot = snapshot();
        assert!(may_set_presence(&snapshot, &user("anna"), "anna").is_ok());
        assert!(may_set_presence(&snapshot, &user("dora"), "anna").is_ok());
        assert!(may_set_presence(&snapshot, &user("bjorn"), "anna").is_err());
        assert!(may_set_presence(&snapshot, &user("dora"), "nobody").is_err());
    }
}
