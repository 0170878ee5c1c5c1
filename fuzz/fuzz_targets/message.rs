//! Any datagram: nothing panics, and what is taken prints and reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringdesk::sip::message::{Message, check_request};

fuzz_target!(|datagram: &[u8]| {
    let Ok(message) = Message::parse(datagram) else {
        return;
    };
    let headers = message.headers();
    let _ = (headers.vias(), headers.from(), headers.to(), headers.contacts());
    let _ = (headers.route(), headers.record_route(), headers.expires());
    if let Message::Request(request) = &message {
        let _ = (request.uri.parsed(), check_request(request));
        let _ = request.response(200).to_bytes();
    }
    let printed = message.to_bytes();
    let again = Message::parse(&printed).expect("what we print can be read");
    assert_eq!(again.to_bytes(), printed);
});
