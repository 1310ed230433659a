//! `${VAR}` in configuration files. Values of the environment are put in after parsing: whatever a variable holds, it can't
//! change the structure of the file.

use super::env::Environment;
use super::report::Mistakes;
use super::tree::{Node, Value, join};

/// Which variables a file may name.
#[derive(Debug, Clone, Copy)]
pub enum Variables<'a> {
    /// All of these.
    Of(&'a Environment),
    /// None: why, and what to do about it.
    Refused(&'a str),
}

/// Puts variables in: `${VAR}`, `${VAR:-default}`; `$${` stands for `${`. In values only, never in keys or comments.
/// Every variable that is missing, or that the file may not name, is reported.
pub fn interpolate(node: &mut Node, variables: Variables<'_>, path: &str, mistakes: &mut Mistakes) {
    match &mut node.value {
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                interpolate(item, variables, &format!("{path}[{index}]"), mistakes);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                interpolate(value, variables, &join(path, &key.name), mistakes);
            }
        }
        Value::Scalar(scalar) if scalar.text.contains("${") => {
            let mut wrong = Vec::new();
            let text = expand(&scalar.text, variables, &mut wrong);
            scalar.unresolved = !wrong.is_empty();
            for message in wrong {
                mistakes.add(&node.origin, path, message);
            }
            scalar.template = Some(std::mem::replace(&mut scalar.text, text));
        }
        Value::Scalar(_) => {}
    }
}

fn expand(template: &str, variables: Variables<'_>, wrong: &mut Vec<String>) -> String {
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
        let environment = match variables {
            Variables::Of(environment) => environment,
            Variables::Refused(reason) => {
                wrong.push(format!("'${{{}}}' {reason}", &from[2..end]));
                continue;
            }
        };
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tree::parse;
    use super::*;

    fn tree(text: &str) -> (Node, Mistakes) {
        let mut mistakes = Mistakes::new("f.yaml");
        let node = parse(text, Path::new("f.yaml"), &mut mistakes);
        (node.unwrap(), mistakes)
    }

    fn text(node: &Node) -> &str {
        match &node.value {
            Value::Scalar(scalar) => &scalar.text,
            _ => panic!("not a scalar"),
        }
    }

    #[test]
    fn variables_are_put_in_after_parsing() {
        let environment: Environment = [("A", "x: [1]"), ("EMPTY", "")].into_iter().collect();
        let (mut node, mut mistakes) = tree("a: ${A}\nb: '${B:-two}${EMPTY:-three}'\nc: $${A}\n");
        interpolate(&mut node, Variables::Of(&environment), "", &mut mistakes);
        assert_eq!(text(node.get("a").unwrap()), "x: [1]");
        assert_eq!(text(node.get("b").unwrap()), "twothree");
        assert_eq!(text(node.get("c").unwrap()), "${A}");
        assert!(mistakes.is_empty());
    }

    #[test]
    fn every_missing_variable_is_named() {
        let (mut node, mut mistakes) = tree("a: ${ONE}/${TWO}\nb: ['${THREE}', '${', '${4}']\n");
        interpolate(&mut node, Variables::Of(&Environment::default()), "", &mut mistakes);
        let report = mistakes.to_string();
        for name in ["ONE", "TWO", "THREE", "never closed", "'4' is not the name"] {
            assert!(report.contains(name), "{name} in {report}");
        }
    }

    #[test]
    fn a_file_that_may_name_no_variables_may_still_write_their_signs() {
        let (mut node, mut mistakes) = tree("a: $${A}\nb: ${HOME:-x}/${A}\n");
        interpolate(&mut node, Variables::Refused("is refused"), "", &mut mistakes);
        assert_eq!(text(node.get("a").unwrap()), "${A}");
        assert_eq!(
            mistakes.to_string(),
            "f.yaml: 2 mistakes\n  f.yaml:2:4: b: '${HOME:-x}' is refused\n  f.yaml:2:4: b: '${A}' is refused"
        );
    }
}
