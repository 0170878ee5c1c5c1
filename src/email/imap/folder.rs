//! Names of folders as IMAP writes them (RFC 3501 §5.1.3, modified UTF-7).

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;

const MODIFIED: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// A folder's name as it goes over the wire.
pub(super) fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut run = String::new();
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            flush(&mut out, &mut run);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            run.push(c);
        }
    }
    flush(&mut out, &mut run);
    out
}

fn flush(out: &mut String, run: &mut String) {
    if run.is_empty() {
        return;
    }
    let octets: Vec<u8> = run.encode_utf16().flat_map(u16::to_be_bytes).collect();
    out.push('&');
    out.push_str(&MODIFIED.encode(octets));
    out.push('-');
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_have_names_in_all_scripts() {
        for (name, wire) in [
            ("INBOX", "INBOX"),
            ("Tom & Jerry", "Tom &- Jerry"),
            ("Støtte", "St&APg-tte"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("", ""),
        ] {
            assert_eq!(encoded(name), wire);
        }
    }
}
