//! What chats cost: the release binary over loopback, with store, routing and a thousand visitors.
//!
//! `taskset -c 1 cargo bench --bench chat [-- SOCKETS [MESSAGES]]` starts the daemon on core 0 and plays
//! the visitors from the other one. CPU time and memory are the daemon's own, as `/proc` has them.

mod daemon;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use ringdesk::clock;
use ringdesk::core::time::Mono;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use daemon::Daemon;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Socket = WebSocketStream<TcpStream>;

/// How long the daemon may rest before its memory is read.
const REST: Duration = Duration::from_secs(2);

/// Messages a second at which the time until they are kept is measured.
const MODERATE: u32 = 200;

/// Visitors behind one address.
const OF_ADDRESS: usize = 100;

/// How long one message may take before the run has failed.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let sockets = numbers.next().unwrap_or(1_000).max(1);
    let messages = numbers.next().unwrap_or(20_000);

    let daemon = Daemon::start()?;
    // Whatever is made once has been made before memory is compared.
    let mut warm = Vec::new();
    for _ in 0..10 {
        warm.push(visitor(&daemon, warm.len()).await?);
    }
    drop(warm);
    std::thread::park_timeout(REST);
    let before = daemon.memory()?;
    let mut visitors = Vec::with_capacity(sockets);
    for _ in 0..sockets {
        visitors.push(visitor(&daemon, visitors.len()).await?);
    }
    std::thread::park_timeout(REST);
    let idle = daemon.memory()?.saturating_sub(before);
    println!(
        "{sockets} idle sockets: {:.1} kB each",
        idle as f64 / 1_000.0 / sockets as f64
    );

    let (began, cpu) = (clock::mono(), daemon.cpu_time()?);
    let (took, mut visitors) = write(visitors, messages, None).await?;
    std::thread::park_timeout(REST);
    let used = daemon.cpu_time()?.saturating_sub(cpu);
    let elapsed = clock::mono().since(began).saturating_sub(REST);
    println!(
        "{messages} messages as fast as they are kept, {sockets} sockets: {:.0} a second",
        messages as f64 / elapsed.as_secs_f64()
    );
    println!(
        "  {:.3} ms of CPU for each, {:.0} a second and core; kept after p50 {:.1} ms, p99 {:.1} ms",
        used.as_secs_f64() * 1_000.0 / messages as f64,
        messages as f64 / used.as_secs_f64(),
        percentile(&took, 50),
        percentile(&took, 99)
    );

    let some = messages / 4;
    let pace = Duration::from_secs(1) / MODERATE;
    let (took, rest) = write(std::mem::take(&mut visitors), some, Some(pace)).await?;
    println!(
        "{some} messages, {MODERATE} a second: kept after p50 {:.1} ms, p99 {:.1} ms",
        percentile(&took, 50),
        percentile(&took, 99)
    );
    drop(rest);
    Ok(())
}

/// A visitor who has said hello.
async fn visitor(daemon: &Daemon, number: usize) -> Result<Socket, Failure> {
    // One address may not have them all.
    let host = u8::try_from(2 + number / OF_ADDRESS)?;
    let tcp = TcpSocket::new_v4()?;
    tcp.bind(SocketAddr::from(([127, 0, 1, host], 0)))?;
    let stream = tcp.connect(daemon.address).await?;
    stream.set_nodelay(true)?;
    let url = format!("ws://{}/chat/website-chat/socket", daemon.address);
    let (mut socket, _) = client_async(url, stream).await?;
    let hello = json!({ "type": "hello", "version": 1 });
    socket.send(Message::text(hello.to_string())).await?;
    hear(&mut socket, "ready").await?;
    Ok(socket)
}

async fn hear(socket: &mut Socket, wanted: &str) -> Result<Value, Failure> {
    let hearing = async {
        loop {
            let message = socket.next().await.ok_or("the daemon hung up")??;
            if let Message::Text(text) = message {
                let frame: Value = serde_json::from_str(&text)?;
                if frame["type"] == wanted {
                    return Ok::<Value, Failure>(frame);
                }
                if frame["type"] == "problem" {
                    return Err(frame.to_string().into());
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, hearing).await?
}

/// Lets the visitors write, in turn, each waiting for its own message to be kept; returns how long
/// each message took, sorted, and the visitors.
async fn write(
    visitors: Vec<Socket>,
    messages: usize,
    pace: Option<Duration>,
) -> Result<(Vec<Duration>, Vec<Socket>), Failure> {
    let count = visitors.len();
    let begin = clock::mono();
    let (done, mut results) = mpsc::unbounded_channel();
    for (number, socket) in visitors.into_iter().enumerate() {
        let done = done.clone();
        let mine = messages / count + usize::from(number < messages % count);
        tokio::spawn(async move {
            let _ = done.send(one(socket, number, count, mine, pace, begin).await);
        });
    }
    drop(done);
    let mut took = Vec::with_capacity(messages);
    let mut sockets = Vec::with_capacity(count);
    while let Some(result) = results.recv().await {
        let (mut times, socket) = result?;
        took.append(&mut times);
        sockets.push(socket);
    }
    took.sort();
    Ok((took, sockets))
}

async fn one(
    mut socket: Socket,
    number: usize,
    count: usize,
    messages: usize,
    pace: Option<Duration>,
    begin: Mono,
) -> Result<(Vec<Duration>, Socket), Failure> {
    let mut took = Vec::with_capacity(messages);
    for message in 0..messages {
        if let Some(pace) = pace {
            let place = u32::try_from(message * count + number)?;
            let due = begin + pace * place;
            tokio::time::sleep_until(clock::instant(due).into()).await;
        }
        let sent = clock::mono();
        let client_id = format!("{}-{number}-{message}", begin.as_nanos());
        let frame =
            json!({ "type": "send", "client_id": client_id, "text": "Where is my parcel?" });
        socket.send(Message::text(frame.to_string())).await?;
        hear(&mut socket, "kept").await?;
        took.push(clock::mono().since(sent));
    }
    Ok((took, socket))
}

/// In milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted
        .get(index)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
}
