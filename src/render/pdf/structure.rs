//! What a PDF's own objects say that PDFium's interface does not: a page's unit and its content streams as they are stored,
//! whether the file is a portfolio.
//!
//! Objects are found by looking for them, not by the table that says where they are: damaged files have wrong tables. What
//! this finds may be wrong, so it explains and never decides about a page that PDFium draws well. Encrypted files say nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::contents::{self, Contents};
use super::filters;
use super::syntax::{Dict, Object, Parser, is_space};
use crate::render::document_file::DocumentFile;

/// Larger files are not looked into: they would have to be read as a whole.
const MAX_FILE_BYTES: u64 = 128 << 20;
/// Objects that are remembered.
const MAX_OBJECTS: usize = 2_000_000;
/// References that lead to references.
const MAX_STEPS: usize = 16;
/// Levels of a page tree.
const MAX_TREE_DEPTH: usize = 64;
/// Streams of one page.
const MAX_STREAMS: usize = 4_096;

/// Where an object is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Behind `N G obj` at this offset of the file.
    File(usize),
    /// In the object stream of this index, at this offset.
    Packed(usize, usize),
}

/// The objects of a file.
pub(super) struct Structure {
    bytes: Vec<u8>,
    places: BTreeMap<u32, Place>,
    /// Object streams, decompressed.
    packed: Vec<Vec<u8>>,
    catalog: Dict,
    /// Dictionaries of the pages, in their order.
    pages: Vec<Dict>,
}

impl Structure {
    /// Looks into a file of which PDFium says that it has so many pages. None if the file is too large, encrypted, or does not
    /// tell the same story.
    pub(super) fn read(file: &DocumentFile, page_count: u32) -> Option<Self> {
        if file.bytes() > MAX_FILE_BYTES {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(file.bytes()).ok()?];
        file.read_exact_at(&mut bytes, 0).ok()?;
        Self::of(bytes, page_count)
    }

    fn of(bytes: Vec<u8>, page_count: u32) -> Option<Self> {
        if find(&bytes, b"/Encrypt", 0).is_some() {
            return None;
        }
        let mut structure =
            Self { bytes, places: BTreeMap::new(), packed: Vec::new(), catalog: Dict::new(), pages: Vec::new() };
        structure.find_objects();
        structure.catalog = structure.find_catalog()?;
        let root = structure.catalog.get(b"Pages".as_slice())?.clone();
        let mut pages = Vec::new();
        structure.walk(&root, page_count as usize, 0, &mut BTreeSet::new(), &mut pages);
        structure.pages = pages;
        (structure.pages.len() == page_count as usize).then_some(structure)
    }

    /// The size of a unit of page space in points, for the page with this index, where it is not 1.
    pub(super) fn user_unit(&self, index: usize) -> Option<f32> {
        let unit = self.resolve(self.pages.get(index)?.get(b"UserUnit".as_slice())?)?.number()? as f32;
        // Beyond this a page would be larger than a country; below it there is nothing to see.
        (unit != 1.0 && (1e-3..=1e5).contains(&unit)).then_some(unit)
    }

    /// Whether the file is a cover for the files inside.
    pub(super) fn is_portfolio(&self) -> bool {
        self.catalog.contains_key(b"Collection".as_slice())
    }

    /// What is in the content streams of the page with this index.
    pub(super) fn contents(&self, index: usize) -> Contents {
        let Some(page) = self.pages.get(index) else { return Contents::Unknown };
        let Some(entry) = page.get(b"Contents".as_slice()) else { return Contents::Empty };
        let mut streams = Vec::new();
        match entry {
            Object::Reference(_) => match self.resolve(entry) {
                Some(Object::List(list)) => streams.extend(list),
                _ => streams.push(entry.clone()),
            },
            Object::List(list) => streams.extend(list.iter().cloned()),
            _ => return Contents::Unknown,
        }
        let streams = streams.iter().take(MAX_STREAMS).map(|entry| match entry {
            Object::Reference(number) => self.stream(*number),
            _ => None,
        });
        contents::read(streams)
    }

    fn find_objects(&mut self) {
        let mut at = 0;
        while let Some(found) = find(&self.bytes, b"obj", at) {
            at = found + 3;
            let Some(number) = number_before(&self.bytes, found) else { continue };
            if self.places.len() >= MAX_OBJECTS {
                break;
            }
            self.places.insert(number, Place::File(at));
            let head = &self.bytes[at..self.bytes.len().min(at + 512)];
            if find(head, b"ObjStm", 0).is_some() {
                self.unpack(number);
            }
        }
    }

    /// Remembers the objects of an object stream.
    fn unpack(&mut self, stream: u32) {
        let Some((dict, data)) = self.stream(stream) else { return };
        let number = |name: &[u8]| self.resolve(dict.get(name)?)?.number().map(|number| number as usize);
        let (Some(count), Some(first)) = (number(b"N"), number(b"First")) else { return };
        let Some(data) = filters::decoded(&dict, data).map(|decoded| decoded.bytes) else { return };
        let mut parser = Parser::new(&data, 0);
        let mut found = Vec::new();
        for _ in 0..count.min(MAX_OBJECTS) {
            let mut next = || {
                parser.content_token().and_then(|token| match token {
                    super::syntax::Token::Object(object) => object.number(),
                    super::syntax::Token::Word(_) => None,
                })
            };
            let (Some(number), Some(offset)) = (next(), next()) else { break };
            found.push((number as u32, first.saturating_add(offset as usize)));
        }
        let index = self.packed.len();
        self.packed.push(data);
        self.places.extend(found.into_iter().map(|(number, offset)| (number, Place::Packed(index, offset))));
    }

    /// The catalog that the last trailer names.
    fn find_catalog(&self) -> Option<Dict> {
        let mut end = self.bytes.len();
        while let Some(found) = find_last(&self.bytes[..end], b"/Root") {
            let entry = Parser::new(&self.bytes, found + 5).object();
            if let Some(Object::Dict(catalog)) = entry.and_then(|entry| self.resolve(&entry))
                && catalog.contains_key(b"Pages".as_slice())
            {
                return Some(catalog);
            }
            end = found;
        }
        None
    }

    /// Adds the pages below a node of the page tree, each node once.
    fn walk(&self, node: &Object, most: usize, depth: usize, seen: &mut BTreeSet<u32>, pages: &mut Vec<Dict>) {
        if let Object::Reference(number) = node
            && !seen.insert(*number)
        {
            return;
        }
        let Some(Object::Dict(dict)) = self.resolve(node) else { return };
        match dict.get(b"Kids".as_slice()).and_then(|kids| self.resolve(kids)) {
            Some(Object::List(kids)) if depth < MAX_TREE_DEPTH => {
                for kid in kids {
                    if pages.len() > most {
                        return;
                    }
                    self.walk(&kid, most, depth + 1, seen, pages);
                }
            }
            _ => pages.push(dict),
        }
    }

    /// The object itself, behind every reference.
    fn resolve(&self, object: &Object) -> Option<Object> {
        let mut object = object.clone();
        for _ in 0..MAX_STEPS {
            let Object::Reference(number) = object else { return Some(object) };
            object = match *self.places.get(&number)? {
                Place::File(at) => Parser::new(&self.bytes, at).object()?,
                Place::Packed(stream, at) => Parser::new(self.packed.get(stream)?, at).object()?,
            };
        }
        None
    }

    /// Dictionary and stored bytes of a stream.
    fn stream(&self, number: u32) -> Option<(Dict, &[u8])> {
        let Place::File(at) = *self.places.get(&number)? else { return None };
        let mut parser = Parser::new(&self.bytes, at);
        let Object::Dict(dict) = parser.object()? else { return None };
        while self.bytes.get(parser.at).is_some_and(|byte| is_space(*byte)) {
            parser.at += 1;
        }
        let rest = self.bytes.get(parser.at..)?.strip_prefix(b"stream")?;
        let data =
            rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")).or_else(|| rest.strip_prefix(b"\r"))?;
        let length = dict.get(b"Length".as_slice()).and_then(|length| self.resolve(length)?.number());
        // The length that is told, if the stream ends there, else as far as the next end.
        let told = length.map(|length| length as usize).filter(|length| {
            let behind = data.get(*length..).map(|behind| &behind[..behind.len().min(32)]);
            behind.is_some_and(|behind| {
                let spaces = behind.iter().take_while(|byte| is_space(**byte)).count();
                behind[spaces..].starts_with(b"endstream")
            })
        });
        let length = told.or_else(|| find(data, b"endstream", 0)).unwrap_or(data.len());
        Some((dict, &data[..length]))
    }
}

/// The object number in `12 0 obj`, where `obj` stands at `at`.
fn number_before(bytes: &[u8], at: usize) -> Option<u32> {
    let before = &bytes[..at];
    let (before, spaces) = strip(before, is_space);
    let (before, generation) = strip(before, |byte| byte.is_ascii_digit());
    let (before, gap) = strip(before, is_space);
    let (rest, digits) = strip(before, |byte| byte.is_ascii_digit());
    if spaces == 0 || generation == 0 || gap == 0 || digits == 0 || digits > 9 {
        return None;
    }
    std::str::from_utf8(&before[rest.len()..]).ok()?.parse().ok()
}

/// The bytes before those at the end that are alike, at most some dozens, and how many those are.
fn strip(bytes: &[u8], alike: impl Fn(u8) -> bool) -> (&[u8], usize) {
    let count = bytes.iter().rev().take(64).take_while(|byte| alike(**byte)).count();
    (&bytes[..bytes.len() - count], count)
}

/// Where `what` stands, at `from` or behind.
fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let (&first, rest) = what.split_first()?;
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == first)?;
        if bytes[at + 1..].starts_with(rest) {
            return Some(at);
        }
        at += 1;
    }
}

fn find_last(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).rposition(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::pdf::contents::tests::deflated;

    fn pdf(objects: &[&str]) -> Vec<u8> {
        let mut bytes = b"%PDF-1.7\n".to_vec();
        for (index, object) in objects.iter().enumerate() {
            bytes.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", index + 1).as_bytes());
        }
        bytes.extend_from_slice(b"trailer << /Root 1 0 R >>\n%%EOF");
        bytes
    }

    #[test]
    fn pages_are_found_in_their_order_with_their_units() {
        let structure = Structure::of(
            pdf(&[
                "<< /Type /Catalog /Pages 2 0 R /Collection << >> >>",
                "<< /Kids [4 0 R 3 0 R 2 0 R] >>",
                "<< /Type /Page /UserUnit 72 >>",
                "<< /Kids [5 0 R] >>",
                "<< /Type /Page /UserUnit 6 0 R >>",
                "1e9",
            ]),
            2,
        )
        .unwrap();
        assert_eq!((structure.user_unit(0), structure.user_unit(1), structure.user_unit(2)), (None, Some(72.0), None));
        assert!(structure.is_portfolio());
        assert_eq!(structure.contents(0), Contents::Empty);
    }

    #[test]
    fn objects_in_streams_count() {
        let objects = b"1 0 2 34 << /Type /Catalog /Pages 2 0 R >> << /Kids [3 0 R] >> ";
        let first = objects.iter().position(|byte| *byte == b'<').unwrap();
        let packed = deflated(objects);
        let mut bytes = b"%PDF-1.7\n3 0 obj << /UserUnit 2 >> endobj\n".to_vec();
        bytes.extend_from_slice(
            format!(
                "9 0 obj << /Type /ObjStm /N 2 /First {first} /Filter /FlateDecode /Length {} >> stream\n",
                packed.len()
            )
            .as_bytes(),
        );
        bytes.extend_from_slice(&packed);
        bytes
            .extend_from_slice(b"\nendstream endobj\n8 0 obj << /Type /XRef /Root 1 0 R >> stream\nendstream endobj\n");
        let structure = Structure::of(bytes, 1).unwrap();
        assert_eq!(structure.user_unit(0), Some(2.0));
    }

    #[test]
    fn what_tells_another_story_or_is_encrypted_is_left_alone() {
        let one = ["<< /Pages 2 0 R >>", "<< /Kids [3 0 R] >>", "<< >>"];
        assert!(Structure::of(pdf(&one), 1).is_some());
        assert!(Structure::of(pdf(&one), 2).is_none());
        let mut encrypted = pdf(&one);
        encrypted.extend_from_slice(b" << /Encrypt 4 0 R >>");
        assert!(Structure::of(encrypted, 1).is_none());
        assert!(Structure::of(pdf(&["<< /Pages 1 0 R >>"]), 1).is_some(), "a loop has an end");
    }
}
