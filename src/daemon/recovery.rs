//! What the last run left: phones that are still registered, recordings that a crash cut short.

use std::path::Path;

use anyhow::Context;
use tracing::{info, warn};

use super::outputs::Outputs;
use crate::clock;
use crate::core::record::{Notice, VoicemailRecord};
use crate::core::snapshot::Snapshot;
use crate::engine::{Engine, Inbox, local_time};
use crate::media::recording;
use crate::store::Reader;

/// Tells the engine who was registered, how busy users were, and what the inbox holds.
pub(super) fn restore_users(engine: &mut Engine, database: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let now = clock::now();
    let (registrations, loads, inbox) = runtime.block_on(async {
        let mut reader = Reader::open(database).await?;
        Ok::<_, crate::store::StoreError>((
            reader.registrations(now.wall).await?,
            reader.loads().await?,
            Inbox {
                contacts: reader.all_contacts().await?,
                conversations: reader.open_conversations().await?,
                presence: reader.presence().await?,
            },
        ))
    })?;
    engine.restore(registrations, loads, now);
    engine.restore_inbox(inbox, now);
    Ok(())
}

/// Gives each recording that a crash cut short its right header and its row, and tells whom the
/// voicemail is for.
pub(super) fn finish_recordings(snapshot: &Snapshot, engine: &mut Engine, outputs: &Outputs) {
    let audio = &snapshot.settings.store.audio;
    if let Err(error) = std::fs::create_dir_all(audio) {
        warn!(
            "no voicemail can be stored: the directory {} cannot be made: {error}. Check [store] audio and who may write there.",
            audio.display()
        );
    }
    let recovery = recording::recover(audio);
    for problem in &recovery.problems {
        warn!("a recording could not be recovered: {problem}");
    }
    for recovered in recovery.recovered {
        let record = recovered.record;
        info!(
            "voicemail {} was cut short by a crash; {:.1} s of it are there",
            record.id,
            recovered.length.as_secs_f64()
        );
        if record.kept {
            engine.recover_voicemail(&record, clock::now());
        }
        let notice = notice_of(snapshot, &record);
        outputs.keep_voicemail(record, notice);
    }
}

fn notice_of(snapshot: &Snapshot, record: &VoicemailRecord) -> Option<Box<Notice>> {
    if !record.kept || record.notify.is_empty() {
        return None;
    }
    let channel = snapshot.channel(&record.channel);
    let number = channel.and_then(|channel| channel.numbers().first());
    let audio = snapshot.settings.store.audio.join(&record.file);
    Some(Box::new(Notice {
        call: record.call,
        to: record.notify.clone(),
        channel: record.channel.clone(),
        from: record.from.clone(),
        from_name: record.from_name.clone(),
        dialled: number.map(ToString::to_string).unwrap_or_default(),
        at: record.began,
        local: local_time(snapshot, channel, record.began),
        detail: "the daemon was restarted, and the recording ends there".to_owned(),
        voicemail: Some((record.seconds.unwrap_or_default(), audio)),
    }))
}
