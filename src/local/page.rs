//! The viewer page: files that were embedded when Lunette was built, and `config.json`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest, Sha256};

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What every answer carries.
const SECURITY: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         media-src 'self' blob: mediastream:; connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), display-capture=(), usb=(), serial=(), payment=()",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A camera that the page is told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its name, for people.
    pub name: String,
}

/// The page, ready to be served.
#[derive(Clone, Debug)]
pub(super) struct Page(Arc<HashMap<&'static str, Asset>>);

#[derive(Debug)]
struct Asset {
    body: Bytes,
    kind: HeaderValue,
    tag: HeaderValue,
    caching: HeaderValue,
}

/// `config.json`, as `web/README.md` has it.
#[derive(Serialize)]
struct Preset<'a> {
    broker: &'a str,
    login: &'a str,
    cameras: &'a [Listed],
}

impl Page {
    /// The embedded files, and what the page is told.
    pub(super) fn new(cameras: &[Listed], wants_password: bool) -> Result<Self, serde_json::Error> {
        let mut assets: HashMap<_, _> = FILES.iter().map(|(path, body)| (*path, Asset::new(path, *body))).collect();
        let login = if wants_password { "password" } else { "none" };
        let preset = serde_json::to_vec(&Preset { broker: "/mqtt", login, cameras })?;
        assets.insert("config.json", Asset::new("config.json", preset));
        Ok(Self(Arc::new(assets)))
    }

    /// Answers a request for anything but the broker. Paths are names in a table: there is no folder to climb out of.
    pub(super) fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], "GET or HEAD\n").into_response();
        }
        let path = match uri.path() {
            "/" => "index.html",
            path => path.strip_prefix('/').unwrap_or_default(),
        };
        match self.0.get(path) {
            Some(asset) => asset.answer(headers),
            None => (StatusCode::NOT_FOUND, "there is no such page\n").into_response(),
        }
    }
}

impl Asset {
    fn new(path: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let tag = format!("\"{}\"", &HEXLOWER.encode(&Sha256::digest(&body))[..32]);
        let kind = match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "html" => "text/html; charset=utf-8",
            "js" | "mjs" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "json" | "map" => "application/json",
            "webmanifest" => "application/manifest+json",
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "ico" => "image/x-icon",
            "woff2" => "font/woff2",
            "wasm" => "application/wasm",
            "txt" => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        };
        // Names in assets/ have a hash of the content in them.
        let caching = match path {
            "config.json" => "no-store",
            _ if path.starts_with("assets/") => "public, max-age=31536000, immutable",
            _ => "no-cache",
        };
        let [kind, caching] = [kind, caching].map(HeaderValue::from_static);
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { body, kind, tag, caching }
    }

    fn answer(&self, request: &HeaderMap) -> Response {
        let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
        let known = known.flat_map(|v| v.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
        let unchanged = known.into_iter().any(|tag| tag == "*" || tag.as_bytes() == self.tag.as_bytes());
        let mut response = if unchanged {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut full = Response::new(Body::from(self.body.clone()));
            full.headers_mut().insert(header::CONTENT_TYPE, self.kind.clone());
            full
        };
        response.headers_mut().insert(header::ETAG, self.tag.clone());
        response.headers_mut().insert(header::CACHE_CONTROL, self.caching.clone());
        response
    }
}

/// Adds to an answer what every answer carries.
pub(super) async fn secure(mut response: Response) -> Response {
    for (name, value) in SECURITY {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether a request was meant for this machine. A stranger's name can be made to point here (DNS rebinding): its page
/// would be of the same origin as ours. An address cannot, nor can `localhost`.
pub(super) fn is_host_of_our_own(headers: &HeaderMap) -> bool {
    // With two of them, who is right? Not a browser, in any case.
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|h| h.to_str().ok()), hosts.next()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    let name = name.to_ascii_lowercase();
    let labels = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    name == "localhost"
        || (name.ends_with(".localhost") && name.bytes().all(labels))
        || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_our_own() {
        for (host, ours) in [
            ("127.0.0.1:8080", true),
            ("127.0.0.1", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("LocalHost:9000", true),
            ("a.localhost", true),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            assert_eq!(is_host_of_our_own(&headers), ours, "{host}");
        }
        assert!(!is_host_of_our_own(&HeaderMap::new()));
    }

    #[test]
    fn a_known_page_is_not_sent_again() {
        let page = Page::new(&[], false).unwrap();
        let get = |headers: &HeaderMap| page.answer(&Method::GET, &Uri::from_static("/"), headers);
        let first = get(&HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].clone();
        for (asked, status) in [
            (tag.clone(), StatusCode::NOT_MODIFIED),
            (HeaderValue::from_str(&format!("\"x\", W/{}", tag.to_str().unwrap())).unwrap(), StatusCode::NOT_MODIFIED),
            (HeaderValue::from_static("\"x\""), StatusCode::OK),
        ] {
            assert_eq!(get(&HeaderMap::from_iter([(header::IF_NONE_MATCH, asked)])).status(), status);
        }
    }
}
