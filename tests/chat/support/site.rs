//! The website of a customer: another origin, with a strict policy, which embeds the chat.

use std::net::SocketAddr;

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::routing::get;
use tokio::net::TcpListener;

/// Serves a page that shows the chat `channel` of `desk` (`http://127.0.0.1:8080`), and says at which
/// address.
pub async fn serve(desk: &str, channel: &str) -> String {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    // Another host name than the desk's, so that cookies are those of another site.
    let address = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let socket = desk.replacen("http", "ws", 1);
    let policy = format!(
        "default-src 'none'; script-src {desk}; connect-src {desk} {socket}; base-uri 'none'; form-action 'none'"
    );
    let page = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Shop</title></head>\
         <body><h1>Shop</h1><p>Things to buy.</p>\
         <script src=\"{desk}/chat.js\" data-channel=\"{channel}\" async></script></body></html>"
    );
    let app = Router::new().route(
        "/",
        get(move || async move {
            (
                [
                    (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
                    (CONTENT_SECURITY_POLICY, policy),
                ],
                page,
            )
        }),
    );
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}
