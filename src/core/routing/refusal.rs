//! What an admin reads about a request that was refused: what came, and what to change if it should
//! have been taken.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};

use super::words;
use super::{Decision, Outcome, Trace};
use crate::core::name::ChannelName;
use crate::core::number::{PhoneNumber, to_e164};
use crate::core::snapshot::{NumberFrom, Peer, Snapshot, Trunk};
use crate::core::time::Wall;

/// What an INVITE said about the number that was dialled, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialled {
    /// The user part of the Request-URI.
    pub request_uri: Option<String>,
    /// The user part of To.
    pub to: Option<String>,
    /// The user part of P-Called-Party-ID.
    pub p_called_party_id: Option<String>,
    /// The user part of the topmost Diversion.
    pub diversion: Option<String>,
}

impl Dialled {
    /// What stood in that place.
    pub fn from(&self, place: NumberFrom) -> Option<&str> {
        match place {
            NumberFrom::RequestUri => self.request_uri.as_deref(),
            NumberFrom::To => self.to.as_deref(),
            NumberFrom::PCalledPartyId => self.p_called_party_id.as_deref(),
            NumberFrom::Diversion => self.diversion.as_deref(),
        }
    }
}

/// A refusal as a decision, with nothing looked at but the snapshot.
pub fn refuse(snapshot: &Snapshot, status: u16, code: &str, text: String) -> Decision {
    Decision {
        outcome: Outcome::Refuse {
            status,
            code: code.to_owned(),
            text,
        },
        trace: Trace {
            snapshot: snapshot.version,
            ..Trace::default()
        },
    }
}

/// The text of `404 unknown-number`, without status and code: `trunk "no" sent Request-URI
/// "acct4711", To "22000001" (+4722000001, channel oslo-line). Set number_from = "to".` Every place
/// where the number could have stood is looked at. `trunk` is `None` for one of our own phones.
pub fn unknown_number(snapshot: &Snapshot, trunk: Option<&Trunk>, dialled: &Dialled) -> String {
    let country = trunk.and_then(|trunk| trunk.country);
    let asked = trunk.map_or(NumberFrom::RequestUri, |trunk| trunk.number_from);
    let read = |place: NumberFrom| {
        let text = dialled.from(place)?;
        let number = to_e164(text, country);
        let channel = number
            .as_ref()
            .and_then(|number| snapshot.channel_of_number(number))
            .map(|channel| channel.name.clone());
        Some(Reading {
            place,
            text,
            number,
            channel,
        })
    };
    let who = trunk.map_or_else(
        || "a phone of ours".to_owned(),
        |trunk| format!("trunk {:?}", &*trunk.name),
    );
    let first = read(asked);
    let sent = first.as_ref().map_or_else(
        || format!("{who} sent no {}", header(asked)),
        |first| format!("{who} sent {}", first.told()),
    );
    let elsewhere: Vec<Reading<'_>> = PLACES
        .into_iter()
        .filter(|place| trunk.is_some() && *place != asked)
        .filter_map(read)
        .collect();
    if let Some(hit) = elsewhere.iter().find(|reading| reading.channel.is_some()) {
        let key = key(hit.place);
        let but = if first.is_some() { "" } else { "but " };
        let hit = hit.told();
        return format!("{sent}, {but}{hit}. Set number_from = {key:?}.");
    }
    let others: String = elsewhere
        .iter()
        .filter(|reading| Some(reading.text) != dialled.from(asked))
        .map(|reading| format!(", {}", reading.told()))
        .collect();
    let advice = advice(trunk, first.as_ref());
    format!("{sent}{others}. {advice}")
}

/// `refused not-a-trunk: INVITE from 198.51.101.9 for +4722000001, 14 times since 09:02. Nearest:
/// trunk "no", 198.51.100.0/24. If this is your carrier, add it to peers.`
///
/// `times` counts this request and those like it since `since`; a single one is told without.
pub fn not_a_trunk(
    snapshot: &Snapshot,
    method: &str,
    source: SocketAddr,
    dialled: Option<&str>,
    times: u64,
    since: Wall,
    now: Wall,
) -> String {
    let address = source.ip().to_canonical();
    let mut text = format!("refused not-a-trunk: {method} from {address}");
    if let Some(dialled) = dialled {
        let is_plain = dialled.len() <= 32 && dialled.bytes().all(|b| b.is_ascii_graphic());
        if is_plain {
            text.push_str(&format!(" for {dialled}"));
        } else {
            text.push_str(&format!(" for {}", words::quoted(dialled)));
        }
    }
    if times > 1 {
        let schedule = dialled
            .and_then(|dialled| to_e164(dialled, None))
            .and_then(|number| snapshot.channel_of_number(&number))
            .and_then(|channel| channel.schedule.as_ref());
        let since = words::clock(snapshot, schedule, since, now);
        text.push_str(&format!(", {times} times since {since}"));
    }
    match nearest(snapshot, address) {
        Some((trunk, peer)) => {
            let name = &*trunk.name;
            let peer = peer_text(peer);
            text.push_str(&format!(
                ". Nearest: trunk {name:?}, {peer}. If this is your carrier, add it to peers."
            ));
        }
        None => {
            let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            text.push_str(&format!(
                ". No trunk has an {family} peer. If this is your carrier, add it to peers."
            ));
        }
    }
    text
}

const PLACES: [NumberFrom; 4] = [
    NumberFrom::RequestUri,
    NumberFrom::To,
    NumberFrom::PCalledPartyId,
    NumberFrom::Diversion,
];

/// What one place in the request said.
struct Reading<'a> {
    place: NumberFrom,
    text: &'a str,
    number: Option<PhoneNumber>,
    channel: Option<ChannelName>,
}

impl Reading<'_> {
    /// `To "22000001" (+4722000001, channel oslo-line)`
    fn told(&self) -> String {
        let header = header(self.place);
        let text = words::quoted(self.text);
        match (&self.number, &self.channel) {
            (Some(number), Some(channel)) => {
                format!("{header} {text} ({number}, channel {channel})")
            }
            (Some(number), None) => format!("{header} {text} ({number})"),
            (None, _) => format!("{header} {text}"),
        }
    }
}

fn advice(trunk: Option<&Trunk>, first: Option<&Reading<'_>>) -> String {
    let unread = first.filter(|reading| reading.number.is_none());
    match (unread, trunk) {
        (Some(reading), Some(trunk))
            if trunk.country.is_none() && reading.text.bytes().all(|b| b.is_ascii_digit()) =>
        {
            "The trunk has no country, so national numbers cannot be read: set country.".to_owned()
        }
        (Some(_), _) => "None of it is a number of any channel.".to_owned(),
        (None, _) => "No channel has it among its numbers.".to_owned(),
    }
}

fn header(place: NumberFrom) -> &'static str {
    match place {
        NumberFrom::RequestUri => "Request-URI",
        NumberFrom::To => "To",
        NumberFrom::PCalledPartyId => "P-Called-Party-ID",
        NumberFrom::Diversion => "Diversion",
    }
}

fn key(place: NumberFrom) -> &'static str {
    match place {
        NumberFrom::RequestUri => "request-uri",
        NumberFrom::To => "to",
        NumberFrom::PCalledPartyId => "p-called-party-id",
        NumberFrom::Diversion => "diversion",
    }
}

/// The peer whose network shares the longest prefix with the address; the first of equal ones.
fn nearest(snapshot: &Snapshot, address: IpAddr) -> Option<(&Trunk, &Peer)> {
    let peers = snapshot.trunks.iter().flat_map(|trunk| {
        let peers = trunk.peers.iter();
        peers.map(move |peer| (trunk, peer))
    });
    peers
        .filter_map(|(trunk, peer)| Some((Reverse(shared_bits(peer, address)?), trunk, peer)))
        .min_by_key(|(shared, ..)| *shared)
        .map(|(_, trunk, peer)| (trunk, peer))
}

/// `None` where one is IPv4 and the other IPv6.
fn shared_bits(peer: &Peer, address: IpAddr) -> Option<u32> {
    let shared = match (peer.network.addr(), address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    };
    Some(shared.min(u32::from(peer.network.prefix_len())))
}

fn peer_text(peer: &Peer) -> String {
    let network = if peer.network.prefix_len() == peer.network.max_prefix_len() {
        peer.network.addr().to_string()
    } else {
        peer.network.to_string()
    };
    match peer.port {
        Some(port) => format!("{network} port {port}"),
        None => network,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::core::sample::{self, at, channel, oslo, snapshot, trunk};

    fn office() -> Snapshot {
        let mut line = channel(vec![]);
        line.name = "oslo-line".into();
        sample::call(&mut line).numbers = vec!["+4722000001".parse().unwrap()];
        line.schedule = Some("oslo".into());
        let mut snapshot = snapshot(vec![], vec![], vec![line]);
        snapshot.schedules = vec![std::sync::Arc::new(oslo(vec![]))].into();
        snapshot
    }

    fn sent(request_uri: &str, to: &str) -> Dialled {
        Dialled {
            request_uri: Some(request_uri.to_owned()),
            to: Some(to.to_owned()),
            ..Dialled::default()
        }
    }

    #[test]
    fn an_unknown_number_is_looked_for_wherever_it_could_have_stood() {
        let office = office();
        let told = |dialled: &Dialled| unknown_number(&office, Some(&trunk()), dialled);
        assert_snapshot!(told(&sent("acct4711", "22000001")), @r#"trunk "no" sent Request-URI "acct4711", To "22000001" (+4722000001, channel oslo-line). Set number_from = "to"."#);
        let diverted = Dialled {
            diversion: Some("+4722000001".to_owned()),
            ..sent("acct4711", "acct4711")
        };
        assert_snapshot!(told(&diverted), @r#"trunk "no" sent Request-URI "acct4711", Diversion "+4722000001" (+4722000001, channel oslo-line). Set number_from = "diversion"."#);
        assert_snapshot!(told(&sent("22000002", "22000002")), @r#"trunk "no" sent Request-URI "22000002" (+4722000002). No channel has it among its numbers."#);
        assert_snapshot!(told(&sent("22000002", "0047 22000003")), @r#"trunk "no" sent Request-URI "22000002" (+4722000002), To "0047 22000003" (+4722000003). No channel has it among its numbers."#);
        assert_snapshot!(told(&sent("acct4711", "acct4711")), @r#"trunk "no" sent Request-URI "acct4711". None of it is a number of any channel."#);
    }

    #[test]
    fn an_absent_header_and_an_absent_country_are_named() {
        let office = office();
        let by_header = Trunk {
            number_from: NumberFrom::PCalledPartyId,
            ..trunk()
        };
        let dialled = sent("+4722000001", "+4722000001");
        assert_snapshot!(unknown_number(&office, Some(&by_header), &dialled), @r#"trunk "no" sent no P-Called-Party-ID, but Request-URI "+4722000001" (+4722000001, channel oslo-line). Set number_from = "request-uri"."#);
        let nowhere = Trunk {
            country: None,
            ..trunk()
        };
        let national = sent("22000001", "22000001");
        assert_snapshot!(unknown_number(&office, Some(&nowhere), &national), @r#"trunk "no" sent Request-URI "22000001". The trunk has no country, so national numbers cannot be read: set country."#);
        assert_snapshot!(unknown_number(&office, None, &sent("112", "112")), @r#"a phone of ours sent Request-URI "112". None of it is a number of any channel."#);
    }

    #[test]
    fn who_is_no_trunk_is_told_the_nearest() {
        let since = at("2026-12-02T08:02:00Z").wall;
        let now = at("2026-12-02T09:10:00Z").wall;
        let told = |snapshot: &Snapshot, source: &str, dialled, times| {
            let source = source.parse().unwrap();
            not_a_trunk(snapshot, "INVITE", source, dialled, times, since, now)
        };
        let mut office = office();
        assert_snapshot!(told(&office, "198.51.101.9:5060", Some("+4722000001"), 14), @r#"refused not-a-trunk: INVITE from 198.51.101.9 for +4722000001, 14 times since 09:02. Nearest: trunk "no", 198.51.100.0/24. If this is your carrier, add it to peers."#);
        assert_snapshot!(told(&office, "198.51.101.9:5060", Some("100"), 14), @r#"refused not-a-trunk: INVITE from 198.51.101.9 for 100, 14 times since 08:02 UTC. Nearest: trunk "no", 198.51.100.0/24. If this is your carrier, add it to peers."#);
        assert_snapshot!(told(&office, "[2001:db8::1]:5060", None, 1), @r"refused not-a-trunk: INVITE from 2001:db8::1. No trunk has an IPv6 peer. If this is your carrier, add it to peers.");
        let peer = |network: &str, port| Peer {
            network: network.parse().unwrap(),
            port,
        };
        let more = |name: &str, peers| Trunk {
            name: name.into(),
            peers,
            ..trunk()
        };
        office.trunks = vec![
            trunk(),
            more("near", vec![peer("198.51.101.8/32", Some(5080))]),
            more("six", vec![peer("2001:db8::/32", None)]),
        ]
        .into();
        assert_snapshot!(told(&office, "[::ffff:198.51.101.9]:5060", None, 1), @r#"refused not-a-trunk: INVITE from 198.51.101.9. Nearest: trunk "near", 198.51.101.8 port 5080. If this is your carrier, add it to peers."#);
        assert_snapshot!(told(&office, "[2001:db8:1::1]:5060", None, 1), @r#"refused not-a-trunk: INVITE from 2001:db8:1::1. Nearest: trunk "six", 2001:db8::/32. If this is your carrier, add it to peers."#);
        let noise = "1\n".repeat(100);
        let shown = told(&office, "198.51.101.9:5060", Some(&noise), 1);
        assert!(
            shown.contains(r#" for "1\n1\n"#) && shown.lines().count() == 1,
            "{shown}"
        );
        assert!(shown.len() < 300, "{shown}");
        office.trunks = vec![].into();
        assert_snapshot!(told(&office, "198.51.101.9:5060", None, 1), @r"refused not-a-trunk: INVITE from 198.51.101.9. No trunk has an IPv4 peer. If this is your carrier, add it to peers.");
    }
}
