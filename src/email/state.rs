//! How mailboxes, the LMTP socket and sending stand, for people who ask and for `/health`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::clock;
use crate::core::name::ChannelName;
use crate::core::time::Wall;

/// How one way in stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// The channel; `None` for the LMTP socket, which serves all.
    pub channel: Option<ChannelName>,
    /// `support@imap.example.com/INBOX`, or `lmtp`.
    pub name: String,
    /// Since when it works, or does not.
    pub since: Wall,
    /// Why it does not work; `None`: it does, or has only just begun.
    pub problem: Option<String>,
    /// When mail was last taken in here.
    pub last_mail: Option<Wall>,
}

/// All of them, as they stand. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct States(Arc<Mutex<BTreeMap<String, State>>>);

impl States {
    /// In the order of their names.
    pub fn all(&self) -> Vec<State> {
        self.change(|states| states.values().cloned().collect())
    }

    /// Forgets all but those that `keep` names.
    pub(super) fn retain(&self, keep: &[String]) {
        self.change(|states| states.retain(|name, _| keep.contains(name)));
    }

    /// It works. True if that is news.
    pub(super) fn works(&self, channel: &ChannelName, name: &str) -> bool {
        self.set(Some(channel), name, None)
    }

    /// It does not. True if that is news.
    pub(super) fn trouble(&self, channel: &ChannelName, name: &str, problem: &str) -> bool {
        self.set(Some(channel), name, Some(problem))
    }

    /// How the LMTP socket stands.
    pub(super) fn lmtp(&self, problem: Option<&str>) -> bool {
        self.set(None, "lmtp", problem)
    }

    /// A mail was taken in.
    pub(super) fn took_in(&self, channel: &ChannelName, name: &str) {
        self.set(Some(channel), name, None);
        self.change(|states| {
            if let Some(state) = states.get_mut(name) {
                state.last_mail = Some(clock::wall());
            }
        });
    }

    fn set(&self, channel: Option<&ChannelName>, name: &str, problem: Option<&str>) -> bool {
        self.change(|states| {
            let before = states.get(name);
            if before.is_some_and(|it| it.problem.as_deref() == problem) {
                return false;
            }
            let last_mail = before.and_then(|it| it.last_mail);
            let state = State {
                channel: channel.cloned(),
                name: name.to_owned(),
                since: clock::wall(),
                problem: problem.map(str::to_owned),
                last_mail,
            };
            states.insert(name.to_owned(), state);
            true
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, State>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_news_once() {
        let states = States::default();
        let channel = ChannelName::from("support");
        assert!(states.trouble(&channel, "box", "no such host"));
        assert!(!states.trouble(&channel, "box", "no such host"));
        assert!(states.trouble(&channel, "box", "wrong password"));
        assert!(states.works(&channel, "box"));
        assert!(!states.works(&channel, "box"));
        states.took_in(&channel, "box");
        assert!(states.all()[0].last_mail.is_some());
        states.retain(&[]);
        assert_eq!(states.all(), []);
    }
}
