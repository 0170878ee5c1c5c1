//! Lists of what has a name.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use super::{Channel, CustomerAgent, Inbox, Team, Trunk, User};
use crate::core::name::ByName;
use crate::core::schedule::Schedule;

/// What an admin gives a name to.
pub trait Named {
    /// The name.
    fn name(&self) -> &str;
}

macro_rules! named {
    ($($kind:ty),*) => {$(
        impl Named for $kind {
            fn name(&self) -> &str {
                &self.name
            }
        }
    )*};
}

named!(
    Trunk,
    User,
    Team,
    Inbox,
    Channel,
    CustomerAgent,
    Arc<Schedule>
);

/// Things in the order written, each found by its name without a search. Reads like a slice.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    items: Vec<T>,
    places: HashMap<Box<str>, usize, ByName>,
}

impl<T: Named> From<Vec<T>> for Listed<T> {
    /// Of several with one name the first is found by it.
    fn from(items: Vec<T>) -> Listed<T> {
        let mut places = HashMap::with_capacity_and_hasher(items.len(), ByName::default());
        for (place, item) in items.iter().enumerate() {
            places.entry(item.name().into()).or_insert(place);
        }
        Listed { items, places }
    }
}

impl<T: Named> FromIterator<T> for Listed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Listed<T> {
        items.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Listed<T> {
        Listed {
            items: Vec::new(),
            places: HashMap::default(),
        }
    }
}

impl<T> Listed<T> {
    /// The one of that name.
    pub fn named(&self, name: &str) -> Option<&T> {
        self.items.get(self.place(name)?)
    }

    /// The place of the one of that name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}

impl<T> Deref for Listed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<'a, T> IntoIterator for &'a Listed<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}
