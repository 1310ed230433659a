//! YAML as a tree in which every value knows where it was written, so that a mistake can be shown in its place. Values
//! of the environment are put in after parsing: whatever a variable holds, it can't change the structure of the file.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::env::Environment;
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
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(known, _)| known.name == key).map(|(_, node)| node),
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

/// Parses one YAML document. None where the syntax is broken; what was wrong is in `mistakes`.
pub fn parse(text: &str, mistakes: &mut Mistakes) -> Option<Node> {
    if text.len() > MAX_FILE_BYTES {
        mistakes.add(
            &Origin::START,
            "",
            format!("the file has {} bytes, at most {MAX_FILE_BYTES} are read", text.len()),
        );
        return None;
    }
    let mut builder = Builder::new(mistakes);
    for event in Parser::new_from_str(text) {
        let step = event.map_err(|error| (position(*error.marker()), invalid(&error, text)));
        match step.and_then(|(event, span)| builder.take(event, span)) {
            Ok(()) => {}
            Err((origin, message)) => {
                builder.mistakes.add(&origin, "", message);
                return None;
            }
        }
    }
    Some(builder.root.unwrap_or_else(|| Node::empty_map(Origin::START)))
}

fn invalid(error: &ScanError, text: &str) -> String {
    let line = text.lines().nth(error.marker().line().saturating_sub(1)).unwrap_or_default();
    let hint = if line.contains("${") { "; inside { } and [ ], a value with ${...} must stand in quotes" } else { "" };
    format!("not valid YAML: {}{hint}", error.info())
}

fn position(marker: Marker) -> Origin {
    Origin::Position { line: marker.line().max(1), column: marker.col() + 1 }
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
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    documents: usize,
    mistakes: &'m mut Mistakes,
}

type Step = Result<(), (Origin, String)>;

impl<'m> Builder<'m> {
    fn new(mistakes: &'m mut Mistakes) -> Self {
        Self { open: Vec::new(), anchors: BTreeMap::new(), nodes: 0, root: None, documents: 0, mistakes }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Step {
        let origin = position(span.start);
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

/// Puts variables in: `${VAR}`, `${VAR:-default}`; `$${` stands for `${`. In values only, never in keys or comments.
/// Every variable that is missing is reported.
pub fn interpolate(node: &mut Node, environment: &Environment, path: &str, mistakes: &mut Mistakes) {
    match &mut node.value {
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                interpolate(item, environment, &format!("{path}[{index}]"), mistakes);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                interpolate(value, environment, &join(path, &key.name), mistakes);
            }
        }
        Value::Scalar(scalar) if scalar.text.contains("${") => {
            let mut wrong = Vec::new();
            let text = expand(&scalar.text, environment, &mut wrong);
            scalar.unresolved = !wrong.is_empty();
            for message in wrong {
                mistakes.add(&node.origin, path, message);
            }
            scalar.template = Some(std::mem::replace(&mut scalar.text, text));
        }
        Value::Scalar(_) => {}
    }
}

fn expand(template: &str, environment: &Environment, wrong: &mut Vec<String>) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(escaped) = before.strip_suffix('$') {
            text.push_str(escaped);
            text.push_str("${");
            rest = &from[2..];
            continue;
        }
        text.push_str(before);
        let Some(end) = from.find('}') else {
            wrong.push("'${' is never closed: '}' is expected, or '$${' where no variable is meant".into());
            return text;
        };
        let (name, default) = match from[2..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&from[2..end], None),
        };
        rest = &from[end + 1..];
        let well_formed = !name.is_empty()
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
        match (well_formed, environment.text(name).filter(|value| !value.is_empty() || default.is_none()), default) {
            (false, _, _) => wrong.push(format!("'{name}' is not the name of an environment variable")),
            (true, Some(value), _) => text.push_str(value),
            (true, None, Some(default)) => text.push_str(default),
            (true, None, None) => {
                wrong.push(format!("environment variable {name} is not set: set it, or write ${{{name}:-a default}}"))
            }
        }
    }
    text.push_str(rest);
    text
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
        let node = parse(text, &mut mistakes);
        (node, mistakes)
    }

    fn text(node: &Node) -> &str {
        match &node.value {
            Value::Scalar(scalar) => &scalar.text,
            _ => panic!("not a scalar"),
        }
    }

    #[test]
    fn every_value_knows_its_place() {
        let (node, _) = tree("a: 1\nb:\n  - x\n  - {c: d}\n");
        let node = node.unwrap();
        assert_eq!(*node.locate("b[1].c"), Origin::Position { line: 4, column: 9 });
        assert_eq!(*node.locate("b[1].missing"), Origin::Position { line: 4, column: 5 });
    }

    #[test]
    fn variables_are_put_in_after_parsing() {
        let environment: Environment = [("A", "x: [1]"), ("EMPTY", "")].into_iter().collect();
        let (node, mut mistakes) = tree("a: ${A}\nb: '${B:-two}${EMPTY:-three}'\nc: $${A}\n");
        let mut node = node.unwrap();
        interpolate(&mut node, &environment, "", &mut mistakes);
        assert_eq!(text(node.get("a").unwrap()), "x: [1]");
        assert_eq!(text(node.get("b").unwrap()), "twothree");
        assert_eq!(text(node.get("c").unwrap()), "${A}");
        assert!(mistakes.is_empty());
    }

    #[test]
    fn every_missing_variable_is_named() {
        let (node, mut mistakes) = tree("a: ${ONE}/${TWO}\nb: ['${THREE}', '${', '${4}']\n");
        interpolate(&mut node.unwrap(), &Environment::default(), "", &mut mistakes);
        let report = mistakes.to_string();
        for name in ["ONE", "TWO", "THREE", "never closed", "'4' is not the name"] {
            assert!(report.contains(name), "{name} in {report}");
        }
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
