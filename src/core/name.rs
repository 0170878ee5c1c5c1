//! The names that an admin gives to things. A name stays the same over reloads, so state that
//! outlives a snapshot is keyed by it; the loader has checked that each one refers to something.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                $name(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> $name {
                $name(Arc::from(text))
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    )*};
}

names! {
    /// The name of a [`CustomerAgent`](crate::core::snapshot::CustomerAgent).
    AgentName;
    /// The name of a [`Trunk`](crate::core::snapshot::Trunk).
    TrunkName;
    /// The name of a [`User`](crate::core::snapshot::User).
    UserName;
    /// The name of a [`Team`](crate::core::snapshot::Team).
    TeamName;
    /// The name of an [`Inbox`](crate::core::snapshot::Inbox).
    InboxName;
    /// The name of a [`Schedule`](crate::core::schedule::Schedule).
    ScheduleName;
    /// The name of a prompt.
    PromptName;
    /// The name of a [`Channel`](crate::core::snapshot::Channel).
    ChannelName;
}
