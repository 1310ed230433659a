//! OpenAI's `filters` of a vector store search, as a [`Condition`]: comparisons of attributes, put together with `and` and `or`.

use serde::Deserialize;
use serde_json::Value;

use crate::server::conditions::{Condition, Test, text};

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Filter {
    Compound {
        #[serde(rename = "type")]
        kind: Compound,
        filters: Vec<Filter>,
    },
    Comparison {
        #[serde(rename = "type")]
        kind: Comparison,
        key: String,
        value: Value,
    },
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compound {
    And,
    Or,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Comparison {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    Nin,
}

impl Filter {
    /// # Errors
    /// A value that does not fit its comparison: what is said to whoever asked.
    pub fn into_condition(self) -> Result<Condition, String> {
        let condition = match self {
            Self::Compound { kind, filters } => {
                let inner = filters.into_iter().map(Self::into_condition).collect::<Result<Vec<_>, _>>()?;
                match kind {
                    Compound::And => Condition::All(inner),
                    Compound::Or => Condition::Any(inner),
                }
            }
            Self::Comparison { kind, key, value } => Condition::Field { test: test(kind, &key, &value)?, name: key },
        };
        if condition.is_shallow() { Ok(condition) } else { Err("the filters are nested too deep".into()) }
    }
}

fn test(kind: Comparison, key: &str, value: &Value) -> Result<Test, String> {
    let misfit = |expected: &str| format!("the filter of '{key}' needs {expected}, and its value is {value}");
    let one = || text(value).ok_or_else(|| misfit("a text, a number or true or false"));
    let number = || value.as_f64().ok_or_else(|| misfit("a number"));
    let list = || {
        let values = value.as_array().and_then(|values| values.iter().map(text).collect::<Option<Vec<_>>>());
        values.ok_or_else(|| misfit("a list of texts or numbers"))
    };
    Ok(match kind {
        Comparison::Eq => Test::Is(one()?),
        Comparison::Ne => Test::IsNot(one()?),
        Comparison::Gt => Test::More(number()?),
        Comparison::Gte => Test::AtLeast(number()?),
        Comparison::Lt => Test::Less(number()?),
        Comparison::Lte => Test::AtMost(number()?),
        Comparison::In => Test::In(list()?),
        Comparison::Nin => Test::NotIn(list()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Condition, String> {
        serde_json::from_value::<Filter>(value).map_err(|error| error.to_string())?.into_condition()
    }

    #[test]
    fn comparisons_and_what_puts_them_together() {
        let filter = json!({ "type": "and", "filters": [
            { "type": "eq", "key": "team", "value": "finance" },
            { "type": "or", "filters": [{ "type": "gte", "key": "page", "value": 2 }, { "type": "in", "key": "year", "value": [2025, "2026"] }] },
        ]});
        let of = |name: &str, test| Condition::Field { name: name.into(), test };
        let either = vec![of("page", Test::AtLeast(2.0)), of("year", Test::In(vec!["2025".into(), "2026".into()]))];
        let expected = Condition::All(vec![of("team", Test::Is("finance".into())), Condition::Any(either)]);
        assert_eq!(read(filter), Ok(expected));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(read(json!({ "type": "gt", "key": "page", "value": "many" })).unwrap_err().contains("needs a number"));
        assert!(read(json!({ "type": "like", "key": "page", "value": "x" })).is_err());
        let mut deep = json!({ "type": "eq", "key": "a", "value": "b" });
        for _ in 0..20 {
            deep = json!({ "type": "and", "filters": [deep] });
        }
        assert!(read(deep).unwrap_err().contains("too deep"));
    }
}
