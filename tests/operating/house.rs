//! A configuration with one channel whose calls go to voicemail at once, and the daemon on it.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use ringdesk::clock;

/// How long anything here may take; the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `found` finds something.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = clock::mono() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(clock::mono() < until, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

pub struct House {
    directory: tempfile::TempDir,
    daemon: Option<Child>,
}

impl House {
    /// `smtp` is the text of that table, if mail is to be sent.
    pub fn new(smtp: &str) -> House {
        let directory = tempfile::tempdir().unwrap();
        let sip = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = sip.local_addr().unwrap().port();
        // Apart from those that the system gives out, and from other tests that run now.
        let media = 20_000 + u16::try_from(std::process::id() % 100).unwrap() * 40;
        let config = format!(
            r#"
[sip]
listen = ["udp://127.0.0.1:{port}"]
[media]
ports = "{media}-{}"
[store]
url = "sqlite:data/ringdesk.db"
audio = "data/audio"
[prompts]
dir = "."
{smtp}
[[trunk]]
name = "local"
peers = ["127.0.0.1"]
country = "NO"
[[user]]
name = "anna"
seat = "service"
[[prompt]]
name = "brief"
file = "brief.wav"
[[channel]]
name = "main-line"
kind = "call"
numbers = ["+4722334455"]
notify = ["office@example.com"]
working_hours = {{ voicemail = "brief" }}
"#,
            media + 39
        );
        fs::write(directory.path().join("ringdesk.toml"), config).unwrap();
        tone(&directory.path().join("brief.wav"), 0.3);
        tone(&directory.path().join("caller.wav"), 20.0);
        House {
            directory,
            daemon: None,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the daemon, and waits until it can be asked.
    pub fn start(&mut self) {
        let _ = fs::remove_file(self.path("data/ringdesk.sock"));
        let log = fs::File::create(self.path("log")).unwrap();
        let daemon = Command::new(env!("CARGO_BIN_EXE_ringdesk"))
            .args(["run", "--config"])
            .arg(self.directory.path())
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        wait_for("the daemon", || {
            let socket = self.path("data/ringdesk.sock").exists();
            (socket && self.ringdesk(&["status"]).status.success()).then_some(())
        });
    }

    /// As a power cut does.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// As the service manager does.
    pub fn stop(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        let pid = daemon.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        assert!(daemon.wait().unwrap().success());
    }

    /// Runs a command on this configuration.
    pub fn ringdesk(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringdesk"));
        command.args(arguments);
        command.arg("--config").arg(self.directory.path());
        command
    }

    /// What a command prints, which must succeed.
    pub fn told(&self, arguments: &[&str]) -> String {
        let output = self.ringdesk(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Calls from outside, speaks, and hangs up after five seconds.
    pub fn leave_voicemail(&self) {
        self.call("5");
    }

    /// Calls from outside, speaks, and hangs up that many seconds after the answer.
    pub fn call(&self, seconds: &str) {
        let words = self.path("caller.wav");
        let words = words.to_str().unwrap();
        self.told(&[
            "call",
            "--number",
            "+4722334455",
            "--play",
            words,
            "--seconds",
            seconds,
        ]);
    }

    /// The voicemails as JSON.
    pub fn voicemails(&self) -> Vec<serde_json::Value> {
        let told = self.told(&["voicemails", "--json"]);
        told.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            eprintln!("the daemon's log:\n{log}");
        }
    }
}

fn tone(path: &Path, seconds: f64) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    let mut sample = 0.0;
    while sample < seconds * 8_000.0 {
        let value = (sample * 440.0 / 8_000.0 * std::f64::consts::TAU).sin();
        #[expect(clippy::cast_possible_truncation, reason = "at most 12,000")]
        writer.write_sample((value * 12_000.0) as i16).unwrap();
        sample += 1.0;
    }
    writer.finalize().unwrap();
}
