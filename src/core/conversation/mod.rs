//! Conversations: what arrives by mail, form, chat and phone, who has it, and what may be done with
//! it by whom. Edges hand in a [`Command`]; what comes of it are records to keep and [`Event`]s.

mod command;
mod event;
mod machine;
pub mod permission;
mod record;

pub use command::{
    Actor, AgentReply, Arrival, Command, ContactChange, ContactHint, Done, NewMessage, Origin,
    Refusal, RefusalKind,
};
pub use event::{Event, Happening, Outgoing};
pub use machine::{Action, Conversations, IncomingCall, Standing, Timer};
pub use record::{
    Assignee, Attachment, AuditRecord, Author, ContactRecord, ConversationRecord, Delivery, Gone,
    ItemKind, MessageKind, MessageRecord, PresenceRecord, SeenRecord, SessionRecord, Status,
};
