use super::*;

/// PCMU both ways with events, 20 ms, from 192.0.2.1:4000.
pub(super) fn agreement() -> Agreement {
    Agreement {
        codec: Codec::Pcmu,
        send_payload_type: 0,
        receive_payload_types: vec![(0, Codec::Pcmu), (8, Codec::Pcma)],
        events: Some((101, 101)),
        ptime: Duration::from_millis(20),
        direction: Direction::SendRecv,
        remote: "192.0.2.1:4000".parse().unwrap(),
        remote_rtcp: "192.0.2.1:4001".parse().unwrap(),
        signalling: "192.0.2.1".parse().unwrap(),
        remote_is_private: false,
    }
}
