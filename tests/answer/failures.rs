//! The other side fails: refusals are errors, what may pass is tried again, too long is sent smaller, silence has an end.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{self, Server, error, respond};
use crate::{Bench, KEY, MODEL, QUESTION, notes};

#[test]
fn refusals_name_endpoint_model_and_the_servers_words_and_never_the_key() {
    let bench = Bench::new();
    let cases = [
        ("401 Unauthorized", error(&format!("bad key {KEY} given"), "invalid_api_key"), "bad key [key] given"),
        ("403 Forbidden", error("not for you", "forbidden"), "OPENAI_API_KEY"),
        ("404 Not Found", error("no such model", "model_not_found"), "check answer.vlm.base_url and answer.vlm.model"),
        ("400 Bad Request", error("max_tokens is not supported", "unsupported"), "max_tokens is not supported"),
        ("429 Too Many Requests", error("pay first", "insufficient_quota"), "the account has nothing left"),
        ("302 Found", "{}".to_owned(), "check answer.vlm.base_url"),
        ("200 OK", "<html>welcome</html>".to_owned(), "text/html came where an event stream was expected"),
    ];
    for (status, body, expected) in cases {
        let server = Server::new(move |_, _, connection| respond(connection, status, "", &body));
        let said = bench.refused(&server, &[]);
        for part in [server.base_url().as_str(), MODEL, &status[..3], expected] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert_eq!(server.requests().len(), 1, "{status} is no reason to ask again");
    }
}

#[test]
fn what_may_pass_is_tried_again_when_the_server_says() {
    let bench = Bench::new();
    let server = Server::new(|number, _, connection| match number {
        0 => respond(connection, "429 Too Many Requests", "Retry-After: 1\r\n", &error("slow down", "rate_limit")),
        1 => {
            server::begin(connection);
            server::event(connection, &json!({ "error": { "message": "loading", "code": 503 } }));
        }
        _ => server::stream(connection, &["295 [1]"]),
    });
    let answer = bench.ask(&server, &[]);
    assert_eq!((&answer["mode"], &answer["answer"]), (&json!("vlm"), &json!("295 [1]")));
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[1].at - requests[0].at >= Duration::from_millis(990), "Retry-After is respected");

    let server = Server::new(|_, _, connection| {
        respond(connection, "503 Service Unavailable", "Retry-After: 3600\r\n", "{}");
    });
    let answer = bench.ask(&server, &[]);
    assert_eq!((&answer["mode"], server.requests().len()), (&json!("extractive"), 1));
    assert!(notes(&answer).contains("3600 s"), "{answer}");
}

#[test]
fn where_nobody_answers_the_pages_are_quoted_and_a_note_says_why() {
    let bench = Bench::new();
    let server = Server::new(|_, _, connection| {
        respond(connection, "500 Internal Server Error", "", &format!("{{\"oops\": \"{KEY}\"}}"));
    });
    let answer = bench.ask(&server, &[]);
    assert_eq!((&answer["mode"], server.requests().len()), (&json!("extractive"), 3));
    assert!(!answer["citations"].as_array().unwrap().is_empty());
    let why = notes(&answer);
    for part in ["3 attempts", "500", MODEL, &server.base_url()] {
        assert!(why.contains(part), "{part} in {why}");
    }
    let quoted = bench.run(&server.base_url(), &[], &["ask", QUESTION]);
    let text = String::from_utf8(quoted.stdout).unwrap();
    assert!(text.contains("(extractive: quoted from the pages)") && text.contains("note: quoted"), "{text}");

    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let answer = bench.ask_at(&format!("http://{address}/v1"), &[]);
    assert_eq!(answer["mode"], "extractive");
    assert!(notes(&answer).contains("can't be connected to"), "{answer}");
}

/// Images of a request and pixels of the largest.
fn load(request: &server::Request) -> (usize, u64) {
    let sizes = request.images().into_iter().map(|bytes| {
        let image = image::load_from_memory(&bytes).unwrap();
        u64::from(image.width()) * u64::from(image.height())
    });
    (request.images().len(), sizes.max().unwrap())
}

#[test]
fn what_is_too_long_is_sent_smaller_and_then_without_the_last_pages() {
    let bench = Bench::new();
    let too_long = || error("This model's maximum context length is 4096 tokens.", "context_length_exceeded");
    let server = Server::new(move |_, request, connection| {
        if request.images().len() > 1 {
            respond(connection, "400 Bad Request", "", &too_long());
        } else {
            server::stream(connection, &["295 [1], not [2]."]);
        }
    });
    let answer = bench.ask(&server, &[("IMAGES", "pages")]);
    let loads: Vec<(usize, u64)> = server.requests().iter().map(load).collect();
    assert_eq!(loads.iter().map(|(images, _)| *images).collect::<Vec<_>>(), [3, 3, 3, 2, 1], "{loads:?}");
    for (before, after) in [(loads[0].1, loads[1].1), (loads[1].1, loads[2].1)] {
        assert!(after * 2 <= before && after * 3 > before, "{before} pixels became {after}");
    }
    assert_eq!(answer["answer"], "295 [1], not.");
    let why = notes(&answer);
    for part in ["reduced to", "2 of 3 pages were left out", "context is too short", "[2]"] {
        assert!(why.contains(part), "{part} in {why}");
    }

    let server = Server::new(|_, _, connection| {
        respond(connection, "413 Payload Too Large", "", "{\"error\": \"too large\"}");
    });
    let said = bench.refused(&server, &[]);
    assert!(said.contains("one page") && said.contains("longer context"), "{said}");
}

#[test]
fn an_answer_that_breaks_off_is_kept_and_never_asked_for_again() {
    let bench = Bench::new();
    type Break = fn(&mut std::net::TcpStream);
    let breaks: [(Break, &str); 4] = [
        (|_| {}, "ended in the middle"),
        (
            |connection| server::event(connection, &json!({"error": {"message": "out of memory", "code": 500}})),
            "out of memory",
        ),
        (|connection| server::send(connection, "data: {not json\n\n"), "can't be read"),
        (|connection| server::wait_for_hangup(connection), "between_tokens_timeout_ms"),
    ];
    for (break_off, expected) in breaks {
        let server = Server::new(move |_, _, connection| {
            server::begin(connection);
            server::piece(connection, "The bakery [1] billed [2");
            break_off(connection);
        });
        let answer = bench.ask(&server, &[("VLM__BETWEEN_TOKENS_TIMEOUT_MS", "300")]);
        assert_eq!(answer["answer"], "The bakery [1] billed [2");
        assert_eq!((&answer["mode"], &answer["complete"]), (&json!("vlm"), &json!(false)));
        assert!(notes(&answer).contains(expected), "{answer}");
        assert_eq!(server.requests().len(), 1);
    }
    // a body that ends before its announced end, and nothing shown yet: tried again
    let server = Server::new(|number, _, connection| match number {
        0 => server::send(
            connection,
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n40\r\ndata: ",
        ),
        _ => server::stream(connection, &["295 [1]"]),
    });
    assert_eq!(bench.ask(&server, &[])["mode"], "vlm");
    assert_eq!(server.requests().len(), 2);
}

/// Sends pieces of a stream until nobody listens any more.
fn flood(connection: &mut std::net::TcpStream, piece: &str) {
    use std::io::Write;
    while connection.write_all(piece.as_bytes()).is_ok() {}
}

#[test]
fn a_stream_without_end_is_not_taken_in() {
    let bench = Bench::new();
    let long_line = || {
        Server::new(|_, _, connection| {
            server::begin(connection);
            server::piece(connection, "295 [1]");
            server::send(connection, "data: ");
            flood(connection, &"x".repeat(10_000));
        })
    };
    let huge_event = || {
        Server::new(|_, _, connection| {
            server::begin(connection);
            server::piece(connection, "295 [1]");
            server::piece(connection, &"pies ".repeat(500_000));
            server::wait_for_hangup(connection);
        })
    };
    for server in [long_line(), huge_event()] {
        let answer = bench.ask(&server, &[]);
        assert_eq!((&answer["answer"], &answer["complete"]), (&json!("295 [1]"), &json!(false)));
        assert!(notes(&answer).contains("longer than 1048576 bytes"), "{answer}");
    }
    // words for ever
    let server = Server::new(|_, _, connection| {
        server::begin(connection);
        let event = json!({ "choices": [{ "delta": { "content": "pies and scones ".repeat(100) } }] });
        flood(connection, &format!("data: {event}\n\n"));
    });
    let answer = bench.ask(&server, &[]);
    assert!(notes(&answer).contains("cut at its longest"), "{answer}");
    assert!(answer["answer"].as_str().unwrap().len() <= 200_000);
}

/// Whoever does not read keeps neither the connection nor the answer open.
#[test]
fn the_total_time_holds_for_a_reader_that_stops_reading() {
    let bench = Bench::new();
    let (hung_up, hangs_up) = std::sync::mpsc::channel::<()>();
    let hung_up = std::sync::Mutex::new(hung_up);
    let server = Server::new(move |_, _, connection| {
        server::begin(connection);
        let event = json!({ "choices": [{ "delta": { "content": format!("{}[1] ", "pies ".repeat(200)) } }] });
        flood(connection, &format!("data: {event}\n\n"));
        let _ = hung_up.lock().unwrap().send(());
    });
    // images that need not be made smaller: the time goes into reading
    let settings = [("VLM__TOTAL_TIMEOUT_MS", "6000"), ("VLM__MAX_PAGE_PIXELS", "100000000")];
    let mut command = bench.command(&server.base_url(), &settings, &["ask", QUESTION]);
    let quire = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    hangs_up.recv_timeout(Duration::from_secs(60)).expect("the connection is kept for a reader that does not read");
    let output = quire.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("pies pies") && text.contains("answer.vlm.total_timeout_ms"), "{text}");
}

#[test]
fn silence_has_an_end() {
    let bench = Bench::new();
    let silent = || Server::new(|_, _, connection| server::wait_for_hangup(connection));
    let begun = || {
        Server::new(|_, _, connection| {
            server::begin(connection);
            server::wait_for_hangup(connection);
        })
    };
    for server in [silent(), begun()] {
        let settings = [("VLM__FIRST_TOKEN_TIMEOUT_MS", "200"), ("VLM__MAX_ATTEMPTS", "2")];
        let answer = bench.ask(&server, &settings);
        assert_eq!((&answer["mode"], server.requests().len()), (&json!("extractive"), 2));
        assert!(notes(&answer).contains("answer.vlm.first_token_timeout_ms"), "{answer}");
    }
    let server = silent();
    // images that need not be made smaller: the time goes into waiting
    let settings = [("VLM__TOTAL_TIMEOUT_MS", "1500"), ("VLM__MAX_PAGE_PIXELS", "100000000")];
    let answer = bench.ask(&server, &settings);
    assert_eq!((&answer["mode"], server.requests().len()), (&json!("extractive"), 1));
    assert!(notes(&answer).contains("answer.vlm.total_timeout_ms"), "{answer}");
}

#[test]
fn doctor_tells_whether_the_endpoint_answers() {
    let bench = Bench::new();
    let doctor = |base_url: &str| -> Value {
        let output = bench.run(base_url, &[], &["doctor", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == "answer model").unwrap().clone()
    };
    let server = Server::new(|_, request, connection| {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        respond(connection, "200 OK", "", &json!({ "data": [{ "id": MODEL }] }).to_string());
    });
    let check = doctor(&server.base_url());
    assert_eq!(check["ok"], true, "{check}");
    let message = check["message"].as_str().unwrap();
    assert!(message.contains(&server.base_url()) && message.contains("is listed"), "{message}");
    assert_eq!(server.requests()[0].line, "GET /v1/models");

    let server = Server::new(|_, _, connection| respond(connection, "401 Unauthorized", "", &error(KEY, "bad_key")));
    let check = doctor(&server.base_url());
    assert_eq!(check["ok"], false);
    assert!(check["message"].as_str().unwrap().contains("check the key in environment variable OPENAI_API_KEY"));

    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let check = doctor(&format!("http://{address}/v1"));
    assert!(check["ok"] == false && check["message"].as_str().unwrap().contains("can't be connected to"), "{check}");

    let check = bench.quire.json(&["doctor"]);
    let check =
        check["checks"].as_array().unwrap().iter().find(|check| check["name"] == "answer model").unwrap().clone();
    assert!(check["ok"] == true && check["message"].as_str().unwrap().contains("none is configured"), "{check}");
}
