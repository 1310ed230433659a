//! What goes to the model.

use serde_json::{Value, json};

use crate::server::{Request, Server};
use crate::{Bench, KEY, MODEL, QUESTION};

/// What is said of the pages, without the question.
fn pages_text(request: &Request) -> String {
    let parts = request.parts();
    let texts = parts[..parts.len() - 1].iter().filter_map(|part| part["text"].as_str());
    texts.collect::<Vec<_>>().join("\n").to_lowercase()
}

#[test]
fn the_pages_that_were_found_go_as_images_with_their_text_as_data() {
    let bench = Bench::new();
    let server = Server::saying(&["The bakery", " billed 295 pies [1", "]."]);
    let answer = bench.ask(&server, &[("VLM__MAX_PAGE_PIXELS", "100000000")]);
    assert_eq!(answer["mode"], "vlm");
    let requests = server.requests();
    let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    assert_eq!(request.line, "POST /v1/chat/completions");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!((&request.body["model"], &request.body["stream"]), (&json!(MODEL), &json!(true)));
    assert_eq!(request.body["stream_options"]["include_usage"], true);
    assert_eq!(request.body["max_tokens"], 1024);
    assert!(request.body.get("temperature").is_none());

    // text and image of each page in the order of the search, the question last
    let found = bench.quire.json(&["search", QUESTION, "--limit", "5"]);
    let hits = found["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 3);
    let kinds: Vec<&str> = request.parts().iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text", "image_url", "text", "image_url", "text", "image_url", "text"]);
    let stored: Vec<Vec<u8>> = hits.iter().map(|hit| std::fs::read(hit["image"].as_str().unwrap()).unwrap()).collect();
    assert!(request.images() == stored, "within the budget the stored images go as they are");
    assert!(request.parts()[6]["text"].as_str().unwrap().contains(QUESTION));

    let system = request.system();
    let delimiter = system.split("Everything between <").nth(1).unwrap().split('>').next().unwrap();
    assert!(delimiter.starts_with("data-") && delimiter.len() > 30, "{delimiter}");
    for (index, part) in request.parts().iter().step_by(2).take(3).enumerate() {
        let text = part["text"].as_str().unwrap();
        assert!(text.contains(&format!("Page [{}]", index + 1)), "{text}");
        assert!(text.contains(&format!("<{delimiter}>")) && text.contains(&format!("</{delimiter}>")), "{text}");
        assert!(text.contains("text layer:"), "{text}");
    }
    assert!(pages_text(request).contains("mutton"), "the text of the bakery's invoice");

    // another request, another delimiter
    bench.ask(&server, &[]);
    assert!(!server.requests()[1].system().contains(delimiter));
}

#[test]
fn images_are_made_to_fit_the_budget() {
    let bench = Bench::new();
    let server = Server::saying(&["295 [1]"]);
    let small = [("VLM__MAX_PAGE_PIXELS", "200000"), ("VLM__PAGE_TEXT", "false"), ("PAGES", "2"), ("IMAGES", "pages")];
    let answer = bench.ask(&server, &small);
    assert_eq!(answer["notes"], json!([]), "a budget that is configured is no news");
    let request = &server.requests()[0];
    let images = request.images();
    assert_eq!(images.len(), 2, "answer.pages");
    for bytes in &images {
        let image = image::load_from_memory_with_format(bytes, image::ImageFormat::Jpeg).unwrap();
        let pixels = u64::from(image.width()) * u64::from(image.height());
        assert!((150_000..=200_000).contains(&pixels), "{}x{}", image.width(), image.height());
        assert!(image.height() > image.width(), "a page keeps its shape");
    }
    assert!(!pages_text(request).contains("mutton") && !pages_text(request).contains("text layer"));

    let whole: usize = images.iter().map(Vec::len).sum();
    let most = (whole * 3 / 4).to_string();
    let settings = [
        ("VLM__MAX_PAGES", "1"),
        ("VLM__MAX_IMAGE_BYTES", most.as_str()),
        ("VLM__MAX_ANSWER_TOKENS", "7"),
        ("IMAGES", "pages"),
    ];
    bench.ask(&server, &[&settings[..], &[("VLM__ANSWER_TOKENS_FIELD", "max_completion_tokens")]].concat());
    let request = &server.requests()[1];
    assert_eq!(request.images().len(), 1);
    assert!(request.images()[0].len() <= whole * 3 / 4);
    assert_eq!((&request.body["max_completion_tokens"], &request.body["max_tokens"]), (&json!(7), &Value::Null));
}

#[test]
fn own_prompts_take_the_place_of_the_built_in_ones() {
    let bench = Bench::new();
    let prompts = tempfile::tempdir().unwrap();
    let file = prompts.path().join("answer_question.j2");
    let setting = [("VLM__PROMPTS", prompts.path().to_str().unwrap())];
    std::fs::write(&file, "Beantworte: {{ question }}").unwrap();
    let server = Server::saying(&["295 [1]"]);
    bench.ask(&server, &setting);
    assert!(server.requests()[0].text().ends_with(&format!("Beantworte: {QUESTION}")));
    std::fs::write(&file, "{{ fragen }}").unwrap();
    let said = bench.refused(&server, &setting);
    assert!(said.contains("answer_question.j2") && said.contains("undefined"), "{said}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn no_server_is_asked_where_quotations_are_wanted_or_nothing_was_found() {
    let bench = Bench::new();
    let server = Server::saying(&["295 [1]"]);
    let output = bench.run(&server.base_url(), &[], &["ask", QUESTION, "--extractive", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["mode"], &answer["supported"]), (&json!("extractive"), &json!(true)));
    assert!(answer["usage"].is_null() && answer["complete"] == true);
    let one = bench.run(&server.base_url(), &[("SENTENCES", "1")], &["ask", QUESTION, "--extractive", "--json"]);
    let one: Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(one["answer"].as_str().unwrap().matches("[1]").count(), 1, "answer.sentences: {one}");
    let none = bench.run(&server.base_url(), &[], &["ask", QUESTION, "--tag", "no=such", "--json"]);
    let none: Value = serde_json::from_slice(&none.stdout).unwrap();
    assert_eq!((&none["mode"], &none["supported"]), (&json!("extractive"), &json!(false)));
    assert!(server.requests().is_empty());
}

#[test]
fn parts_of_pages_are_sent_where_a_whole_page_could_not_be_read() {
    let bench = Bench::new();
    let server = Server::saying(&["295 [1]"]);
    let settings = |images| [("VLM__MAX_PAGE_PIXELS", "250000"), ("PAGES", "1"), ("IMAGES", images)];
    let sent = |answer: &Value| answer["sent"][0]["images"].as_array().unwrap().clone();

    // at 250,000 pixels a page, words are a few pixels high
    let answer = bench.ask(&server, &settings("auto"));
    let images = sent(&answer);
    assert_eq!(images[0]["kind"], "overview", "{images:?}");
    assert_eq!(images[1]["kind"], "region", "{images:?}");
    let request = &server.requests()[0];
    assert_eq!(request.images().len(), images.len());
    let mut pixels = 0;
    for (bytes, told) in request.images().iter().zip(&images) {
        let image = image::load_from_memory_with_format(bytes, image::ImageFormat::Jpeg).unwrap();
        assert_eq!((json!(image.width()), json!(image.height())), (told["width"].clone(), told["height"].clone()));
        pixels += u64::from(image.width()) * u64::from(image.height());
    }
    assert!((150_000..=252_000).contains(&pixels), "{pixels}");
    assert!(request.text().contains("A part of page [1], larger:"), "{}", request.text());
    let region = &images[1]["region"];
    let width = region["right"].as_f64().unwrap() - region["left"].as_f64().unwrap();
    let finer = images[1]["width"].as_f64().unwrap() / width;
    assert!(finer > 700.0, "{finer} pixels to the page's width, where the whole page would have 420");
    let hit = &answer["citations"][0]["regions"][0];
    assert!(region["top"].as_f64() <= hit["top"].as_f64() && region["bottom"].as_f64() >= hit["bottom"].as_f64());

    // where there is room for more than is stored, the part is drawn anew
    let room = [("VLM__MAX_PAGE_PIXELS", "1000000"), ("PAGES", "1"), ("IMAGES", "regions")];
    let images = sent(&bench.ask(&server, &room));
    assert_eq!((&images[1]["kind"], &images[1]["drawn"]), (&json!("region"), &json!(true)), "{images:?}");

    // a file that was changed since is not drawn: the stored image is cut
    let source = answer["citations"][0]["source"].as_str().unwrap();
    let mut bytes = std::fs::read(source).unwrap();
    bytes.extend_from_slice(b"\n% changed\n");
    std::fs::write(source, bytes).unwrap();
    let images = sent(&bench.ask(&server, &room));
    assert_eq!((&images[1]["kind"], &images[1]["drawn"]), (&json!("region"), &json!(false)), "{images:?}");

    let images = sent(&bench.ask(&server, &settings("pages")));
    assert_eq!((images.len(), &images[0]["kind"]), (1, &json!("page")));
}
