//! Routes, each with what it needs. There is no other way to add one to the API.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};

use super::asker::authenticate;
use super::bodies::Held;
use super::problem::scope_name;
use super::{App, HttpError, Needs};
use crate::core::snapshot::Role;

/// The media type of problems (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// A route as it was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// `GET`
    pub method: &'static str,
    /// `/api/v1/conversations/{id}`
    pub path: String,
    /// What it needs.
    pub needs: Needs,
}

/// Routes that are being gathered.
pub struct Routes {
    app: App,
    router: OpenApiRouter<App>,
    declared: Vec<Declared>,
}

impl Routes {
    /// None yet.
    pub fn new(app: App, document: OpenApi) -> Routes {
        Routes {
            app,
            router: OpenApiRouter::with_openapi(document),
            declared: Vec::new(),
        }
    }

    /// Adds handlers that need the same. Whoever asks is looked at before anything else of the
    /// request is.
    pub fn add(mut self, needs: Needs, handlers: UtoipaMethodRouter<App>) -> Routes {
        let (schemas, mut paths, router) = handlers;
        for (path, item) in &mut paths.paths {
            for (method, operation) in operations(item) {
                describe(operation, &needs);
                self.declared.push(Declared {
                    method,
                    path: path.clone(),
                    needs,
                });
            }
        }
        let handlers = (schemas, paths, router)
            .layer(DefaultBodyLimit::max(needs.largest))
            .layer(from_fn_with_state((self.app.clone(), needs), admit));
        self.router = self.router.routes(handlers);
        self
    }

    /// The router, its description, and what each route needs.
    pub fn finish(self) -> (Router<App>, OpenApi, Vec<Declared>) {
        let (router, document) = self.router.split_for_parts();
        (router, document, self.declared)
    }
}

/// Lets a request through if whoever asks may what the route needs.
async fn admit(
    State((app, needs)): State<(App, Needs)>,
    mut request: Request,
    next: Next,
) -> Response {
    if !needs.open {
        let (parts, body) = request.into_parts();
        let asker = authenticate(&app, &parts).await.and_then(|asker| {
            app.rates.asker(asker.name.clone())?;
            needs.check(&asker, &app.services.door.snapshot())?;
            Ok(asker)
        });
        request = Request::from_parts(parts, body);
        match asker {
            Ok(asker) => request.extensions_mut().insert(asker),
            Err(error) => return error.into_response(),
        };
    }
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > needs.largest) {
        let text = format!(
            "The body is larger than the {} octets that are taken here.",
            needs.largest
        );
        return HttpError::TooLarge(text).into_response();
    }
    if request.method().is_safe() {
        return next.run(request).await;
    }
    finished(request, next).await
}

/// Answers what changes something. It is finished also where the client goes away meanwhile, so that
/// nothing is half done, and all of it stands in the audit log.
async fn finished(request: Request, next: Next) -> Response {
    let held = request.extensions().get::<Held>().cloned();
    let running = tokio::spawn(async move {
        let response = next.run(request).await;
        drop(held);
        response
    });
    match running.await {
        Ok(response) => response,
        Err(fault) => match fault.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => HttpError::Busy("The daemon is ending.".to_owned()).into_response(),
        },
    }
}

/// Every operation of a path, with its method.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("DELETE", &mut item.delete),
        ("HEAD", &mut item.head),
        ("PATCH", &mut item.patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

/// Says in the API's description what an operation needs.
fn describe(operation: &mut Operation, needs: &Needs) {
    let mut told = serde_json::Map::new();
    if needs.open {
        operation.security = Some(Vec::new());
        told.insert("open".to_owned(), Value::Bool(true));
    } else {
        let none: [&str; 0] = [];
        operation.security = Some(vec![
            SecurityRequirement::new("token", none),
            SecurityRequirement::new("session", none),
        ]);
    }
    if let Some(scope) = needs.scope {
        told.insert("scope".to_owned(), json!(scope_name(scope)));
    }
    if needs.role == Role::Admin {
        told.insert("role".to_owned(), json!("admin"));
    }
    for (name, needed) in [("person", needs.person), ("seat", needs.seat)] {
        if needed {
            told.insert(name.to_owned(), Value::Bool(true));
        }
    }
    let extension = Extensions::builder().add("x-needs", Value::Object(told));
    operation.extensions = Some(extension.build());
    describe_problems(operation, needs);
}

/// Problems are told as such, and those that any route may answer need not be written with each.
fn describe_problems(operation: &mut Operation, needs: &Needs) {
    let mut common = vec![
        ("400", "Something of it cannot be read"),
        ("408", "It took too long"),
        ("429", "Asked too often: `Retry-After` says for how long"),
        ("503", "Too much at once: try again"),
    ];
    if !needs.open {
        common.push(("401", "No token or session, or one that is over"));
        common.push(("403", "You may not"));
    }
    if operation.request_body.is_some() {
        common.push(("413", "It is too large"));
        common.push(("415", "The media type is none that is taken"));
    }
    if operation.request_body.is_some() || operation.parameters.is_some() {
        common.push(("422", "It makes no sense; `detail` says why"));
    }
    let responses = &mut operation.responses.responses;
    for (status, text) in common {
        responses.entry(status.to_owned()).or_insert_with(|| {
            let response = ResponseBuilder::new().description(text);
            RefOr::T(response.content(PROBLEM, problem()).build())
        });
    }
    for response in responses.values_mut() {
        if let RefOr::T(response) = response
            && response.content.values().any(is_problem)
        {
            response.content.clear();
            let content = RefOr::T(problem());
            response.content.insert(PROBLEM.to_owned(), content);
        }
    }
}

fn is_problem(content: &RefOr<Content>) -> bool {
    match content {
        RefOr::T(content) => content.schema == problem().schema,
        RefOr::Ref(_) => false,
    }
}

/// A problem, as descriptions refer to it.
fn problem() -> Content {
    Content::new(Some(Ref::from_schema_name("Problem")))
}

/// What is said where no route is.
pub(super) async fn nothing_here() -> HttpError {
    HttpError::NoSuchPath
}
