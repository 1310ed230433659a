//! Holds a tree of YAML against the JSON Schema of a wire form, and gives the JSON value that serde then reads. Serde
//! alone would stop at the first mistake and know no lines; the schema already says everything that is allowed, so it
//! is the one place where that is written, and editors complete from the same.
//!
//! Only what schemars makes of our wire forms is understood. Objects that list their properties are closed.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value as Json};

use super::report::{Mistakes, hint, nearest};
use super::tree::{Node, Scalar, Value, join};

/// The JSON Schema (draft 2020-12) of `T`, closed: unknown keys are refused.
pub fn schema_of<T: JsonSchema>() -> Json {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    close(&mut schema);
    schema
}

fn close(schema: &mut Json) {
    match schema {
        Json::Object(object) => {
            if object.get("properties").is_some_and(Json::is_object) && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".into(), Json::Bool(false));
            }
            object.values_mut().for_each(close);
        }
        Json::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Holds `node` against `schema`. What comes back leaves out what was wrong, so that the rest can be checked further;
/// None where nothing is left.
pub fn check(node: &Node, schema: &Json, mistakes: &mut Mistakes) -> Option<Json> {
    Checker { root: schema, mistakes }.node(node, schema, "")
}

struct Checker<'a> {
    root: &'a Json,
    mistakes: &'a mut Mistakes,
}

static ABSENT: Json = Json::Null;

fn part<'a>(schema: &'a Json, key: &str) -> &'a Json {
    schema.get(key).unwrap_or(&ABSENT)
}

fn list(schema: &Json) -> &[Json] {
    schema.as_array().map_or(&[], Vec::as_slice)
}

/// Whether the schema's `type` is or contains `name`.
fn has_type(schema: &Json, name: &str) -> bool {
    let kind = part(schema, "type");
    kind == name || list(kind).iter().any(|kind| kind == name)
}

/// The texts that the schema allows, where it allows only certain ones.
fn choices(schema: &Json) -> Option<Vec<&str>> {
    if let Some(only) = part(schema, "const").as_str() {
        return Some(vec![only]);
    }
    if let Some(values) = part(schema, "enum").as_array() {
        return Some(values.iter().filter_map(Json::as_str).collect());
    }
    let options = list(part(schema, "oneOf"));
    let known: Option<Vec<Vec<&str>>> = options.iter().map(choices).collect();
    known.filter(|known| !known.is_empty()).map(|known| known.concat())
}

/// The key that tells the variants of a `oneOf` apart: the one whose value is fixed in each.
fn tag_of(variant: &Json) -> Option<(&str, &str)> {
    part(variant, "properties")
        .as_object()?
        .iter()
        .find_map(|(key, schema)| part(schema, "const").as_str().map(|value| (key.as_str(), value)))
}

/// The words of a schema about how many there may be of something.
struct Count {
    least: &'static str,
    most: &'static str,
    unit: &'static str,
}

const ENTRIES: Count = Count { least: "minItems", most: "maxItems", unit: "entries" };
const CHARACTERS: Count = Count { least: "minLength", most: "maxLength", unit: "characters" };

impl<'a> Checker<'a> {
    fn resolve(&self, schema: &'a Json) -> &'a Json {
        match part(schema, "$ref").as_str().and_then(|reference| reference.strip_prefix('#')) {
            Some(pointer) => self.root.pointer(pointer).map_or(schema, |target| self.resolve(target)),
            None => schema,
        }
    }

    fn node(&mut self, node: &Node, schema: &'a Json, path: &str) -> Option<Json> {
        let schema = self.resolve(schema);
        if node.is_null() && self.is_nullable(schema) {
            return Some(Json::Null);
        }
        if matches!(&node.value, Value::Scalar(scalar) if scalar.unresolved) {
            return None;
        }
        if let Some(choices) = choices(schema) {
            return self.choice(node, &choices, path);
        }
        let options = list(part(schema, "anyOf"));
        if let Some(option) = self.option(node, options) {
            return self.node(node, option, path);
        }
        let variants = list(part(schema, "oneOf"));
        if !variants.is_empty() {
            return self.variant(node, variants, path);
        }
        match &node.value {
            Value::Map(entries) if has_type(schema, "object") => {
                let mut json = Map::new();
                self.map(node, entries, schema, path, &mut json);
                Some(Json::Object(json))
            }
            Value::List(items) if has_type(schema, "array") => {
                self.length(node, items.len(), schema, &ENTRIES, path);
                let each = part(schema, "items");
                let items = items.iter().enumerate();
                Some(items.filter_map(|(index, item)| self.node(item, each, &format!("{path}[{index}]"))).collect())
            }
            Value::Scalar(scalar) => self.scalar(node, scalar, schema, path),
            _ => self.unexpected(node, schema, path),
        }
    }

    fn is_nullable(&self, schema: &'a Json) -> bool {
        has_type(schema, "null")
            || list(part(schema, "anyOf")).iter().any(|option| self.is_nullable(self.resolve(option)))
    }

    /// The member of an `anyOf` that the node's form belongs to; the last one where none does.
    fn option(&self, node: &Node, options: &'a [Json]) -> Option<&'a Json> {
        let fits = |schema: &&Json| {
            let schema = self.resolve(schema);
            match node.value {
                Value::Map(_) => has_type(schema, "object") || !list(part(schema, "oneOf")).is_empty(),
                Value::List(_) => has_type(schema, "array"),
                Value::Scalar(_) => !has_type(schema, "object") && !has_type(schema, "array"),
            }
        };
        let mut real = options.iter().filter(|option| part(option, "type") != "null");
        let last = real.clone().next_back();
        real.find(fits).or(last)
    }

    fn variant(&mut self, node: &Node, variants: &'a [Json], path: &str) -> Option<Json> {
        let variants: Vec<&Json> = variants.iter().map(|variant| self.resolve(variant)).collect();
        let tags: Vec<(&str, &str)> = variants.iter().copied().filter_map(tag_of).collect();
        let (tag, first) = tags.first().copied().unwrap_or_default();
        let known: Vec<&str> = tags.iter().map(|(_, value)| *value).collect();
        if !matches!(node.value, Value::Map(_)) {
            let meant = match &node.value {
                Value::Scalar(scalar) => known.iter().find(|known| **known == scalar.text).copied().unwrap_or(first),
                _ => first,
            };
            self.add(node, path, format!("found {}, a set of keys is expected: {{{tag}: {meant}}}", found(node)));
            return None;
        }
        let Some(chosen) = node.get(tag) else {
            self.add(node, path, format!("key '{tag}' is missing: one of {} is expected", known.join(", ")));
            return None;
        };
        let chosen = self.choice(chosen, &known, &join(path, tag))?;
        let variant = variants.iter().find(|variant| tag_of(variant).is_some_and(|(_, value)| chosen == value))?;
        self.node(node, variant, path)
    }

    fn map(
        &mut self,
        node: &Node,
        entries: &[(super::tree::Key, Node)],
        schema: &'a Json,
        path: &str,
        into: &mut Map<String, Json>,
    ) {
        let properties = part(schema, "properties").as_object();
        let others = part(schema, "additionalProperties");
        for (key, value) in entries {
            let at = join(path, &key.name);
            let schema = properties.and_then(|properties| properties.get(&key.name));
            if let Some(schema) = schema.or_else(|| others.is_object().then_some(others)) {
                into.extend(self.node(value, schema, &at).map(|json| (key.name.clone(), json)));
            } else {
                let known: Vec<&str> =
                    properties.map(|known| known.keys().map(String::as_str).collect()).unwrap_or_default();
                let hint = nearest(&key.name, known.iter().copied());
                let hint = hint.map_or_else(|| ".".into(), |word| format!(": did you mean '{word}'?"));
                self.mistakes.add(&key.origin, at, format!("unknown key{hint} Known here: {}", known.join(", ")));
            }
        }
        for required in list(part(schema, "required")).iter().filter_map(Json::as_str) {
            if node.get(required).is_none() {
                let expected = properties.and_then(|known| known.get(required)).map(|schema| self.expected(schema));
                let expected = expected.unwrap_or_else(|| "a value".into());
                self.add(node, path, format!("key '{required}' is missing: {expected} is expected"));
            }
        }
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar, schema: &'a Json, path: &str) -> Option<Json> {
        let text = scalar.text.as_str();
        // a value out of the environment has no quotes to tell a number from text
        let plain = scalar.plain || scalar.template.is_some();
        if has_type(schema, "string") && !scalar.is_null() {
            self.length(node, text.chars().count(), schema, &CHARACTERS, path);
            return Some(Json::from(text));
        }
        if has_type(schema, "integer")
            && plain
            && let Ok(number) = text.parse::<i64>()
        {
            return self.number(node, Json::from(number), number as f64, schema, path);
        }
        if has_type(schema, "number")
            && plain
            && let Ok(number) = text.parse::<f64>()
            && number.is_finite()
        {
            return self.number(node, Json::from(number), number, schema, path);
        }
        if has_type(schema, "boolean") && plain {
            match text {
                "true" | "True" | "TRUE" => return Some(Json::Bool(true)),
                "false" | "False" | "FALSE" => return Some(Json::Bool(false)),
                _ => {}
            }
        }
        self.unexpected(node, schema, path)
    }

    fn number(&mut self, node: &Node, json: Json, number: f64, schema: &'a Json, path: &str) -> Option<Json> {
        let above = |key: &str| part(schema, key).as_f64().is_none_or(|limit| number >= limit);
        let below = |key: &str| part(schema, key).as_f64().is_none_or(|limit| number <= limit);
        if !above("minimum") || !below("maximum") {
            return self.unexpected(node, schema, path);
        }
        Some(json)
    }

    fn length(&mut self, node: &Node, length: usize, schema: &Json, count: &Count, path: &str) {
        let least = part(schema, count.least).as_u64().unwrap_or(0);
        let most = part(schema, count.most).as_u64().unwrap_or(u64::MAX);
        if (length as u64) < least {
            self.add(node, path, format!("found {length} {}, at least {least} expected", count.unit));
        } else if length as u64 > most {
            self.add(node, path, format!("found {length} {}, at most {most} expected", count.unit));
        }
    }

    fn choice(&mut self, node: &Node, choices: &[&str], path: &str) -> Option<Json> {
        if let Value::Scalar(scalar) = &node.value {
            if let Some(choice) = choices.iter().find(|choice| **choice == scalar.text) {
                return Some(Json::from(*choice));
            }
            let hint =
                if scalar.template.is_none() { hint(&scalar.text, choices.iter().copied()) } else { String::new() };
            self.add(node, path, format!("found {}, one of {} is expected{hint}", found(node), choices.join(", ")));
        } else {
            self.add(node, path, format!("found {}, one of {} is expected", found(node), choices.join(", ")));
        }
        None
    }

    fn unexpected(&mut self, node: &Node, schema: &'a Json, path: &str) -> Option<Json> {
        let expected = self.expected(schema);
        self.add(node, path, format!("found {}, {expected} is expected", found(node)));
        None
    }

    fn add(&mut self, node: &Node, path: &str, message: String) {
        self.mistakes.add(&node.origin, path, message);
    }

    /// What a schema allows, in words.
    fn expected(&self, schema: &'a Json) -> String {
        let schema = self.resolve(schema);
        if let Some(choices) = choices(schema) {
            return format!("one of {}", choices.join(", "));
        }
        let options = list(part(schema, "anyOf"));
        if !options.is_empty() {
            let real = options.iter().filter(|option| part(option, "type") != "null");
            return real.map(|option| self.expected(option)).collect::<Vec<_>>().join(" or ");
        }
        let limit = |key: &str| part(schema, key).as_f64();
        let range = match (limit("minimum"), limit("maximum")) {
            (Some(least), Some(most)) if least == most => return least.to_string(),
            (Some(least), Some(most)) => format!(" from {least} to {most}"),
            (Some(least), None) => format!(" of at least {least}"),
            (None, Some(most)) => format!(" of at most {most}"),
            (None, None) => String::new(),
        };
        let kinds = [
            ("integer", format!("a whole number{range}")),
            ("number", format!("a number{range}")),
            ("boolean", "true or false".to_owned()),
            ("string", "text".to_owned()),
            ("array", "a list".to_owned()),
            ("object", "a set of keys".to_owned()),
        ];
        let allowed: Vec<String> =
            kinds.into_iter().filter(|(kind, _)| has_type(schema, kind)).map(|(_, words)| words).collect();
        if allowed.is_empty() { "a set of keys".into() } else { allowed.join(" or ") }
    }
}

/// A value in words, cut where it is long. What came from a variable is shown as the variable.
pub(super) fn found(node: &Node) -> String {
    match &node.value {
        Value::List(_) => "a list".into(),
        Value::Map(_) => "a set of keys".into(),
        Value::Scalar(scalar) if scalar.is_null() => "nothing".into(),
        Value::Scalar(Scalar { template: Some(template), .. }) => format!("the value of '{}'", short(template)),
        Value::Scalar(scalar) if scalar.plain => format!("'{}'", short(&scalar.text)),
        Value::Scalar(scalar) => format!("the text \"{}\"", short(&scalar.text)),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}
