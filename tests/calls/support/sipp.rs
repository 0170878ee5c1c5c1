//! SIPp as carrier or phone: one process for each scenario.
//!
//! A scenario tells its story as it goes: `echo WORD … > events`, run by SIPp, is a line that
//! [`Sipp::wait_for`] waits for. The story tells the scenario to go on with a [`Sipp::cue`]: an INFO
//! with its Call-ID.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::place::{Place, Who};
use super::wait::{self, Watched};

/// A running SIPp.
#[derive(Debug)]
pub struct Sipp {
    child: Child,
    name: String,
    directory: PathBuf,
    local: SocketAddr,
    events: Arc<Watched<Vec<String>>>,
}

/// A message that SIPp sent or received.
#[derive(Clone, Debug)]
pub struct Traced {
    /// Sent by SIPp, else received.
    pub sent: bool,
    /// The message.
    pub text: String,
}

/// How a scenario is started.
#[derive(Debug)]
pub struct Scenario<'a> {
    place: &'a Place,
    who: Who,
    file: &'a str,
    keys: BTreeMap<String, String>,
    arguments: Vec<String>,
}

impl<'a> Scenario<'a> {
    /// The scenario in `file`, played by `who`.
    pub fn new(place: &'a Place, who: Who, file: &'a str) -> Scenario<'a> {
        Scenario {
            place,
            who,
            file,
            keys: BTreeMap::new(),
            arguments: Vec::new(),
        }
        .key("extra", "Subject: a call")
        .key("payloads", "0 101")
    }

    /// What `[key]` in the scenario stands for.
    pub fn key(mut self, key: &str, value: &str) -> Self {
        self.keys.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The caller asks to be treated as if it were `at` (RFC 3339).
    pub fn at(self, at: &str) -> Self {
        self.key("extra", &format!("X-Ringdesk-At: {at}"))
    }

    /// Further arguments of SIPp.
    pub fn with<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(str::to_owned));
        self
    }

    /// Starts it as the side that calls or registers.
    pub fn start(self) -> Sipp {
        let remote = self.place.sip(Who::Ringdesk).to_string();
        self.with([&remote]).spawn()
    }

    /// Starts it as the side that waits, and returns once it does.
    pub fn listen(self) -> Sipp {
        let sipp = self.spawn();
        wait::until("SIPp at its port", || is_bound(sipp.local).then_some(()));
        sipp
    }

    fn spawn(self) -> Sipp {
        let number = PROCESSES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("{number}-{}", self.file);
        let directory = self.place.path(&name);
        std::fs::create_dir_all(&directory).unwrap();
        let fifo = directory.join("events");
        assert!(
            Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        // Open for writing too, so that it never ends while writers come and go.
        let pipe = OpenOptions::new().read(true).write(true).open(&fifo);
        let events = Arc::new(Watched::<Vec<String>>::default());
        std::thread::spawn({
            let (pipe, events) = (pipe.unwrap(), Arc::clone(&events));
            move || read_events(pipe, &events)
        });
        let local = self.place.sip(self.who);
        let ip = if local.is_ipv6() {
            format!("[{}]", local.ip())
        } else {
            local.ip().to_string()
        };
        let scenario = format!(
            "{}/tests/calls/scenarios/{}.xml",
            env!("CARGO_MANIFEST_DIR"),
            self.file
        );
        let output = File::create(directory.join("output")).unwrap();
        let child = Command::new("sipp")
            .args(["-sf", &scenario, "-i", &ip, "-p", &local.port().to_string()])
            .args(["-mi", &local.ip().to_string()])
            .args(["-nostdin", "-timeout", "110s", "-timeout_error"])
            .args(["-trace_msg", "-message_file", "messages"])
            .args(["-trace_err", "-error_file", "errors"])
            .args(
                has(&self.arguments, "-m")
                    .then_some(["-m", "1"])
                    .into_iter()
                    .flatten(),
            )
            .args(
                self.keys
                    .iter()
                    .flat_map(|(key, value)| ["-key", key, value]),
            )
            .args(&self.arguments)
            .env("TERM", "xterm")
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("SIPp is installed: make tools");
        Sipp {
            child,
            name,
            directory,
            local,
            events,
        }
    }
}

static PROCESSES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// True when the story did not say `option` itself.
fn has(arguments: &[String], option: &str) -> bool {
    !arguments.iter().any(|argument| argument == option)
}

fn read_events(pipe: File, events: &Watched<Vec<String>>) {
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        events.change(|events| events.push(line));
    }
}

impl Sipp {
    /// Waits for the first event that begins with `word`, takes it, and returns the rest.
    pub fn wait_for(&mut self, word: &str) -> String {
        let events = Arc::clone(&self.events);
        let child = &mut self.child;
        let found = wait::until_some(|| {
            let taken = take(&events, word);
            let gone = taken.is_none() && child.try_wait().unwrap().is_some();
            if gone {
                Some(take(&events, word))
            } else {
                taken.map(Some)
            }
        });
        found
            .flatten()
            .unwrap_or_else(|| panic!("{} never said {word:?}\n{}", self.name, self.report()))
    }

    /// Waits for the event that tells the port of the other side's audio.
    pub fn wait_for_audio(&mut self, word: &str, place: &Place) -> SocketAddr {
        let port = self.wait_for(word);
        let port = port
            .parse()
            .unwrap_or_else(|error| panic!("{port:?}: {error}"));
        SocketAddr::new(place.ip(Who::Ringdesk), port)
    }

    /// Lets the scenario of its first call go on.
    pub fn cue(&self) {
        self.cue_call(0);
    }

    /// Lets the scenario of its call number `call`, from 0, go on.
    pub fn cue_call(&self, call: usize) {
        let mut calls: Vec<String> = Vec::new();
        for message in self.messages() {
            let id = header(&message.text, "Call-ID").unwrap_or_default();
            if !calls.iter().any(|known| known == id) {
                calls.push(id.to_owned());
            }
        }
        let call_id = calls
            .get(call)
            .unwrap_or_else(|| panic!("{}: no call {call} among {calls:?}", self.name));
        let from = UdpSocket::bind((self.local.ip(), 0)).unwrap();
        let cue = format!(
            "INFO sip:cue SIP/2.0\r\nVia: SIP/2.0/UDP {0};branch=z9hG4bKcue{0}\r\nFrom: <sip:cue>;tag=cue\r\n\
             To: <sip:cue>\r\nCall-ID: {call_id}\r\nCSeq: 1 INFO\r\nContent-Length: 0\r\n\r\n",
            from.local_addr().unwrap()
        );
        from.send_to(cue.as_bytes(), self.local).unwrap();
    }

    /// Waits for the end of the scenario; every step must have come to pass.
    pub fn finish(mut self) -> Vec<Traced> {
        let status = wait::until_some(|| self.child.try_wait().unwrap());
        if !status.is_some_and(|status| status.success()) {
            panic!("{} failed\n{}", self.name, self.report());
        }
        self.messages()
    }

    /// Ends a scenario that waits for what must never come.
    pub fn dismiss(mut self) -> Vec<Traced> {
        assert!(
            self.child.try_wait().unwrap().is_none(),
            "{} ended\n{}",
            self.name,
            self.report()
        );
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.messages()
    }

    /// All messages so far, those that SIPp sent or received again included.
    pub fn messages(&self) -> Vec<Traced> {
        let trace = std::fs::read(self.directory.join("messages")).unwrap_or_default();
        let trace = String::from_utf8_lossy(&trace);
        trace
            .split("\n-----------------------------------------------")
            .filter_map(|part| {
                let (head, text) = part
                    .split_once("\n\n")
                    .or_else(|| part.split_once(":\n\n"))?;
                Some(Traced {
                    sent: head.contains("sent"),
                    text: text.to_owned(),
                })
            })
            .collect()
    }

    fn report(&self) -> String {
        let file = |name: &str| {
            let content = std::fs::read(self.directory.join(name)).unwrap_or_default();
            format!("--- {name}\n{}\n", String::from_utf8_lossy(&content))
        };
        file("errors") + &file("messages")
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.name, self.report());
        }
    }
}

fn take(events: &Watched<Vec<String>>, word: &str) -> Option<String> {
    let mut taken = None;
    events.change(|events| {
        let at = events
            .iter()
            .position(|event| event.split(' ').next() == Some(word));
        taken = at.map(|at| events.remove(at));
    });
    taken.map(|event| event[word.len()..].trim().to_owned())
}

/// The value of a header line, in its long form.
pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The different requests of `method` that were sent or received: a repeated one counts once.
pub fn requests<'a>(messages: &'a [Traced], sent: bool, method: &str) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    messages
        .iter()
        .filter(|message| message.sent == sent && message.text.starts_with(&format!("{method} ")))
        .filter(|message| {
            seen.insert((
                header(&message.text, "Call-ID"),
                header(&message.text, "CSeq"),
            ))
        })
        .map(|message| message.text.as_str())
        .collect()
}

/// True when somebody listens at `address` by UDP.
fn is_bound(address: SocketAddr) -> bool {
    let table = if address.is_ipv6() {
        "/proc/thread-self/net/udp6"
    } else {
        "/proc/thread-self/net/udp"
    };
    let hex = match address.ip() {
        std::net::IpAddr::V4(ip) => format!("{:08X}", u32::from_ne_bytes(ip.octets())),
        std::net::IpAddr::V6(ip) => ip
            .octets()
            .chunks(4)
            .map(|part| format!("{:08X}", u32::from_ne_bytes(part.try_into().unwrap())))
            .collect(),
    };
    let local = format!(" {hex}:{:04X} ", address.port());
    std::fs::read_to_string(table).unwrap().contains(&local)
}
