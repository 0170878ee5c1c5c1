//! The daemon under measurement: its configuration, its process, its CPU time.

use std::fmt::Write;
use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringdesk::clock;
use tempfile::TempDir;

use crate::{Failure, USERS, carrier_ip, number, user};

/// The password of every phone.
pub const PASSWORD: &str = "rosebud";

/// `USER_HZ`, in which `/proc/PID/stat` counts.
const TICK: Duration = Duration::from_millis(10);

/// A running daemon. It is killed when this is dropped.
pub struct Daemon {
    process: Child,
    /// Where it takes SIP.
    pub address: SocketAddr,
    directory: TempDir,
}

/// CPU time of all threads of a process.
#[derive(Clone, Copy, Debug)]
pub struct CpuTime {
    pub user: Duration,
    pub system: Duration,
}

impl Daemon {
    /// Starts it on core 0 with a configuration of [`USERS`] users, each with a channel and a number.
    pub fn start() -> Result<Daemon, Failure> {
        // On a real disk, where a temporary directory may be memory.
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let address = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        configure(directory.path(), address)?;
        let log = File::create(directory.path().join("log"))?;
        let process = Command::new("taskset")
            .args(["-c", "0", env!("CARGO_BIN_EXE_ringdesk"), "run", "--config"])
            .arg(directory.path().join("config"))
            .env("RINGDESK_LOG", "info")
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()?;
        Ok(Daemon {
            process,
            address,
            directory,
        })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// What it has used so far.
    pub fn cpu_time(&self) -> Result<CpuTime, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // The name, which may hold spaces, ends at the last parenthesis; user and system time are
        // the 14th and 15th field.
        let (_, rest) = stat.rsplit_once(')').ok_or("stat without a name")?;
        let mut ticks = rest.split_whitespace().skip(11).map(str::parse::<u32>);
        let mut next = || -> Result<Duration, Failure> { Ok(TICK * ticks.next().ok_or("short")??) };
        Ok(CpuTime {
            user: next()?,
            system: next()?,
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl CpuTime {
    pub fn since(self, earlier: CpuTime) -> CpuTime {
        CpuTime {
            user: self.user - earlier.user,
            system: self.system - earlier.system,
        }
    }

    pub fn total(self) -> Duration {
        self.user + self.system
    }
}

/// A zone in which it is about noon now, so that offices are open.
fn zone_of_noon() -> String {
    let hour = clock::wall()
        .as_millis()
        .div_euclid(3_600_000)
        .rem_euclid(24);
    // These zones are named by the sign that is added to get UTC.
    format!("Etc/GMT{:+}", hour - 12)
}

fn configure(directory: &Path, address: SocketAddr) -> Result<(), Failure> {
    let config = directory.join("config");
    fs::create_dir_all(config.join("secrets"))?;
    fs::create_dir_all(directory.join("prompts"))?;
    let mut text = format!(
        r#"
[sip]
listen = ["udp://{address}", "tcp://{address}"]
[media]
ports = "16384-32383"
[[trunk]]
name = "carrier"
peers = ["{}"]
country = "NO"
[[schedule]]
name = "office"
timezone = "{}"
weekly = {{ mon-sun = ["04:00-11:30", "11:30-20:00"] }}
special_days = ["holidays"]
[[special_days]]
name = "holidays"
days = [
  {{ easter = -2, name = "Good Friday", hours = ["04:00-20:00"] }},
  {{ easter = 1, name = "Easter Monday", hours = ["04:00-20:00"] }},
  {{ yearly = "01-01", name = "New Year", hours = ["04:00-20:00"], observed = "next-monday" }},
  {{ yearly = "05-17", name = "Constitution Day", hours = ["04:00-20:00"] }},
  {{ yearly = "12-25", name = "Christmas Day", hours = ["04:00-20:00"] }},
]
"#,
        carrier_ip(),
        zone_of_noon()
    );
    for user in (0..USERS).map(user) {
        write!(
            text,
            "[[user]]\nname = \"{user}\"\nseat = \"service\"\nsip_password_file = \"secrets/phone\"\n"
        )?;
    }
    for number_of in 0..USERS {
        write!(
            text,
            "[[channel]]\nname = \"line-{number_of}\"\nkind = \"call\"\nnumbers = [\"{}\"]\n\
             schedule = \"office\"\nworking_hours = {{ users = [\"{}\"] }}\n",
            number(number_of),
            user(number_of)
        )?;
    }
    fs::write(config.join("secrets/phone"), PASSWORD)?;
    fs::write(config.join("bench.toml"), text)?;
    Ok(())
}
