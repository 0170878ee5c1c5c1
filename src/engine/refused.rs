//! Requests from addresses that may not call us: counted, so that a flood of them neither grows nor
//! fills the log, and an admin still reads who was turned away.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::core::time::Wall;

/// How many sources are remembered; a scanner uses few, and a carrier's are a handful.
const SOURCES: usize = 256;

/// Who was turned away.
#[derive(Debug, Default)]
pub(super) struct Refused(BTreeMap<IpAddr, Turned>);

/// One source's requests.
#[derive(Clone, Debug)]
pub(super) struct Turned {
    pub(super) times: u64,
    pub(super) since: Wall,
    pub(super) last: Wall,
}

impl Refused {
    /// Counts one more. Answers how often and since when, if it is worth a line: the first time,
    /// and each time that the count has doubled.
    pub(super) fn count(&mut self, source: IpAddr, now: Wall) -> Option<Turned> {
        if !self.0.contains_key(&source) && self.0.len() >= SOURCES {
            let oldest = self
                .0
                .iter()
                .min_by_key(|(_, turned)| turned.last)
                .map(|(ip, _)| *ip);
            if let Some(oldest) = oldest {
                self.0.remove(&oldest);
            }
        }
        let turned = self.0.entry(source).or_insert(Turned {
            times: 0,
            since: now,
            last: now,
        });
        turned.times = turned.times.saturating_add(1);
        turned.last = now;
        turned.times.is_power_of_two().then(|| turned.clone())
    }

    /// Sources with their counts, for `status`.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&IpAddr, &Turned)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_of_ever_more_rarely_and_remembered_in_a_bounded_table() {
        let mut refused = Refused::default();
        let source: IpAddr = "198.51.100.9".parse().unwrap();
        let told: Vec<u64> = (0..20)
            .filter_map(|second| refused.count(source, Wall::from_seconds(second)))
            .map(|turned| turned.times)
            .collect();
        assert_eq!(told, [1, 2, 4, 8, 16]);
        for host in 0..2000u32 {
            refused.count(IpAddr::from(host.to_be_bytes()), Wall::from_seconds(100));
        }
        assert_eq!(refused.iter().count(), SOURCES);
    }
}
