//! What the stories of chats are told with.

pub mod browser;
pub mod office;
pub mod site;
