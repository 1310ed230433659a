//! What the reader sees: text as it comes, citations that are checked.

use std::io::Read;
use std::process::Stdio;
use std::sync::{Mutex, mpsc};

use serde_json::json;

use crate::server::{self, Server};
use crate::{Bench, MODEL, QUESTION, notes};

#[test]
fn an_answer_is_one_json_document_with_its_citations() {
    let bench = Bench::new();
    let server = Server::saying(&["  The bakery billed ", "295 mutton pies [", "1, 2", "].\n"]);
    let answer = bench.ask(&server, &[]);
    assert_eq!(answer["answer"], "The bakery billed 295 mutton pies [1][2].");
    assert_eq!((&answer["mode"], &answer["model"]), (&json!("vlm"), &json!(MODEL)));
    assert_eq!((&answer["supported"], &answer["complete"]), (&json!(true), &json!(true)));
    assert_eq!(answer["notes"], json!([]));
    assert_eq!(answer["usage"], json!({"prompt_tokens": 900, "completion_tokens": 12, "total_tokens": 912}));
    assert!(answer["timings_ms"]["answer"].as_f64().unwrap() > 0.0);
    let citations = answer["citations"].as_array().unwrap();
    let markers: Vec<_> = citations.iter().map(|citation| citation["marker"].as_str().unwrap()).collect();
    assert_eq!(markers, ["[1]", "[2]"]);
    let found = bench.quire.json(&["search", QUESTION]);
    for (citation, hit) in citations.iter().zip(found["hits"].as_array().unwrap()) {
        assert_eq!(citation["source"], hit["source"]);
        assert!(std::path::Path::new(citation["image"].as_str().unwrap()).is_file());
    }
}

#[test]
fn text_is_printed_while_the_model_still_writes() {
    let bench = Bench::new();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let server = Server::new(move |_, _, connection| {
        server::begin(connection);
        server::piece(connection, "The bakery billed");
        released.lock().unwrap().recv().unwrap();
        server::piece(connection, " 295 pies [1][7] (see [p. 3]).");
        server::end(connection, "stop");
    });
    let mut command = bench.command(&server.base_url(), &[], &["ask", QUESTION]);
    let mut quire = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = quire.stdout.take().unwrap();
    let mut first = [0; "The bakery billed".len()];
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"The bakery billed");
    release.send(()).unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(quire.wait().unwrap().success());
    assert!(rest.starts_with(" 295 pies [1] (see [p. 3]).\n"), "{rest}");
    for expected in ["(composed by some/model from page images)", "note: the model cited [7]", "\n[1] ", ".pdf#page=1"]
    {
        assert!(rest.contains(expected), "{expected} in {rest}");
    }
    assert!(!rest.contains("\n[2] "), "{rest}");
}

#[test]
fn invented_markers_go_and_an_answer_without_any_is_unsupported() {
    let bench = Bench::new();
    let server = Server::saying(&["Pies [9", "], scones [", "3] and a[[0", "]] \u{1b}[31m[4,1]."]);
    let answer = bench.ask(&server, &[]);
    assert_eq!(answer["answer"], "Pies, scones [3] and a[?] [31m[1].");
    let markers: Vec<_> = answer["citations"].as_array().unwrap().iter().map(|cited| &cited["marker"]).collect();
    assert_eq!(markers, ["[1]", "[3]"]);
    assert_eq!(notes(&answer), "the model cited [9], [0], [4], but was sent 3 pages: removed");

    let server = Server::saying(&["It is 42 [8]."]);
    let answer = bench.ask(&server, &[]);
    assert_eq!((&answer["answer"], &answer["supported"]), (&json!("It is 42."), &json!(false)));
    assert_eq!(answer["citations"], json!([]));
    assert!(notes(&answer).contains("nothing in it can be checked"), "{answer}");
    let output = bench.run(&server.base_url(), &[], &["ask", QUESTION]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("It is 42.\n") && text.contains("UNSUPPORTED"), "{text}");
}

#[test]
fn markers_in_any_form_are_checked_and_code_and_quotations_are_left_alone() {
    let bench = Bench::new();
    let found = bench.quire.json(&["search", QUESTION]);
    assert_eq!(found["hits"].as_array().unwrap().len(), 3);
    let server = Server::saying(&[
        "Pies 【9†sou",
        "rce】, scones [\u{200b}",
        "8\u{2060}], tea ［１",
        "］, [Pa",
        "ge 7], [2-",
        "5], [^",
        "6] `a[9",
        "]` \n```\nb[9]",
        "\n```\nend [³]",
    ]);
    let answer = bench.ask(&server, &[]);
    assert_eq!(answer["answer"], "Pies, scones, tea [1],, [2][3], `a[9]` \n```\nb[9]\n```\nend [3]");
    assert_eq!(notes(&answer), "the model cited [9], [8], [7], [4-5], [6], but was sent 3 pages: removed");
    let markers: Vec<_> = answer["citations"].as_array().unwrap().iter().map(|cited| &cited["marker"]).collect();
    assert_eq!(markers, ["[1]", "[2]", "[3]"]);
}

#[test]
fn what_a_model_writes_does_not_steer_the_terminal() {
    let bench = Bench::new();
    let server = Server::saying(&["red \u{1b}", "[31m \u{202e}turned\u{200f} \u{2028}\u{9b}2J [1]"]);
    let output = bench.run(&server.base_url(), &[], &["ask", QUESTION]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(r"red [31m turned\u{200f} \u{2028}2J [1]"), "{text:?}");
}

#[test]
fn an_answer_that_was_cut_says_so() {
    let bench = Bench::new();
    for (reason, expected) in [("length", "max_answer_tokens"), ("content_filter", "content filter")] {
        let server = Server::new(move |_, _, connection| {
            server::begin(connection);
            server::piece(connection, "The bakery [1] bil");
            server::end(connection, reason);
        });
        let answer = bench.ask(&server, &[]);
        assert_eq!((&answer["complete"], &answer["supported"]), (&json!(false), &json!(true)));
        assert!(notes(&answer).contains(expected), "{answer}");
    }
}
