//! Any stream: nothing panics, and how it is cut changes nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringdesk::sip::message::{Frame, StreamReader};

fn frames<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, bool) {
    let mut reader = StreamReader::new();
    let mut frames = Vec::new();
    for part in parts {
        reader.push(part);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

fuzz_target!(|octets: &[u8]| {
    let whole = frames(std::iter::once(octets));
    assert_eq!(frames(octets.chunks(1)), whole);
    assert_eq!(frames(octets.chunks(7)), whole);
});
