# make demo    builds all and shows the main job: an answered call, an unanswered one, one after hours
# make test    all tests, with real SIP programs on loopback
# make run     starts the daemon on config/
# make bench   measures the release binary (CPU time, not wall time)
# make check   formatter, clippy and documentation

SHELL := /bin/bash
.PHONY: demo test run bench check tools bench-tools

# The calls of `make test` come from SIPp and baresip, its mail goes to OpenSMTPD and is read from
# Dovecot, its NAT is made of network namespaces, and Node.js runs the servers that customer agents
# and webhooks talk to.
tools:
	@scripts/install-tools sipp=sip-tester node=nodejs baresip=baresip smtpd=opensmtpd dovecot=dovecot-imapd /usr/lib/dovecot/submission=dovecot-submissiond openssl=openssl ip=iproute2 nft=nftables chromium=chromium

demo:
	cargo build --release --quiet
	target/release/ringdesk demo

test: tools
	scripts/run-tests

run:
	cargo run --release --quiet -- run --config config

bench:
	scripts/bench

check:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
