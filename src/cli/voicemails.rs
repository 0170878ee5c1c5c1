//! `ringdesk voicemails`: the voicemails that are kept, the latest first.

use std::io::{self, Write};
use std::process::ExitCode;

use chrono::SecondsFormat;
use clap::Args;

use super::ConfigDirectory;
use crate::core::snapshot::Snapshot;
use crate::store::Voicemail;

/// Lists the voicemails: identifier, time, channel, caller, seconds, file.
#[derive(Args, Debug)]
pub struct Voicemails {
    #[command(flatten)]
    directory: ConfigDirectory,
    /// One JSON object a line, times in UTC.
    #[arg(long)]
    json: bool,
}

/// Prints them, the latest first.
///
/// # Errors
/// There is no database yet, or it does not answer.
pub fn run(arguments: &Voicemails) -> anyhow::Result<ExitCode> {
    let store = arguments.directory.store()?;
    let voicemails = super::block_on(async {
        let mut reader = super::reader(&store).await?;
        Ok(reader.voicemails(&store.audio).await?)
    })?;
    let mut out = io::stdout().lock();
    if arguments.json {
        for voicemail in &voicemails {
            writeln!(out, "{}", serde_json::to_string(voicemail)?)?;
        }
    } else {
        // Only for the time zones of the channels; without it times are in UTC.
        let snapshot = arguments
            .directory
            .load()
            .ok()
            .map(|loaded| loaded.snapshot);
        for voicemail in &voicemails {
            writeln!(out, "{}", line(snapshot.as_ref(), voicemail))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(snapshot: Option<&Snapshot>, voicemail: &Voicemail) -> String {
    let zone = snapshot.and_then(|snapshot| {
        let channel = snapshot.channel(&voicemail.channel)?;
        Some(snapshot.schedule_of(channel)?.zone())
    });
    let time = match zone {
        Some(zone) => zone.format_rfc3339(voicemail.time),
        None => voicemail
            .time
            .to_utc()
            .to_rfc3339_opts(SecondsFormat::Secs, true),
    };
    let caller = voicemail.caller.as_deref().unwrap_or("anonymous");
    let seconds = match voicemail.seconds {
        Some(seconds) => format!("{seconds:.1}"),
        None => "-".to_owned(),
    };
    let (id, channel, path) = (&voicemail.id, &voicemail.channel, voicemail.path.display());
    format!("{id}  {time}  {channel}  {caller}  {seconds}  {path}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::sample::{add, channel, oslo, snapshot};
    use crate::core::time::Wall;

    #[test]
    fn the_time_is_that_of_the_channel_where_its_schedule_is_known() {
        let mut main = channel(vec![]);
        main.schedule = Some("oslo".into());
        let mut snapshot = snapshot(vec![], vec![], vec![main]);
        add(&mut snapshot.schedules, Arc::new(oslo(vec![])));
        let mut voicemail = Voicemail {
            id: "0193".to_owned(),
            time: Wall::from_seconds(1_796_204_400),
            channel: "main-line".to_owned(),
            caller: Some("+4790000001".to_owned()),
            seconds: Some(42.34),
            path: "/var/audio/0193.wav".into(),
        };
        assert_eq!(
            line(Some(&snapshot), &voicemail),
            "0193  2026-12-02T10:40:00+01:00  main-line  +4790000001  42.3  /var/audio/0193.wav"
        );
        voicemail.caller = None;
        assert_eq!(
            line(None, &voicemail),
            "0193  2026-12-02T09:40:00Z  main-line  anonymous  42.3  /var/audio/0193.wav"
        );
    }
}
