//! Keys pressed on a phone, as telephone-event packets (RFC 4733 §2).

use crate::media::rtp::{Header, timestamp_distance};

/// In timestamp ticks, 50 ms: an event that starts this soon after another of the same key that has
/// not ended is the same press, from a sender that moves the timestamp within it. Nobody presses a
/// key twice that fast.
const SAME_PRESS: i32 = 400;

/// Tells each press once, whatever is lost, doubled or out of order.
#[derive(Clone, Debug, Default)]
pub struct KeyReader {
    last: Option<Press>,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    ssrc: u32,
    timestamp: u32,
    event: u8,
    duration: u16,
    ended: bool,
}

/// The payload of a telephone-event packet (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is: 0–9 the digits, 10 `*`, 11 `#`, 12–15 `A`–`D`, others no keys.
    pub code: u8,
    /// True in the three packets that end it.
    pub end: bool,
    /// How long it has lasted, in timestamp ticks.
    pub duration: u16,
}

impl Event {
    /// Reads a payload; `None` if it is too short. Further events in it (RFC 2198) are not looked
    /// at.
    pub fn read(payload: &[u8]) -> Option<Event> {
        let &[code, flags, high, low, ..] = payload else {
            return None;
        };
        Some(Event {
            code,
            end: flags & 0x80 != 0,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The key, if it is one.
    pub fn key(self) -> Option<char> {
        let keys = *b"0123456789*#ABCD";
        keys.get(usize::from(self.code)).copied().map(char::from)
    }
}

/// Which press a packet belongs to: its source and the timestamp that all packets of a press share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PressId {
    ssrc: u32,
    timestamp: u32,
}

impl KeyReader {
    /// The press that was seen last, whether it has ended or not.
    pub fn last_press(&self) -> Option<PressId> {
        let Press {
            ssrc, timestamp, ..
        } = self.last?;
        Some(PressId { ssrc, timestamp })
    }

    /// Takes one packet; the key if this is the first that is seen of its press.
    pub fn handle(&mut self, header: &Header, payload: &[u8]) -> Option<char> {
        let event = Event::read(payload)?;
        let key = event.key()?;
        let next = Press {
            ssrc: header.ssrc,
            timestamp: header.timestamp,
            event: event.code,
            duration: event.duration,
            ended: event.end,
        };
        let Some(last) = &mut self.last else {
            self.last = Some(next);
            return Some(key);
        };
        let distance = timestamp_distance(last.timestamp, next.timestamp);
        if last.ssrc != next.ssrc {
            self.last = Some(next);
            return Some(key);
        }
        if distance < 0 {
            return None;
        }
        if distance == 0 && last.event == next.event {
            last.duration = last.duration.max(next.duration);
            last.ended |= next.ended;
            return None;
        }
        let continued = !header.marker && last.continues(&next, distance);
        self.last = Some(next);
        (!continued).then_some(key)
    }
}

impl Press {
    /// True if `next` goes on with this press: the next segment of a long one (RFC 4733 §2.5.1.3),
    /// or the same one from a sender that moves the timestamp.
    fn continues(&self, next: &Press, distance: i32) -> bool {
        let next_segment = self.duration == u16::MAX && distance == i32::from(u16::MAX);
        self.event == next.event && !self.ended && (next_segment || distance < SAME_PRESS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const END: u8 = 0x80;

    /// (timestamp, marker, event, flags, duration)
    type Row = (u32, bool, u8, u8, u16);

    fn keys(rows: &[Row]) -> String {
        let mut reader = KeyReader::default();
        let mut keys = String::new();
        for &(timestamp, marker, event, flags, duration) in rows {
            let header = Header {
                payload_type: 101,
                marker,
                sequence: 0,
                timestamp,
                ssrc: 1,
            };
            let [high, low] = duration.to_be_bytes();
            keys.extend(reader.handle(&header, &[event, flags | 10, high, low]));
        }
        keys
    }

    #[test]
    fn each_press_is_told_once() {
        let one = [
            (1000, true, 1, 0, 160),
            (1000, false, 1, 0, 320),
            (1000, false, 1, END, 480),
            (1000, false, 1, END, 480),
            (1000, false, 1, END, 480),
        ];
        assert_eq!(keys(&one), "1");
        assert_eq!(keys(&one[1..]), "1", "the first packet is lost");
        assert_eq!(keys(&one[4..]), "1", "only the last packet arrives");
        let reversed: Vec<Row> = one.iter().rev().copied().collect();
        assert_eq!(keys(&reversed), "1", "out of order");
    }

    #[test]
    fn the_same_key_twice_is_two_presses() {
        let table: &[(&str, &[Row])] = &[
            (
                "with its end",
                &[(1000, true, 5, END, 400), (3000, true, 5, 0, 160)],
            ),
            (
                "all ends lost",
                &[(1000, true, 5, 0, 160), (3000, true, 5, 0, 160)],
            ),
            (
                "all ends and the marked packet lost",
                &[(1000, true, 5, 0, 160), (3000, false, 5, 0, 320)],
            ),
            (
                "the first one's end comes again after the second",
                &[
                    (1000, true, 5, 0, 160),
                    (3000, true, 5, 0, 160),
                    (1000, false, 5, END, 400),
                    (3000, false, 5, END, 400),
                ],
            ),
            (
                "over the wrap of the timestamp",
                &[(u32::MAX - 100, true, 5, END, 400), (1900, true, 5, 0, 160)],
            ),
        ];
        for (name, rows) in table {
            assert_eq!(keys(rows), "55", "{name}");
        }
    }

    #[test]
    fn a_long_press_in_segments_is_one() {
        let rows = [
            (1000, true, 9, 0, 160),
            (1000, false, 9, 0, 0xffff),
            (1000 + 0xffff, false, 9, 0, 160),
            (1000 + 0xffff, false, 9, END, 800),
        ];
        assert_eq!(keys(&rows), "9");
    }

    #[test]
    fn a_sender_that_moves_the_timestamp_presses_once() {
        let rows = [
            (1000, true, 2, 0, 160),
            (1160, false, 2, 0, 320),
            (1320, false, 2, 0, 480),
            (1480, false, 2, END, 640),
        ];
        assert_eq!(keys(&rows), "2");
    }

    #[test]
    fn events_have_their_keys_and_others_have_none() {
        let rows: Vec<Row> = (0..=255u8)
            .map(|event| (u32::from(event) * 1000, true, event, END, 400))
            .collect();
        assert_eq!(keys(&rows), "0123456789*#ABCD");
    }

    #[test]
    fn a_payload_too_short_is_nothing() {
        for length in 0..4 {
            assert_eq!(Event::read(&[1; 4][..length]), None);
        }
    }

    proptest! {
        #[test]
        fn no_press_is_told_twice_whatever_is_lost_or_doubled(
            fates in prop::collection::vec(0usize..3, 60),
        ) {
            let mut rows = Vec::new();
            let mut expected = String::new();
            for (press, fates) in fates.chunks(6).enumerate() {
                let key = (press % 10) as u8;
                for (index, &copies) in fates.iter().enumerate() {
                    let flags = if index > 2 { END } else { 0 };
                    let duration = (index as u16 + 1) * 160;
                    for _ in 0..copies {
                        rows.push((press as u32 * 4000, index == 0, key, flags, duration));
                    }
                }
                if fates.iter().sum::<usize>() > 0 {
                    expected.push(char::from(b'0' + key));
                }
            }
            prop_assert_eq!(keys(&rows), expected);
        }
    }
}
