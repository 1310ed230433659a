//! What is known about a document as a whole.

use serde::{Deserialize, Serialize};

use super::{ContentHash, Note};

/// How the URI of what was uploaded begins; the hash of its bytes and its file's name follow: `upload:HASH/report.pdf`.
pub const UPLOADED: &str = "upload:";

/// How the URIs of documents begin that were fetched from the web.
const WEB: [&str; 2] = ["https://", "http://"];

/// How the URIs begin whose bytes Quire keeps itself: nobody could read them again as they were.
pub const KEPT: [&str; 3] = [UPLOADED, WEB[0], WEB[1]];

/// Whether a source lies on the web.
pub fn is_on_web(uri: &str) -> bool {
    WEB.iter().any(|scheme| uri.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))
}

/// Whether Quire keeps the bytes of a source: they came with a request, or from the web.
pub fn is_kept(uri: &str) -> bool {
    KEPT.iter().any(|begin| uri.starts_with(begin))
}

/// Where a document came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceRef {
    /// The document's identity within its tenant: an absolute path for files, a URL for everything else.
    pub uri: String,
    /// What people call it: the file name.
    pub name: String,
}

impl SourceRef {
    /// Of bytes that came with a request. The same bytes under the same name are the same document.
    pub fn upload(content_hash: &ContentHash, name: &str) -> Self {
        Self { uri: format!("{UPLOADED}{content_hash}/{name}"), name: name.to_owned() }
    }

    /// As [`is_kept`].
    pub fn is_kept(&self) -> bool {
        is_kept(&self.uri)
    }
}

/// One line of a PDF's outline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineEntry {
    pub title: String,
    /// Depth, 0 for the top level.
    pub level: u32,
    /// 1-based page that the entry points to.
    pub page: u32,
}

/// A document inside another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its number among all files inside, from 0.
    pub index: u32,
    /// No other document inside has it.
    pub name: String,
}

/// What a renderer reads from a document before any page is drawn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentInfo {
    pub page_count: u32,
    pub title: Option<String>,
    pub author: Option<String>,
    /// RFC 3339.
    pub created: Option<String>,
    /// RFC 3339.
    pub modified: Option<String>,
    /// In reading order.
    pub outline: Vec<OutlineEntry>,
    /// `labels[i]` is the printed label of page `i + 1` ("iv", "A-3"); empty where the document defines none.
    pub page_labels: Vec<String>,
    /// Documents inside that can be read on their own.
    pub attachments: Vec<Attachment>,
    /// About the document as a whole.
    pub notes: Vec<Note>,
}

/// Where a page stands in the outline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The innermost entry that the page belongs to.
    pub title: Option<String>,
    /// Titles from the outermost entry to the innermost.
    pub breadcrumbs: Vec<String>,
}

impl DocumentInfo {
    /// The section of a 1-based page: the last entry that starts on or before it, with the entries above it. A page on which
    /// several sections start belongs to the first of them, where the page does not continue an earlier one.
    pub fn section(&self, page: u32) -> Section {
        let mut path: Vec<&OutlineEntry> = Vec::new();
        let mut started_here = false;
        for entry in &self.outline {
            if entry.page > page {
                continue;
            }
            let deeper = path.last().is_none_or(|last| entry.level > last.level);
            if started_here && !deeper {
                break;
            }
            path.retain(|above| above.level < entry.level);
            path.push(entry);
            started_here = entry.page == page;
        }
        Section {
            title: path.last().map(|entry| entry.title.clone()),
            breadcrumbs: path.iter().map(|entry| entry.title.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(entries: &[(&str, u32, u32)]) -> DocumentInfo {
        DocumentInfo {
            outline: entries
                .iter()
                .map(|&(title, level, page)| OutlineEntry { title: title.into(), level, page })
                .collect(),
            ..DocumentInfo::default()
        }
    }

    #[test]
    fn a_page_belongs_to_the_innermost_section_before_it() {
        let info = info(&[("Intro", 0, 1), ("Setup", 0, 3), ("Linux", 1, 4), ("macOS", 1, 6), ("Use", 0, 9)]);
        assert_eq!(info.section(5).breadcrumbs, ["Setup", "Linux"]);
        assert_eq!(info.section(7).title.as_deref(), Some("macOS"));
        assert_eq!(info.section(12).breadcrumbs, ["Use"]);
    }

    #[test]
    fn the_first_of_several_sections_that_start_on_a_page_names_it() {
        let info = info(&[("A", 0, 1), ("B", 0, 2), ("B1", 1, 2), ("C", 0, 2)]);
        assert_eq!(info.section(2).breadcrumbs, ["B", "B1"]);
        assert_eq!(info.section(3).breadcrumbs, ["C"]);
    }

    #[test]
    fn no_outline_no_section() {
        assert_eq!(DocumentInfo::default().section(1), Section::default());
    }
}
