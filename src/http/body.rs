//! Reading requests: what cannot be read is told as a problem that says why.

use std::net::IpAddr;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Multipart, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts as Head;
use serde::de::DeserializeOwned;

use super::HttpError;
use super::asker::address_of;

/// The address of the client.
pub(super) struct Address(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Head, _: &S) -> Result<Address, HttpError> {
        Ok(Address(address_of(parts)))
    }
}

/// A body of JSON.
pub(super) struct Read<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Read<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Read<T>, HttpError> {
        let read = Json::<T>::from_request(request, state).await;
        read.map(|Json(value)| Read(value)).map_err(of_json)
    }
}

fn of_json(rejection: JsonRejection) -> HttpError {
    match &rejection {
        JsonRejection::JsonDataError(error) => {
            HttpError::Invalid(format!("The JSON does not fit: {}.", error.body_text()))
        }
        JsonRejection::JsonSyntaxError(error) => {
            HttpError::Unreadable(format!("The body is no JSON: {}.", error.body_text()))
        }
        JsonRejection::MissingJsonContentType(_) => HttpError::Unsupported(
            "Send the body as JSON, with `Content-Type: application/json`.".to_owned(),
        ),
        other => of_body(other.status(), other.body_text()),
    }
}

/// What is said of a body that could not be read.
pub(super) fn of_body(status: StatusCode, text: String) -> HttpError {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => HttpError::TooLarge(format!("{text}.")),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => HttpError::Unsupported(format!("{text}.")),
        StatusCode::REQUEST_TIMEOUT => HttpError::Timeout,
        _ => HttpError::Unreadable(format!("The body cannot be read: {text}.")),
    }
}

/// A body of several parts.
pub(super) struct Parts(pub Multipart);

impl<S: Send + Sync> FromRequest<S> for Parts {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Parts, HttpError> {
        Multipart::from_request(request, state)
            .await
            .map(Parts)
            .map_err(|_| {
                HttpError::Unsupported(
                    "Send the body as multipart/form-data, with its boundary in Content-Type."
                        .to_owned(),
                )
            })
    }
}

/// What stands behind the question mark.
pub(super) struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Head, state: &S) -> Result<Asked<T>, HttpError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Asked(value)),
            Err(QueryRejection::FailedToDeserializeQueryString(error)) => {
                Err(HttpError::Unreadable(format!("{}.", error.body_text())))
            }
            Err(other) => Err(HttpError::Unreadable(format!("{}.", other.body_text()))),
        }
    }
}

/// What stands in the path. What is no identifier names nothing.
pub(super) struct At<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Head, state: &S) -> Result<At<T>, HttpError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(At(value)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => {
                Err(HttpError::NotFound("such thing"))
            }
            Err(other) => Err(HttpError::Broken(other.body_text())),
        }
    }
}
