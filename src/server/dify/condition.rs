//! Dify's `metadata_condition`, as a [`Condition`]. Operators are those of Dify's `SupportedComparisonOperator`.

use serde::Deserialize;
use serde_json::Value;

use crate::server::conditions::{Condition, Test, text};

/// Tests in one request.
const MAX_CONDITIONS: usize = 50;

#[derive(Debug, Deserialize)]
pub struct MetadataCondition {
    #[serde(default)]
    logical_operator: Option<String>,
    #[serde(default)]
    conditions: Option<Vec<One>>,
}

#[derive(Debug, Deserialize)]
struct One {
    name: Names,
    comparison_operator: String,
    #[serde(default)]
    value: Value,
}

/// Dify's pages say a list of names, its code sends one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl MetadataCondition {
    /// None where nothing is asked for.
    ///
    /// # Errors
    /// An operator that Dify does not have, or a value that does not fit it: what is said to whoever asked.
    pub fn into_condition(self) -> Result<Option<Condition>, String> {
        let conditions = self.conditions.unwrap_or_default();
        if conditions.len() > MAX_CONDITIONS {
            return Err(format!("{} conditions were given, at most {MAX_CONDITIONS} are taken", conditions.len()));
        }
        let tests = conditions.into_iter().map(One::into_condition).collect::<Result<Vec<_>, _>>()?;
        match (tests.is_empty(), self.logical_operator.as_deref().unwrap_or("and")) {
            (true, _) => Ok(None),
            (_, "and") => Ok(Some(Condition::All(tests))),
            (_, "or") => Ok(Some(Condition::Any(tests))),
            (_, other) => Err(format!("logical_operator is '{other}': 'and' or 'or' is expected")),
        }
    }
}

impl One {
    fn into_condition(self) -> Result<Condition, String> {
        let test = self.test()?;
        let of = |name: String| Condition::Field { name, test: test.clone() };
        Ok(match self.name {
            Names::One(name) => of(name),
            // any of the names may hold it
            Names::Many(names) => Condition::Any(names.into_iter().map(of).collect()),
        })
    }

    fn test(&self) -> Result<Test, String> {
        let word = || text(&self.value).ok_or_else(|| self.misfit("a text"));
        let number = || {
            let read = self.value.as_f64().or_else(|| self.value.as_str()?.trim().parse().ok());
            read.ok_or_else(|| self.misfit("a number"))
        };
        let list = || {
            let values = match &self.value {
                Value::Array(values) => values.iter().map(text).collect(),
                one => text(one).map(|all| all.split(',').map(|part| part.trim().to_owned()).collect()),
            };
            values.ok_or_else(|| self.misfit("a list"))
        };
        Ok(match self.comparison_operator.as_str() {
            "is" | "=" => Test::Is(word()?),
            "is not" | "≠" | "!=" => Test::IsNot(word()?),
            "in" => Test::In(list()?),
            "not in" => Test::NotIn(list()?),
            "contains" => Test::Contains(word()?),
            "not contains" => Test::ContainsNot(word()?),
            "start with" => Test::StartsWith(word()?),
            "end with" => Test::EndsWith(word()?),
            "empty" => Test::Empty,
            "not empty" => Test::NotEmpty,
            "<" => Test::Less(number()?),
            ">" => Test::More(number()?),
            "≤" | "<=" => Test::AtMost(number()?),
            "≥" | ">=" => Test::AtLeast(number()?),
            other => {
                return Err(format!(
                    "comparison_operator '{other}' is not known here: is, is not, in, not in, contains, not contains, start \
                     with, end with, empty, not empty, =, ≠, <, >, ≤, ≥ are"
                ));
            }
        })
    }

    fn misfit(&self, expected: &str) -> String {
        format!("'{}' needs {expected}, and the value is {}", self.comparison_operator, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Option<Condition>, String> {
        serde_json::from_value::<MetadataCondition>(value).unwrap().into_condition()
    }

    fn of(name: &str, test: Test) -> Condition {
        Condition::Field { name: name.into(), test }
    }

    #[test]
    fn conditions_as_dify_sends_them() {
        let sent = json!({ "logical_operator": "or", "conditions": [
            { "name": "team", "comparison_operator": "is", "value": "finance" },
            { "name": ["page"], "comparison_operator": "≥", "value": "3" },
            { "name": "kind", "comparison_operator": "not empty", "value": null },
            { "name": "team", "comparison_operator": "in", "value": ["a", "b"] },
        ]});
        let expected = Condition::Any(vec![
            of("team", Test::Is("finance".into())),
            Condition::Any(vec![of("page", Test::AtLeast(3.0))]),
            of("kind", Test::NotEmpty),
            of("team", Test::In(vec!["a".into(), "b".into()])),
        ]);
        assert_eq!(read(sent), Ok(Some(expected)));
        assert_eq!(read(json!({ "logical_operator": null, "conditions": null })), Ok(None));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        for (operator, value, said) in [
            ("before", json!("2026"), "'before' is not known"),
            (">", json!("many"), "needs a number"),
            ("is", json!({}), "needs a text"),
        ] {
            let sent = json!({ "conditions": [{ "name": "x", "comparison_operator": operator, "value": value }] });
            let error = read(sent).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(
            read(json!({ "logical_operator": "xor", "conditions": [{ "name": "x", "comparison_operator": "empty" }] }))
                .is_err()
        );
    }
}
