//! A place on this machine for one story: a directory, addresses and ports that no other has.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::namespaces::Networks;
use super::wait;

/// Stories that can be told at once on this machine, whoever runs them.
const PLACES: u8 = 60;

/// UDP ports for the audio of one daemon.
const MEDIA_PORTS: u16 = 200;

/// Below the ports that the system hands out by itself.
const FIRST_MEDIA_PORT: u16 = 10_000;
const WIDE_MEDIA_PORTS: RangeInclusive<u16> = 22_000..=23_999;
const FIRST_SIP_PORT: u16 = 30_000;

/// Which of the ten from there is the daemon's HTTP: after everybody's SIP.
const HTTP: u16 = 9;

/// Who is where.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// The program under test.
    Ringdesk = 1,
    /// The trunk's other end.
    Carrier = 2,
    /// A second one.
    OtherCarrier = 3,
    /// Anna's phone.
    Anna = 4,
    /// Bjørn's phone.
    Bjorn = 5,
    /// Anna's second phone.
    AnnaAtHome = 6,
    /// Nobody that the configuration knows.
    Stranger = 7,
}

/// Which addresses a place has.
#[derive(Clone, Copy, Debug)]
enum Addresses {
    /// One of 127.0.0.0/8 for each.
    Loopback,
    /// ::1 for all.
    Ipv6,
    /// Those of [`Networks`](super::namespaces::Networks).
    Nat,
}

/// Held until dropped.
#[derive(Debug)]
pub struct Place {
    number: u8,
    addresses: Addresses,
    media: RangeInclusive<u16>,
    directory: tempfile::TempDir,
    _lock: File,
    _wide: Option<File>,
}

impl Place {
    /// A free one.
    pub fn take() -> Place {
        let (number, lock) = wait::until("a free place", || {
            (0..PLACES).find_map(|number| Some((number, lock(&number.to_string())?)))
        });
        let first = FIRST_MEDIA_PORT + u16::from(number) * MEDIA_PORTS;
        Place {
            number,
            addresses: Addresses::Loopback,
            media: first..=first + MEDIA_PORTS - 1,
            directory: tempfile::tempdir().unwrap(),
            _lock: lock,
            _wide: None,
        }
    }

    /// One with ports for hundreds of calls.
    pub fn take_wide() -> Place {
        let wide = wait::until("the wide place", || lock("wide"));
        Place {
            media: WIDE_MEDIA_PORTS,
            _wide: Some(wide),
            ..Place::take()
        }
    }

    /// One where all addresses are ::1.
    pub fn take_ipv6() -> Place {
        Place {
            addresses: Addresses::Ipv6,
            ..Place::take()
        }
    }

    /// One where phones are behind a NAT; an error says why this machine cannot have it.
    pub fn take_nat() -> Result<(Place, Networks), String> {
        let place = Place {
            addresses: Addresses::Nat,
            ..Place::take()
        };
        let networks = Networks::make(place.number)?;
        Ok((place, networks))
    }

    /// The address of SIP of `who`.
    pub fn sip(&self, who: Who) -> SocketAddr {
        let port = FIRST_SIP_PORT + u16::from(self.number) * 10 + who as u16;
        SocketAddr::new(self.ip(who), port)
    }

    /// The address of the daemon's HTTP.
    pub fn http(&self) -> SocketAddr {
        let port = FIRST_SIP_PORT + u16::from(self.number) * 10 + HTTP;
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    /// The IP address of `who`.
    pub fn ip(&self, who: Who) -> IpAddr {
        match self.addresses {
            Addresses::Loopback => IpAddr::V4(Ipv4Addr::new(127, 77, self.number, who as u8)),
            Addresses::Ipv6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
            Addresses::Nat => match who {
                Who::Ringdesk => IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
                Who::Carrier => IpAddr::V4(Ipv4Addr::new(198, 51, 100, 3)),
                _ => IpAddr::V4(Ipv4Addr::new(192, 168, 7, 4)),
            },
        }
    }

    /// Ports for the daemon's audio.
    pub fn media_ports(&self) -> RangeInclusive<u16> {
        self.media.clone()
    }

    /// A file or directory of this place.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file of this place.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Writes a file that nobody else may read.
    pub fn write_secret(&self, name: &str, content: &str) {
        self.write(name, content);
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }
}

/// The file of the place `name`, if nobody holds it.
fn lock(name: &str) -> Option<File> {
    let directory: &Path = &std::env::temp_dir().join("ringdesk-calls");
    std::fs::create_dir_all(directory).unwrap();
    let file = File::create(directory.join(name)).unwrap();
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Some(file),
        Err(Errno::WOULDBLOCK) => None,
        Err(error) => panic!("locking {name}: {error}"),
    }
}
