//! `GET /v1/documents/{id}/original`: the file itself, or parts of it.

use std::ops::Range;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::pages::reader;
use crate::app::Original;
use crate::server::extract::{Params, document_id, no_document};
use crate::server::links::{Signed, Target};
use crate::server::wire::Failures;
use crate::server::{Caller, Problem, Server};

/// Kinds of files that browsers show without running anything in them; others are saved.
const SHOWN: [(&str, &str); 10] = [
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("jpe", "image/jpeg"),
    ("jfif", "image/jpeg"),
    ("webp", "image/webp"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("txt", "text/plain; charset=utf-8"),
];

/// The document itself. A signed link opens it without a key; parts come by `Range`.
#[utoipa::path(get, path = "/v1/documents/{id}/original", tag = "documents",
    params(("id" = String, Path, description = "The document's id"), Signed,
        ("range" = Option<String>, Header, description = "bytes=FIRST-LAST")),
    responses((status = 200, description = "The file", content(
            (Vec<u8> = "application/pdf"), (Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp"),
            (Vec<u8> = "image/tiff"), (String = "text/plain"), (Vec<u8> = "application/octet-stream"))),
        (status = 206, description = "A part of it", content(
            (Vec<u8> = "application/pdf"), (Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp"),
            (Vec<u8> = "image/tiff"), (String = "text/plain"), (Vec<u8> = "application/octet-stream"))),
        (status = 304, description = "As it was"), (status = 416, description = "It has no such part"), Failures))]
pub async fn original(
    State(server): State<Server>,
    Path(id): Path<String>,
    Params(signed): Params<Signed>,
    headers: HeaderMap,
    caller: Result<Caller, Problem>,
) -> Result<Response, Problem> {
    let document = document_id(&id)?;
    let reader = reader(&server, document, Target::Original, &signed, caller).await?;
    let scope = reader.scope(&server);
    let record = scope.document(document).await?.ok_or_else(|| no_document(document))?;
    let original = scope.original(&record).await.map_err(|error| match Problem::from(error) {
        problem if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => Problem::not_found(problem.detail()),
        other => other,
    })?;
    let tag = format!("\"{}\"", original.content_hash);
    let mut told = described(&original, &tag);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, told).into_response());
    }
    let asked = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let same = headers.get(header::IF_RANGE).is_none_or(|known| known.as_bytes() == tag.as_bytes());
    let (status, range) = match asked.filter(|_| same).map(|asked| part(asked, original.size_bytes)) {
        None | Some(Part::Whole) => (StatusCode::OK, 0..original.size_bytes),
        Some(Part::Of(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Part::None) => {
            let mut response =
                Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "the file has no such part").into_response();
            let whole = format!("bytes */{}", original.size_bytes);
            response
                .headers_mut()
                .extend(HeaderValue::from_str(&whole).ok().map(|whole| (header::CONTENT_RANGE, whole)));
            return Ok(response);
        }
    };
    if status == StatusCode::PARTIAL_CONTENT {
        let of = format!("bytes {}-{}/{}", range.start, range.end - 1, original.size_bytes);
        told.extend(HeaderValue::from_str(&of).ok().map(|of| (header::CONTENT_RANGE, of)));
    }
    told.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    let bytes = scope.original_bytes(&original, range).await?;
    Ok((status, told, Body::from_stream(bytes)).into_response())
}

fn described(original: &Original, tag: &str) -> HeaderMap {
    let ending = original.name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default();
    let shown = SHOWN.iter().find(|(known, _)| *known == ending).map(|(_, kind)| *kind);
    let disposition = if shown.is_some() { "inline" } else { "attachment" };
    let disposition = format!("{disposition}; filename*=UTF-8''{}", percent_encoded(&original.name));
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(shown.unwrap_or("application/octet-stream")));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    headers.extend(HeaderValue::from_str(&disposition).ok().map(|value| (header::CONTENT_DISPOSITION, value)));
    headers.extend(HeaderValue::from_str(tag).ok().map(|value| (header::ETAG, value)));
    headers
}

/// As RFC 5987 wants names.
fn percent_encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// What a client asks for of a file.
#[derive(Debug, PartialEq)]
enum Part {
    Whole,
    Of(Range<u64>),
    /// There is no such part.
    None,
}

/// Reads `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-LENGTH`. Several parts at once, and other units, mean the whole (RFC 9110,
/// 14.2: a server may ignore them).
fn part(asked: &str, size: u64) -> Part {
    let Some(range) = asked.trim().strip_prefix("bytes=").filter(|range| !range.contains(',')) else {
        return Part::Whole;
    };
    let Some((first, last)) = range.split_once('-') else { return Part::Whole };
    let range = match (first.trim(), last.trim()) {
        ("", length) => match length.parse::<u64>() {
            Ok(0) => return Part::None,
            Ok(length) => size.saturating_sub(length)..size,
            Err(_) => return Part::Whole,
        },
        (first, last) => {
            let (Ok(first), Ok(last)) =
                (first.parse::<u64>(), if last.is_empty() { Ok(u64::MAX) } else { last.parse::<u64>() })
            else {
                return Part::Whole;
            };
            if last < first {
                return Part::Whole;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    if range.start >= range.end { Part::None } else { Part::Of(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_file() {
        let cases = [
            ("bytes=0-4", Part::Of(0..5)),
            ("bytes=5-", Part::Of(5..10)),
            ("bytes=-3", Part::Of(7..10)),
            ("bytes=-30", Part::Of(0..10)),
            ("bytes=8-99", Part::Of(8..10)),
            ("bytes=10-", Part::None),
            ("bytes=-0", Part::None),
            ("bytes=0-1,4-5", Part::Whole),
            ("pages=1-2", Part::Whole),
            ("bytes=5-2", Part::Whole),
            ("bytes=x-", Part::Whole),
        ];
        for (asked, expected) in cases {
            assert_eq!(part(asked, 10), expected, "{asked}");
        }
        assert_eq!(part("bytes=0-", 0), Part::None);
    }
}
