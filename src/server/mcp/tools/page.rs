//! `get_page`: a page as it looks, and its text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use rmcp::model::{CallToolResult, ContentBlock, Tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Failure, Visitor, page_of, reading};
use crate::error::{Error, Result};
use crate::server::Server;

pub const NAME: &str = "get_page";

/// Pixels across: letters of a page of A4 can be read, and a model pays for little more.
const DEFAULT_WIDTH: u32 = 900;
const MIN_WIDTH: u32 = 64;
const MAX_WIDTH: u32 = 2_000;
/// 1 to 100.
const JPEG_QUALITY: u8 = 80;

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// Which page: an id from `search` (DOCUMENT/PAGE), or a document_id for its first page.
    id: String,
    /// Width of the image in pixels, 64 to 2000; 900 if left out. More only for small print.
    #[serde(default)]
    width: Option<u32>,
    /// Whether the text goes along; true if left out.
    #[serde(default)]
    text: Option<bool>,
}

pub fn tool() -> Tool {
    reading::<Input>(
        NAME,
        "See a page",
        "Returns one page as an image, with its text: for tables, drawings, scans, and to check what a page really shows.",
    )
}

pub async fn run(server: &Server, visitor: &Visitor, input: Input) -> Result<CallToolResult, Failure> {
    let (document, number) = page_of(&input.id)?;
    let scope = visitor.caller.scope(server);
    let page = scope.page(document, number).await?;
    let stored = scope.page_image(&page).await?;
    let width = input.width.unwrap_or(DEFAULT_WIDTH).clamp(MIN_WIDTH, MAX_WIDTH);
    let image = narrowed(stored, width).await?;
    let addresses = visitor.addresses.of(document, number, &page.source);
    let heading = format!("{}, page {number} of {}\n{}", page.title, page.page_count, addresses.original);
    let mut content = vec![ContentBlock::text(heading)];
    let with_text = input.text.unwrap_or(true) && !page.text_unreadable && !page.text.is_empty();
    if with_text {
        content.push(ContentBlock::text(page.text.clone()));
    }
    content.push(ContentBlock::image(STANDARD.encode(image), "image/jpeg"));
    let mut result = CallToolResult::success(content);
    result.structured_content = Some(json!({
        "id": format!("{document}/{number}"),
        "document_id": document,
        "title": page.title,
        "page": number,
        "page_count": page.page_count,
        "url": addresses.original,
    }));
    Ok(result)
}

/// A JPEG of at most this width.
///
/// # Errors
/// Permanent: the stored image can't be read.
async fn narrowed(stored: Bytes, width: u32) -> Result<Bytes> {
    let narrow = move || {
        let unreadable = |error| Error::permanent("a stored page image can't be read").with_source(error);
        let image = image::load_from_memory(&stored).map_err(unreadable)?;
        if image.width() <= width {
            return Ok(stored);
        }
        let small = image.resize(width, u32::MAX, FilterType::CatmullRom).into_rgb8();
        let mut jpeg = Vec::new();
        small.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)).map_err(unreadable)?;
        Ok(Bytes::from(jpeg))
    };
    tokio::task::spawn_blocking(narrow)
        .await
        .map_err(|error| Error::bug("drawing a smaller page panicked").with_source(error))?
}
