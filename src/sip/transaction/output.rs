//! Where transactions put what they want done.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Action, ClientKey};
use crate::sip::flow::Flow;
use crate::sip::message::Response;

/// Where a client transaction puts what it wants.
pub(super) struct ClientOutput<'a> {
    pub key: ClientKey,
    pub flow: Flow,
    pub is_silent: bool,
    pub actions: &'a mut VecDeque<Action>,
}

/// Where a server transaction puts what it wants.
pub(super) struct ServerOutput<'a> {
    pub flow: Flow,
    pub actions: &'a mut VecDeque<Action>,
}

impl ClientOutput<'_> {
    /// Send this to where the request went.
    pub fn transmit(&mut self, bytes: Bytes) {
        self.actions.push_back(Action::Transmit {
            flow: self.flow,
            bytes,
        });
    }

    /// The transaction user gets this response.
    pub fn deliver(&mut self, response: Response, flow: Flow) {
        if !self.is_silent {
            self.actions.push_back(Action::Response {
                key: self.key,
                response,
                flow,
            });
        }
    }

    /// The end: no answer in time.
    pub fn timed_out(&mut self) {
        if !self.is_silent {
            self.actions.push_back(Action::TimedOut { key: self.key });
        }
    }

    /// The end: it could not be sent.
    pub fn transport_failed(&mut self) {
        if !self.is_silent {
            self.actions
                .push_back(Action::TransportFailed { key: self.key });
        }
    }
}

impl ServerOutput<'_> {
    /// Send this to where responses go.
    pub fn transmit(&mut self, bytes: Bytes) {
        self.actions.push_back(Action::Transmit {
            flow: self.flow,
            bytes,
        });
    }
}
