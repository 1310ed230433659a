//! `--json` of the commands and the API have the same shapes: what a command prints, the API answers, and what only a server has is
//! added.

use std::collections::BTreeSet;

use quire::app::{DocumentView, Question};
use quire::types::Tenant;
use serde_json::{Value, json};

use crate::house::{COLLECTION, House};
use crate::{QUESTION, id_of};

/// Paths to every value, with all items of a list taken for one.
fn shape(value: &Value, at: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                shape(value, &format!("{at}.{name}"), into);
            }
        }
        Value::Array(items) => {
            into.insert(format!("{at}[]"));
            items.iter().for_each(|item| shape(item, &format!("{at}[]"), into));
        }
        _ => drop(into.insert(at.to_owned())),
    }
}

fn shape_of(value: &Value) -> BTreeSet<String> {
    let mut shapes = BTreeSet::new();
    shape(value, "", &mut shapes);
    shapes
}

/// What the API's answer has and the command's has not.
fn added(command: &Value, api: &Value) -> Vec<String> {
    let (command, api) = (shape_of(command), shape_of(api));
    let missing: Vec<_> = command.difference(&api).collect();
    assert!(missing.is_empty(), "the API leaves out {missing:?}");
    api.difference(&command).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_what_the_commands_print() {
    let house = House::open(None).await;
    let scope = house.app.scope(Tenant("acme".into()));

    let question = Question::new(QUESTION, COLLECTION, 5);
    let printed = serde_json::to_value(scope.search(&question).await.unwrap()).unwrap();
    let answered = house.post("acme", "/v1/search", json!({ "query": QUESTION })).await.body;
    assert_eq!(added(&printed, &answered), [".hits[].original"]);

    let printed = serde_json::to_value(scope.ask(&question).await.unwrap()).unwrap();
    let answered = house.post("acme", "/v1/ask", json!({ "question": QUESTION })).await.body;
    assert!(added(&printed, &answered).iter().all(|path| path.ends_with(".original")), "{answered}");
    assert_eq!(answered["answer"], printed["answer"]);

    let id = id_of(&house, "acme").await;
    let record = scope.find_document(&id).await.unwrap();
    let printed = serde_json::to_value(DocumentView::from(record.clone())).unwrap();
    assert_eq!(house.get("acme", &format!("/v1/documents/{id}")).await.body, printed);
    let printed = serde_json::to_value(scope.story(record.document_id).await.unwrap().unwrap()).unwrap();
    assert_eq!(house.get("acme", &format!("/v1/documents/{id}/story")).await.body, printed);
    house.close().await;
}
