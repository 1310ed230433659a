//! PDFs written by hand, byte for byte, so that a test says what is in its document; and frames to and from workers.

use std::fmt::Write;

/// Objects in order, numbered from 1.
#[derive(Default)]
pub struct Pdf {
    objects: Vec<String>,
    trailer: String,
}

impl Pdf {
    /// Adds an object and returns its number.
    pub fn add(&mut self, body: impl Into<String>) -> usize {
        self.objects.push(body.into());
        self.objects.len()
    }

    pub fn stream(&mut self, dictionary: &str, content: &str) -> usize {
        self.add(format!("<< {dictionary} /Length {} >>\nstream\n{content}\nendstream", content.len()))
    }

    /// Adds to the trailer dictionary.
    pub fn trailer(&mut self, entries: &str) {
        self.trailer.push_str(entries);
    }

    /// The file, with the object `root` as its catalog.
    pub fn bytes(&self, root: usize) -> Vec<u8> {
        let mut file = String::from("%PDF-1.7\n");
        let mut offsets = Vec::new();
        for (index, body) in self.objects.iter().enumerate() {
            offsets.push(file.len());
            write!(file, "{} 0 obj\n{body}\nendobj\n", index + 1).unwrap();
        }
        let start = file.len();
        let count = self.objects.len() + 1;
        write!(file, "xref\n0 {count}\n0000000000 65535 f \n").unwrap();
        for offset in offsets {
            writeln!(file, "{offset:010} 00000 n ").unwrap();
        }
        write!(file, "trailer\n<< /Size {count} /Root {root} 0 R {} >>\nstartxref\n{start}\n%%EOF\n", self.trailer)
            .unwrap();
        file.into_bytes()
    }
}

/// A document of pages that share a Helvetica called `/F`. Each page: its dictionary entries beside the usual ones, and
/// its content. `catalog` is added to the catalog. Page `n` (1-based) is object `2 + 2n`.
pub fn document(pages: &[(&str, &str)], catalog: &str, extra: impl FnOnce(&mut Pdf) -> String) -> Vec<u8> {
    let mut pdf = Pdf::default();
    let root = pdf.add("");
    let tree = pdf.add("");
    let font = pdf.add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
    let mut kids = String::new();
    for (entries, content) in pages {
        let number = pdf.objects.len() + 1;
        write!(kids, "{number} 0 R ").unwrap();
        pdf.add(format!(
            "<< /Type /Page /Parent {tree} 0 R /Resources << /Font << /F {font} 0 R >> >> /Contents {} 0 R {entries} >>",
            number + 1
        ));
        pdf.stream("", content);
    }
    pdf.objects[tree - 1] = format!("<< /Type /Pages /Kids [ {kids} ] /Count {} >>", pages.len());
    let more = extra(&mut pdf);
    pdf.objects[root - 1] = format!("<< /Type /Catalog /Pages {tree} 0 R {catalog} {more} >>");
    pdf.bytes(root)
}

/// A document of `count` small pages, each with its number as text.
pub fn numbered(count: usize) -> Vec<u8> {
    let contents: Vec<String> = (1..=count).map(|page| format!("BT /F 24 Tf 20 40 Td (page {page}) Tj ET")).collect();
    let pages: Vec<(&str, &str)> =
        contents.iter().map(|content| ("/MediaBox [0 0 144 72]", content.as_str())).collect();
    document(&pages, "", |_| String::new())
}

/// One side of a worker's pipes by hand: a frame is two lengths and a JSON header; its body is left to the caller.
pub fn frame(header: &serde_json::Value, body_bytes: u64) -> Vec<u8> {
    let header = serde_json::to_vec(header).unwrap();
    let mut bytes = (header.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(&body_bytes.to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes
}
