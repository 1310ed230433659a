//! Where a listing of documents goes on: behind a source and a document id. Callers see opaque text.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::records::DocumentRecord;
use crate::error::{Error, Result};
use crate::types::DocumentId;

/// The last document of a listing; the next one begins behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    pub source_uri: String,
    pub document: DocumentId,
}

/// Bytes of a document id, which come first.
const ID: usize = 16;

impl Cursor {
    pub fn to_text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode([self.document.0.as_bytes(), self.source_uri.as_bytes()].concat())
    }

    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// Configuration, where it is something else: cursors come from whoever asks.
    pub fn parse(text: &str) -> Result<Self> {
        let read = || {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
            let (id, source) = bytes.split_at_checked(ID)?;
            let document = DocumentId(Uuid::from_slice(id).ok()?);
            Some(Self { source_uri: std::str::from_utf8(source).ok()?.to_owned(), document })
        };
        read().ok_or_else(|| {
            Error::configuration(format!(
                "'{text}' is not the cursor of a list of documents: pass on what the list before gave, or leave it out to \
                 begin anew"
            ))
        })
    }
}

impl DocumentRecord {
    /// [`DocumentFilter::after`](super::DocumentFilter::after) of a list that goes on behind this document.
    pub fn cursor(&self) -> String {
        Cursor { source_uri: self.source.uri.clone(), document: self.document_id }.to_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn cursors_survive_their_text() {
        let cursor = Cursor { source_uri: "/inbox/žluť.pdf".into(), document: DocumentId(Uuid::from_u128(7)) };
        assert_eq!(Cursor::parse(&cursor.to_text()).unwrap(), cursor);
    }

    #[test]
    fn other_text_is_refused() {
        let broken = BASE64_URL_SAFE_NO_PAD.encode([0xff; 20]);
        for text in ["", "2", "a b", "AAAA", &broken] {
            assert_eq!(Cursor::parse(text).unwrap_err().kind(), Kind::Configuration, "{text}");
        }
    }
}
