//! A small server in a process of its own, run by Node.js.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::support::wait::PATIENCE;

pub struct Node {
    process: Child,
    lines: Receiver<Value>,
    /// Requests that were read while something else was waited for.
    early: Vec<Value>,
    pub port: u16,
}

impl Node {
    /// Starts a script of this directory.
    pub fn start(script: &str, argument: &str) -> Node {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outgoing");
        let mut process = Command::new("node")
            .arg(directory.join(script))
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is missing: `make tools` installs Node.js (18 or later)");
        let output = process.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let value = serde_json::from_str(&line.unwrap()).unwrap();
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let mut node = Node {
            process,
            lines,
            early: Vec::new(),
            port: 0,
        };
        let first = node.line();
        node.port = u16::try_from(first["port"].as_u64().unwrap()).unwrap();
        node
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Says how a coming request is answered.
    pub fn answer(&mut self, answer: &Value) {
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{answer}").unwrap();
        loop {
            let line = self.line();
            if line.get("heard").is_some() {
                return;
            }
            self.early.push(line);
        }
    }

    /// The next request that came.
    pub fn request(&mut self) -> Value {
        if self.early.is_empty() {
            self.line()
        } else {
            self.early.remove(0)
        }
    }

    /// True: no request has come that was not looked at.
    pub fn is_quiet(&mut self) -> bool {
        // Its answer comes after whatever it printed before.
        self.answer(&serde_json::json!({}));
        self.early.is_empty()
    }

    fn line(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE);
        line.expect("the server says something")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
