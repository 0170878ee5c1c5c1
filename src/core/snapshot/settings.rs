//! What is not about routing: where the daemon listens, where it keeps things, how it sends mail.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{ContactLookup, EmailSettings, HttpSettings, MailLogin, RoutingSettings};

/// What is not about routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[sip]`
    pub sip: SipSettings,
    /// `[media]`
    pub media: MediaSettings,
    /// `[store]`
    pub store: StoreSettings,
    /// `[smtp]`; without it no mail is sent.
    pub smtp: Option<SmtpSettings>,
    /// `[http]`; without it there is no API, no form and no chat.
    pub http: Option<HttpSettings>,
    /// `[email]`
    pub email: EmailSettings,
    /// `[contacts]`
    pub contacts: ContactLookup,
    /// `[routing]`
    pub routing: RoutingSettings,
    /// How long SIGTERM lets running calls go on.
    pub drain: Duration,
}

/// A SIP transport protocol (RFC 3261 §18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
}

/// A socket that SIP is taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    /// UDP or TCP.
    pub protocol: Protocol,
    /// Address and port; an IPv6 one takes IPv6 only.
    pub address: SocketAddr,
}

/// Which digest algorithms phones are challenged with (RFC 8760).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestOffer {
    /// MD5 alone: what most phones know.
    #[default]
    Md5,
    /// SHA-256 alone.
    Sha256,
    /// SHA-256 first, then MD5.
    Both,
}

/// `[sip]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipSettings {
    /// Where SIP is taken.
    pub listen: Vec<Listen>,
    /// What the internet sees; `None`: the interface's own address.
    pub public_address: Option<IpAddr>,
    /// Destinations that see the interface's address instead. `None`: private ranges and attached networks.
    pub local_networks: Option<Vec<IpNet>>,
    /// Algorithms of our challenges.
    pub digest: DigestOffer,
    /// The realm of our challenges.
    pub realm: String,
}

/// `[media]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSettings {
    /// UDP ports for RTP (even) and RTCP (the next odd one).
    pub ports: RangeInclusive<u16>,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// The SQLite file.
    pub database: PathBuf,
    /// The directory of recorded audio.
    pub audio: PathBuf,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// `smtp://`: STARTTLS where the server offers it.
    Opportunistic,
    /// `submission://`: STARTTLS, without which nothing is sent.
    StartTls,
    /// `smtps://`: TLS from the first octet.
    Tls,
}

/// `[smtp]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpSettings {
    /// The server's name.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// Protection of the connection.
    pub security: SmtpSecurity,
    /// The sender's address.
    pub from: String,
    /// User name and how it is proved, where the server asks for them.
    pub credentials: Option<(String, MailLogin)>,
}

/// A password. It prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
