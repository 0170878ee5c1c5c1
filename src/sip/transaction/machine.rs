//! A transaction, whether it is of an INVITE or not: the table knows these two, each machine its own rules.

use bytes::Bytes;

use super::client_invite::ClientInvite;
use super::client_non_invite::ClientNonInvite;
use super::output::{ClientOutput, ServerOutput};
use super::server_invite::{AckFor, ServerInvite};
use super::server_non_invite::ServerNonInvite;
use super::timers::Timer;
use crate::core::time::Mono;
use crate::sip::flow::Flow;
use crate::sip::message::{Request, Response};

/// A request of ours.
pub(super) enum ClientMachine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

/// A request of theirs.
pub(super) enum ServerMachine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

impl ClientMachine {
    pub fn handle_response(
        &mut self,
        response: Response,
        flow: Flow,
        now: Mono,
        out: &mut ClientOutput<'_>,
    ) {
        match self {
            ClientMachine::Invite(machine) => machine.handle_response(response, flow, now, out),
            ClientMachine::NonInvite(machine) => machine.handle_response(response, flow, now, out),
        }
    }

    pub fn handle_transport_error(&mut self, out: &mut ClientOutput<'_>) {
        match self {
            ClientMachine::Invite(machine) => machine.handle_transport_error(out),
            ClientMachine::NonInvite(machine) => machine.handle_transport_error(out),
        }
    }

    pub fn cancel(&mut self, reason: Option<&str>) {
        match self {
            ClientMachine::Invite(machine) => machine.cancel(reason),
            ClientMachine::NonInvite(_) => {}
        }
    }

    pub fn take_cancel(&mut self, now: Mono) -> Option<Request> {
        match self {
            ClientMachine::Invite(machine) => machine.take_cancel(now),
            ClientMachine::NonInvite(_) => None,
        }
    }

    pub fn next_timeout(&self) -> Option<(Timer, Mono)> {
        match self {
            ClientMachine::Invite(machine) => machine.next_timeout(),
            ClientMachine::NonInvite(machine) => machine.next_timeout(),
        }
    }

    pub fn handle_timeout(&mut self, timer: Timer, now: Mono, out: &mut ClientOutput<'_>) {
        match self {
            ClientMachine::Invite(machine) => machine.handle_timeout(timer, now, out),
            ClientMachine::NonInvite(machine) => machine.handle_timeout(timer, now, out),
        }
    }

    pub fn is_terminated(&self) -> bool {
        match self {
            ClientMachine::Invite(machine) => machine.is_terminated(),
            ClientMachine::NonInvite(machine) => machine.is_terminated(),
        }
    }
}

impl ServerMachine {
    pub fn handle_retransmission(&self, out: &mut ServerOutput<'_>) {
        match self {
            ServerMachine::Invite(machine) => machine.handle_retransmission(out),
            ServerMachine::NonInvite(machine) => machine.handle_retransmission(out),
        }
    }

    pub fn respond(&mut self, status: u16, bytes: Bytes, now: Mono, out: &mut ServerOutput<'_>) {
        match self {
            ServerMachine::Invite(machine) => machine.respond(status, bytes, now, out),
            ServerMachine::NonInvite(machine) => machine.respond(status, bytes, now, out),
        }
    }

    pub fn handle_ack(&mut self, now: Mono) -> AckFor {
        match self {
            ServerMachine::Invite(machine) => machine.handle_ack(now),
            ServerMachine::NonInvite(_) => AckFor::Layer,
        }
    }

    pub fn handle_rerouting(&self, out: &mut ServerOutput<'_>) {
        match self {
            ServerMachine::Invite(machine) => machine.handle_rerouting(out),
            ServerMachine::NonInvite(_) => {}
        }
    }

    pub fn handle_cancel(&mut self) -> bool {
        match self {
            ServerMachine::Invite(machine) => machine.handle_cancel(),
            ServerMachine::NonInvite(_) => false,
        }
    }

    pub fn next_timeout(&self) -> Option<(Timer, Mono)> {
        match self {
            ServerMachine::Invite(machine) => machine.next_timeout(),
            ServerMachine::NonInvite(machine) => machine.next_timeout(),
        }
    }

    pub fn handle_timeout(&mut self, timer: Timer, now: Mono, out: &mut ServerOutput<'_>) {
        match self {
            ServerMachine::Invite(machine) => machine.handle_timeout(timer, now, out),
            ServerMachine::NonInvite(machine) => machine.handle_timeout(),
        }
    }

    pub fn is_terminated(&self) -> bool {
        match self {
            ServerMachine::Invite(machine) => machine.is_terminated(),
            ServerMachine::NonInvite(machine) => machine.is_terminated(),
        }
    }
}
