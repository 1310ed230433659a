//! OpenAI's chat completions, to the letter.

use serde_json::{Value, json};

use quire::server::AskedPipeline;

use crate::QUESTION;
use crate::house::{COLLECTION, House, reply};
use crate::talker::Talker;

fn ask(extra: Value) -> Value {
    let mut body = json!({ "model": COLLECTION, "messages": [{ "role": "user", "content": QUESTION }] });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

/// The chunks of a stream; the mark of the end is checked and gone.
async fn chunks(house: &House, extra: Value) -> Vec<Value> {
    let mut events = house.events("acme", "/v1/chat/completions", ask(extra)).await;
    assert_eq!(events.pop().as_deref(), Some("[DONE]"));
    events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}

fn text_of(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_has_openais_shape_and_cites_by_annotations_and_links() {
    let talker = Talker::saying(&[&["It is 20 Nm [2], not ", "30 Nm [1][2]. `a[1]`"]]).await;
    let house = House::open(Some(&talker.base_url)).await;
    let whole =
        house.post("acme", "/v1/chat/completions", ask(json!({ "temperature": 0.1, "unknown": { "x": 1 } }))).await;
    assert_eq!(whole.status, 200, "{}", whole.body);
    let (body, choice) = (&whole.body, &whole.body["choices"][0]);
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-") && body["created"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!((&body["object"], &body["model"]), (&json!("chat.completion"), &json!(COLLECTION)));
    assert_eq!((&choice["finish_reason"], &choice["message"]["role"]), (&json!("stop"), &json!("assistant")));
    assert_eq!(body["usage"], json!({ "prompt_tokens": 90, "completion_tokens": 7, "total_tokens": 97 }));

    // markers are counted in the order in which they appear; each is a link; code is left alone
    let annotations = choice["message"]["annotations"].as_array().unwrap();
    let urls: Vec<&str> = annotations.iter().map(|one| one["url_citation"]["url"].as_str().unwrap()).collect();
    assert_eq!(annotations.len(), 2);
    let link = |number: usize| {
        let title = annotations[number - 1]["url_citation"]["title"].as_str().unwrap();
        format!("[{number}]({} \"{title}\")", urls[number - 1])
    };
    let expected = format!("It is 20 Nm {}, not 30 Nm {}{}. `a[1]`", link(1), link(2), link(1));
    assert_eq!(choice["message"]["content"], json!(expected));
    for (number, one) in annotations.iter().enumerate() {
        let place = |key: &str| one["url_citation"][key].as_u64().unwrap() as usize;
        let cut: String =
            expected.chars().skip(place("start_index")).take(place("end_index") - place("start_index")).collect();
        assert_eq!(cut, link(number + 1));
        assert!(urls[number].starts_with(&house.address) && urls[number].contains("/original"), "{}", urls[number]);
    }
    let citations = body["quire"]["citations"].as_array().unwrap();
    for (citation, url) in citations.iter().zip(urls) {
        assert_eq!(citation["url"], url);
        assert!(url.ends_with(&format!("#page={}", citation["page"])));
        assert!((0.0..=1.0).contains(&citation["score"].as_f64().unwrap()) && citation["regions"].is_array());
        assert!(citation["snippet"].as_str().unwrap().contains("torque"));
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_says_role_content_reason_and_usage_in_this_order() {
    let talker = Talker::saying(&[&["It is ", "20 Nm [2]."]]).await;
    let house = House::open(Some(&talker.base_url)).await;
    let chunks = chunks(&house, json!({ "stream": true, "stream_options": { "include_usage": true } })).await;
    for chunk in &chunks {
        assert_eq!((&chunk["object"], &chunk["id"]), (&json!("chat.completion.chunk"), &chunks[0]["id"]));
    }
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let (usage, rest) = chunks.split_last().unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(97)));
    assert!(rest.iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
    let (last, rest) = rest.split_last().unwrap();
    assert_eq!((&last["choices"][0]["delta"], &last["choices"][0]["finish_reason"]), (&json!({}), &json!("stop")));
    assert!(rest.iter().all(|chunk| chunk["choices"][0]["finish_reason"].is_null()));
    let annotated: Vec<&Value> =
        rest.iter().filter(|chunk| chunk["choices"][0]["delta"].get("annotations").is_some()).collect();
    assert_eq!(annotated.len(), 1);
    let url = annotated[0]["choices"][0]["delta"]["annotations"][0]["url_citation"]["url"].as_str().unwrap();
    assert!(text_of(&chunks).starts_with(&format!("It is 20 Nm [1]({url}")), "{}", text_of(&chunks));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_webui_gets_cards_where_it_asks_for_them_and_plain_markers() {
    let talker = Talker::saying(&[&["20 Nm [2]."]]).await;
    let house = House::open(Some(&talker.base_url)).await;
    let chunks = chunks(&house, json!({ "stream": true, "model": format!("{COLLECTION}:cards") })).await;
    assert_eq!(text_of(&chunks), "20 Nm [1].");
    let events: Vec<&Value> = chunks.iter().filter_map(|chunk| chunk.get("event")).collect();
    let sources: Vec<&&Value> = events.iter().filter(|event| event["type"] == "source").collect();
    assert_eq!((sources.len(), &events[0]["type"]), (1, &json!("status")));
    let data = &sources[0]["data"];
    let card = data["document"][0].as_str().unwrap();
    assert!(card.contains("torque") && card.contains("<img src="), "{card}");
    assert_eq!(data["source"]["url"], data["metadata"][0]["source"]);
    assert!(chunks.iter().filter(|chunk| chunk.get("event").is_some()).all(|chunk| chunk["choices"] == json!([])));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chores_are_answered_without_looking_anything_up() {
    let talker = Talker::saying(&[&["never"]]).await;
    let house = House::open(Some(&talker.base_url)).await;
    let prompt = "### Task:\nGenerate a concise title summarizing the chat history.\n### Output:\nJSON format: { \"title\": \"x\" }\n\
                  <chat_history>\nUSER: Who signs?\nASSISTANT: The board [1].\n</chat_history>";
    let messages = json!([{ "role": "user", "content": prompt }]);
    let whole = house.post("acme", "/v1/chat/completions", ask(json!({ "messages": messages }))).await;
    assert_eq!(whole.body["choices"][0]["message"]["content"], json!(r#"{"title":"Who signs"}"#));
    let streamed = chunks(&house, json!({ "messages": messages, "stream": true })).await;
    assert_eq!(text_of(&streamed), r#"{"title":"Who signs"}"#);
    assert_eq!(talker.asked().len(), 0);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_after_others_is_made_to_stand_by_itself() {
    let talker = Talker::saying(&[&["What is the torque of the rotor bolts in winter?"], &["30 Nm [1]."]]).await;
    let house = House::open(Some(&talker.base_url)).await;
    let messages = json!([
        { "role": "user", "content": QUESTION },
        { "role": "assistant", "content": "20 Nm [1]" },
        { "role": "user", "content": "And in winter?" },
    ]);
    let whole = house.post("acme", "/v1/chat/completions", ask(json!({ "messages": messages }))).await;
    assert_eq!(whole.body["quire"]["question"], "What is the torque of the rotor bolts in winter?", "{}", whole.body);
    let asked = talker.asked();
    assert_eq!(asked.len(), 2);
    let said = |request: &Value| request["messages"].to_string();
    assert!(said(&asked[0]).contains("And in winter?") && said(&asked[0]).contains(QUESTION));
    assert!(said(&asked[1]).contains("rotor bolts in winter?") && !said(&asked[1]).contains("And in winter?"));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_answer_model_the_pages_are_quoted() {
    let house = House::open(None).await;
    let question = "canaryacme manual sheet 2 torque of the rotor bolts";
    let body = ask(json!({ "messages": [{ "role": "user", "content": question }], "quire": { "links": false } }));
    let whole = house.post("acme", "/v1/chat/completions", body).await;
    let message = &whole.body["choices"][0]["message"];
    assert_eq!((&whole.body["quire"]["mode"], &whole.body["quire"]["supported"]), (&json!("extractive"), &json!(true)));
    assert!(message["content"].as_str().unwrap().contains("Nm. [1]"), "{message}");
    assert_eq!(
        message["annotations"].as_array().unwrap().len(),
        whole.body["quire"]["citations"].as_array().unwrap().len()
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_have_openais_shape() {
    let house = House::open(None).await;
    let models = house.get("acme", "/v1/models").await;
    assert_eq!(models.body["data"][0]["id"], COLLECTION);
    assert_eq!(house.get("acme", "/v1/models/documents").await.status, 200);
    let of = |reply: &crate::house::Reply| reply.body["error"]["code"].clone();

    let unknown = house.post("acme", "/v1/chat/completions", ask(json!({ "model": "none" }))).await;
    assert_eq!((unknown.status, of(&unknown)), (404, json!("model_not_found")));
    assert!(unknown.body["error"]["message"].as_str().unwrap().contains(COLLECTION));
    let empty = house.post("acme", "/v1/chat/completions", ask(json!({ "messages": [] }))).await;
    assert_eq!((empty.status, &empty.body["error"]["param"]), (400, &json!("messages")));
    let plan =
        house.post("acme", "/v1/chat/completions", ask(json!({ "model": "documents:nope", "stream": true }))).await;
    assert_eq!(plan.status, 400, "an error before the first word has a status: {}", plan.body);
    let broken = reply(house.request("acme", "POST", "/v1/chat/completions").body("{")).await;
    assert_eq!((broken.status, &broken.body["error"]["type"]), (400, &json!("invalid_request_error")));
    let stranger = reply(house.stranger("GET", "/v1/models")).await;
    assert_eq!((stranger.status, of(&stranger)), (401, json!("invalid_api_key")));
    house.close().await;
}

/// A pipeline that puts documents with these tags into the collection.
fn pipeline(name: &str, collection: &str, plan: Option<&str>, team: &str) -> AskedPipeline {
    AskedPipeline {
        name: name.into(),
        collection: collection.into(),
        plan: plan.map(Into::into),
        tags: [("team".to_owned(), team.to_owned())].into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_is_a_model_with_its_collection_plan_and_tags() {
    let house = House::open_asking(vec![
        pipeline("manuals", COLLECTION, Some("text"), "acme"),
        pipeline("letters", COLLECTION, None, "nobody"),
        pipeline("lost", COLLECTION, Some("nowhere"), "acme"),
        // nothing was ever brought into its collection
        pipeline("empty", "elsewhere", None, "acme"),
        // the name of a collection means the collection
        pipeline(COLLECTION, "elsewhere", None, "nobody"),
    ])
    .await;
    let ids = |reply: &crate::house::Reply| -> Vec<String> {
        reply.body["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&house.get("acme", "/v1/models").await), [COLLECTION, "manuals", "letters", "lost"]);
    assert_eq!(ids(&house.get("rival", "/v1/models").await), [COLLECTION]);
    assert_eq!(house.get("acme", "/v1/models/manuals").await.body["id"], "manuals");
    assert_eq!(house.get("rival", "/v1/models/manuals").await.status, 404);

    let asked = async |model: &str| house.post("acme", "/v1/chat/completions", ask(json!({ "model": model }))).await;
    let found = asked("manuals").await;
    assert_eq!((found.status, &found.body["quire"]["plan"]), (200, &json!("text")), "{}", found.body);
    assert_eq!(found.body["model"], "manuals");
    assert!(!found.body["quire"]["citations"].as_array().unwrap().is_empty());
    assert_eq!(asked("manuals:pooled").await.status, 400, "a plan that is asked for goes before the pipeline's");
    assert_eq!(asked(COLLECTION).await.body["quire"]["plan"], "exact");
    assert_eq!(asked("letters").await.body["quire"]["citations"], json!([]), "no document has the pipeline's tags");
    let lost = asked("lost").await;
    assert!(lost.status == 400 && lost.body["error"]["message"].as_str().unwrap().contains("nowhere"), "{}", lost.body);
    let stranger = house.post("rival", "/v1/chat/completions", ask(json!({ "model": "manuals" }))).await;
    assert_eq!((stranger.status, &stranger.body["error"]["code"]), (404, &json!("model_not_found")));
    house.close().await;
}
