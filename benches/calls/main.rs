//! What bridged calls cost: the release binary over loopback, with store, traces and registrar.
//!
//! `taskset -c 1 cargo bench --bench calls [-- CALLS [RATE [SECONDS]]]` starts the daemon on core 0
//! and plays a carrier and its phones from the other one. CPU time is the daemon's own, of all its
//! threads, as `/proc` has it: it holds on a machine that does other things as well.

mod audio;
mod daemon;
mod load;
mod text;

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::time::Duration;

use ringdesk::clock;

use audio::Audio;
use daemon::{CpuTime, Daemon};
use load::{Load, Outcome, Plan};

type Failure = Box<dyn std::error::Error>;

/// Users with a phone each, and channels, each with a number that rings one of them: so many that
/// nobody is on a call when the next one comes.
const USERS: usize = 250;

/// Short calls: answered after 50 ms, hung up after this.
const TALK: Duration = Duration::from_millis(100);

/// At this many calls a second the delay of ringing is measured.
const MODERATE: f64 = 50.0;

/// Calls with audio at once.
const WITH_AUDIO: usize = 100;

/// How long the store may take until the last call's rows are written, which counts.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// The address that the trunk is known by.
fn carrier_ip() -> IpAddr {
    Ipv4Addr::new(127, 0, 0, 2).into()
}

/// The address of the phones.
fn phones_ip() -> IpAddr {
    Ipv4Addr::new(127, 0, 0, 3).into()
}

fn user(number: usize) -> String {
    format!("user-{number}")
}

fn number(number: usize) -> String {
    format!("+47{}", 22_000_000 + number)
}

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("{failed} calls failed");
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Returns how many calls failed.
fn run() -> Result<usize, Failure> {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u32>().ok());
    let calls = numbers.next().unwrap_or(5_000) as usize;
    let rate = f64::from(numbers.next().unwrap_or(250));
    let seconds = numbers.next().unwrap_or(20);

    let daemon = Daemon::start()?;
    let mut audio = Audio::open(USERS)?;
    let mut load = Load::new(daemon.address, &audio.addresses())?;
    if let Err(failure) = load.register() {
        return Err(format!("{failure}\n{}", daemon.log()).into());
    }
    println!(
        "ringdesk is process {}; {USERS} phones are registered",
        daemon.id()
    );

    // Nothing is measured until everything has been done once.
    let warm = Plan {
        calls: calls.min(USERS),
        rate: MODERATE,
        talk: TALK,
    };
    let mut failed = told(&load.run(warm)?);

    let plan = Plan {
        calls,
        rate,
        ..warm
    };
    let before = daemon.cpu_time()?;
    let outcome = load.run(plan)?;
    std::thread::park_timeout(AFTERWARDS);
    let used = daemon.cpu_time()?.since(before);
    println!(
        "{calls} bridged calls, {rate} a second: {} failed, {} messages repeated",
        outcome.failed, outcome.repeated
    );
    print_cpu(used, calls);
    failed += told(&outcome);

    let plan = Plan {
        calls: (calls / 5).max(10),
        rate: MODERATE,
        ..warm
    };
    let outcome = load.run(plan)?;
    println!(
        "{} bridged calls, {MODERATE} a second: {} failed, {} messages repeated",
        plan.calls, outcome.failed, outcome.repeated
    );
    println!(
        "  INVITE to 180: p50 {:.2} ms, p99 {:.2} ms",
        percentile(&outcome.rang_after, 50),
        percentile(&outcome.rang_after, 99)
    );
    failed += told(&outcome);

    failed += talk(&daemon, &mut load, &mut audio, seconds)?;
    Ok(failed)
}

/// Calls with audio; returns how many failed.
fn talk(
    daemon: &Daemon,
    load: &mut Load,
    audio: &mut Audio,
    seconds: u32,
) -> Result<usize, Failure> {
    let time = Duration::from_secs(seconds.into());
    load.begin(Plan {
        calls: WITH_AUDIO,
        rate: MODERATE,
        talk: time * 10,
    });
    let patience = clock::mono() + time;
    while !load.all_talk() && clock::mono() < patience {
        load.turn(Duration::from_millis(10))?;
    }
    audio.agree(load, WITH_AUDIO)?;
    // Until every source is known.
    audio.exchange(load, Duration::from_secs(1))?;
    let (before, began) = (daemon.cpu_time()?, clock::mono());
    let counted = audio.exchange(load, time)?;
    let used = daemon.cpu_time()?.since(before);
    let elapsed = clock::mono().since(began);
    let outcome = load.hang_up()?;
    println!(
        "{WITH_AUDIO} bridged calls with G.711 for {:.1} s: {} failed, {} packets sent, {} lost",
        elapsed.as_secs_f64(),
        outcome.failed,
        counted.sent,
        counted.sent.saturating_sub(counted.heard)
    );
    let share = |part: Duration| part.as_secs_f64() / elapsed.as_secs_f64() * 100.0;
    println!(
        "  {:.1} % of a core (user {:.1} %, system {:.1} %)",
        share(used.total()),
        share(used.user),
        share(used.system)
    );
    Ok(told(&outcome))
}

fn print_cpu(used: CpuTime, calls: usize) {
    let each = |part: Duration| part.as_secs_f64() * 1000.0 / calls as f64;
    println!(
        "  {:.2} s of CPU for 1,000 calls (user {:.2} s, system {:.2} s)",
        each(used.total()),
        each(used.user),
        each(used.system)
    );
}

/// Prints what went wrong; returns how many calls failed.
fn told(outcome: &Outcome) -> usize {
    for fault in &outcome.faults {
        println!("  fault: {fault}");
    }
    outcome.failed.max(usize::from(!outcome.faults.is_empty()))
}

/// In milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted
        .get(index)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}
