//! `[[trunk]]`

use std::collections::HashMap;

use ipnet::IpNet;

use super::settings::login;
use super::uri;
use crate::config::diagnostic::{Findings, Place};
use crate::config::files::Files;
use crate::config::section::Placed;
use crate::config::tree::{Tree, TrunkEntry};
use crate::core::name::TrunkName;
use crate::core::number::Country;
use crate::core::snapshot::{Outbound, Peer, Trunk};

pub(super) fn compile(tree: &Tree, files: &Files, findings: &mut Findings) -> Vec<Trunk> {
    let mut peers = Peers::default();
    tree.trunks
        .iter()
        .map(|entry| trunk(entry, &mut peers, files, findings))
        .collect()
}

fn trunk(entry: &TrunkEntry, peers: &mut Peers, files: &Files, findings: &mut Findings) -> Trunk {
    if entry.peers.is_empty() && entry.outbound.is_none() {
        let message = format!(
            "trunk \"{}\" has neither `peers`, who may send us calls, nor `outbound`, where calls go: it does nothing.",
            entry.name.value
        );
        findings.warning(&entry.name.place, message);
    }
    if let (Some(username), None) = (&entry.login.username, &entry.outbound) {
        let message = "`username` is for calls through `outbound`, which this trunk lacks. Add `outbound`, or remove `username` and `password_file`.";
        findings.error(&username.place, message);
    }
    if let (Some(realm), None) = (&entry.realm, &entry.login.username) {
        let message = "`realm` says whose questions for `username` and its password are answered. Add those, or remove `realm`.";
        findings.error(&realm.place, message);
    }
    Trunk {
        name: TrunkName::from(entry.name.value.as_str()),
        peers: entry
            .peers
            .iter()
            .filter_map(|text| peers.add(&entry.name.value, text, findings))
            .collect(),
        country: entry
            .country
            .as_ref()
            .and_then(|country| self::country(country, findings)),
        number_from: entry.number_from,
        caller_from: entry.caller_from,
        caller: entry.caller,
        outbound: entry
            .outbound
            .as_ref()
            .and_then(|text| outbound(text, findings)),
        credentials: login(&entry.login, files, findings),
        realm: entry.realm.as_ref().map(|realm| realm.value.clone()),
    }
}

/// A URI that calls go to: a trunk's, or a phone's.
pub(super) fn outbound(text: &Placed<String>, findings: &mut Findings) -> Option<Outbound> {
    uri::outbound(&text.value)
        .map_err(|problem| findings.error(&text.place, problem))
        .ok()
}

fn country(text: &Placed<String>, findings: &mut Findings) -> Option<Country> {
    let country = text.value.to_uppercase().parse().ok().map(Country);
    if country.is_none() {
        let message = format!(
            "\"{}\" is not a country's two letters, as in country = \"NO\".",
            text.value
        );
        findings.error(&text.place, message);
    }
    country
}

/// All peers so far: two trunks that the same sender would be are an error.
#[derive(Default)]
struct Peers {
    owners: HashMap<(IpNet, Option<u16>), (String, Place)>,
}

impl Peers {
    fn add(&mut self, trunk: &str, text: &Placed<String>, findings: &mut Findings) -> Option<Peer> {
        let peer = match uri::peer(&text.value) {
            Ok(peer) => peer,
            Err(problem) => {
                findings.error(&text.place, problem);
                return None;
            }
        };
        if peer.network.prefix_len() == 0 {
            let message = format!(
                "\"{}\" is everybody: whoever finds this machine can call as trunk \"{trunk}\". Write the carrier's addresses.",
                text.value
            );
            findings.warning(&text.place, message);
        }
        let key = (peer.network, peer.port);
        if let Some((owner, place)) = self.owners.get(&key) {
            let message = if owner == trunk {
                format!("\"{}\" stands in {place} already. Remove one.", text.value)
            } else {
                format!(
                    "\"{}\" is a peer of trunk \"{owner}\" already ({place}): whose a call from there is could not be said. Remove one, or write ports, as in \"198.51.100.7:5060\".",
                    text.value
                )
            };
            findings.error(&text.place, message);
        } else {
            self.owners
                .insert(key, (trunk.to_owned(), text.place.clone()));
        }
        Some(peer)
    }
}
