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
    let left = left_unrecorded(recorded, said, line);
    assert_eq!(left, 0, "samples that were said last are missing");
}

/// The same for a recording that was cut short: how many samples of what was said it lacks.
pub fn left_unrecorded(recorded: &[i16], said: &[u8], line: &Line) -> usize {
    let said = decoded(Law::Pcmu, said);
    let first = (0..BREATH)
        .find(|&frame| recorded.starts_with(&said[frame * FRAME..][..FRAME]))
        .expect("the voicemail begins as the caller did");
    let said = &said[first * FRAME..];
    if line.longest_gap() < STALL {
        let until = recorded.len().min(said.len());
        assert_same("the voicemail", recorded, &said[..until]);
        return said.len() - until;
    }
    let (mut rest, mut left) = (recorded, said);
    while let Some(frame) = left.get(..FRAME) {
        let silence = rest.iter().take_while(|sample| **sample == 0).count();
        rest = &rest[silence..];
        let heard = rest.len().min(FRAME);
        assert!(
            rest[..heard] == frame[..heard],
            "{} samples before the last that was said",
            left.len()
        );
        (rest, left) = (&rest[heard..], &left[heard..]);
        if rest.is_empty() {
            break;
        }
    }
    assert!(rest.is_empty(), "{} samples after the last", rest.len());
    left.len()
}
