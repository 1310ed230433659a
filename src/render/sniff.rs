//! Which format a file really has: decided by its first bytes, its name is only for messages.

use serde::{Deserialize, Serialize};

use super::office::kind::promised as promised_office_file;

/// How many bytes of a file [`sniff`] wants to see. Readers accept a PDF header anywhere in the first 1,024 bytes.
pub const HEAD_BYTES: usize = 1024;

/// What the renderer can draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Pdf,
    Png,
    Jpeg,
    Webp,
    Tiff,
}

impl Format {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Tiff => "image/tiff",
        }
    }

    /// The format that a file name promises.
    pub fn from_name(name: &str) -> Option<Self> {
        let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
        Some(match extension.as_str() {
            "pdf" => Self::Pdf,
            "png" => Self::Png,
            "jpg" | "jpeg" | "jpe" | "jfif" => Self::Jpeg,
            "webp" => Self::Webp,
            "tif" | "tiff" => Self::Tiff,
            _ => return None,
        })
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pdf => "PDF",
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Webp => "WebP",
            Self::Tiff => "TIFF",
        })
    }
}

/// The format of a file that begins with `head` (its first [`HEAD_BYTES`], or all of it). `None`: nothing the renderer
/// draws.
///
/// A file whose name ends in `.pdf` may have junk before its header, as mail gateways and printers leave it; any other
/// name needs the header at the very start, or every text that mentions `%PDF-` early would count as one.
pub fn sniff(head: &[u8], name: &str) -> Option<Format> {
    let head = &head[..head.len().min(HEAD_BYTES)];
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some(Format::Png);
    }
    if head.starts_with(b"\xff\xd8\xff") {
        return Some(Format::Jpeg);
    }
    if head.len() >= 12 && head.starts_with(b"RIFF") && &head[8..12] == b"WEBP" {
        return Some(Format::Webp);
    }
    if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| head.starts_with(*magic)) {
        return Some(Format::Tiff);
    }
    let header = head.windows(5).position(|window| window == b"%PDF-")?;
    let only_blank_before = head[..header].iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0)
        || head[..header] == [0xef, 0xbb, 0xbf];
    (only_blank_before || Format::from_name(name) == Some(Format::Pdf)).then_some(Format::Pdf)
}

/// Why a file that [`sniff`] does not know is rejected: what it promised, what it is instead.
pub(super) fn rejection(head: &[u8], name: &str) -> String {
    let found = if head.is_empty() {
        "is empty (0 bytes)".to_owned()
    } else {
        let shown: String =
            head.iter().take(8).flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
        match describe(head) {
            Some(what) => format!("is {what}"),
            None => format!("begins with \"{shown}\""),
        }
    };
    match Format::from_name(name) {
        Some(promised) => format!("{name} is named as a {promised} file but {found}"),
        None => match promised_office_file(name) {
            Some(promised) => format!("{name} is named as {promised} but {found}"),
            None => format!("{name} {found}; documents can be PDF, PNG, JPEG, WebP, TIFF or office files"),
        },
    }
}

/// Common things that end up under the wrong name.
fn describe(head: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(&head[..head.len().min(256)]).trim_start().to_ascii_lowercase();
    Some(match head {
        _ if head.starts_with(b"PK\x03\x04") => "a ZIP archive (as DOCX, PPTX and XLSX files are)",
        _ if head.starts_with(b"\xd0\xcf\x11\xe0") => "an old Microsoft Office file",
        _ if head.starts_with(b"\x1f\x8b") => "gzip-compressed",
        _ if head.starts_with(b"%!PS") => "PostScript",
        _ if head.starts_with(b"GIF8") => "a GIF image",
        _ if head.get(4..8) == Some(b"ftyp") => iso_media(head),
        _ if head.starts_with(b"\0\0\0\x0cjP  ") || head.starts_with(b"\xff\x4f\xff\x51") => "a JPEG 2000 image",
        _ if head.starts_with(b"\xff\x0a") || head.starts_with(b"\0\0\0\x0cJXL ") => "a JPEG XL image",
        _ if head.starts_with(b"8BPS") => "a Photoshop image",
        _ if head.starts_with(b"{\\rtf") => "an RTF document",
        _ if head.starts_with(b"AT&TFORM") => "a DjVu document",
        _ if head.starts_with(b"\xc5\xd0\xd3\xc6") => "encapsulated PostScript",
        _ if head.starts_with(b"BM") && head.len() > 6 && head[6..].starts_with(&[0, 0, 0, 0]) => "a BMP image",
        _ if text.starts_with("<!doctype html") || text.starts_with("<html") => "an HTML page",
        _ if head.iter().all(|byte| *byte == 0) => "nothing but zero bytes",
        _ => return None,
    })
}

/// What a file of the MP4 family holds, by the brands that it names.
fn iso_media(head: &[u8]) -> &'static str {
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let brands = head.get(8..length.clamp(8, head.len())).unwrap_or_default();
    let names = |known: &[&[u8; 4]]| brands.chunks_exact(4).any(|brand| known.iter().any(|name| brand == *name));
    if names(&[b"avif", b"avis"]) {
        "an AVIF image"
    } else if names(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) {
        "a HEIC image"
    } else {
        "a video, sound or image of the MP4 family"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_bytes() {
        assert_eq!(sniff(b"%PDF-1.7\n", "x"), Some(Format::Pdf));
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n....", "photo.jpg"), Some(Format::Png));
        assert_eq!(sniff(b"RIFF\x10\0\0\0WEBPVP8 ", "x"), Some(Format::Webp));
        assert_eq!(sniff(b"MM\0*\0\0\0\x08", "x"), Some(Format::Tiff));
        assert_eq!(sniff(b"", "x.pdf"), None);
    }

    #[test]
    fn a_pdf_header_may_stand_behind_junk_where_the_name_promises_a_pdf() {
        let mut head = b"@PJL SET RESOLUTION=600\n".to_vec();
        head.extend_from_slice(b"%PDF-1.4\n");
        assert_eq!(sniff(&head, "print.pdf"), Some(Format::Pdf));
        assert_eq!(sniff(&head, "print.txt"), None);
        let mut far = vec![b' '; HEAD_BYTES];
        far.extend_from_slice(b"%PDF-1.4\n");
        assert_eq!(sniff(&far, "far.pdf"), None);
    }

    #[test]
    fn rejections_say_what_the_file_is() {
        assert_eq!(
            rejection(b"PK\x03\x04rest", "report.pdf"),
            "report.pdf is named as a PDF file but is a ZIP archive (as DOCX, PPTX and XLSX files are)"
        );
        assert_eq!(rejection(b"", "report.pdf"), "report.pdf is named as a PDF file but is empty (0 bytes)");
        let named = |head: &[u8]| rejection(head, "photo.jpg");
        assert_eq!(
            named(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
            "photo.jpg is named as a JPEG file but is a HEIC image"
        );
        assert!(named(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf").ends_with("is an AVIF image"));
        assert!(named(b"\0\0\0\x14ftypisom\0\0\0\0isom").contains("MP4"));
        assert!(named(b"\0\0\0\x0cjP  \r\n\x87\n").ends_with("is a JPEG 2000 image"));
        assert!(rejection(b"\x7fELF", "tool").starts_with("tool begins with \"\\x7fELF\"; documents can be"));
    }
}
