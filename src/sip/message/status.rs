//! Reason phrases (RFC 3261 §21 and the registry of its extensions).

use rsip::StatusCode;

/// The phrase that stands beside a status code; the one of its class where the code is unknown.
pub fn reason_phrase(status: u16) -> &'static str {
    match StatusCode::from(status) {
        StatusCode::Trying => "Trying",
        StatusCode::Ringing => "Ringing",
        StatusCode::CallIsBeingForwarded => "Call Is Being Forwarded",
        StatusCode::Queued => "Queued",
        StatusCode::SessionProgress => "Session Progress",
        StatusCode::EarlyDialogTerminated => "Early Dialog Terminated",
        StatusCode::OK => "OK",
        StatusCode::NoNotification => "No Notification",
        StatusCode::MultipleChoices => "Multiple Choices",
        StatusCode::MovedPermanently => "Moved Permanently",
        StatusCode::MovedTemporarily => "Moved Temporarily",
        StatusCode::UseProxy => "Use Proxy",
        StatusCode::AlternativeService => "Alternative Service",
        StatusCode::BadRequest => "Bad Request",
        StatusCode::Unauthorized => "Unauthorized",
        StatusCode::PaymentRequired => "Payment Required",
        StatusCode::Forbidden => "Forbidden",
        StatusCode::NotFound => "Not Found",
        StatusCode::MethodNotAllowed => "Method Not Allowed",
        StatusCode::NotAcceptable => "Not Acceptable",
        StatusCode::ProxyAuthenticationRequired => "Proxy Authentication Required",
        StatusCode::RequestTimeout => "Request Timeout",
        StatusCode::Gone => "Gone",
        StatusCode::ConditionalRequestFailed => "Conditional Request Failed",
        StatusCode::RequestEntityTooLarge => "Request Entity Too Large",
        StatusCode::RequestUriTooLong => "Request-URI Too Long",
        StatusCode::UnsupportedMediaType => "Unsupported Media Type",
        StatusCode::UnsupportedUriScheme => "Unsupported URI Scheme",
        StatusCode::UnknownResourcePriority => "Unknown Resource-Priority",
        StatusCode::BadExtension => "Bad Extension",
        StatusCode::ExtensionRequired => "Extension Required",
        StatusCode::SessionIntervalTooSmall => "Session Interval Too Small",
        StatusCode::IntervalTooBrief => "Interval Too Brief",
        StatusCode::BadLocationInformation => "Bad Location Information",
        StatusCode::UseIdentityHeader => "Use Identity Header",
        StatusCode::ProvideReferrerIdentity => "Provide Referrer Identity",
        StatusCode::AnonymityDisallowed => "Anonymity Disallowed",
        StatusCode::BadIdentityInfo => "Bad Identity Info",
        StatusCode::UnsupportedCertificate => "Unsupported Credential",
        StatusCode::InvalidIdentityHeader => "Invalid Identity Header",
        StatusCode::FirstHopLacksOutboundSupport => "First Hop Lacks Outbound Support",
        StatusCode::MaxBreadthExceeded => "Max-Breadth Exceeded",
        StatusCode::BadInfoPackage => "Bad Info Package",
        StatusCode::ConsentNeeded => "Consent Needed",
        StatusCode::TemporarilyUnavailable => "Temporarily Unavailable",
        StatusCode::CallTransactionDoesNotExist => "Call/Transaction Does Not Exist",
        StatusCode::LoopDetected => "Loop Detected",
        StatusCode::TooManyHops => "Too Many Hops",
        StatusCode::AddressIncomplete => "Address Incomplete",
        StatusCode::Ambiguous => "Ambiguous",
        StatusCode::BusyHere => "Busy Here",
        StatusCode::RequestTerminated => "Request Terminated",
        StatusCode::NotAcceptableHere => "Not Acceptable Here",
        StatusCode::BadEvent => "Bad Event",
        StatusCode::RequestPending => "Request Pending",
        StatusCode::Undecipherable => "Undecipherable",
        StatusCode::SecurityAgreementRequired => "Security Agreement Required",
        StatusCode::ServerInternalError => "Server Internal Error",
        StatusCode::NotImplemented => "Not Implemented",
        StatusCode::BadGateway => "Bad Gateway",
        StatusCode::ServiceUnavailable => "Service Unavailable",
        StatusCode::ServerTimeOut => "Server Time-out",
        StatusCode::VersionNotSupported => "Version Not Supported",
        StatusCode::MessageTooLarge => "Message Too Large",
        StatusCode::PreconditionFailure => "Precondition Failure",
        StatusCode::BusyEverywhere => "Busy Everywhere",
        StatusCode::Decline => "Decline",
        StatusCode::DoesNotExistAnywhere => "Does Not Exist Anywhere",
        StatusCode::NotAcceptableGlobal => "Not Acceptable",
        StatusCode::Unwanted => "Unwanted",
        // 201 is one of HTTP, and 409 and 411 were withdrawn.
        StatusCode::Accepted | StatusCode::Conflict | StatusCode::LengthRequired => class(status),
        StatusCode::Other(code, _) => newer(code),
    }
}

/// Those that are missing from rsip's list.
fn newer(status: u16) -> &'static str {
    match status {
        202 => "Accepted",
        430 => "Flow Failed",
        608 => "Rejected",
        _ => class(status),
    }
}

fn class(status: u16) -> &'static str {
    match status {
        0..200 => "Progress",
        200..300 => "Success",
        300..400 => "Redirection",
        400..500 => "Request Failure",
        500..600 => "Server Failure",
        600.. => "Global Failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_those_of_the_rfcs() {
        let phrases = [100, 202, 401, 414, 430, 481, 487, 504, 603, 699].map(reason_phrase);
        assert_eq!(
            phrases,
            [
                "Trying",
                "Accepted",
                "Unauthorized",
                "Request-URI Too Long",
                "Flow Failed",
                "Call/Transaction Does Not Exist",
                "Request Terminated",
                "Server Time-out",
                "Decline",
                "Global Failure",
            ]
        );
    }
}
