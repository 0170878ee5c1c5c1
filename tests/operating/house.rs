//! A configuration with one channel whose calls go to voicemail at once, and the daemon on it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::support::daemon::Daemon;
use super::support::place::Place;
use super::support::sound::tone;
pub use super::support::wait::{PATIENCE, until as wait_for};

pub struct House {
    daemon: Daemon,
    directory: tempfile::TempDir,
    _place: Place,
}

impl House {
    /// `smtp` is the text of that table, if mail is to be sent.
    pub fn new(smtp: &str) -> House {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::take();
        let config = format!(
            r#"{}
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
voicemail_seconds = 5
working_hours = {{ voicemail = "brief" }}
"#,
            place.configuration()
        );
        fs::write(directory.path().join("ringdesk.toml"), config).unwrap();
        tone(&directory.path().join("brief.wav"), 0.3, 440.0);
        tone(&directory.path().join("caller.wav"), 20.0, 440.0);
        House {
            daemon: Daemon::on(directory.path()),
            directory,
            _place: place,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the daemon, and waits until it can be asked.
    pub fn start(&mut self) {
        self.daemon.start();
    }

    /// As a power cut does.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// As the service manager does.
    pub fn stop(&mut self) {
        self.daemon.stop();
    }

    /// Runs a command on this configuration.
    pub fn ringdesk(&self, arguments: &[&str]) -> Output {
        self.daemon.run(arguments)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.daemon.command(arguments)
    }

    /// What a command prints, which must succeed.
    pub fn told(&self, arguments: &[&str]) -> String {
        let output = self.ringdesk(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Calls from outside, and speaks until five seconds of it are recorded, whenever that begins.
    pub fn leave_voicemail(&self) {
        let words = self.path("caller.wav");
        self.daemon.call("+4722334455", Some(&words));
    }

    /// Calls from outside, and says nothing until the daemon hangs up.
    pub fn leave_silence(&self) {
        self.daemon.call("+4722334455", None);
    }

    /// The voicemails as JSON.
    pub fn voicemails(&self) -> Vec<serde_json::Value> {
        let told = self.told(&["voicemails", "--json"]);
        told.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
