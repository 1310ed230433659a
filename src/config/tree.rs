//! YAML as a tree in which every value knows where it was written, so that a mistake can be shown in its place.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::report::{Mistakes, Origin};

/// Deeper files are refused, before recursion could run out of stack. Plans may nest 64 stages, three levels each.
const MAX_DEPTH: usize = 256;
/// Longer files are refused: aliases can multiply what is in a file by at most as many nodes.
const MAX_FILE_BYTES: usize = 1 << 20;
const MAX_NODES: usize = 100_000;

/// A value and where it was written.
#[derive(Debug, Clone)]
pub struct Node {
    pub origin: Origin,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key and where it was written.
#[derive(Debug, Clone)]
pub struct Key {
    pub name: String,
    pub origin: Origin,
}

/// A scalar before anybody has decided whether it is text or a number.
#[derive(Debug, Clone)]
pub struct Scalar {
    pub text: String,
    /// Not quoted: may be a number, true, false or nothing.
    pub plain: bool,
    /// What the file says, where a variable was put in: this is shown, the value is not.
    pub template: Option<String>,
    /// A variable is missing: there is no value, and that has been said.
    pub unresolved: bool,
}

impl Scalar {
    /// Whether YAML reads this as "no value".
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

impl Node {
    pub fn scalar(origin: Origin, text: impl Into<String>) -> Self {
        Self {
            origin,
            value: Value::Scalar(Scalar { text: text.into(), plain: true, template: None, unresolved: false }),
        }
    }

    pub fn empty_map(origin: Origin) -> Self {
        Self { origin, value: Value::Map(Vec::new()) }
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.is_null())
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The key of that name, with its value.
    pub fn entry(&self, key: &str) -> Option<&(Key, Node)> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(known, _)| known.name == key),
            _ => None,
        }
    }

    /// The key at `path` (`a.b`), where it is written.
    pub fn key(&self, path: &str) -> Option<&Key> {
        let (above, last) = path.rsplit_once('.').unwrap_or(("", path));
        match self.walk(above) {
            (node, true) => node.entry(last).map(|(key, _)| key),
            _ => None,
        }
    }

    /// The value at `path` (`a.b[2].c`) and true, or the nearest value above it and false.
    fn walk(&self, path: &str) -> (&Node, bool) {
        let mut node = self;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            let next = match (&node.value, step.strip_suffix(']')) {
                (Value::List(items), Some(index)) => index.parse().ok().and_then(|index: usize| items.get(index)),
                _ => node.get(step),
            };
            match next {
                Some(next) => node = next,
                None => return (node, false),
            }
        }
        (node, true)
    }

    /// Where the value at `path` was written, or else the nearest value above it.
    pub fn locate(&self, path: &str) -> &Origin {
        &self.walk(path).0.origin
    }

    /// Whether anything is written at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.walk(path).1
    }

    /// The keys of the map at `path`; none where there is no map.
    pub fn keys(&self, path: &str) -> impl Iterator<Item = &str> {
        let entries = match self.walk(path) {
            (Node { value: Value::Map(entries), .. }, true) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(key, _)| key.name.as_str())
    }

    /// The scalar at `path` as the file says it: with the names of variables, not their values.
    pub fn written(&self, path: &str) -> Option<&str> {
        match self.walk(path) {
            (Node { value: Value::Scalar(scalar), .. }, true) => Some(scalar.template.as_ref().unwrap_or(&scalar.text)),
            _ => None,
        }
    }

    /// Sets the value at `keys`, over whatever stood there.
    pub fn set(&mut self, keys: &[String], value: Node) {
        let Some((key, rest)) = keys.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self.value, Value::Map(_)) {
            *self = Self::empty_map(value.origin.clone());
        }
        let Value::Map(entries) = &mut self.value else { return };
        if !entries.iter().any(|(known, _)| known.name == *key) {
            let origin = value.origin.clone();
            entries.push((Key { name: key.clone(), origin: origin.clone() }, Node::empty_map(origin)));
        }
        for (known, node) in entries {
            if known.name == *key {
                node.set(rest, value);
                return;
            }
        }
    }
}

/// Parses `text`, one YAML document, as what stands in `file`. None where the syntax is broken; what was wrong is in
/// `mistakes`.
pub fn parse(text: &str, file: &Path, mistakes: &mut Mistakes) -> Option<Node> {
    let file: Arc<Path> = file.into();
    if text.len() > MAX_FILE_BYTES {
        let message = format!("the file has {} bytes, at most {MAX_FILE_BYTES} are read", text.len());
        mistakes.add(&Origin::start_of(&file), "", message);
        return None;
    }
    let mut builder = Builder::new(&file, mistakes);
    for event in Parser::new_from_str(text) {
        let step = event.map_err(|error| (position(&file, *error.marker()), invalid(&error, text)));
        match step.and_then(|(event, span)| builder.take(event, span)) {
            Ok(()) => {}
            Err((origin, message)) => {
                builder.mistakes.add(&origin, "", message);
                return None;
            }
        }
    }
    Some(builder.root.unwrap_or_else(|| Node::empty_map(Origin::start_of(&file))))
}

fn invalid(error: &ScanError, text: &str) -> String {
    let line = text.lines().nth(error.marker().line().saturating_sub(1)).unwrap_or_default();
    let hint = if line.contains("${") { "; inside { } and [ ], a value with ${...} must stand in quotes" } else { "" };
    format!("not valid YAML: {}{hint}", error.info())
}

fn position(file: &Arc<Path>, marker: Marker) -> Origin {
    Origin::Position { file: Arc::clone(file), line: marker.line().max(1), column: marker.col() + 1 }
}

/// A collection that is still open.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<Key>,
}

/// Builds the tree from the parser's events.
struct Builder<'m> {
    file: &'m Arc<Path>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    documents: usize,
    mistakes: &'m mut Mistakes,
}

type Step = Result<(), (Origin, String)>;

impl<'m> Builder<'m> {
    fn new(file: &'m Arc<Path>, mistakes: &'m mut Mistakes) -> Self {
        Self { file, open: Vec::new(), anchors: BTreeMap::new(), nodes: 0, root: None, documents: 0, mistakes }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Step {
        let origin = position(self.file, span.start);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((origin, "a second document begins here: one is expected".into()));
                }
                Ok(())
            }
            Event::SequenceStart(anchor, _) => self.open(Node { origin, value: Value::List(Vec::new()) }, anchor),
            Event::MappingStart(anchor, _) => self.open(Node::empty_map(origin), anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { node, anchor, .. }) => self.place(node, anchor),
                None => Ok(()),
            },
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let scalar = Scalar { text: text.into_owned(), plain, template: None, unresolved: false };
                self.place(Node { origin, value: Value::Scalar(scalar) }, anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.nodes += count(&node);
                    self.place(Node { origin, ..node }, 0)
                }
                None => Err((origin, "this alias stands inside what it stands for".into())),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(&mut self, node: Node, anchor: usize) -> Step {
        if self.open.len() >= MAX_DEPTH {
            return Err((node.origin, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(Open { node, anchor, key: None });
        Ok(())
    }

    fn place(&mut self, node: Node, anchor: usize) -> Step {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err((node.origin, format!("more than {MAX_NODES} values, aliases counted as what they stand for")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(Open { node: parent, key, .. }) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match key.take() {
                None => match node.value {
                    Value::Scalar(scalar) => *key = Some(Key { name: scalar.text, origin: node.origin }),
                    _ => return Err((node.origin, "a list or a set of keys can't be a key".into())),
                },
                Some(key) if entries.iter().any(|(known, _)| known.name == key.name) => {
                    self.mistakes.add(&key.origin, key.name, "this key stands twice in the same place");
                }
                Some(key) => entries.push((key, node)),
            },
            Value::Scalar(_) => {}
        }
        Ok(())
    }
}

fn count(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 1,
        Value::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|(_, node)| count(node)).sum::<usize>(),
    }
}

/// `path.key`, or `key` at the root.
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> (Option<Node>, Mistakes) {
        let mut mistakes = Mistakes::new("f.yaml");
        let node = parse(text, Path::new("f.yaml"), &mut mistakes);
        (node, mistakes)
    }

    #[test]
    fn every_value_knows_its_place() {
        let (node, _) = tree("a: 1\nb:\n  - x\n  - {c: d}\n");
        let node = node.unwrap();
        assert_eq!(node.locate("b[1].c").to_string(), "f.yaml:4:9");
        assert_eq!(node.locate("b[1].missing").to_string(), "f.yaml:4:5");
    }

    #[test]
    fn hostile_files_are_refused() {
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
            + &(1..9)
                .map(|n| {
                    let (new, old) = ((b'a' + n) as char, (b'a' + n - 1) as char);
                    format!("{new}: &{new} [*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old}]\n")
                })
                .collect::<String>();
        for hostile in
            [&bomb, &"[".repeat(100_000), &"x".repeat(MAX_FILE_BYTES + 1), "a: *b", "a: &a [*a]", "a: 1\n---\nb: 2\n"]
        {
            let (_, mistakes) = tree(hostile);
            assert!(mistakes.to_string().contains(": 1 mistake\n"), "{}", hostile.chars().take(40).collect::<String>());
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_a_mistake() {
        let (node, mistakes) = tree("a: 1\nb: 2\na: 3\n");
        assert!(node.is_some());
        assert_eq!(mistakes.to_string(), "f.yaml: 1 mistake\n  f.yaml:3:1: a: this key stands twice in the same place");
    }
}
