//! `ringdesk status`: how the running daemon is.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::{ConfigDirectory, plain};
use crate::control;
use crate::core::routing::words;
use crate::core::time::Wall;
use crate::daemon;
use crate::engine::{CallStatus, ServiceStatus, Status, TrunkStatus, UserStatus};

/// Shows how the running daemon is: trunks, phones, calls, channels open or closed and until when.
#[derive(Args, Debug)]
pub struct StatusOf {
    #[command(flatten)]
    directory: ConfigDirectory,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Asks the daemon and prints what it says.
///
/// # Errors
/// No daemon runs, or it does not answer.
pub fn run(arguments: &StatusOf) -> anyhow::Result<ExitCode> {
    let store = arguments.directory.store()?;
    let status: Status = control::status(&daemon::data_directory(&store))?;
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&status)?)?;
    } else {
        print(&status, &mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(status: &Status, out: &mut impl Write) -> io::Result<()> {
    let since = |at: Wall| format!("since {}, {}", time(at, status.at), ago(at, status.at));
    writeln!(
        out,
        "ringdesk {} at {}, up for {}; {} now, {} taken",
        status.version,
        status.at.to_utc().format("%Y-%m-%d %H:%M:%SZ"),
        words::span(status.at.since(status.started)),
        count(status.calls.len() as u64, "call"),
        status.calls_taken,
    )?;
    let loaded = since(status.loaded);
    writeln!(out, "snapshot {} {loaded}", status.snapshot)?;
    if let Some((at, errors)) = status.reload_refused {
        let errors = count(errors as u64, "error");
        let at = time(at, status.at);
        writeln!(
            out,
            "  the reload of {at} was refused ({errors}: ringdesk check)"
        )?;
    }
    let (used, all) = status.ports;
    writeln!(out, "audio: {used} of {all} port pairs in use")?;

    section(out, "services", &status.services, service_line)?;
    section(out, "trunks", &status.trunks, |trunk| {
        trunk_line(trunk, since)
    })?;
    section(out, "users", &status.users, |user| {
        user_line(user, status.at)
    })?;
    section(out, "channels", &status.channels, |(name, hours)| {
        // The snapshot is told above, once.
        let hours = hours
            .rsplit_once(". Snapshot")
            .map_or(&**hours, |(it, _)| it);
        format!("{name}: {hours}")
    })?;
    section(out, "calls", &status.calls, |call| {
        call_line(call, status.at)
    })?;
    section(out, "refused", &status.refused, |refused| {
        let (source, times, first, last) = refused;
        let times = count(*times, "request");
        let last = ago(*last, status.at);
        format!("{source}: {times} {}, last {last}", since(*first))
    })
}

/// A heading and a line for each; nothing where there are none.
fn section<T>(
    out: &mut impl Write,
    heading: &str,
    items: &[T],
    line: impl Fn(&T) -> String,
) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "{heading}")?;
    for item in items {
        writeln!(out, "  {}", plain(&line(item)))?;
    }
    Ok(())
}

fn service_line(service: &ServiceStatus) -> String {
    let (name, detail) = (&service.name, &service.detail);
    match (service.works, detail.is_empty()) {
        (true, true) => format!("{name}: works"),
        (true, false) => format!("{name}: {detail}"),
        (false, _) => format!("{name}: does not work: {detail}"),
    }
}

fn trunk_line(trunk: &TrunkStatus, since: impl Fn(Wall) -> String) -> String {
    let name = &trunk.name;
    match (trunk.answers, trunk.since.map(since)) {
        (Some(true), Some(since)) => format!("{name}: answers {since}"),
        (Some(false), Some(since)) => format!("{name}: not reachable {since}: {}", trunk.detail),
        (Some(true), None) => format!("{name}: answers"),
        (Some(false), None) => format!("{name}: not reachable: {}", trunk.detail),
        (None, _) => format!("{name}: not asked (it has no outbound, or did not answer yet)"),
    }
}

/// `anna: 10.0.3.4:5060 (Phone 1.2) until 10:12Z; on-call: call 0193…`
fn user_line(user: &UserStatus, now: Wall) -> String {
    let registered = user.devices.iter().map(|(source, agent, until)| {
        let agent = match agent.as_str() {
            "" => String::new(),
            agent => format!(" ({agent})"),
        };
        format!("{source}{agent} until {}", time(*until, now))
    });
    let fixed = user.fixed.iter().map(|(place, problem)| match problem {
        None => place.clone(),
        Some(problem) => format!("{place} (not reachable: {problem})"),
    });
    let parts: Vec<String> = registered
        .chain(fixed)
        .chain((!user.detail.is_empty()).then(|| user.detail.clone()))
        .chain(user.busy.clone())
        .collect();
    format!("{}: {}", user.name, parts.join("; "))
}

fn call_line(call: &CallStatus, now: Wall) -> String {
    let lasted = super::length(now.since(call.began));
    let waits = match &call.waits {
        Some((what, seconds)) => format!("; waits up to {seconds} s for {what}"),
        None => String::new(),
    };
    format!(
        "{} {} from {}, {lasted}: {}{waits}",
        call.id, call.channel, call.from, call.doing
    )
}

/// `14 requests`
fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// `09:12Z`, or with the date where that is another than today's.
fn time(at: Wall, now: Wall) -> String {
    let (at, now) = (at.to_utc(), now.to_utc());
    let format = if at.date_naive() == now.date_naive() {
        "%H:%MZ"
    } else {
        "%a %Y-%m-%d %H:%MZ"
    };
    at.format(format).to_string()
}

fn ago(at: Wall, now: Wall) -> String {
    format!("{} ago", words::span(now.since(at)))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use uuid::Uuid;

    use super::*;
    use crate::core::id::CallId;

    fn service(name: &str, works: bool, detail: &str) -> ServiceStatus {
        ServiceStatus {
            name: name.to_owned(),
            works,
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn an_admin_reads_how_everything_is() {
        let now = Wall::from_seconds(1_796_204_400);
        let before = |minutes: i64| Wall::from_seconds(now.as_seconds() - minutes * 60);
        let status = Status {
            at: now,
            started: before(3_000),
            version: "0.1.0".to_owned(),
            snapshot: 41,
            loaded: before(200),
            reload_refused: Some((before(10), 2)),
            trunks: vec![
                TrunkStatus {
                    name: "no".into(),
                    answers: Some(true),
                    since: Some(before(100)),
                    detail: String::new(),
                },
                TrunkStatus {
                    name: "se".into(),
                    answers: Some(false),
                    since: Some(before(5)),
                    detail: "no answer to OPTIONS".to_owned(),
                },
            ],
            users: vec![
                UserStatus {
                    name: "anna".into(),
                    devices: vec![(
                        "10.0.3.4:5060".to_owned(),
                        "Phone 1.2\r".to_owned(),
                        before(-58),
                    )],
                    fixed: vec![],
                    busy: Some("on-call: call x".to_owned()),
                    detail: String::new(),
                },
                UserStatus {
                    name: "bjorn".into(),
                    devices: vec![],
                    fixed: vec![],
                    busy: None,
                    detail: "no-device: registration ran out 09:12, 58 min ago, from 10.0.3.4; 6 wrong passwords since".to_owned(),
                },
                UserStatus {
                    name: "carl".into(),
                    devices: vec![],
                    fixed: vec![
                        ("sip:10.0.3.9".to_owned(), None),
                        ("+4790000002".to_owned(), Some("not looked up yet".to_owned())),
                    ],
                    busy: None,
                    detail: String::new(),
                },
            ],
            channels: vec![(
                "main-line".into(),
                "closed (break): oslo, Wed 2026-12-02 11:40+01:00, between 08:00-11:30 and 12:00-16:00; opens 12:00. Snapshot 41".to_owned(),
            )],
            calls: vec![CallStatus {
                id: CallId(Uuid::from_u128(7)),
                channel: "main-line".into(),
                from: "+4790000001".to_owned(),
                began: before(1),
                doing: "rings anna".to_owned(),
                waits: Some(("the end of this step".to_owned(), 13)),
            }],
            calls_taken: 812,
            ports: (4, 500),
            refused: vec![("198.51.101.9".to_owned(), 14, before(2_000), before(3))],
            services: vec![
                service("http", true, "listens on 127.0.0.1:8080"),
                service(
                    "mailbox of support",
                    false,
                    "support@imap.example.com/INBOX: the password is wrong",
                ),
                service("mail", true, ""),
            ],
        };
        let mut out = Vec::new();
        print(&status, &mut out).unwrap();
        assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        ringdesk 0.1.0 at 2026-12-02 09:40:00Z, up for 2 days; 1 call now, 812 taken
        snapshot 41 since 06:20Z, 3 h 20 min ago
          the reload of 09:30Z was refused (2 errors: ringdesk check)
        audio: 4 of 500 port pairs in use
        services
          http: listens on 127.0.0.1:8080
          mailbox of support: does not work: support@imap.example.com/INBOX: the password is wrong
          mail: works
        trunks
          no: answers since 08:00Z, 1 h 40 min ago
          se: not reachable since 09:35Z, 5 min ago: no answer to OPTIONS
        users
          anna: 10.0.3.4:5060 (Phone 1.2\r) until 10:38Z; on-call: call x
          bjorn: no-device: registration ran out 09:12, 58 min ago, from 10.0.3.4; 6 wrong passwords since
          carl: sip:10.0.3.9; +4790000002 (not reachable: not looked up yet)
        channels
          main-line: closed (break): oslo, Wed 2026-12-02 11:40+01:00, between 08:00-11:30 and 12:00-16:00; opens 12:00
        calls
          00000000-0000-0000-0000-000000000007 main-line from +4790000001, 60 s: rings anna; waits up to 13 s for the end of this step
        refused
          198.51.101.9: 14 requests since Tue 2026-12-01 00:20Z, 1 day ago, last 3 min ago
        "#);
    }
}
