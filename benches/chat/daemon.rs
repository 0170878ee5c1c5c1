//! The daemon under measurement: its configuration, its process, its CPU time and memory.

use std::fmt::Write;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringdesk::clock;
use tempfile::TempDir;

use crate::Failure;

/// `USER_HZ`, in which `/proc/PID/stat` counts.
const TICK: Duration = Duration::from_millis(10);

/// People who get the chats.
const USERS: usize = 10;

/// How long the daemon may take to start.
const START: Duration = Duration::from_secs(20);

/// A running daemon. It is killed when this is dropped.
pub struct Daemon {
    process: Child,
    /// Where it takes HTTP.
    pub address: SocketAddr,
    directory: TempDir,
}

impl Daemon {
    /// Starts it on core 0 with one chat and some people.
    pub fn start() -> Result<Daemon, Failure> {
        // On a real disk, where a temporary directory may be memory.
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let sip = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        configure(directory.path(), sip, address)?;
        let log = File::create(directory.path().join("log"))?;
        let process = Command::new("taskset")
            .args(["-c", "0", env!("CARGO_BIN_EXE_ringdesk"), "run", "--config"])
            .arg(directory.path().join("config"))
            .env("RINGDESK_LOG", "warn")
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()?;
        let daemon = Daemon {
            process,
            address,
            directory,
        };
        let patience = clock::mono() + START;
        while TcpStream::connect(address).is_err() {
            if clock::mono() > patience {
                return Err(format!("the daemon does not answer:\n{}", daemon.log()).into());
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(daemon)
    }

    /// What it has written to its log.
    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// CPU time of all its threads so far.
    pub fn cpu_time(&self) -> Result<Duration, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The name, which may hold spaces, ends at the last parenthesis; user and system time are
        // the 14th and 15th field.
        let (_, rest) = stat.rsplit_once(')').ok_or("stat without a name")?;
        let mut ticks = rest.split_whitespace().skip(11).map(str::parse::<u32>);
        let mut next = || -> Result<Duration, Failure> { Ok(TICK * ticks.next().ok_or("short")??) };
        Ok(next()? + next()?)
    }

    /// Octets that it holds in memory of its own, without files.
    pub fn memory(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kilobytes.ok_or("no RssAnon")?.parse::<u64>()? * 1_024)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configure(directory: &Path, sip: SocketAddr, http: SocketAddr) -> Result<(), Failure> {
    let config = directory.join("config");
    fs::create_dir_all(&config)?;
    fs::create_dir_all(directory.join("prompts"))?;
    let names: Vec<String> = (0..USERS).map(|number| format!("user-{number}")).collect();
    let mut text = format!(
        r#"
[sip]
listen = ["udp://{sip}"]
[http]
listen = "{http}"
[[team]]
name = "support"
members = {names:?}
[[channel]]
name = "website-chat"
kind = "chat"
hourly_limit = 10000
[channel.assign]
teams = ["support"]
"#
    );
    for name in &names {
        write!(text, "[[user]]\nname = \"{name}\"\nseat = \"service\"\n")?;
    }
    fs::write(config.join("bench.toml"), text)?;
    Ok(())
}
