//! What an INVITE says: which trunk it comes from, what was dialled, who calls.

use super::requests;
use crate::core::name::UserName;
use crate::core::number::{Country, PhoneNumber, to_e164};
use crate::core::routing::refusal::Dialled;
use crate::core::snapshot::{CallerFrom, NumberFrom, Protocol, Snapshot, Trunk};
use crate::core::time::Wall;
use crate::sip::flow::Flow;
use crate::sip::message::{NameAddr, Request};

/// Lets a test call from this machine say when it should be decided for: RFC 3339.
pub const AT_HEADER: &str = "X-Ringdesk-At";

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) number: Option<PhoneNumber>,
    pub(super) name: Option<String>,
    pub(super) anonymous: bool,
}

/// The trunk that `source` may send calls for: the most specific network wins, and of two equal
/// ones that which names the port.
///
/// A TCP connection leaves from any port, so the port of a peer is asked of UDP alone.
pub(super) fn trunk_of<'a>(snapshot: &'a Snapshot, flow: &Flow) -> Option<&'a Trunk> {
    let source = flow.remote;
    let any_port = flow.protocol == Protocol::Tcp;
    snapshot
        .trunks
        .iter()
        .flat_map(|trunk| trunk.peers.iter().map(move |peer| (trunk, peer)))
        .filter(|(_, peer)| {
            peer.network.contains(&source.ip())
                && (any_port || peer.port.is_none_or(|port| port == source.port()))
        })
        .max_by_key(|(_, peer)| (peer.network.prefix_len(), peer.port.is_some()))
        .map(|(trunk, _)| trunk)
}

/// What stands in each of the places where a dialled number may stand.
pub(super) fn dialled_texts(request: &Request) -> Dialled {
    let user_of = |value: Option<&str>| {
        value
            .and_then(|value| value.parse::<NameAddr>().ok())
            .and_then(|addr| addr.uri.user)
    };
    Dialled {
        request_uri: request.uri.parsed().ok().and_then(|uri| uri.user),
        to: request.headers.to().ok().and_then(|to| to.uri.user),
        p_called_party_id: user_of(request.headers.value("P-Called-Party-ID")),
        diversion: user_of(request.headers.list("Diversion").next()),
    }
}

pub(super) fn dialled_number(
    snapshot: &Snapshot,
    trunk: Option<&Trunk>,
    dialled: &Dialled,
) -> Option<PhoneNumber> {
    let from = trunk.map(|trunk| trunk.number_from).unwrap_or_default();
    let text = match from {
        NumberFrom::RequestUri => &dialled.request_uri,
        NumberFrom::To => &dialled.to,
        NumberFrom::PCalledPartyId => &dialled.p_called_party_id,
        NumberFrom::Diversion => &dialled.diversion,
    };
    let text = text.as_deref()?;
    match trunk {
        Some(trunk) => to_e164(text, trunk.country),
        None => requests::countries(snapshot)
            .map(Some)
            .chain(std::iter::once(None))
            .filter_map(|country: Option<Country>| to_e164(text, country))
            .find(|number| snapshot.numbers.contains_key(number))
            .or_else(|| to_e164(text, None)),
    }
}

/// The caller as a trunk shows it (RFC 3325, RFC 3323).
pub(super) fn caller_through_trunk(request: &Request, trunk: Option<&Trunk>) -> Caller {
    let headers = &request.headers;
    let asserted = || {
        headers
            .list("P-Asserted-Identity")
            .filter_map(|value| value.parse::<NameAddr>().ok())
            .next()
    };
    let from = headers.from().ok();
    let shown = match trunk.map(|trunk| trunk.caller_from).unwrap_or_default() {
        CallerFrom::PAssertedIdentity => asserted().or_else(|| from.clone()),
        CallerFrom::From => from.clone(),
    };
    let private = headers
        .values("Privacy")
        .flat_map(|value| value.split([';', ',']))
        .any(|token| matches!(token.trim(), "id" | "user" | "header" | "full"));
    let Some(shown) = shown else {
        return Caller {
            anonymous: private,
            ..Caller::default()
        };
    };
    let country = trunk.and_then(|trunk| trunk.country);
    let number = shown
        .uri
        .user
        .as_deref()
        .and_then(|user| to_e164(user, country));
    let name = shown
        .display_name
        .or_else(|| from.and_then(|from| from.display_name))
        .map(|name| clean_name(&name))
        .filter(|name| !name.is_empty());
    if private {
        return Caller {
            number: None,
            name: None,
            anonymous: true,
        };
    }
    let anonymous = number.is_none()
        && shown
            .uri
            .user
            .as_deref()
            .is_none_or(|user| user.eq_ignore_ascii_case("anonymous"));
    Caller {
        number,
        name: name.filter(|_| !anonymous),
        anonymous,
    }
}

/// One of our own users calls.
pub(super) fn caller_from_phone(snapshot: &Snapshot, user: &UserName) -> Caller {
    Caller {
        number: None,
        name: Some(snapshot.name_of_user(user)),
        anonymous: false,
    }
}

/// Longest name of a caller that is kept and shown; phones show about 30 characters.
const NAME_CHARACTERS: usize = 80;

/// A caller's name is somebody's text: one line, no control characters, bounded.
fn clean_name(name: &str) -> String {
    name.chars()
        .filter(|character| !character.is_control())
        .take(NAME_CHARACTERS)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// The time that a test call from this machine asks to be decided for.
pub(super) fn asked_time(request: &Request, flow: &Flow) -> Option<Wall> {
    if !flow.remote.ip().is_loopback() || !flow.local.ip().is_loopback() {
        return None;
    }
    let value = request.headers.value(AT_HEADER)?;
    chrono::DateTime::parse_from_rfc3339(value.trim())
        .ok()
        .map(|at| Wall::from_utc(at.to_utc()))
}
