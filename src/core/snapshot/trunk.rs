//! Trunks: the carriers that calls come from and go to.

use ipnet::IpNet;

use super::{Protocol, Secret};
use crate::core::name::TrunkName;
use crate::core::number::Country;

/// Who may send us calls: a network, and a port where one was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// A single address is a network of one.
    pub network: IpNet,
    /// Only requests from this port, if given.
    pub port: Option<u16>,
}

/// Where a trunk puts the number that was dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberFrom {
    /// The user part of the Request-URI.
    #[default]
    RequestUri,
    /// The user part of To.
    To,
    /// P-Called-Party-ID (RFC 7315 §4.2).
    PCalledPartyId,
    /// The topmost Diversion (RFC 5806).
    Diversion,
}

/// Where a trunk puts the caller's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerFrom {
    /// P-Asserted-Identity (RFC 3325) where present, else From.
    #[default]
    PAssertedIdentity,
    /// From, always.
    From,
}

/// Which caller a call to the phone network shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerShown {
    /// The channel's first number.
    #[default]
    Channel,
    /// The number of whoever calls us.
    Pass,
}

/// A SIP peering with a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Its name.
    pub name: TrunkName,
    /// Who may send us calls in its name.
    pub peers: Vec<Peer>,
    /// How national numbers are read.
    pub country: Option<Country>,
    /// Where the dialled number stands.
    pub number_from: NumberFrom,
    /// Where the caller's number stands.
    pub caller_from: CallerFrom,
    /// Which caller is shown on calls through `outbound`.
    pub caller: CallerShown,
    /// Where calls to the phone network go; such a trunk is pinged with OPTIONS.
    pub outbound: Option<Outbound>,
    /// Digest credentials, answered to this trunk alone.
    pub credentials: Option<(String, Secret)>,
    /// The only realm that they are answered to; `None`: whichever the trunk names.
    pub realm: Option<String>,
}

/// The far end of a trunk, or a fixed device: a SIP URI taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outbound {
    /// The URI as written, `sip:sip.carrier.example;transport=tcp`.
    pub uri: String,
    /// The user part, if any.
    pub user: Option<String>,
    /// Host name, or address literal without brackets.
    pub host: String,
    /// The port; 5060 where none was written.
    pub port: u16,
    /// UDP unless the URI says `transport=tcp`.
    pub protocol: Protocol,
}
