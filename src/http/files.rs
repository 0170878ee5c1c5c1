//! Files that are answered: in parts where a part is asked for (RFC 9110 §14), never run by a browser.

use std::io::SeekFrom;
use std::path::Path;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::HttpError;

/// What a file is answered as.
pub(super) struct Answered<'a> {
    /// Its media type; one that no browser runs.
    pub content_type: &'a str,
    /// The name it is offered for saving under; `None`: it is played or shown.
    pub save_as: Option<&'a str>,
    /// What stays the same while its octets do.
    pub tag: String,
}

/// Which octets are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// From the first to the last, both included.
    Range(u64, u64),
    Outside,
}

/// Answers a file on the disk, or the part of it that is asked for.
///
/// # Errors
/// It is gone, cannot be read, or the part lies outside.
pub(super) async fn file(
    path: &Path,
    answered: Answered<'_>,
    asked: &HeaderMap,
) -> Result<Response, HttpError> {
    let broken = |error: std::io::Error| {
        HttpError::Broken(format!("{} cannot be read: {error}", path.display()))
    };
    let mut file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(HttpError::NotFound("file of it any more"));
        }
        Err(error) => return Err(broken(error)),
    };
    let size = file.metadata().await.map_err(broken)?.len();
    if is_known(asked, &answered.tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers(&answered)).into_response());
    }
    let (status, from, length) = match part(asked, size, &answered.tag) {
        Part::Whole => (StatusCode::OK, 0, size),
        Part::Range(from, to) => {
            file.seek(SeekFrom::Start(from)).await.map_err(broken)?;
            let length = to.saturating_sub(from).saturating_add(1);
            (StatusCode::PARTIAL_CONTENT, from, length)
        }
        Part::Outside => return Err(HttpError::OutOfRange(size)),
    };
    let body = Body::from_stream(ReaderStream::new(file.take(length)));
    let mut response = (status, headers(&answered), body).into_response();
    let told = response.headers_mut();
    told.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if status == StatusCode::PARTIAL_CONTENT {
        let to = from.saturating_add(length).saturating_sub(1);
        if let Ok(range) = HeaderValue::from_str(&format!("bytes {from}-{to}/{size}")) {
            told.insert(header::CONTENT_RANGE, range);
        }
    }
    Ok(response)
}

/// Answers octets in memory, or the part of them that is asked for.
///
/// # Errors
/// The part lies outside.
pub(super) fn octets(
    octets: Bytes,
    answered: &Answered<'_>,
    asked: &HeaderMap,
) -> Result<Response, HttpError> {
    let size = octets.len() as u64;
    if is_known(asked, &answered.tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers(answered)).into_response());
    }
    match part(asked, size, &answered.tag) {
        Part::Whole => Ok((headers(answered), octets).into_response()),
        Part::Range(from, to) => {
            let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            let part = octets.slice(place(from)..place(to).saturating_add(1).min(octets.len()));
            let range = format!("bytes {from}-{to}/{size}");
            let mut response =
                (StatusCode::PARTIAL_CONTENT, headers(answered), part).into_response();
            if let Ok(range) = HeaderValue::from_str(&range) {
                response.headers_mut().insert(header::CONTENT_RANGE, range);
            }
            Ok(response)
        }
        Part::Outside => Err(HttpError::OutOfRange(size)),
    }
}

fn headers(answered: &Answered<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut say = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    say(header::CONTENT_TYPE, answered.content_type);
    say(header::ACCEPT_RANGES, "bytes");
    say(header::ETAG, &quoted(&answered.tag));
    // Kept by the browser alone, and asked for again each time, so that access is looked at.
    say(header::CACHE_CONTROL, "private, no-cache");
    match answered.save_as {
        Some(name) => say(header::CONTENT_DISPOSITION, &disposition(name)),
        None => say(header::CONTENT_DISPOSITION, "inline"),
    }
    headers
}

fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

/// `attachment` with a name in both forms (RFC 6266 §4.3, RFC 8187).
pub(super) fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '%' => '_',
            c if c.is_ascii() && !c.is_ascii_control() => c,
            _ => '_',
        })
        .collect();
    let coded: String = name
        .bytes()
        .map(|octet| match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                char::from(octet).to_string()
            }
            _ => format!("%{octet:02X}"),
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{coded}")
}

fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let known = asked.get(header::IF_NONE_MATCH);
    let known = known.and_then(|value| value.to_str().ok());
    known.is_some_and(|known| {
        let mut tags = known.split(',').map(str::trim);
        tags.any(|one| one == "*" || one.trim_start_matches("W/") == quoted(tag))
    })
}

/// The part that is asked for. Several at once are answered whole, as is a part of what has changed
/// since (If-Range).
fn part(asked: &HeaderMap, size: u64, tag: &str) -> Part {
    let text = |name| asked.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(header::RANGE) else {
        return Part::Whole;
    };
    if text(header::IF_RANGE).is_some_and(|known| known != quoted(tag)) {
        return Part::Whole;
    }
    let Some((first, last)) = range.split_once('=').and_then(|(unit, range)| {
        let range = range.trim();
        unit.eq_ignore_ascii_case("bytes")
            .then(|| range.split_once('-'))?
    }) else {
        return Part::Whole;
    };
    let end = size.saturating_sub(1);
    let number = |text: &str| {
        let text = text.trim();
        let digits = text.bytes().all(|octet| octet.is_ascii_digit());
        digits.then(|| text.parse::<u64>().ok())?
    };
    match (first.trim().is_empty(), last.trim().is_empty()) {
        (true, false) => match number(last) {
            Some(0) => Part::Outside,
            Some(_) if size == 0 => Part::Outside,
            Some(count) => Part::Range(size.saturating_sub(count), end),
            None => Part::Whole,
        },
        (false, is_open) => match (number(first), number(last)) {
            (Some(first), _) if first >= size && (is_open || number(last).is_some()) => {
                Part::Outside
            }
            (Some(first), _) if is_open => Part::Range(first, end),
            (Some(first), Some(last)) if first <= last => Part::Range(first, last.min(end)),
            _ => Part::Whole,
        },
        (true, true) => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_as_rfc_9110_says() {
        for (range, size, found) in [
            ("bytes=0-4", 10, Part::Range(0, 4)),
            ("bytes=5-", 10, Part::Range(5, 9)),
            ("Bytes=5-", 10, Part::Range(5, 9)),
            ("bytes=+1-+3", 10, Part::Whole),
            ("bytes=-3", 10, Part::Range(7, 9)),
            ("bytes=-99", 10, Part::Range(0, 9)),
            ("bytes=8-99", 10, Part::Range(8, 9)),
            ("bytes=10-", 10, Part::Outside),
            ("bytes=10-12", 10, Part::Outside),
            ("bytes=-0", 10, Part::Outside),
            ("bytes=0-", 0, Part::Outside),
            ("bytes=5-4", 10, Part::Whole),
            ("bytes=0-1,4-5", 10, Part::Whole),
            ("bytes=x-", 10, Part::Whole),
            ("bytes=-", 10, Part::Whole),
            ("lines=0-1", 10, Part::Whole),
            ("bytes=18446744073709551616-", 10, Part::Whole),
        ] {
            let mut asked = HeaderMap::new();
            asked.insert(header::RANGE, range.parse().unwrap());
            assert_eq!(part(&asked, size, "a"), found, "{range}");
            asked.insert(header::IF_RANGE, "\"a\"".parse().unwrap());
            assert_eq!(part(&asked, size, "a"), found, "{range}");
            asked.insert(header::IF_RANGE, "\"older\"".parse().unwrap());
            assert_eq!(part(&asked, size, "a"), Part::Whole, "{range}");
        }
    }

    #[test]
    fn a_file_name_cannot_leave_its_header() {
        assert_eq!(
            disposition("Søknad \"1\".pdf"),
            "attachment; filename=\"S_knad _1_.pdf\"; filename*=UTF-8''S%C3%B8knad%20%221%22.pdf"
        );
        let evil = disposition("a\r\nSet-Cookie: x\";.html");
        assert!(HeaderValue::from_str(&evil).is_ok());
        assert_eq!(evil.matches('"').count(), 2);
    }
}
