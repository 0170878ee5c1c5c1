//! Via (RFC 3261 §20.42, RFC 3581): where a request has been, and where its response goes.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::host::{Host, HostPortError, parse_host_port, write_host_port};
use super::params::Params;
use super::scan;

/// One hop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Via {
    /// The transport as written: `UDP`.
    pub protocol: String,
    /// The host of sent-by.
    pub host: Host,
    /// The port of sent-by, where one is written.
    pub port: Option<u16>,
    /// Parameters.
    pub params: Params,
}

/// Why a text is not a Via.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViaError {
    /// Does not begin like `SIP/2.0/UDP host`.
    #[error("{0:?} does not begin like SIP/2.0/UDP host")]
    Protocol(String),
    /// Host or port cannot be read.
    #[error("{0:?} has a host or port that cannot be read")]
    SentBy(String),
    /// A parameter cannot be read.
    #[error("parameter {0:?} cannot be read")]
    Param(String),
}

impl Via {
    /// `protocol` is `UDP` or `TCP`.
    pub fn new(protocol: &str, host: Host, port: Option<u16>, branch: &str) -> Via {
        let mut params = Params::new();
        params.set("branch", Some(branch));
        Via {
            protocol: protocol.to_owned(),
            host,
            port,
            params,
        }
    }

    /// The transaction's identifier; `None` from elements of RFC 2543.
    pub fn branch(&self) -> Option<&str> {
        self.params.value("branch")
    }

    /// The source address that the next hop saw.
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.value("received")?;
        text.trim_matches(['[', ']']).parse().ok()
    }

    /// `None`: not asked for; `Some(None)`: asked for, not filled in (RFC 3581 §3).
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params
            .get("rport")
            .map(|value| value.and_then(|value| value.parse().ok()))
    }
}

impl FromStr for Via {
    type Err = ViaError;

    fn from_str(text: &str) -> Result<Via, ViaError> {
        let text = scan::trim(text);
        let bad_protocol = || ViaError::Protocol(text.to_owned());
        let mut parts = text.splitn(3, '/');
        let (name, version, rest) = match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(version), Some(rest)) => {
                (scan::trim(name), scan::trim(version), rest)
            }
            _ => return Err(bad_protocol()),
        };
        let rest = scan::trim(rest);
        let (protocol, rest) = rest.split_once([' ', '\t']).ok_or_else(bad_protocol)?;
        if !(scan::all_token(name) && scan::all_token(version) && scan::all_token(protocol)) {
            return Err(bad_protocol());
        }
        let (sent_by, params) = match rest.split_once(';') {
            None => (rest, ""),
            Some((sent_by, params)) => (sent_by, params),
        };
        let (host, port) = parse_host_port(sent_by).map_err(|problem| match problem {
            HostPortError::Host | HostPortError::Port => ViaError::SentBy(text.to_owned()),
        })?;
        Ok(Via {
            protocol: protocol.to_owned(),
            host,
            port,
            params: Params::parse_of_header(params)
                .map_err(|part| ViaError::Param(part.to_owned()))?,
        })
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} ", self.protocol)?;
        write_host_port(f, &self.host, self.port)?;
        write!(f, "{}", self.params)
    }
}
