//! The mail server: how it is reached, and what its refusals mean.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use lettre::Tokio1Executor;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::{self, AsyncSmtpTransport};

use super::letter::LetterError;
use crate::core::snapshot::{MailLogin, SmtpSecurity, SmtpSettings};

/// How long a mail server may take to answer (RFC 5321 §4.5.3.2 allows more, for servers of 1989).
const PATIENCE: Duration = Duration::from_secs(60);

/// Codes that refuse us rather than a mail: authentication is required or failed (RFC 4954 §6).
const ABOUT_US: [u16; 4] = [530, 534, 535, 538];

/// Why a mail was not sent.
pub(super) enum Failure {
    /// It never will be.
    Mail(String),
    /// This one, later.
    Later(String),
    /// None can be now.
    Server(String),
}

impl From<LetterError> for Failure {
    fn from(error: LetterError) -> Failure {
        Failure::Mail(error.to_string())
    }
}

/// What an error of sending means; where a token logs in, it is said what to look at.
pub(super) fn failure(smtp: &SmtpSettings, error: smtp::Error) -> Failure {
    // A server says why it does not take a token by asking on, which the library takes for a mistake
    // of ours.
    let of_login = error.is_client()
        || error
            .status()
            .is_some_and(|code| ABOUT_US.contains(&u16::from(code)));
    let asked_on = error.is_client() && error.to_string().contains("challenge");
    match (&smtp.credentials, Failure::from(error)) {
        (Some((user, MailLogin::OAuth2(file))), Failure::Server(words)) if of_login => {
            let words = match asked_on {
                true => "the server does not take the token".to_owned(),
                false => words,
            };
            Failure::Server(format!(
                "the OAuth2 login of {user} was refused: {words}. Check that the token file {} holds a \
                 valid access token with the right to send mail; what renews it may have stopped",
                file.display()
            ))
        }
        (_, failure) => failure,
    }
}

impl From<smtp::Error> for Failure {
    fn from(error: smtp::Error) -> Failure {
        let words = words(&error);
        match error.status().map(u16::from) {
            Some(code) if ABOUT_US.contains(&code) => Failure::Server(words),
            Some(_) if error.is_permanent() => Failure::Mail(words),
            Some(_) => Failure::Later(words),
            None => Failure::Server(words),
        }
    }
}

/// An error with its causes, on one line.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words.replace(['\r', '\n'], " ")
}

pub(super) fn transport(
    smtp: &SmtpSettings,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, Failure> {
    let host = smtp.host.as_str();
    let verified = || TlsParameters::new(host.to_owned());
    let tls = match (smtp.security, &smtp.credentials) {
        (SmtpSecurity::Tls, _) => verified().map(Tls::Wrapper),
        (SmtpSecurity::StartTls, _) => verified().map(Tls::Required),
        // A password leaves this machine encrypted or not at all.
        (SmtpSecurity::Opportunistic, Some(_)) if !is_this_machine(host) => {
            verified().map(Tls::Required)
        }
        // Whoever could show a false certificate could hide STARTTLS as well (RFC 7435 §3).
        (SmtpSecurity::Opportunistic, _) => TlsParameters::builder(host.to_owned())
            .dangerous_accept_invalid_certs(true)
            .build()
            .map(Tls::Opportunistic),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(smtp.port)
        .timeout(Some(PATIENCE))
        .tls(tls?);
    builder = match &smtp.credentials {
        None => builder,
        Some((name, MailLogin::Password(password))) => {
            builder.credentials(Credentials::new(name.clone(), password.0.clone()))
        }
        Some((name, MailLogin::OAuth2(file))) => builder
            .credentials(Credentials::new(name.clone(), token(file)?))
            .authentication(vec![Mechanism::Xoauth2]),
    };
    Ok(builder.build())
}

/// The access token that stands in a file now.
fn token(file: &Path) -> Result<String, Failure> {
    let failed = |words: String| {
        Failure::Server(format!(
            "the token file {} cannot be read: {words}. What renews it must write the token there, \
             and nothing else",
            file.display()
        ))
    };
    let limit = u64::try_from(MailLogin::TOKEN_OCTETS).unwrap_or(u64::MAX);
    let mut octets = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(limit).read_to_end(&mut octets))
        .map_err(|error| failed(error.to_string()))?;
    let token = MailLogin::token_in(&octets);
    let token = token.ok_or_else(|| failed("it does not hold one access token".to_owned()))?;
    Ok(token.to_owned())
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
