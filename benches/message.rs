//! SIP messages: what reading, asking, answering and writing one costs.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringdesk::sip::message::{Message, Request, StreamReader, check_request};

/// As a carrier sends it.
const INVITE: &str = "INVITE sip:+4722334455@203.0.113.7:5060;user=phone SIP/2.0\r\n\
Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK-524287-1---8a1f0c5b7d3e9a42;rport\r\n\
Via: SIP/2.0/UDP 198.51.100.31:5060;branch=z9hG4bK3d1f.8c2b9a17000000000000000000000000.0\r\n\
Record-Route: <sip:198.51.100.20;lr;ftag=as5b2d1f3a>\r\n\
Max-Forwards: 69\r\n\
Contact: <sip:+4790000001@198.51.100.31:5060;transport=udp>\r\n\
To: <sip:+4722334455@203.0.113.7;user=phone>\r\n\
From: \"Berg, Anna\" <sip:+4790000001@carrier.example;user=phone>;tag=as5b2d1f3a\r\n\
Call-ID: 5d2f1a7b3c9e4f60812d@198.51.100.31\r\n\
CSeq: 102 INVITE\r\n\
User-Agent: Carrier SBC 7.2\r\n\
Date: Mon, 23 Nov 2026 09:00:00 GMT\r\n\
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, UPDATE\r\n\
Supported: replaces, timer\r\n\
P-Asserted-Identity: \"Berg, Anna\" <sip:+4790000001@carrier.example>\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 240\r\n\
\r\n\
v=0\r\n\
o=- 1795424400 1795424400 IN IP4 198.51.100.40\r\n\
s=-\r\n\
c=IN IP4 198.51.100.40\r\n\
t=0 0\r\n\
m=audio 18352 RTP/AVP 8 0 101\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-16\r\n\
a=ptime:20\r\n\
a=sendrecv\r\n";

fn request() -> Request {
    match Message::parse(INVITE.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

fn message(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("message");
    group.throughput(Throughput::Bytes(INVITE.len() as u64));
    group.bench_function("parse INVITE", |bencher| {
        bencher.iter(|| Message::parse(black_box(INVITE.as_bytes())));
    });
    group.bench_function("parse INVITE from a stream", |bencher| {
        bencher.iter(|| {
            let mut reader = StreamReader::new();
            reader.push(black_box(INVITE.as_bytes()));
            reader.next_frame()
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("message");
    let request = request();
    group.bench_function("From, To, Contact, CSeq, Call-ID", |bencher| {
        bencher.iter(|| {
            let headers = &black_box(&request).headers;
            (
                headers.from(),
                headers.to(),
                headers.contacts(),
                headers.cseq(),
                headers.call_id().map(str::len),
            )
        });
    });
    group.bench_function("check_request", |bencher| {
        bencher.iter(|| check_request(black_box(&request)));
    });
    group.bench_function("180 for INVITE, written", |bencher| {
        bencher.iter(|| black_box(&request).response(180).to_bytes());
    });
    group.bench_function("write INVITE", |bencher| {
        bencher.iter(|| black_box(&request).to_bytes());
    });
    group.finish();
}

criterion_group!(benches, message);
criterion_main!(benches);
