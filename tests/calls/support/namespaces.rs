//! A network with a NAT in it, made of network namespaces: the daemon and the carrier on one side,
//! a phone on the other.

use std::fs::File;
use std::process::Command;

use nix::sched::{CloneFlags, setns};

/// The networks of one place; removed when dropped.
#[derive(Debug)]
pub struct Networks {
    number: u8,
}

/// One side of the NAT.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    /// Where the daemon and the carrier are.
    Outside,
    /// The router between the two.
    Router,
    /// Where the phone is.
    Home,
}

impl Networks {
    /// Makes them; an error says why this machine cannot.
    pub fn make(number: u8) -> Result<Networks, String> {
        let networks = Networks { number };
        networks.remove();
        for side in [Side::Outside, Side::Router, Side::Home] {
            let name = networks.name(side);
            run("ip", &["netns", "add", &name])?;
            networks.within(side, || run("ip", &["link", "set", "lo", "up"]))?;
        }
        networks.link(
            Side::Outside,
            "198.51.100.1/24",
            "198.51.100.2/24",
            "public",
        )?;
        networks.link(Side::Home, "192.168.7.4/24", "192.168.7.1/24", "home")?;
        networks.within(Side::Outside, || {
            run("ip", &["address", "add", "198.51.100.3/24", "dev", "wire"])
        })?;
        networks.within(Side::Home, || {
            run("ip", &["route", "add", "default", "via", "192.168.7.1"])
        })?;
        networks.within(Side::Router, || {
            let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
            run("sh", &["-c", forward])?;
            let rules = "add table ip nat; \
                add chain ip nat out { type nat hook postrouting priority 100; }; \
                add rule ip nat out oifname \"public\" masquerade";
            run("nft", &[rules])
        })?;
        Ok(networks)
    }

    /// Does something on one side: sockets and processes made there stay there.
    pub fn within<T: Send>(&self, side: Side, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name(side))).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                setns(file, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A wire between `side` and the router, where its end is called `name`.
    fn link(&self, side: Side, address: &str, gateway: &str, name: &str) -> Result<(), String> {
        let (here, router) = (self.name(side), self.name(Side::Router));
        let wire = ["link", "add", "wire", "netns", &here, "type", "veth"];
        let end = ["peer", "name", name, "netns", &router];
        run("ip", &[wire.as_slice(), &end].concat())?;
        self.within(side, || {
            run("ip", &["address", "add", address, "dev", "wire"])?;
            run("ip", &["link", "set", "wire", "up"])
        })?;
        self.within(Side::Router, || {
            run("ip", &["address", "add", gateway, "dev", name])?;
            run("ip", &["link", "set", name, "up"])
        })
    }

    fn name(&self, side: Side) -> String {
        format!("ringdesk-{}-{side:?}", self.number).to_lowercase()
    }

    fn remove(&self) {
        for side in [Side::Outside, Side::Router, Side::Home] {
            drop(run("ip", &["netns", "del", &self.name(side)]));
        }
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        self.remove();
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}: {said}", arguments.join(" ")))
}
