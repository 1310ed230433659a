//! JSON as the server's protocol writes it, and back.

use std::collections::HashMap;

use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::{ListValue, Struct, Value};
use serde_json::{Map, Number, Value as Json};

/// An object's fields.
pub(super) fn fields(map: Map<String, Json>) -> HashMap<String, Value> {
    map.into_iter().map(|(key, value)| (key, to_value(value))).collect()
}

pub(super) fn to_value(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Kind::IntegerValue(value),
            None => Kind::DoubleValue(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Kind::StringValue(text),
        Json::Array(items) => Kind::ListValue(ListValue { values: items.into_iter().map(to_value).collect() }),
        Json::Object(map) => Kind::StructValue(Struct { fields: fields(map) }),
    };
    Value { kind: Some(kind) }
}

/// An object of these fields.
pub(super) fn object(fields: HashMap<String, Value>) -> Map<String, Json> {
    fields.into_iter().map(|(key, value)| (key, from_value(value))).collect()
}

pub(super) fn from_value(value: Value) -> Json {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => Json::Bool(value),
        Some(Kind::IntegerValue(value)) => value.into(),
        // A number that JSON can't write was none that we wrote.
        Some(Kind::DoubleValue(value)) => Number::from_f64(value).map_or(Json::Null, Json::Number),
        Some(Kind::StringValue(text)) => Json::String(text),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(from_value).collect(),
        Some(Kind::StructValue(inner)) => Json::Object(object(inner.fields)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_comes_back_as_it_was() {
        let json = serde_json::json!({
            "text": "E-201", "none": null, "yes": true, "page": 3, "below": -7, "size": [595.25, 842.0],
            "tags": {"team": "finance"}, "empty": {}, "list": []
        });
        assert_eq!(from_value(to_value(json.clone())), json);
    }
}
