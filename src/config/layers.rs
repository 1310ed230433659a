//! What is said in several places, laid one over the other by the `config` crate. Of a value it carries the text and the
//! place where it was written; whether the text was quoted, and which variable was put in, is looked up in that place.

use ::config::{ConfigError, Map, Source, Value as Merged, ValueKind};

use super::env::Environment;
use super::flags::Flag;
use super::report::Origin;
use super::tree::{Node, Value};
use crate::error::{Error, Result};

/// All lies below this key: the crate takes keys at the root apart (`a.b` would be `b` in `a`), others it leaves alone.
const ROOT: &str = "quire";

/// What the variables `QUIRE__A__B` say.
pub(super) fn of_variables(environment: &Environment) -> Node {
    let mut root = Node::empty_map(Origin::Default);
    for (name, keys, value) in environment.settings() {
        root.set(&keys, Node::scalar(Origin::Variable(name.to_owned()), value));
    }
    root
}

/// What flags that stand for keys say.
pub(super) fn of_flags(flags: &[Flag]) -> Node {
    let mut root = Node::empty_map(Origin::Default);
    for flag in flags {
        let keys: Vec<String> = flag.key.split('.').map(str::to_owned).collect();
        root.set(&keys, Node::scalar(Origin::Flag(flag.name.to_owned()), flag.value.clone()));
    }
    root
}

/// One tree of all `layers`, later ones over earlier ones. Keys are merged one by one; a list replaces a list.
///
/// # Errors
/// A bug, if the crate gives back what nobody gave to it.
pub(super) fn merge(layers: &[Node]) -> Result<Node> {
    let mut builder = ::config::Config::builder();
    for layer in layers {
        builder = builder.add_source(Layer(layer.clone()));
    }
    let merged = builder.build().map_err(|error| Error::bug("layers can't be merged").with_source(error))?;
    let written: Vec<&Node> = layers.iter().collect();
    match &merged.cache.kind {
        ValueKind::Table(table) => table.get(ROOT).and_then(|root| tree_of(root, &written)),
        _ => None,
    }
    .ok_or_else(|| Error::bug("the merged configuration holds a value that stands in no layer"))
}

/// A layer, as the crate takes it.
#[derive(Debug, Clone)]
struct Layer(Node);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Merged>, ConfigError> {
        Ok(Map::from_iter([(ROOT.to_owned(), value_of(&self.0))]))
    }
}

/// A value whose origin is its place: `quire.yaml:12:5`.
fn value_of(node: &Node) -> Merged {
    let kind = match &node.value {
        Value::Scalar(scalar) => ValueKind::String(scalar.text.clone()),
        Value::List(items) => ValueKind::Array(items.iter().map(value_of).collect()),
        Value::Map(entries) => {
            ValueKind::Table(entries.iter().map(|(key, value)| (key.name.clone(), value_of(value))).collect())
        }
    };
    Merged::new(Some(&node.origin.to_string()), kind)
}

/// The tree behind a merged value; `written` is what the layers say at this place. A value is that of the layer where its
/// origin lies; a set of keys, and a key, begins where it is written first.
fn tree_of(merged: &Merged, written: &[&Node]) -> Option<Node> {
    let ValueKind::Table(table) = &merged.kind else {
        return written.iter().find(|node| Some(node.origin.to_string().as_str()) == merged.origin()).copied().cloned();
    };
    let first = written.iter().find(|node| matches!(node.value, Value::Map(_)))?;
    let mut entries = Vec::new();
    for (name, value) in table {
        let below: Vec<_> = written.iter().filter_map(|node| node.entry(name)).collect();
        let (key, _) = below.first()?;
        let nodes: Vec<&Node> = below.iter().map(|(_, node)| node).collect();
        entries.push((key.clone(), tree_of(value, &nodes)?));
    }
    Some(Node { origin: first.origin.clone(), value: Value::Map(entries) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::report::Mistakes;
    use super::super::tree::parse;
    use super::*;

    fn layer(file: &str, text: &str) -> Node {
        let mut mistakes = Mistakes::new(file);
        let node = parse(text, Path::new(file), &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        node.unwrap()
    }

    fn variables(variables: &[(&str, &str)]) -> Node {
        of_variables(&variables.iter().copied().collect())
    }

    #[test]
    fn a_single_layer_comes_back_as_it_was() {
        let text = "a: 1\n'b.c': '1'\n\"\": {d: [x, {e: }], 'f': {}}\ng: &g ~\nh: *g\n";
        let one = layer("f.yaml", text);
        assert_eq!(format!("{:?}", merge(std::slice::from_ref(&one)).unwrap()), format!("{one:?}"));
    }

    #[test]
    fn every_value_keeps_its_line_and_column_through_merging() {
        let low = layer("low.yaml", "a:\n  b: 1\n  c: 2\nd: [1]\ne: {f: 1}\n");
        let high = layer("high.yaml", "\na: {c: 3, x: 4}\nd: [2, 3]\ne:\n");
        let over = variables(&[("QUIRE__A__X", "5"), ("QUIRE__Y__Z", "6")]);
        let flag = of_flags(&[Flag { name: "--why", key: "y.w", value: "7".into() }]);
        let merged = merge(&[low, high, over, flag]).unwrap();
        for (path, origin, text) in [
            ("a.b", "low.yaml:2:6", Some("1")),
            ("a.c", "high.yaml:2:8", Some("3")),
            ("a.x", "environment variable QUIRE__A__X", Some("5")),
            ("a", "low.yaml:2:3", None),
            ("d[1]", "high.yaml:3:8", Some("3")),
            ("y.z", "environment variable QUIRE__Y__Z", Some("6")),
            ("y.w", "--why", Some("7")),
            ("y", "environment variable QUIRE__Y__Z", None),
        ] {
            assert!(merged.has(path), "{path}");
            assert_eq!((merged.locate(path).to_string().as_str(), merged.written(path)), (origin, text), "{path}");
        }
        assert!(merged.get("e").unwrap().is_null(), "nothing stands over a set of keys");
        assert_eq!(merged.key("a.x").unwrap().origin.to_string(), "high.yaml:2:11");
    }

    #[test]
    fn quotes_survive_and_a_set_of_keys_replaces_a_value() {
        let low = layer("low.yaml", "a: '1'\nb: text\n");
        let merged = merge(&[low, layer("high.yaml", "b: {c: '~'}\n")]).unwrap();
        let quoted = |path: &[&str]| {
            let node = path.iter().try_fold(&merged, |node, key| node.get(key)).unwrap();
            matches!(&node.value, Value::Scalar(scalar) if !scalar.plain)
        };
        assert!(quoted(&["a"]) && quoted(&["b", "c"]));
        assert_eq!(merged.locate("b").to_string(), "high.yaml:1:4");
    }
}
