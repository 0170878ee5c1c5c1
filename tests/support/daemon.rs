//! The program under test, as a process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::wait;

/// The program on a configuration, whether it runs or not. It is killed when this is dropped, and its
/// log is shown if the test has failed.
pub struct Daemon {
    directory: PathBuf,
    process: Option<Child>,
}

impl Daemon {
    /// On the configuration in this directory, with `data/` and its log beside it.
    pub fn on(directory: &Path) -> Daemon {
        Daemon {
            directory: directory.to_owned(),
            process: None,
        }
    }

    /// Starts it, and waits until it answers.
    pub fn start(&mut self) {
        self.start_with(|_| {});
    }

    /// The same with more to be said to the process.
    pub fn start_with(&mut self, more: impl FnOnce(&mut Command)) {
        let socket = self.directory.join("data/ringdesk.sock");
        // A daemon that was killed leaves it.
        let _ = fs::remove_file(&socket);
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.join("log"))
            .unwrap();
        let mut command = self.command(&["run"]);
        command.stdin(Stdio::null()).stderr(log);
        more(&mut command);
        self.process = Some(command.spawn().unwrap());
        wait::until("the daemon", || {
            if let Some(ended) = self.process.as_mut().unwrap().try_wait().unwrap() {
                panic!("the daemon has ended: {ended}");
            }
            (socket.exists() && self.run(&["status"]).status.success()).then_some(())
        });
    }

    /// As a power cut does.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// As the service manager does.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let mut process = self.process.take().unwrap();
        assert!(process.wait().unwrap().success());
    }

    /// The configuration is read again.
    pub fn reload(&self) {
        self.signal("HUP");
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.as_ref().unwrap().id().to_string();
        let told = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(told.unwrap().success());
    }

    /// A command on the same configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringdesk"));
        command.args(arguments);
        command.arg("--config").arg(&self.directory);
        command
    }

    /// What came of such a command.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Somebody calls that number from outside, says what is in the file, or nothing, and stays until
    /// the daemon hangs up.
    pub fn call(&self, number: &str, words: Option<&Path>) {
        let mut arguments = vec!["call", "--number", number, "--seconds", "60"];
        if let Some(words) = words {
            arguments.extend(["--play", words.to_str().unwrap()]);
        }
        let output = self.run(&arguments);
        assert!(output.status.success(), "{output:?}");
    }

    /// What it has said so far, since its first start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
    }
}
