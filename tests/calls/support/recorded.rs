//! What a voicemail must hold.

use std::time::Duration;

use super::line::Line;
use super::sound::{FRAME, Law, assert_same, decoded};

/// How late this machine may send a frame and still have it taken for speech without a pause: less
/// than the time after which a recording holds silence.
const STALL: Duration = Duration::from_millis(150);

/// Frames that may be spoken before the end of the beep has gone from the media thread to the engine
/// and back: one, and more on a machine under load.
const BREATH: usize = 25;

/// Panics unless `recorded` is what was said on `line` after the beep. Where this machine could not
/// keep the pace of speech, silence between two frames is what was said.
pub fn assert_recorded(recorded: &[i16], said: &[u8], line: &Line) {
    let said = decoded(Law::Pcmu, said);
    let first = (0..BREATH)
        .find(|&frame| recorded.starts_with(&said[frame * FRAME..][..FRAME]))
        .expect("the voicemail begins as the caller did");
    let said = &said[first * FRAME..];
    if line.longest_gap() < STALL {
        assert_same("the voicemail", recorded, said);
        return;
    }
    let mut rest = recorded;
    for (number, frame) in said.chunks(FRAME).enumerate() {
        let silence = rest.iter().take_while(|sample| **sample == 0).count();
        rest = &rest[silence..];
        assert!(rest.starts_with(frame), "frame {number} of the voicemail");
        rest = &rest[frame.len()..];
    }
    assert!(rest.is_empty(), "{} samples after the last", rest.len());
}
