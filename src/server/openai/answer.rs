//! An answer as it goes to a chat client: markers counted in the order in which they appear, so that `[2]` is the second source of
//! whatever list the client shows, each a link where that is wished, each cited page told of once.

use serde_json::{Value, json};

use super::options::Options;
use crate::answer::{Citation, MarkerSplit, Part};
use crate::server::cited::{Addresses, CitedPage, plain};

/// Builds the text of one answer and its citations, piece by piece.
pub struct Composer {
    addresses: Addresses,
    links: bool,
    split: MarkerSplit,
    /// Pages that may be cited by now, by the marker that the answer has for them.
    known: Vec<(usize, Citation)>,
    /// In order of their first marker, with the marker that the answer has for them.
    cited: Vec<(usize, CitedPage)>,
    /// Characters so far.
    length: usize,
}

/// What comes next.
#[derive(Debug)]
pub enum Piece {
    Text(String),
    /// A page was cited for the first time; its marker was the text before.
    Cited(Box<Cited>),
}

/// A page with the place of its first marker.
#[derive(Debug, Clone)]
pub struct Cited {
    pub page: CitedPage,
    /// Characters of the answer.
    pub start: usize,
    pub end: usize,
}

impl Composer {
    pub fn new(addresses: Addresses, options: &Options) -> Self {
        Self {
            addresses,
            links: options.links,
            split: MarkerSplit::default(),
            known: Vec::new(),
            cited: Vec::new(),
            length: 0,
        }
    }

    /// A page may be cited from here on.
    pub fn know(&mut self, citation: Citation) {
        let number = citation.marker.trim_matches(['[', ']']).parse();
        if let Ok(number) = number
            && !self.known.iter().any(|(known, _)| *known == number)
        {
            self.known.push((number, citation));
        }
    }

    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        let parts = self.split.push(text);
        self.pieces(parts)
    }

    /// The rest, once the answer is over; `citations`: all of its pages.
    pub fn finish(&mut self, citations: Vec<Citation>) -> Vec<Piece> {
        citations.into_iter().for_each(|citation| self.know(citation));
        let parts = std::mem::take(&mut self.split).finish();
        self.pieces(parts)
    }

    /// Every page that was cited, with all that is known of it, in the order of their numbers.
    pub fn cited(&self) -> Vec<Value> {
        let cited = self.cited.iter().enumerate().map(|(place, (_, page))| {
            let mut whole = json!(page);
            whole["marker"] = json!(format!("[{}]", place + 1));
            whole
        });
        cited.collect()
    }

    fn pieces(&mut self, parts: Vec<Part>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for part in parts {
            let (text, cited) = match part {
                Part::Text(text) => (text, None),
                Part::Marker(marker) => self.marker(marker),
            };
            let start = self.length;
            self.length += text.chars().count();
            match pieces.last_mut() {
                Some(Piece::Text(last)) => last.push_str(&text),
                _ => pieces.push(Piece::Text(text)),
            }
            if let Some(page) = cited {
                pieces.push(Piece::Cited(Box::new(Cited { page, start, end: self.length })));
            }
        }
        pieces
    }

    /// How a marker is shown; and its page, the first time. One that stands for no page is text.
    fn marker(&mut self, marker: usize) -> (String, Option<CitedPage>) {
        let place = self.cited.iter().position(|(known, _)| *known == marker);
        let first = place.is_none();
        let place = match place {
            Some(place) => place,
            None => {
                let Some((_, citation)) = self.known.iter().find(|(known, _)| *known == marker) else {
                    return (format!("[{marker}]"), None);
                };
                let page = CitedPage::of(&self.addresses, citation.hit.clone());
                self.cited.push((marker, page));
                self.cited.len() - 1
            }
        };
        let (number, page) = (place + 1, &self.cited[place].1);
        let text = if self.links {
            let title = plain(&page.name()).replace('"', "'");
            format!("[{number}]({} \"{title}\")", page.url.replace(')', "%29"))
        } else {
            format!("[{number}]")
        };
        (text, first.then(|| page.clone()))
    }
}

impl Cited {
    /// As an entry of `annotations`.
    pub fn annotation(&self) -> Value {
        json!({
            "type": "url_citation",
            "url_citation": {
                "start_index": self.start,
                "end_index": self.end,
                "title": self.page.name(),
                "url": self.page.url,
            },
        })
    }
}
