use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use insta::assert_snapshot;
use uuid::Uuid;

use super::letter::compose;
use super::*;
use crate::core::id::CallId;
use crate::core::snapshot::SmtpSecurity;
use crate::core::time::Wall;

fn notice(number: u128) -> Notice {
    Notice {
        call: CallId(Uuid::from_u128(number)),
        to: vec!["office@example.com".to_owned()],
        channel: "main-line".into(),
        from: Some("+4790000001".parse().unwrap()),
        from_name: Some("Kåre Berg".to_owned()),
        dialled: "+4722334455".to_owned(),
        at: Wall::from_seconds(1_796_204_400),
        local: "Wed 2026-12-02 10:40+01:00".to_owned(),
        detail: "nobody answered, no message left".to_owned(),
        voicemail: None,
    }
}

fn mail(notice: Notice) -> String {
    let queued = Wall::from_seconds(1_796_204_460);
    let message = compose(&notice, queued, "Ringdesk <ringdesk@example.com>").unwrap();
    let text = String::from_utf8(message.formatted()).unwrap();
    text.replace("\r\n", "\n")
}

#[test]
fn a_missed_call_is_told_in_plain_words() {
    let mut missed = notice(7);
    missed.from_name = Some("Kare Berg".to_owned());
    assert_snapshot!(mail(missed), @r"
    Message-ID: <00000000-0000-0000-0000-000000000007@example.com>
    Date: Wed, 02 Dec 2026 09:41:00 +0000
    From: Ringdesk <ringdesk@example.com>
    Subject: Missed call from +4790000001 to main-line
    Auto-Submitted: auto-generated
    To: office@example.com
    MIME-Version: 1.0
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: 7bit

    +4790000001 (Kare Berg) called main-line (+4722334455)
    on Wed 2026-12-02 10:40+01:00.
    Nobody talked to the caller: nobody answered, no message left.

    To call back: tel:+4790000001

    Why the call went as it did:
    ringdesk explain 00000000-0000-0000-0000-000000000007
    ");
}

#[test]
fn a_voicemail_says_how_long_it_is_and_carries_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("7.wav");
    fs::write(&file, b"RIFF\0\x01\xff\xfe and so on").unwrap();
    let mut voicemail = notice(7);
    voicemail.voicemail = Some((41.6, file));
    let text = mail(voicemail);
    assert!(
        text.contains("Subject: Voicemail from +4790000001 to main-line (0:42)\n"),
        "{text}"
    );
    assert!(text.contains("Content-Type: audio/wav\n"), "{text}");
    assert!(
        text.contains("filename=\"voicemail-2026-12-02-1040.wav\""),
        "{text}"
    );
    // The body has a letter beyond ASCII, so it is encoded, and so is the audio.
    assert!(text.contains("K=C3=A5re Berg"), "{text}");
    assert!(text.contains("UklGRgAB//4gYW5kIHNvIG9u"), "{text}");
}

#[test]
fn a_recording_that_is_gone_or_too_long_is_named_instead() {
    let directory = tempfile::tempdir().unwrap();
    let mut voicemail = notice(7);
    voicemail.voicemail = Some((41.6, directory.path().join("7.wav")));
    assert!(mail(voicemail.clone()).contains("It is not attached: "));
    let long = fs::File::create(directory.path().join("7.wav")).unwrap();
    long.set_len(20_000_001).unwrap();
    assert!(mail(voicemail).contains("too long for a mail"));
}

#[test]
fn what_callers_call_themselves_makes_no_header_and_no_line() {
    let mut evil = notice(7);
    evil.from = None;
    evil.from_name =
        Some("x\r\nBcc: all@example.com\r\n\r\nNobody talked to the caller: lies".to_owned());
    evil.dialled = "1\r\n.\r\nQUIT".to_owned();
    let text = mail(evil);
    let (headers, body) = text.split_once("\n\n").unwrap();
    assert!(!headers.contains("Bcc"), "{headers}");
    assert!(headers.contains("Subject: Missed call from an anonymous caller to main-line"));
    let lines: Vec<&str> = body.lines().collect();
    assert!(lines[0].contains("(x  Bcc: all@example.com"), "{body}");
    assert!(!lines.contains(&"."), "{body}");
    assert_eq!(body.matches("\nNobody talked").count(), 1, "{body}");
}

#[test]
fn the_same_notice_is_the_same_mail_each_time() {
    assert_eq!(mail(notice(7)), mail(notice(7)));
    assert_ne!(mail(notice(7)), mail(notice(8)));
}

#[test]
fn waiting_doubles_up_to_the_longest() {
    let retry = Retry::default();
    let minutes: Vec<u64> = [1, 2, 3, 6, 7, 8, 100, u32::MAX]
        .map(|failures| retry.wait(failures).as_secs() / 60)
        .to_vec();
    assert_eq!(minutes, [1, 2, 4, 32, 60, 60, 60, 60]);
}

/// A mail server that does not exist: nothing listens there.
fn nowhere() -> Option<SmtpSettings> {
    Some(SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: 1,
        security: SmtpSecurity::Opportunistic,
        from: "ringdesk@example.com".to_owned(),
        credentials: None,
    })
}

fn open(
    directory: &Path,
    smtp: Option<SmtpSettings>,
    retry: Retry,
) -> (Mailer, Sending, Receiver<String>) {
    let (sender, told) = channel();
    let (mailer, sending) = Mailer::open(directory, smtp, retry, move |_, text| {
        let _ = sender.send(text);
    })
    .unwrap();
    (mailer, sending, told)
}

fn waiting(directory: &Path) -> usize {
    files(directory).len()
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".json")).collect()
}

#[test]
fn a_notice_is_queued_once_and_not_at_all_without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let (mailer, sending, _) = open(directory.path(), None, Retry::default());
    mailer.queue(&notice(1)).unwrap();
    assert_eq!(waiting(directory.path()), 0);
    mailer.configure(nowhere());
    for _ in 0..2 {
        mailer.queue(&notice(1)).unwrap();
    }
    mailer.queue(&notice(2)).unwrap();
    drop((mailer, sending));
    assert_eq!(waiting(directory.path()), 2);
    // As recovery does after kill -9.
    let (mailer, _sending, _) = open(directory.path(), nowhere(), Retry::default());
    mailer.queue(&notice(1)).unwrap();
    assert_eq!(waiting(directory.path()), 2);
}

#[test]
fn what_cannot_be_sent_for_too_long_is_kept_aside_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let retry = Retry {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(1),
        give_up: Duration::ZERO,
    };
    let (mailer, _sending, told) = open(directory.path(), nowhere(), retry);
    mailer.queue(&notice(1)).unwrap();
    let text = told.recv().unwrap();
    assert!(text.contains("office@example.com is given up"), "{text}");
    drop(_sending);
    let failed = directory.path().join("failed");
    let name = files(&failed).pop().unwrap();
    let kept = fs::read_to_string(failed.join(name)).unwrap();
    assert!(kept.contains("Connection refused"), "{kept}");
    mailer.queue(&notice(1)).unwrap();
    assert_eq!(waiting(directory.path()), 0);
}

#[test]
fn a_file_that_a_crash_left_half_written_is_not_a_notice() {
    let directory = tempfile::tempdir().unwrap();
    let (mailer, sending, _) = open(directory.path(), nowhere(), Retry::default());
    mailer.queue(&notice(1)).unwrap();
    drop((mailer, sending));
    let id = CallId(Uuid::from_u128(2));
    fs::write(directory.path().join(format!("{id}.new")), "{\"noti").unwrap();
    let broken = CallId(Uuid::from_u128(3));
    fs::write(directory.path().join(format!("{broken}.json")), "{\"noti").unwrap();
    let retry = Retry {
        first: Duration::from_millis(1),
        ..Retry::default()
    };
    let (_mailer, sending, told) = open(directory.path(), nowhere(), retry);
    let texts: Vec<String> = told.iter().take(2).collect();
    assert!(texts.concat().contains("cannot be read"), "{texts:?}");
    drop(sending);
    assert_eq!(waiting(directory.path()), 1);
    assert_eq!(waiting(&directory.path().join("failed")), 1);
}

fn letter(number: u128) -> Letter {
    Letter {
        key: Uuid::from_u128(number),
        from: "support@example.com".to_owned(),
        to: vec!["kare@example.org".to_owned()],
        octets: b"Subject: x\r\n\r\nHello\r\n".to_vec(),
    }
}

#[test]
fn a_letter_is_queued_once_and_its_fate_is_told_and_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let (mailer, sending, _) = open(directory.path(), None, Retry::default());
    let error = mailer.queue_letter(&letter(1)).unwrap_err().to_string();
    assert!(error.contains("no [smtp]"), "{error}");
    drop((mailer, sending));
    let retry = Retry {
        give_up: Duration::ZERO,
        ..Retry::default()
    };
    let (reports, told) = channel();
    let open = || {
        let reports = reports.clone();
        let report = move |report| reports.send(report).unwrap();
        Mailer::open_reporting(directory.path(), nowhere(), retry, |_, _| {}, report).unwrap()
    };
    let (mailer, sending) = open();
    assert_eq!(mailer.queue_letter(&letter(1)).unwrap(), Progress::Waiting);
    let report = told.recv().unwrap();
    assert_eq!(report.key, Uuid::from_u128(1));
    let words = report.result.unwrap_err();
    assert!(words.contains("Connection refused"), "{words}");
    drop((mailer, sending));
    assert!(
        !directory
            .path()
            .join(format!("{}.eml", Uuid::from_u128(1)))
            .exists()
    );
    // As after a crash before the report was noted.
    let (mailer, _sending) = open();
    assert_eq!(
        mailer.queue_letter(&letter(1)).unwrap(),
        Progress::Failed(words)
    );
}

#[test]
fn a_thread_that_ended_by_a_fault_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let fault = |_: bool, text: String| panic!("on purpose: {text}");
    let (mailer, sending) =
        Mailer::open(directory.path(), nowhere(), Retry::default(), fault).unwrap();
    assert!(sending.is_running());
    mailer.queue(&notice(1)).unwrap();
    let ended = sending
        .over
        .recv_timeout(std::time::Duration::from_secs(60));
    assert_eq!(ended, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
    assert!(!sending.is_running());
}
