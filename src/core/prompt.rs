//! What a prompt is once it is loaded: audio in every codec that a call may have.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::core::name::PromptName;

/// Audio ready to be sent: 8 kHz mono, encoded once per codec. Playing it copies octets.
#[derive(Debug, PartialEq, Eq)]
pub struct PromptAudio {
    /// G.711 µ-law, one octet a sample.
    pub pcmu: Box<[u8]>,
    /// G.711 A-law, one octet a sample; as long as `pcmu`.
    pub pcma: Box<[u8]>,
}

impl PromptAudio {
    /// How long it plays.
    pub fn duration(&self) -> Duration {
        Duration::from_micros((self.pcmu.len() as u64).saturating_mul(125))
    }
}

/// A prompt's audio as it is passed around.
pub type Audio = Arc<PromptAudio>;

/// Where prompts were found when the configuration was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptFiles {
    /// The directory of prompts, where the file `NAME.wav` is the prompt `NAME` unless the
    /// configuration names another file for it.
    pub directory: PathBuf,
    /// The file of each prompt that the configuration names or uses; those that are not here come
    /// with the program.
    pub named: BTreeMap<PromptName, PathBuf>,
}
