//! What is known of users, for a thousand of them at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::UserFacts;
use crate::core::name::UserName;

/// What is known of users, each of them once. It stands in the order in which it was learned, is found
/// by name, and is written down by name.
#[derive(Clone, Debug, Default)]
pub struct Known {
    list: Vec<(UserName, UserFacts)>,
    /// Where each of them stands, once one is asked for out of order.
    places: OnceLock<HashMap<UserName, usize>>,
}

/// Looks users up, without a search where they are asked for in the order in which they stand.
pub(super) struct Lookup<'f> {
    known: &'f Known,
    next: usize,
}

impl Known {
    /// Nothing yet, with room for so many.
    pub fn with_capacity(users: usize) -> Known {
        Known {
            list: Vec::with_capacity(users),
            places: OnceLock::new(),
        }
    }

    /// How many users.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing is known of anybody.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What is known of this one.
    pub fn get(&self, user: &str) -> Option<&UserFacts> {
        let (_, facts) = self.list.get(self.place(user)?)?;
        Some(facts)
    }

    /// What is known of this one, to change; what holds of everybody where nothing was known.
    pub fn of(&mut self, user: &str) -> &mut UserFacts {
        let place = match self.place(user) {
            Some(place) => place,
            None => {
                self.add(user.into(), UserFacts::default());
                self.list.len() - 1
            }
        };
        &mut self.list[place].1
    }

    /// Learns about one of whom nothing is known yet.
    pub(in crate::core) fn add(&mut self, user: UserName, facts: UserFacts) {
        self.places.take();
        self.list.push((user, facts));
    }

    /// Forgets all but these.
    pub fn retain(&mut self, mut keep: impl FnMut(&UserName) -> bool) {
        self.places.take();
        self.list.retain(|(user, _)| keep(user));
    }

    pub(super) fn lookup(&self) -> Lookup<'_> {
        Lookup {
            known: self,
            next: 0,
        }
    }

    fn place(&self, user: &str) -> Option<usize> {
        let places = self.places.get_or_init(|| {
            let users = self.list.iter().enumerate();
            users
                .map(|(place, (user, _))| (user.clone(), place))
                .collect()
        });
        places.get(user).copied()
    }
}

impl<'f> Lookup<'f> {
    pub fn find(&mut self, user: &UserName) -> Option<&'f UserFacts> {
        let is_next = |next: usize| {
            let (known, facts) = self.known.list.get(next)?;
            (known == user).then_some(facts)
        };
        if let Some(facts) = is_next(self.next) {
            self.next += 1;
            return Some(facts);
        }
        let place = self.known.place(user)?;
        self.next = place + 1;
        self.known.list.get(place).map(|(_, facts)| facts)
    }
}

/// The order is of no matter.
impl PartialEq for Known {
    fn eq(&self, other: &Known) -> bool {
        let mut mine = self.list.iter();
        self.len() == other.len() && mine.all(|(user, facts)| other.get(user) == Some(facts))
    }
}

impl Eq for Known {}

impl FromIterator<(UserName, UserFacts)> for Known {
    /// Of several about one user the last counts.
    fn from_iter<I: IntoIterator<Item = (UserName, UserFacts)>>(users: I) -> Known {
        let users: BTreeMap<UserName, UserFacts> = users.into_iter().collect();
        Known {
            list: users.into_iter().collect(),
            places: OnceLock::new(),
        }
    }
}

impl Serialize for Known {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut users: Vec<&(UserName, UserFacts)> = self.list.iter().collect();
        users.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        serializer.collect_map(users.into_iter().map(|(user, facts)| (user, facts)))
    }
}

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Known, D::Error> {
        let users = BTreeMap::<UserName, UserFacts>::deserialize(deserializer)?;
        Ok(users.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(open: u32) -> UserFacts {
        let mut facts = UserFacts::default();
        facts.open.chat = open;
        facts
    }

    fn three(order: [&str; 3]) -> Known {
        let mut known = Known::with_capacity(3);
        for user in order {
            known.add(user.into(), busy(user.len() as u32));
        }
        known
    }

    #[test]
    fn each_is_found_in_any_order_and_strangers_are_not() {
        let known = three(["carl", "anna", "bjorn"]);
        for order in [
            ["carl", "anna", "bjorn"],
            ["bjorn", "anna", "carl"],
            ["anna", "nobody", "bjorn"],
            ["anna", "anna", "carl"],
        ] {
            let mut lookup = known.lookup();
            for user in order {
                let found = lookup.find(&user.into()).map(|facts| facts.open.chat);
                let expected = (user != "nobody").then_some(user.len() as u32);
                assert_eq!(found, expected, "{user} in {order:?}");
            }
        }
        assert!(Known::default().lookup().find(&"anna".into()).is_none());
    }

    #[test]
    fn what_is_learned_or_forgotten_later_counts() {
        let mut known = three(["carl", "anna", "bjorn"]);
        assert!(known.get("dora").is_none());
        known.of("dora").open.chat = 9;
        known.of("anna").open.chat = 8;
        assert_eq!(known.get("dora"), Some(&busy(9)));
        known.retain(|user| &**user != "carl");
        assert_eq!(known.get("carl"), None);
        assert_eq!(known.get("anna"), Some(&busy(8)));
        assert_eq!(known.len(), 3);
    }

    #[test]
    fn it_is_written_down_by_name_and_read_again_whatever_the_order_was() {
        let one = three(["carl", "anna", "bjorn"]);
        let other = three(["anna", "bjorn", "carl"]);
        assert_eq!(one, other);
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(text, serde_json::to_string(&other).unwrap());
        assert!(text.starts_with("{\"anna\":"), "{text}");
        assert_eq!(serde_json::from_str::<Known>(&text).unwrap(), one);
        let mut less = one.clone();
        less.of("anna").open.chat = 1;
        assert_ne!(less, one);
    }
}
