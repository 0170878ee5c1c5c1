//! What the last run left: phones that are still registered, recordings that a crash cut short.

use std::path::Path;

use anyhow::Context;
use tracing::{info, warn};

use super::outputs::Outputs;
use crate::clock;
use crate::core::record::Record;
use crate::core::snapshot::Snapshot;
use crate::engine::Engine;
use crate::media::recording;
use crate::store::Reader;

/// Tells the engine who was registered and how busy users were.
pub(super) fn restore_users(engine: &mut Engine, database: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let now = clock::now();
    let (registrations, loads) = runtime.block_on(async {
        let mut reader = Reader::open(database).await?;
        Ok::<_, crate::store::StoreError>((
            reader.registrations(now.wall).await?,
            reader.loads().await?,
        ))
    })?;
    engine.restore(registrations, loads, now);
    Ok(())
}

/// Gives each recording that a crash cut short its right header and its row, and tells whom the
/// voicemail is for.
pub(super) fn finish_recordings(snapshot: &Snapshot, outputs: &Outputs) {
    let audio = &snapshot.settings.store.audio;
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
        outputs.keep(Record::Voicemail(record.clone()));
        outputs.finish_recovered(snapshot, record);
    }
}
