//! PDF's syntax, as much as it takes to look at dictionaries: what PDFium's interface does not tell about a file.
//!
//! Reads bytes that strangers wrote: nothing is trusted, every nesting has an end.

use std::collections::BTreeMap;

/// Nested deeper than any document that is meant to be read.
const MAX_DEPTH: usize = 48;

/// A dictionary, by names without their slash.
pub(super) type Dict = BTreeMap<Vec<u8>, Object>;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Object {
    Null,
    Boolean(bool),
    Number(f64),
    Name(Vec<u8>),
    Text(Vec<u8>),
    List(Vec<Object>),
    Dict(Dict),
    /// The number of another object; generations are not told apart.
    Reference(u32),
}

impl Object {
    #[cfg(test)]
    pub(super) fn dict(&self) -> Option<&Dict> {
        match self {
            Self::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> Option<&[u8]> {
        match self {
            Self::Name(name) => Some(name),
            _ => None,
        }
    }
}

/// What a content stream or a file consists of.
#[derive(Debug, PartialEq)]
pub(super) enum Token {
    Object(Object),
    /// `obj`, `stream`, `Tj`, `f*` and the like.
    Word(Vec<u8>),
}

pub(super) struct Parser<'a> {
    bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next object, references included; None at the end and at anything else.
    pub(super) fn object(&mut self) -> Option<Object> {
        match self.token(0)? {
            Token::Object(Object::Number(number)) => Some(self.reference(number).unwrap_or(Object::Number(number))),
            Token::Object(object) => Some(object),
            Token::Word(_) => None,
        }
    }

    /// The next operand or operator of a content stream; None at its end.
    pub(super) fn content_token(&mut self) -> Option<Token> {
        self.token(0)
    }

    fn token(&mut self, depth: usize) -> Option<Token> {
        self.skip_space();
        let first = *self.bytes.get(self.at)?;
        let object = match first {
            b'/' => Object::Name(self.name()),
            b'(' => Object::Text(self.text()),
            b'<' if self.bytes.get(self.at + 1) == Some(&b'<') => self.dict(depth)?,
            b'<' => Object::Text(self.hexadecimal()),
            b'[' => self.list(depth)?,
            b'0'..=b'9' | b'+' | b'-' | b'.' => return Some(self.number()),
            b')' | b'>' | b']' | b'{' | b'}' => {
                self.at += 1;
                return Some(Token::Word(vec![first]));
            }
            _ => {
                let word = self.regular();
                match word.as_slice() {
                    b"null" => Object::Null,
                    b"true" => Object::Boolean(true),
                    b"false" => Object::Boolean(false),
                    _ => return Some(Token::Word(word)),
                }
            }
        };
        Some(Token::Object(object))
    }

    fn skip_space(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'%' => {
                    while self.bytes.get(self.at).is_some_and(|byte| !matches!(byte, b'\r' | b'\n')) {
                        self.at += 1;
                    }
                }
                byte if is_space(*byte) => self.at += 1,
                _ => break,
            }
        }
    }

    fn regular(&mut self) -> Vec<u8> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|byte| !is_space(*byte) && !is_delimiter(*byte)) {
            self.at += 1;
        }
        self.bytes[start..self.at].to_vec()
    }

    fn name(&mut self) -> Vec<u8> {
        self.at += 1;
        let raw = self.regular();
        let mut name = Vec::with_capacity(raw.len());
        let mut rest = raw.as_slice();
        while let Some((&first, others)) = rest.split_first() {
            let escaped = (first == b'#').then(|| Some((hex(*rest.get(1)?)?, hex(*rest.get(2)?)?))).flatten();
            match escaped {
                Some((high, low)) => {
                    name.push(high << 4 | low);
                    rest = &rest[3..];
                }
                None => {
                    name.push(first);
                    rest = others;
                }
            }
        }
        name
    }

    fn number(&mut self) -> Token {
        let word = self.regular();
        let number = std::str::from_utf8(&word).ok().and_then(|text| text.parse::<f64>().ok());
        match number.filter(|number| number.is_finite()) {
            Some(number) => Token::Object(Object::Number(number)),
            None => Token::Word(word),
        }
    }

    /// `12 0 R`, of which the first number has been read.
    fn reference(&mut self, number: f64) -> Option<Object> {
        let start = self.at;
        let is_whole = number >= 0.0 && number.fract() == 0.0 && number < f64::from(u32::MAX);
        if is_whole
            && let Some(Token::Object(Object::Number(_))) = self.token(MAX_DEPTH)
            && let Some(Token::Word(word)) = self.token(MAX_DEPTH)
            && word == b"R"
        {
            return Some(Object::Reference(number as u32));
        }
        self.at = start;
        None
    }

    /// Escapes are taken as they stand, but for brackets: nobody reads these strings closely.
    fn text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut open = 0usize;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'(' => {
                    open += 1;
                    if open == 1 {
                        continue;
                    }
                }
                b')' => {
                    open -= 1;
                    if open == 0 {
                        break;
                    }
                }
                b'\\' => {
                    text.extend(self.bytes.get(self.at));
                    self.at += 1;
                    continue;
                }
                _ => {}
            }
            text.push(byte);
        }
        text
    }

    fn hexadecimal(&mut self) -> Vec<u8> {
        self.at += 1;
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|byte| *byte != b'>') {
            self.at += 1;
        }
        let digits: Vec<u8> = self.bytes[start..self.at].iter().filter_map(|byte| hex(*byte)).collect();
        self.at += 1;
        digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect()
    }

    fn list(&mut self, depth: usize) -> Option<Object> {
        if depth >= MAX_DEPTH {
            return None;
        }
        self.at += 1;
        let mut list = Vec::new();
        loop {
            match self.token(depth + 1)? {
                Token::Word(word) if word == b"]" => return Some(Object::List(list)),
                Token::Word(word) if word == b"R" => fold_reference(&mut list),
                Token::Word(_) => {}
                Token::Object(object) => list.push(object),
            }
        }
    }

    fn dict(&mut self, depth: usize) -> Option<Object> {
        if depth >= MAX_DEPTH {
            return None;
        }
        self.at += 2;
        let mut entries = Vec::new();
        loop {
            match self.token(depth + 1)? {
                Token::Word(word) if word == b">" => {
                    if self.bytes.get(self.at) == Some(&b'>') {
                        self.at += 1;
                    }
                    break;
                }
                Token::Word(word) if word == b"R" => fold_reference(&mut entries),
                Token::Word(word) if word == b"endobj" || word == b"stream" => return None,
                Token::Word(_) => {}
                Token::Object(object) => entries.push(object),
            }
        }
        let mut dict = Dict::new();
        let mut entries = entries.into_iter();
        while let (Some(key), Some(value)) = (entries.next(), entries.next()) {
            if let Object::Name(name) = key {
                dict.insert(name, value);
            }
        }
        Some(Object::Dict(dict))
    }
}

/// The last two numbers of a list become the reference that they are.
fn fold_reference(list: &mut Vec<Object>) {
    list.pop();
    if let Some(Object::Number(number)) = list.pop() {
        list.push(Object::Reference(number as u32));
    }
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(text: &str) -> Option<Object> {
        Parser::new(text.as_bytes(), 0).object()
    }

    #[test]
    fn objects_of_every_kind() {
        let dict = object(
            "<< /Type /Page /Kids [3 0 R 12 0 R 7] % x\n /A#20B (a(b)\\)c) /C <414> /D << /E -1.5 >> /F 5 0 R >>",
        );
        let dict = dict.unwrap().dict().unwrap().clone();
        assert_eq!(dict[b"Type".as_slice()].name(), Some(b"Page".as_slice()));
        let kids = vec![Object::Reference(3), Object::Reference(12), Object::Number(7.0)];
        assert_eq!(dict[b"Kids".as_slice()], Object::List(kids));
        assert_eq!(dict[b"A B".as_slice()], Object::Text(b"a(b))c".to_vec()));
        assert_eq!(dict[b"C".as_slice()], Object::Text(vec![0x41, 0x40]));
        assert_eq!(dict[b"D".as_slice()].dict().unwrap()[b"E".as_slice()].number(), Some(-1.5));
        assert_eq!(dict[b"F".as_slice()], Object::Reference(5));
        assert_eq!(object("12 0 R"), Some(Object::Reference(12)));
        assert_eq!(object("12 0 obj"), Some(Object::Number(12.0)));
    }

    #[test]
    fn what_does_not_end_is_no_object() {
        for text in ["<< /A", "[1 2", "<< /A << /B 1 >> endobj", &"[".repeat(100_000), &"<<".repeat(100_000)] {
            assert_eq!(object(text), None, "{:.20}", text);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(prop_oneof![
            Just(b'<'), Just(b'>'), Just(b'('), Just(b')'), Just(b'['), Just(b']'), Just(b'/'), Just(b'R'), Just(b' '),
            Just(b'1'), any::<u8>()], 0..200)) {
            let mut parser = Parser::new(&bytes, 0);
            let mut tokens = 0;
            while parser.content_token().is_some() {
                tokens += 1;
                prop_assert!(tokens <= bytes.len());
            }
        }
    }
}
