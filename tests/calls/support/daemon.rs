//! The program under test, as a process.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use ringdesk::engine::Status;
use ringdesk::store::{Reader, Voicemail};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};

use super::place::{Place, Who};
use super::sound;
use super::wait::{self, Watched};
use super::wire::Wire;

/// What all stories share: a carrier, Anna and Bjørn in one team, and an inbox.
fn base(place: &Place) -> String {
    let listen = place.sip(Who::Ringdesk);
    let ports = place.media_ports();
    let peer = |who| {
        let address = place.sip(who);
        if address.is_ipv6() {
            address.to_string()
        } else {
            address.ip().to_string()
        }
    };
    let peers = [peer(Who::Carrier), peer(Who::OtherCarrier)];
    format!(
        r#"
[sip]
listen = ["udp://{listen}", "tcp://{listen}"]
[media]
ports = "{}-{}"
[store]
url = "sqlite:../data/ringdesk.db"
audio = "../data/audio"
[prompts]
dir = "../prompts"
[[trunk]]
name = "carrier"
peers = {peers:?}
country = "NO"
[[user]]
name = "anna"
display_name = "Anna Berg"
seat = "service"
role = "admin"
sip_password_file = "secrets/anna"
[[user]]
name = "bjorn"
display_name = "Bjørn Dahl"
seat = "service"
sip_password_file = "secrets/bjorn"
[[user]]
name = "carl"
seat = "service"
external_number = "+4790000001"
[[team]]
name = "support"
members = ["anna", "bjorn"]
extra_members = ["carl"]
[[inbox]]
name = "customers"
teams = ["support"]
"#,
        ports.start(),
        ports.end()
    )
}

/// The number that callers dial.
pub const NUMBER: &str = "+4722334455";

/// A channel without hours: the team rings.
pub const ALWAYS_OPEN: &str = r#"
[[channel]]
name = "main-line"
inbox = "customers"
numbers = ["+4722334455"]
[channel.working_hours]
teams = ["support"]
voicemail = "unanswered"
"#;

/// The same with other lines on who rings, and how.
pub fn always_open(who_rings: &str) -> String {
    ALWAYS_OPEN.replace("teams = [\"support\"]", who_rings)
}

/// What the phones of `user` register with.
pub fn password(user: &str) -> String {
    format!("secret-of-{user}")
}

/// A row of `calls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// How it ended, once it has.
    pub outcome: Option<String>,
    /// Who answered it.
    pub answered_by: Option<String>,
    /// The sentence about its end.
    pub detail: String,
}

/// A running daemon; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: Arc<Watched<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    data: PathBuf,
}

impl Daemon {
    /// Starts with the shared configuration and the channels of the story.
    pub fn start(place: &Place, channels: &str) -> Daemon {
        Daemon::begin(place, &base(place), channels)
    }

    fn begin(place: &Place, base: &str, channels: &str) -> Daemon {
        for user in ["anna", "bjorn"] {
            place.write_secret(&format!("config/secrets/{user}"), &password(user));
        }
        place.write("config/base.toml", base);
        place.write("config/channels.toml", channels);
        write_prompts(place);
        Daemon::start_again(place)
    }

    /// Starts with a carrier that takes calls to the outside.
    pub fn start_with_outbound(place: &Place, channels: &str) -> Daemon {
        let carrier = place.sip(Who::Carrier);
        // Whether somebody is there is asked once at the start, before a phone listens in this place.
        let mut trunk = Wire::udp_at(carrier, place.sip(Who::Ringdesk));
        let outbound = format!("country = \"NO\"\noutbound = \"sip:{carrier}\"");
        let daemon = Daemon::begin(
            place,
            &base(place).replace("country = \"NO\"", &outbound),
            channels,
        );
        let asked = trunk.request("OPTIONS");
        trunk.respond(&asked, "200 OK", "trunk", "", "");
        daemon.wait_for("answers");
        daemon
    }

    /// Starts with the configuration that is there.
    pub fn start_again(place: &Place) -> Daemon {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringdesk"))
            .args(["run", "--config"])
            .arg(place.path("config"))
            .env("NO_COLOR", "1")
            .env("RINGDESK_LOG", "ringdesk=debug")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Watched::<Vec<String>>::default());
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    log.change(|lines| lines.push(line));
                }
            }
        });
        let daemon = Daemon {
            child,
            log,
            reader: Some(reader),
            data: place.path("data"),
        };
        daemon.wait_for("for audio: enough for");
        daemon
    }

    /// Waits until the log has said `text`.
    pub fn wait_for(&self, text: &str) -> String {
        let said = |lines: &mut Vec<String>| lines.iter().find(|line| line.contains(text)).cloned();
        self.log
            .wait(said)
            .unwrap_or_else(|| panic!("the daemon never said {text:?}"))
    }

    /// How often the log has said `text` so far.
    pub fn times_said(&self, text: &str) -> usize {
        self.log
            .look(|lines| lines.iter().filter(|line| line.contains(text)).count())
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, `"HUP"` for example.
    pub fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Ends it with SIGTERM, as it ends when no call runs.
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.wait_for_end();
        assert!(status.success(), "{status}");
    }

    /// Ends it at once, wherever it is.
    pub fn kill(mut self) {
        self.signal("KILL");
        self.wait_for_end();
    }

    /// Waits until the process has ended by itself.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        wait::until("the end of the daemon", || self.child.try_wait().unwrap())
    }

    /// How it says that it is.
    pub fn status(&self) -> Status {
        ringdesk::control::status(&self.data).unwrap()
    }

    /// The voicemails that are kept and complete.
    pub fn voicemails(&self) -> Vec<Voicemail> {
        let mut voicemails = block_on(async {
            let mut reader = Reader::open(&self.data.join("ringdesk.db")).await.unwrap();
            reader.voicemails(&self.data.join("audio")).await.unwrap()
        });
        voicemails.retain(|voicemail| voicemail.seconds.is_some());
        voicemails
    }

    /// Waits for the first voicemail.
    pub fn wait_for_voicemail(&self) -> Voicemail {
        wait::until("a voicemail", || self.voicemails().into_iter().next())
    }

    /// All calls, in the order in which they came.
    pub fn calls(&self) -> Vec<CallRow> {
        let rows = self.rows("SELECT outcome, answered_by, detail FROM calls ORDER BY began, id");
        rows.iter()
            .map(|row| CallRow {
                outcome: row.get(0),
                answered_by: row.get(1),
                detail: row.get(2),
            })
            .collect()
    }

    /// Waits until `count` calls have ended, and all there are.
    pub fn wait_for_calls(&self, count: usize) -> Vec<CallRow> {
        wait::until("the rows of ended calls", || {
            let calls = self.calls();
            let ended = calls.iter().filter(|call| call.outcome.is_some()).count();
            (ended == count).then_some(calls)
        })
    }

    /// The rows that a question gives.
    pub fn rows(&self, question: &'static str) -> Vec<sqlx::sqlite::SqliteRow> {
        block_on(async {
            let options = SqliteConnectOptions::new()
                .filename(self.data.join("ringdesk.db"))
                .read_only(true);
            let mut connection = options.connect().await.unwrap();
            sqlx::query(question)
                .fetch_all(&mut connection)
                .await
                .unwrap()
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
        if std::thread::panicking() {
            self.log.look(|lines| {
                eprintln!("The daemon said:");
                lines.iter().for_each(|line| eprintln!("  {line}"));
            });
        }
    }
}

/// A second and a half of noise for each prompt that a story may name.
fn write_prompts(place: &Place) {
    for (name, seed) in PROMPTS {
        let file = place.path(&format!("prompts/{name}.wav"));
        sound::write_wav(&file, &sound::speech(seed, PROMPT_FRAMES));
    }
}

/// The prompts, each with the seed of its noise.
const PROMPTS: [(&str, u64); 6] = [
    ("unanswered", 1),
    ("closed", 2),
    ("break", 3),
    ("special", 4),
    ("hold", 5),
    ("accept", 6),
];

/// Length of each prompt.
const PROMPT_FRAMES: usize = 75;

/// The samples of a prompt, as PCMU.
pub fn prompt(name: &str) -> Vec<u8> {
    let known = PROMPTS.iter().find(|(known, _)| *known == name);
    sound::speech(known.unwrap().1, PROMPT_FRAMES)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
