//! SIP messages (RFC 3261 §7): read from octets, asked for what they say, put together, written.
//!
//! A message keeps the octets that came. Lines are told apart once; a value is read when somebody
//! asks for it, so that what nobody needs costs nothing and can break nothing.

mod check;
mod header_name;
mod headers;
mod host;
mod method;
mod name_addr;
mod params;
mod parse;
#[cfg(test)]
mod proofs;
mod scan;
mod status;
mod stream;
mod text;
#[cfg(test)]
mod torture;
mod uri;
mod via;

pub use check::{ACCEPT, ALLOW, check_request};
pub use headers::{CSeq, HeaderError, Headers};
pub use host::Host;
pub use method::Method;
pub use name_addr::{Contacts, NameAddr, NameAddrError};
pub use params::Params;
pub(crate) use params::auth_params;
pub use parse::{MAX_MESSAGE_OCTETS, MAX_REQUEST_URI_OCTETS, ParseError};
pub use status::reason_phrase;
pub use stream::{Frame, StreamReader, Unframable};
pub use text::{Message, Request, Response};
pub use uri::{RequestUri, Scheme, Uri, UriError};
pub use via::{Via, ViaError};
