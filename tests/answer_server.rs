//! The protocol against a real OpenAI-compatible server, where there is one: `QUIRE_TEST_VLM_URL` is its base URL,
//! `QUIRE_TEST_VLM_MODEL` its model. tests/vlm_server/ starts one with a tiny model of random weights: it proves the wire
//! format, not the wisdom.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]
#![allow(clippy::disallowed_methods, reason = "tests take the server's address from the environment")]

mod common;

use common::Quire;
use serde_json::Value;

const QUESTION: &str = "how many mutton pies and cheese scones did the bakery bill";

#[test]
fn a_real_server_takes_the_images_and_streams_an_answer() {
    let Ok(base_url) = std::env::var("QUIRE_TEST_VLM_URL") else {
        eprintln!("skipped: QUIRE_TEST_VLM_URL is not set (tests/vlm_server/README.md says how to start a server)");
        return;
    };
    let model = std::env::var("QUIRE_TEST_VLM_MODEL").unwrap_or_else(|_| "tiny".into());
    let quire = Quire::new();
    quire.add("invoice-bakery-93.pdf");
    quire.add("invoice-HC-88231.pdf");
    quire.ingest();
    let command = |arguments: &[&str]| {
        let output = quire
            .command()
            .args(arguments)
            .env("QUIRE__ANSWER__VLM__BASE_URL", &base_url)
            .env("QUIRE__ANSWER__VLM__MODEL", &model)
            .env("QUIRE__ANSWER__VLM__MAX_ANSWER_TOKENS", "24")
            .env("QUIRE__ANSWER__VLM__MAX_ATTEMPTS", "1")
            .env("QUIRE__ANSWER__VLM__MAX_PAGE_PIXELS", "200000")
            .env("QUIRE__ANSWER__VLM__PAGE_TEXT_CHARS", "200")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        (String::from_utf8(output.stdout).unwrap(), stderr)
    };
    let (stdout, _) = command(&["ask", QUESTION, "--json", "-v"]);
    eprintln!("{stdout}");
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(answer["mode"], "vlm", "the server did not answer: {}", answer["notes"]);
    assert!(!answer["answer"].as_str().unwrap().is_empty());
    let (text, _) = command(&["ask", QUESTION]);
    assert!(text.contains(&format!("(composed by {model} from page images")), "{text}");
}
