//! Lists in parts.

use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::HttpError;
use crate::store::{LARGEST_PAGE, Page, Place};

/// How much of a list is shown where nothing else is asked for.
const USUAL_PAGE: u32 = 50;

/// A part of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Listed<T: ToSchema> {
    /// The latest first.
    pub items: Vec<T>,
    /// Ask again with `older_than` for what comes before; absent: there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older: Option<String>,
    /// Ask again with `newer_than` for what came since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer: Option<String>,
}

impl<T: ToSchema> Listed<T> {
    pub fn of<R>(page: Page<R>, view: impl Fn(R) -> T) -> Listed<T> {
        Listed {
            items: page.items.into_iter().map(view).collect(),
            older: page.older.map(|cursor| cursor.to_string()),
            newer: page.newer.map(|cursor| cursor.to_string()),
        }
    }
}

/// How much of a list is shown: as much as is asked for, within what one answer holds.
pub(super) fn limit<N: TryInto<u32>>(asked: Option<N>) -> u32 {
    let asked = asked.map(|asked| asked.try_into().unwrap_or(u32::MAX));
    asked.unwrap_or(USUAL_PAGE).clamp(1, LARGEST_PAGE)
}

/// Where a list goes on.
pub(super) fn place(
    older_than: Option<&str>,
    newer_than: Option<&str>,
) -> Result<Place, HttpError> {
    let read = |text: &str| {
        text.parse()
            .map_err(|error| HttpError::Invalid(format!("{error}.")))
    };
    match (older_than, newer_than) {
        (None, None) => Ok(Place::Latest),
        (Some(older), None) => read(older).map(Place::OlderThan),
        (None, Some(newer)) => read(newer).map(Place::NewerThan),
        (Some(_), Some(_)) => Err(HttpError::Invalid(
            "Either `older_than` or `newer_than`.".to_owned(),
        )),
    }
}

/// An identifier in a query or a body.
pub(super) fn parse<T: FromStr>(text: &str) -> Result<T, HttpError> {
    text.parse()
        .map_err(|_| HttpError::Invalid(format!("{text:?} is no identifier.")))
}
