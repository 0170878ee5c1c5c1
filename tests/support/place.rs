//! Addresses for one daemon, which no other test has meanwhile.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};

use super::wait;

/// Daemons that can run at once on this machine, whoever runs them.
const PLACES: u16 = 100;

/// UDP ports for the audio of one daemon.
const MEDIA_PORTS: u16 = 40;

/// Below the ports that the system hands out by itself, and above those of whole calls.
const FIRST_MEDIA_PORT: u16 = 24_000;

/// Of all places, and HTTP's after them.
const FIRST_SIP_PORT: u16 = FIRST_MEDIA_PORT + PLACES * MEDIA_PORTS;
const FIRST_HTTP_PORT: u16 = FIRST_SIP_PORT + PLACES;

/// The ports of a daemon on 127.0.0.1, its own until this is dropped, also while it does not run.
pub struct Place {
    sip: u16,
    /// Of HTTP.
    pub http: u16,
    first_media: u16,
    _lock: File,
}

impl Place {
    /// A free one.
    pub fn take() -> Place {
        let (number, lock) = wait::until("a free place", || {
            (0..PLACES).find_map(|number| Some((number, lock(number)?)))
        });
        Place {
            sip: FIRST_SIP_PORT + number,
            http: FIRST_HTTP_PORT + number,
            first_media: FIRST_MEDIA_PORT + number * MEDIA_PORTS,
            _lock: lock,
        }
    }

    /// What the configuration says of SIP, audio and the store.
    pub fn configuration(&self) -> String {
        let (sip, first) = (self.sip, self.first_media);
        let last = first + MEDIA_PORTS - 1;
        format!(
            r#"
[sip]
listen = ["udp://127.0.0.1:{sip}"]
[media]
ports = "{first}-{last}"
[store]
url = "sqlite:data/ringdesk.db"
audio = "data/audio"
"#
        )
    }
}

/// The file of a place, if nobody holds it.
fn lock(number: u16) -> Option<File> {
    let directory = std::env::temp_dir().join("ringdesk-places");
    std::fs::create_dir_all(&directory).unwrap();
    let file = File::create(directory.join(number.to_string())).unwrap();
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .ok()
        .map(|()| file)
}
