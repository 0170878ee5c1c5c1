//! `ringdesk demo`: a daemon, a simulated carrier and simulated phones, a mail, a form and a chat on
//! loopback; no phone needed.

mod messages;
mod summary;

use std::cell::Cell;
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::core::hex::hex;
use crate::core::id::CallId;
use crate::core::prompt::{Audio, PromptAudio};
use crate::engine::AT_HEADER;
use crate::http::token::{digest, new_token};
use crate::media::tone;
use crate::phone::{Heard, Outgoing, Phone, Progress};
use crate::sip::message::{Host, NameAddr, Uri};
use crate::store::{Found, Reader};
use messages::Desk;
use summary::Summary;

/// Show the main job on this machine: a call that is answered, one that nobody answers, one after
/// hours; then a mail, a form and a chat, which the same rules give out. Needs no phone and no carrier, and ends by itself unless a terminal is attached.
#[derive(Args, Debug)]
pub struct Demo {
    /// End when everything was shown, also with a terminal attached
    #[arg(long)]
    once: bool,
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const NUMBER: &str = "+4722334455";
const CALLER: &str = "+4790112233";

/// What the caller says is this tone, and what Anna says the other, so that it can be told who was
/// heard.
const CALLER_HZ: f64 = 440.0;
const ANNA_HZ: f64 = 660.0;

/// How long the daemon may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the demonstration.
///
/// # Errors
/// The daemon does not start, or a call does not go as it should.
pub fn run(arguments: &Demo) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(demonstrate(arguments))?;
    Ok(ExitCode::SUCCESS)
}

async fn demonstrate(arguments: &Demo) -> anyhow::Result<()> {
    let directory = std::env::temp_dir().join(format!("ringdesk-demo-{}", std::process::id()));
    let port = free_port().await?;
    let http = free_http_address().await?;
    let token = new_token().map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    let messages = messages::settings(&http, &hex(&digest(&token)), &directory);
    write_configuration(&directory, port, &messages)?;
    println!(
        "A daemon with the configuration in {}:\n",
        directory.join("config").display()
    );
    println!("{}", indented(CHANNEL.trim()));
    println!("{}\n", indented(messages::CHANNELS.trim_end()));
    let mut daemon = start_daemon(&directory).await?;
    let show = Show {
        server: SocketAddr::new(LOOPBACK, port),
        directory: directory.clone(),
        shown: Cell::new(None),
        summary: Summary::default(),
    };

    let desk = Desk {
        http,
        lmtp: directory.join("lmtp"),
        token,
        database: show.database(),
        summary: show.summary.clone(),
    };

    let mut anna = show.phone("anna", "anna-secret").await?;
    let mut bjorn = show.phone("bjorn", "bjorn-secret").await?;
    println!("Anna's and Bjørn's phones have registered.\n");

    show.answered(&mut anna, &mut bjorn).await?;
    show.unanswered(&mut anna, &mut bjorn).await?;
    show.after_hours().await?;
    desk.show().await?;
    show.summary.print();

    if std::io::stdin().is_terminal() && !arguments.once {
        println!(
            "The daemon goes on at sip:{}; press Enter to end it. Try, in another terminal:",
            show.server
        );
        let config = directory.join("config");
        println!(
            "  ringdesk call --number {NUMBER} --config {}",
            config.display()
        );
        println!("  ringdesk explain --last --config {}", config.display());
        let mut line = String::new();
        BufReader::new(tokio::io::stdin())
            .read_line(&mut line)
            .await?;
    }
    stop_daemon(&mut daemon).await
}

/// The configuration that the demonstration is about.
const CHANNEL: &str = r#"
[[channel]]
name = "main-line"
kind = "call"
numbers = ["+4722334455"]
schedule = "oslo"
[channel.working_hours]
teams = ["support"]
ring_seconds = 4

[[team]]
name = "support"
members = ["anna", "bjorn"]

[[schedule]]
name = "oslo"
timezone = "Europe/Oslo"
weekly = { mon-fri = ["08:00-16:00"] }
"#;

fn write_configuration(directory: &Path, port: u16, messages: &str) -> anyhow::Result<()> {
    let config = directory.join("config");
    std::fs::create_dir_all(config.join("secrets"))
        .with_context(|| format!("making {}", config.display()))?;
    for user in ["anna", "bjorn"] {
        let path = config.join("secrets").join(user);
        std::fs::write(&path, format!("{user}-secret\n"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    }
    let settings = format!(
        r#"
[sip]
listen = ["udp://127.0.0.1:{port}"]
[media]
ports = "40000-40099"

[[trunk]]
name = "carrier"
peers = ["127.0.0.1"]
country = "NO"

[[user]]
name = "anna"
display_name = "Anna Berg"
seat = "service"
sip_password_file = "secrets/anna"

[[user]]
name = "bjorn"
seat = "service"
sip_password_file = "secrets/bjorn"
"#
    );
    std::fs::write(config.join("ringdesk.toml"), settings + messages)?;
    std::fs::write(config.join("channels.toml"), CHANNEL)?;
    std::fs::write(config.join("messages.toml"), messages::CHANNELS)?;
    Ok(())
}

async fn free_port() -> anyhow::Result<u16> {
    let socket = tokio::net::UdpSocket::bind((LOOPBACK, 0)).await?;
    Ok(socket.local_addr()?.port())
}

async fn free_http_address() -> anyhow::Result<String> {
    let socket = tokio::net::TcpListener::bind((LOOPBACK, 0)).await?;
    Ok(socket.local_addr()?.to_string())
}

async fn start_daemon(directory: &Path) -> anyhow::Result<Child> {
    let mut daemon = Command::new(std::env::current_exe()?)
        .args(["run", "--config"])
        .arg(directory.join("config"))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting the daemon")?;
    let stderr = daemon.stderr.take().context("the daemon's log")?;
    let mut lines = BufReader::new(stderr).lines();
    let mut log = String::new();
    let started = async {
        while let Some(line) = lines.next_line().await? {
            if line.contains("for audio: enough for") {
                return Ok(());
            }
            log.push_str(&line);
            log.push('\n');
        }
        bail!("the daemon did not start:\n{log}")
    };
    tokio::time::timeout(PATIENCE, started)
        .await
        .context("the daemon does not start")??;
    // The rest of the log goes to a file, so that the daemon never waits for a reader.
    let path = directory.join("daemon.log");
    let mut file = tokio::fs::File::create(&path).await?;
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            if file
                .write_all(format!("{line}\n").as_bytes())
                .await
                .is_err()
            {
                break;
            }
        }
    });
    Ok(daemon)
}

async fn stop_daemon(daemon: &mut Child) -> anyhow::Result<()> {
    let id = daemon
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .context("the daemon has ended")?;
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(id),
        nix::sys::signal::Signal::SIGTERM,
    )?;
    tokio::time::timeout(PATIENCE, daemon.wait())
        .await
        .context("the daemon does not end")??;
    Ok(())
}

struct Show {
    server: SocketAddr,
    directory: PathBuf,
    /// The call that was shown last.
    shown: Cell<Option<CallId>>,
    summary: Summary,
}

impl Show {
    async fn phone(&self, user: &str, password: &str) -> anyhow::Result<Phone> {
        let mut phone = Phone::open(LOOPBACK, user).await?;
        phone.register(self.server, user, password).await?;
        Ok(phone)
    }

    async fn answered(&self, anna: &mut Phone, bjorn: &mut Phone) -> anyhow::Result<()> {
        println!("1. A call, Tuesday 10:00. Both phones ring, Anna answers after a second.");
        let say = Some(tone_of(ANNA_HZ, 20));
        let stay = Duration::from_secs(10);
        let ring = Some(Duration::from_secs(1));
        let (call, at_anna, at_bjorn) = tokio::join!(
            self.call("2026-12-01T10:00:00+01:00", Duration::from_secs(2)),
            anna.take_call(ring, say, stay, |progress| tell("Anna's phone", &progress)),
            bjorn.take_call(None, None, stay, |progress| tell(
                "Bjørn's phone",
                &progress
            )),
        );
        let (call, heard) = call?;
        let (from, heard_by_anna) = at_anna?;
        at_bjorn?;
        println!("   Anna's display: {}", shown(&from));
        println!(
            "   Anna heard {}; the caller heard {}.",
            pitch(&heard_by_anna),
            pitch(&heard)
        );
        anyhow::ensure!(is_pitch(&heard, ANNA_HZ), "the caller did not hear Anna");
        anyhow::ensure!(
            is_pitch(&heard_by_anna, CALLER_HZ),
            "Anna did not hear the caller"
        );
        self.explain(&call).await
    }

    async fn unanswered(&self, anna: &mut Phone, bjorn: &mut Phone) -> anyhow::Result<()> {
        println!(
            "2. A call, Tuesday 10:05. Nobody answers for 4 seconds; the caller leaves a message."
        );
        let stay = Duration::ZERO;
        let (call, at_anna, at_bjorn) = tokio::join!(
            self.call(
                "2026-12-01T10:05:00+01:00",
                self.prompt_and("working_hours")?
            ),
            anna.take_call(None, None, stay, |progress| tell("Anna's phone", &progress)),
            bjorn.take_call(None, None, stay, |progress| tell(
                "Bjørn's phone",
                &progress
            )),
        );
        at_anna?;
        at_bjorn?;
        let (call, heard) = call?;
        println!(
            "   The caller heard {:.1} s of prompt and beep.",
            heard.duration().as_secs_f64()
        );
        self.explain(&call).await?;
        self.voicemail(&call).await
    }

    async fn after_hours(&self) -> anyhow::Result<()> {
        println!("3. A call, Tuesday 22:00. The office is closed; no phone rings.");
        let stay = self.prompt_and("after_hours")?;
        let (call, heard) = self.call("2026-12-01T22:00:00+01:00", stay).await?;
        println!(
            "   The caller heard {:.1} s of prompt and beep.",
            heard.duration().as_secs_f64()
        );
        self.explain(&call).await?;
        self.voicemail(&call).await
    }

    /// As long as the prompt and the beep, and four seconds for a message.
    fn prompt_and(&self, prompt: &str) -> anyhow::Result<Duration> {
        let audio = crate::media::prompt::shipped(prompt)?;
        Ok(audio.duration() + tone::beep().duration() + Duration::from_secs(4))
    }

    async fn call(&self, at: &str, stay: Duration) -> anyhow::Result<(Found, Heard)> {
        let mut carrier = Phone::open(LOOPBACK, "carrier").await?;
        let outgoing = Outgoing {
            target: Uri::sip(Some(NUMBER), Host::from(LOOPBACK), Some(self.server.port())),
            server: self.server,
            from: CALLER.to_owned(),
            from_name: Some("Ola Nordmann".to_owned()),
            headers: vec![(AT_HEADER.to_owned(), at.to_owned())],
            play: Some(tone_of(CALLER_HZ, 60)),
            stay,
            patience: PATIENCE,
        };
        let mut answered = false;
        let heard = carrier
            .call(outgoing, |progress| {
                answered |= progress == Progress::Answered;
                tell("The caller", &progress);
            })
            .await?;
        anyhow::ensure!(answered, "the call was not answered");
        Ok((self.ended().await?, heard))
    }

    fn database(&self) -> PathBuf {
        self.directory.join("data").join("ringdesk.db")
    }

    /// The latest call, once its end has reached the database.
    async fn ended(&self) -> anyhow::Result<Found> {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        let wait = async {
            loop {
                tick.tick().await;
                let mut reader = Reader::open(&self.database()).await?;
                if let Some(found) = reader.last(Some(NUMBER)).await?
                    && found.outcome.is_some()
                    && self.shown.get() != Some(found.call)
                {
                    self.shown.set(Some(found.call));
                    return Ok(found);
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .context("the call does not end")?
    }

    async fn explain(&self, found: &Found) -> anyhow::Result<()> {
        let mut reader = Reader::open(&self.database()).await?;
        println!("   Why (ringdesk explain {}):", found.call);
        for record in reader.decisions(found.call).await? {
            self.summary.tell(&record);
        }
        println!("   End: {}.\n", found.detail);
        Ok(())
    }

    async fn voicemail(&self, found: &Found) -> anyhow::Result<()> {
        let mut reader = Reader::open(&self.database()).await?;
        let audio = self.directory.join("data").join("audio");
        let all = reader.voicemails(&audio).await?;
        let voicemail = all
            .first()
            .with_context(|| format!("call {} left no voicemail: {}", found.call, found.detail))?;
        println!(
            "   Voicemail of {:.1} s: {}\n",
            voicemail.seconds.unwrap_or_default(),
            voicemail.path.display()
        );
        Ok(())
    }
}

fn tell(who: &str, progress: &Progress) {
    let what = match progress {
        Progress::Ringing => "rings".to_owned(),
        Progress::Answered => "is connected".to_owned(),
        Progress::HungUpThere => "is told that it is over".to_owned(),
        Progress::HungUpHere => "hangs up".to_owned(),
        Progress::Refused(status, phrase) => format!("is refused: {status} {phrase}"),
        Progress::GaveUp => "gives up".to_owned(),
    };
    let what = match (who, progress) {
        ("The caller", Progress::Ringing) => "hears ringing".to_owned(),
        _ => what,
    };
    println!("   {who} {what}");
}

fn tone_of(hz: f64, seconds: u32) -> Audio {
    let samples: Vec<i16> = (0..seconds.saturating_mul(8_000))
        .map(|n| {
            let phase = f64::from(n) * hz * std::f64::consts::TAU / 8_000.0;
            (phase.sin() * 8_000.0) as i16
        })
        .collect();
    let audio: PromptAudio = tone::encode(&samples);
    Arc::new(audio)
}

/// The pitch of what was heard, from how often it crosses zero upwards.
fn hertz(heard: &Heard) -> f64 {
    let crossings = heard
        .samples
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if *a < 0 && *b >= 0))
        .count();
    let seconds = heard.duration().as_secs_f64();
    if seconds > 0.0 {
        crossings as f64 / seconds
    } else {
        0.0
    }
}

/// What a phone shows of a From: name and number.
fn shown(from: &str) -> String {
    let Ok(from) = from.parse::<NameAddr>() else {
        return from.to_owned();
    };
    let name = from.display_name.unwrap_or_default();
    format!("{name} {}", from.uri.user.unwrap_or_default())
}

fn pitch(heard: &Heard) -> String {
    format!(
        "{:.0} Hz for {:.1} s",
        hertz(heard),
        heard.duration().as_secs_f64()
    )
}

fn is_pitch(heard: &Heard, hz: f64) -> bool {
    (hertz(heard) / hz - 1.0).abs() < 0.1
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("      {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
