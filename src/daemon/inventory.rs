//! What the engine needs to know of the machine.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use ipnet::IpNet;

use crate::core::snapshot::Snapshot;
use crate::engine::Environment;

/// The networks that the machine is attached to, and media ports that other programs hold.
pub(super) fn environment(snapshot: &Snapshot) -> Environment {
    let taken_ports: Vec<u16> = snapshot
        .settings
        .media
        .ports
        .clone()
        .filter(|port| is_taken(*port))
        .collect();
    if !taken_ports.is_empty() {
        tracing::warn!(
            "{} UDP ports of [media] ports are held by other programs and left out",
            taken_ports.len()
        );
    }
    Environment {
        attached: attached_networks(),
        taken_ports,
    }
}

fn is_taken(port: u16) -> bool {
    UdpSocket::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)).is_err()
}

fn attached_networks() -> Vec<IpNet> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    interfaces
        .filter_map(|interface| {
            let address = ip_of(interface.address.as_ref()?)?;
            let mask = ip_of(interface.netmask.as_ref()?)?;
            IpNet::with_netmask(address, mask)
                .ok()
                .map(|network| network.trunc())
        })
        .collect()
}

fn ip_of(storage: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}
