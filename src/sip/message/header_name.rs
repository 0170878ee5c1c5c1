//! Names of header lines, long and compact.

/// A header by identity, so that names need not be compared as texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Unknown,
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    MaxForwards,
    ContentLength,
    ContentType,
    ContentEncoding,
    Supported,
    Subject,
    Event,
    AllowEvents,
    ReferTo,
    ReferredBy,
    AcceptContact,
    RejectContact,
    RequestDisposition,
    SessionExpires,
    Identity,
    IdentityInfo,
    Route,
    RecordRoute,
    Allow,
    UserAgent,
    Authorization,
    Expires,
    Require,
    ProxyRequire,
    Accept,
    Reason,
}

impl Name {
    /// By long name or compact form, in any case.
    pub(super) fn of(text: &[u8]) -> Name {
        let mut lower = [0u8; 20];
        let Some(lower) = lower.get_mut(..text.len()) else {
            return Name::Unknown;
        };
        for (lower, octet) in lower.iter_mut().zip(text) {
            *lower = octet.to_ascii_lowercase();
        }
        Name::of_lower(lower)
    }

    /// By length first: a name is then compared with two or three others, not with all.
    fn of_lower(lower: &[u8]) -> Name {
        match lower.len() {
            1 => match lower {
                b"v" => Name::Via,
                b"f" => Name::From,
                b"t" => Name::To,
                b"i" => Name::CallId,
                b"m" => Name::Contact,
                b"l" => Name::ContentLength,
                b"c" => Name::ContentType,
                b"e" => Name::ContentEncoding,
                b"k" => Name::Supported,
                b"s" => Name::Subject,
                b"o" => Name::Event,
                b"u" => Name::AllowEvents,
                b"r" => Name::ReferTo,
                b"b" => Name::ReferredBy,
                b"a" => Name::AcceptContact,
                b"j" => Name::RejectContact,
                b"d" => Name::RequestDisposition,
                b"x" => Name::SessionExpires,
                b"y" => Name::Identity,
                b"n" => Name::IdentityInfo,
                _ => Name::Unknown,
            },
            2 => match lower {
                b"to" => Name::To,
                _ => Name::Unknown,
            },
            3 => match lower {
                b"via" => Name::Via,
                _ => Name::Unknown,
            },
            4 => match lower {
                b"from" => Name::From,
                b"cseq" => Name::CSeq,
                _ => Name::Unknown,
            },
            5 => match lower {
                b"event" => Name::Event,
                b"route" => Name::Route,
                b"allow" => Name::Allow,
                _ => Name::Unknown,
            },
            6 => match lower {
                b"accept" => Name::Accept,
                b"reason" => Name::Reason,
                _ => Name::Unknown,
            },
            7 => match lower {
                b"call-id" => Name::CallId,
                b"contact" => Name::Contact,
                b"subject" => Name::Subject,
                b"expires" => Name::Expires,
                b"require" => Name::Require,
                _ => Name::Unknown,
            },
            8 => match lower {
                b"refer-to" => Name::ReferTo,
                b"identity" => Name::Identity,
                _ => Name::Unknown,
            },
            9 => match lower {
                b"supported" => Name::Supported,
                _ => Name::Unknown,
            },
            10 => match lower {
                b"user-agent" => Name::UserAgent,
                _ => Name::Unknown,
            },
            11 => match lower {
                b"referred-by" => Name::ReferredBy,
                _ => Name::Unknown,
            },
            12 => match lower {
                b"max-forwards" => Name::MaxForwards,
                b"content-type" => Name::ContentType,
                b"allow-events" => Name::AllowEvents,
                b"record-route" => Name::RecordRoute,
                _ => Name::Unknown,
            },
            13 => match lower {
                b"identity-info" => Name::IdentityInfo,
                b"authorization" => Name::Authorization,
                b"proxy-require" => Name::ProxyRequire,
                _ => Name::Unknown,
            },
            14 => match lower {
                b"content-length" => Name::ContentLength,
                b"accept-contact" => Name::AcceptContact,
                b"reject-contact" => Name::RejectContact,
                _ => Name::Unknown,
            },
            15 => match lower {
                b"session-expires" => Name::SessionExpires,
                _ => Name::Unknown,
            },
            16 => match lower {
                b"content-encoding" => Name::ContentEncoding,
                _ => Name::Unknown,
            },
            19 => match lower {
                b"request-disposition" => Name::RequestDisposition,
                _ => Name::Unknown,
            },
            _ => Name::Unknown,
        }
    }
}
