//! Looking up where a target is, ahead of the calls that go there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::core::snapshot::{Listen, Outbound};
use crate::sip::flow::Flow;
use crate::sip::transport;

/// How long a name server may take; the next attempt comes with the next refresh.
const PATIENCE: Duration = Duration::from_secs(5);

/// How `target` is reached from this machine, over one of the listeners `listening`.
///
/// # Errors
/// In words: the name is unknown, no route, no listener of that kind.
pub async fn resolve(target: &Outbound, listening: &[Listen]) -> Result<Flow, String> {
    let mut problem = format!("{} has no address", target.host);
    for remote in addresses(target).await? {
        match flow_to(target, remote, listening) {
            Ok(flow) => return Ok(flow),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

async fn addresses(target: &Outbound) -> Result<Vec<SocketAddr>, String> {
    if let Ok(ip) = target.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, target.port)]);
    }
    let lookup = tokio::net::lookup_host((target.host.as_str(), target.port));
    match tokio::time::timeout(PATIENCE, lookup).await {
        Ok(Ok(found)) => Ok(found.collect()),
        Ok(Err(error)) => Err(format!("looking up {} failed: {error}", target.host)),
        Err(_) => Err(format!(
            "looking up {} took longer than {PATIENCE:?}",
            target.host
        )),
    }
}

fn flow_to(target: &Outbound, remote: SocketAddr, listening: &[Listen]) -> Result<Flow, String> {
    let protocol = target.protocol;
    let listener = listening
        .iter()
        .find(|one| one.protocol == protocol && one.address.is_ipv4() == remote.is_ipv4())
        .ok_or_else(|| {
            let family = if remote.is_ipv4() { "IPv4" } else { "IPv6" };
            format!("[sip] listen has no {protocol:?} address of {family} to reach {remote} from")
        })?;
    let ip = if listener.address.ip().is_unspecified() {
        transport::local_address_for(remote)
            .map_err(|error| format!("no way to {remote}: {error}"))?
    } else {
        listener.address.ip()
    };
    Ok(Flow {
        protocol,
        local: SocketAddr::new(ip, listener.address.port()),
        remote,
        connection: None,
    })
}
