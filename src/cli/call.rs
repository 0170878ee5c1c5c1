//! `ringdesk call`: a small test phone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::ConfigDirectory;
use super::route;
use crate::core::routing::To;
use crate::core::snapshot::{Protocol, Snapshot};
use crate::core::time::Wall;
use crate::engine::AT_HEADER;
use crate::phone::{Outgoing, Phone, Progress, audio_of};
use crate::sip::message::{Host, Uri};

/// Call a number of ours, or a SIP URI, from a small test phone.
///
/// With --number, the call goes to the daemon of this machine, as a trunk's call would: some trunk
/// must have 127.0.0.1 among its peers.
#[derive(Args, Debug)]
pub struct Call {
    /// Whom to call: sip:NAME@ADDRESS:PORT
    #[arg(
        value_name = "SIP_URI",
        conflicts_with = "number",
        required_unless_present = "number"
    )]
    target: Option<String>,
    /// A number of ours to call
    #[arg(long)]
    number: Option<String>,
    /// Let the daemon decide as if it were then (this machine only): RFC 3339, or local to the
    /// channel's schedule
    #[arg(long, value_name = "WHEN")]
    at: Option<String>,
    /// The number to call from
    #[arg(long, value_name = "NUMBER", default_value = "+4790000000")]
    from: String,
    /// Say this
    #[arg(long, value_name = "WAV")]
    play: Option<PathBuf>,
    /// Keep what is heard
    #[arg(long, value_name = "WAV")]
    save: Option<PathBuf>,
    /// Hang up this many seconds after the answer
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    #[command(flatten)]
    config: ConfigDirectory,
}

/// How long to let it ring: longer than any sensible rule rings.
const PATIENCE: Duration = Duration::from_secs(180);

/// Calls, and says on stdout what happens. Exit code 1 when nobody answered.
///
/// # Errors
/// The call cannot be made.
pub fn run(arguments: &Call) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(call(arguments))
}

async fn call(arguments: &Call) -> anyhow::Result<ExitCode> {
    let (target, server, at) = destination(arguments).await?;
    let play = arguments.play.as_deref().map(audio_of).transpose()?;
    let mut phone = Phone::open(own_address(server.ip()), "ringdesk-call").await?;
    let headers = at.map(|at| (AT_HEADER.to_owned(), at.to_string()));
    let outgoing = Outgoing {
        target,
        server,
        from: arguments.from.clone(),
        from_name: Some("Test call".to_owned()),
        headers: headers.into_iter().collect(),
        play,
        stay: Duration::from_secs(arguments.seconds),
        patience: PATIENCE,
    };
    println!("calling {} at {}", outgoing.target, outgoing.server);
    let mut answered = false;
    let heard = phone
        .call(outgoing, |progress| {
            answered |= progress == Progress::Answered;
            println!("{}", words(&progress));
        })
        .await?;
    if answered {
        println!("heard {:.1} s", heard.duration().as_secs_f64());
    }
    if let Some(path) = &arguments.save {
        heard.save(path)?;
        println!("saved as {}", path.display());
    }
    Ok(if answered {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn destination(arguments: &Call) -> anyhow::Result<(Uri, SocketAddr, Option<Wall>)> {
    if let Some(target) = &arguments.target {
        let uri: Uri = target
            .parse()
            .with_context(|| format!("{target} is not a SIP URI"))?;
        let server = address_of(&uri).await?;
        let at = match &arguments.at {
            Some(text) => {
                Some(crate::config::moment::parse(text, None).map_err(anyhow::Error::msg)?)
            }
            None => None,
        };
        return Ok((uri, server, at));
    }
    let snapshot = arguments.config.load()?.snapshot;
    let text = arguments
        .number
        .as_deref()
        .context("a number or a SIP URI is needed")?;
    let number = route::number(&snapshot, text)?;
    let server = server_of(&snapshot)?;
    let trunks = snapshot.trunks.iter().flat_map(|trunk| &trunk.peers);
    if !trunks
        .into_iter()
        .any(|peer| peer.network.contains(&server.ip()))
    {
        bail!(
            "no trunk has {} among its peers, so the daemon would ask this phone for a password. Add a trunk for tests: peers = [\"{}\"]",
            server.ip(),
            server.ip()
        );
    }
    let at = match &arguments.at {
        Some(text) => Some(route::at(&snapshot, &To::Number(number.clone()), text)?),
        None => None,
    };
    let uri = Uri::sip(
        Some(number.as_str()),
        Host::from(server.ip()),
        Some(server.port()),
    );
    Ok((uri, server, at))
}

/// Where the daemon of this machine listens.
fn server_of(snapshot: &Snapshot) -> anyhow::Result<SocketAddr> {
    let listener = snapshot
        .settings
        .sip
        .listen
        .iter()
        .find(|listen| listen.protocol == Protocol::Udp)
        .context("[sip] listen has no udp:// address, which this phone needs")?;
    let ip = match listener.address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, listener.address.port()))
}

async fn address_of(uri: &Uri) -> anyhow::Result<SocketAddr> {
    let port = uri.port.unwrap_or(5060);
    match &uri.host {
        Host::Ip(ip) => Ok(SocketAddr::new(*ip, port)),
        Host::Name(name) => tokio::net::lookup_host((name.as_str(), port))
            .await
            .with_context(|| format!("looking up {name}"))?
            .next()
            .with_context(|| format!("{name} has no address")),
    }
}

fn own_address(server: IpAddr) -> IpAddr {
    crate::sip::transport::local_address_for(SocketAddr::new(server, 5060)).unwrap_or(server)
}

fn words(progress: &Progress) -> String {
    match progress {
        Progress::Ringing => "ringing".to_owned(),
        Progress::Answered => "answered".to_owned(),
        Progress::HungUpThere => "the other side hung up".to_owned(),
        Progress::HungUpHere => "hung up".to_owned(),
        Progress::Refused(status, phrase) => format!("refused: {status} {phrase}"),
        Progress::GaveUp => "nobody answered".to_owned(),
    }
}
