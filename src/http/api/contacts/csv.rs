//! Contacts as CSV, in and out. Spreadsheets run what looks like a formula, so that no cell that goes
//! out does.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use csv::{ReaderBuilder, StringRecord, Trim, WriterBuilder};
use futures_util::stream;
use utoipa_axum::routes;

use super::bulk::{Became, Outcome, gather, put};
use super::{Wanted, number};
use crate::core::conversation::ContactRecord;
use crate::core::id::ContactId;
use crate::core::snapshot::Scope;
use crate::http::body::of_body;
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem};
use crate::store::{ContactKey, ContactQuery, LARGEST_PAGE};

/// The largest file, in octets.
const LARGEST: usize = 5 * 1024 * 1024;

/// Contacts of one file.
const MOST: usize = 5_000;

/// Contacts that go out at most: more than a spreadsheet shows.
const MOST_OUT: usize = 500_000;

/// The columns of what goes out; what comes in has some of them.
const COLUMNS: [&str; 7] = [
    "id",
    "external_id",
    "name",
    "addresses",
    "numbers",
    "owner",
    "note",
];

/// What a cell begins with that some spreadsheet takes for a formula, also in the wide forms of
/// Chinese, Japanese and Korean; and the mark itself.
const FORMULA: [char; 12] = [
    '=', '+', '-', '@', '\t', '\r', '\n', '\'', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
];

/// Between several addresses or numbers in one cell.
const BETWEEN: &str = "; ";

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .add(Needs::scope(Scope::ReadContacts), routes!(export))
        .add(
            Needs::scope(Scope::WriteContacts).largest(LARGEST),
            routes!(import),
        )
}

/// All contacts as CSV (UTF-8). A cell that a spreadsheet would take for a formula begins with `'`.
#[utoipa::path(get, path = "/api/v1/contact-export", tag = "contacts", responses((status = 200, description = "text/csv")))]
async fn export(State(app): State<App>, asker: Asker) -> Result<Response, HttpError> {
    app.audit(&asker, "contact.export", "contacts", "");
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"contacts.csv\"",
        ),
    ];
    // Page by page, as the client takes them: all of them would be gigabytes.
    let pages = stream::try_unfold(Some(Export::default()), move |export| {
        let app = app.clone();
        async move {
            let Some(export) = export else {
                return Ok(None);
            };
            export.page(&app).await.map(Some)
        }
    });
    Ok((headers, Body::from_stream(pages)).into_response())
}

/// How far an export has come.
#[derive(Default)]
struct Export {
    after: Option<ContactId>,
    count: usize,
}

impl Export {
    /// The next lines, and how it goes on.
    async fn page(self, app: &App) -> Result<(Vec<u8>, Option<Export>), HttpError> {
        let query = ContactQuery {
            after: self.after,
            limit: LARGEST_PAGE,
            ..ContactQuery::default()
        };
        let (contacts, more) = app.services.readers.contacts(&query).await?;
        let mut writer = WriterBuilder::new().from_writer(Vec::new());
        let broken = |error: csv::Error| HttpError::Broken(format!("writing CSV: {error}"));
        if self.count == 0 {
            writer.write_record(COLUMNS).map_err(broken)?;
        }
        for contact in &contacts {
            writer.write_record(row(contact)).map_err(broken)?;
        }
        let octets = writer
            .into_inner()
            .map_err(|error| HttpError::Broken(format!("writing CSV: {error}")))?;
        let after = contacts.last().map(|contact| contact.id);
        let count = self.count.saturating_add(contacts.len());
        let goes_on = more && after.is_some() && count < MOST_OUT;
        Ok((octets, goes_on.then_some(Export { after, count })))
    }
}

fn row(contact: &ContactRecord) -> [String; 7] {
    let numbers: Vec<String> = contact.numbers.iter().map(ToString::to_string).collect();
    [
        contact.id.to_string(),
        contact.external_id.clone().unwrap_or_default(),
        contact.name.clone(),
        contact.addresses.join(BETWEEN),
        numbers.join(BETWEEN),
        contact
            .owner
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        contact.note.clone(),
    ]
    .map(defused)
}

/// A cell that no spreadsheet runs.
fn defused(cell: String) -> String {
    match cell.starts_with(FORMULA) {
        true => format!("'{cell}"),
        false => cell,
    }
}

/// The cell that [`defused`] made this of.
fn fused(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(FORMULA) => rest,
        Some(_) | None => cell,
    }
}

/// Takes contacts in from CSV (`Content-Type: text/csv`, UTF-8, with a head): one whose `id`,
/// `external_id`, address or number is known is changed, others are made. Columns that are left out
/// stay as they are. One that cannot be taken in does not keep the others from it.
#[utoipa::path(post, path = "/api/v1/contact-import", tag = "contacts", request_body(content = String, content_type = "text/csv"), responses(
    (status = 200, body = Outcome), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
))]
async fn import(
    State(app): State<App>,
    asker: Asker,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Outcome>, HttpError> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("text/csv") {
        return Err(HttpError::Unsupported(
            "Send the file as CSV, with `Content-Type: text/csv`.".to_owned(),
        ));
    }
    let body = body.map_err(|error| of_body(error.status(), error.body_text()))?;
    let lines = read(&body)?;
    let (app, asker) = (&app, &asker);
    let tasks = lines.into_iter().map(|line| async move {
        let place = line.place;
        (place, take_in(app, asker, line).await)
    });
    let outcome = gather(tasks).await;
    app.audit(asker, "contact.import", "contacts", &outcome.told());
    Ok(Json(outcome))
}

/// A line of a file: its cells by column.
#[derive(Debug)]
struct Line {
    place: u64,
    cells: Vec<(&'static str, String)>,
}

impl Line {
    fn cell(&self, column: &str) -> Option<&str> {
        let mut cells = self.cells.iter();
        cells
            .find(|(name, _)| *name == column)
            .map(|(_, cell)| cell.as_str())
    }

    fn several(&self, column: &str) -> Option<Vec<String>> {
        let parts = self.cell(column)?.split([';', ',', '\n']);
        let parts = parts.map(|part| fused(part.trim()).to_owned());
        Some(parts.filter(|part| !part.is_empty()).collect())
    }
}

fn read(octets: &[u8]) -> Result<Vec<Line>, HttpError> {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let first = octets.split(|octet| *octet == b'\n').next();
    let semicolons = first.is_some_and(|head| head.contains(&b';') && !head.contains(&b','));
    let mut reader = ReaderBuilder::new()
        .delimiter(if semicolons { b';' } else { b',' })
        .trim(Trim::All)
        .flexible(false)
        .from_reader(octets);
    let unread =
        |error: csv::Error| HttpError::Unreadable(format!("The CSV cannot be read: {error}."));
    let head = reader.headers().map_err(unread)?.clone();
    let columns = columns(&head)?;
    let mut lines = Vec::new();
    let (mut counted, mut line) = (0, 1);
    for record in reader.records() {
        let record = record.map_err(unread)?;
        if lines.len() >= MOST {
            return Err(HttpError::TooLarge(format!(
                "A file has {MOST} contacts at most: send the rest in others."
            )));
        }
        // Where a record begins is told before the end of the line above it.
        let begins = record.position().map_or(0, csv::Position::byte);
        let begins = usize::try_from(begins).unwrap_or(usize::MAX);
        let rest = octets.get(begins..).unwrap_or_default();
        let ends = rest
            .iter()
            .take_while(|octet| matches!(octet, b'\r' | b'\n'));
        let begins = begins.saturating_add(ends.count());
        let between = octets.get(counted..begins).unwrap_or_default();
        line += between.iter().filter(|octet| **octet == b'\n').count() as u64;
        counted = begins;
        let cells = columns.iter().zip(record.iter());
        lines.push(Line {
            place: line,
            cells: cells
                .map(|(column, cell)| (*column, fused(cell).to_owned()))
                .collect(),
        });
    }
    Ok(lines)
}

fn columns(head: &StringRecord) -> Result<Vec<&'static str>, HttpError> {
    let known = |name: &str| COLUMNS.into_iter().find(|known| *known == name);
    let columns = head.iter().map(|name| {
        known(name.to_lowercase().trim()).ok_or_else(|| {
            HttpError::Invalid(format!(
                "There is no column {name:?}. There are: {}.",
                COLUMNS.join(", ")
            ))
        })
    });
    let columns: Vec<&str> = columns.collect::<Result<_, _>>()?;
    let twice = (1..columns.len()).find(|place| columns[..*place].contains(&columns[*place]));
    match twice {
        Some(place) => Err(HttpError::Invalid(format!(
            "The column {:?} stands there twice.",
            columns[place]
        ))),
        None => Ok(columns),
    }
}

async fn take_in(app: &App, asker: &Asker, line: Line) -> Result<Became, HttpError> {
    let known = find(app, &line).await?;
    let before = known.clone().unwrap_or_default();
    let text = |column: &str, before: &str| line.cell(column).unwrap_or(before).to_owned();
    let owner = before.owner.as_ref().map(ToString::to_string);
    let wanted = Wanted {
        revision: None,
        name: text("name", &before.name),
        addresses: line.several("addresses").unwrap_or(before.addresses),
        numbers: line.several("numbers").unwrap_or_else(|| {
            let numbers = before.numbers.iter();
            numbers.map(ToString::to_string).collect()
        }),
        owner: Some(text("owner", &owner.unwrap_or_default())),
        external_id: Some(text("external_id", &before.external_id.unwrap_or_default())),
        note: text("note", &before.note),
    };
    put(app, asker, wanted, known).await
}

/// The contact that a line is about.
async fn find(app: &App, line: &Line) -> Result<Option<ContactRecord>, HttpError> {
    let readers = &app.services.readers;
    if let Some(id) = line.cell("id").filter(|id| !id.is_empty()) {
        let found = readers.contact(super::parse(id)?).await?;
        let found = found.filter(|found| found.gone.is_none());
        return found
            .map(Some)
            .ok_or(HttpError::NotFound("contact of that id"));
    }
    let mut keys = Vec::new();
    let external = line.cell("external_id").filter(|id| !id.is_empty());
    keys.extend(external.map(|id| ContactKey::ExternalId(id.to_owned())));
    let addresses = line.several("addresses").unwrap_or_default();
    keys.extend(
        addresses
            .iter()
            .map(|one| ContactKey::Address(one.to_lowercase())),
    );
    let snapshot = app.services.door.snapshot();
    for text in line.several("numbers").unwrap_or_default() {
        keys.push(ContactKey::Number(number(&snapshot, &text)?.to_string()));
    }
    for key in keys {
        let found = readers.contacts_by(&key).await?;
        if let Some(found) = found.into_iter().find(|one| one.gone.is_none()) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_each_comes_back_as_it_was() {
        for cell in [
            "=HYPERLINK(\"http://evil.example\")",
            "+4722334455",
            "-1+1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "\u{ff1d}1+1",
            "\u{ff20}SUM(A1)",
            "'=1",
            "O'Neil",
            "",
        ] {
            let out = defused(cell.to_owned());
            assert!(out.is_empty() || out.starts_with(['\'', 'O']), "{out}");
            assert_eq!(fused(&out), cell);
        }
    }

    #[test]
    fn a_file_is_read_with_its_lines_and_refused_with_a_reason() {
        let file = "\u{feff}Name;Addresses\r\nKari;kari@example.com\r\n\r\n\"Per\nOla\";\"a@b.no, c@d.no\"\r\n";
        let lines = read(file.as_bytes()).unwrap();
        assert_eq!(lines[0].cell("name"), Some("Kari"));
        assert_eq!(lines[0].place, 2);
        assert_eq!(lines[1].several("addresses").unwrap(), ["a@b.no", "c@d.no"]);
        assert_eq!(lines[1].several("numbers"), None);
        let told = |file: &str| read(file.as_bytes()).unwrap_err().to_string();
        assert!(told("name,colour\na,b").contains("colour"));
        assert!(told("name,name\na,b").contains("twice"));
        assert!(told("name,note\na").contains("CSV"));
    }
}
