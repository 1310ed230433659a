//! The same as a library call: a stream of events that can be dropped.

use std::sync::{Mutex, mpsc};

use futures::{Stream, StreamExt};
use quire::app::{AnswerEvent, App, Installation, Question};
use quire::config::{Config, Environment, Flags};
use quire::types::Tenant;

use crate::server::{self, Server};
use crate::{Bench, QUESTION, common};

/// The bench's data folder, with the model at `server`.
async fn open(bench: &Bench, server: &Server, settings: &[(&str, &str)]) -> App {
    let base_url = server.base_url();
    let variables = [
        ("QUIRE__ANSWER__VLM__BASE_URL", base_url.as_str()),
        ("QUIRE__ANSWER__VLM__MODEL", "m"),
        ("QUIRE__COLLECTION", "documents"),
    ];
    let environment: Environment = variables.into_iter().chain(settings.iter().copied()).collect();
    let file = bench.quire.docs().join("quire.yaml");
    std::fs::write(&file, "version: 1\n").unwrap();
    let flags = Flags { config: Some(file), data_dir: Some(bench.quire.data_dir()), ..Flags::default() };
    let installation = Installation::of_process_in(common::variables().into_iter().collect());
    App::open(Config::load(&flags, &environment).unwrap(), installation).await.unwrap()
}

#[tokio::test]
async fn dropping_the_stream_cancels_the_request() {
    let bench = Bench::new();
    let (hung_up, hangs_up) = mpsc::channel::<()>();
    let hung_up = Mutex::new(hung_up);
    let server = Server::new(move |number, _, connection| {
        if number > 0 {
            return server::stream(connection, &["295 ", "[1]"]);
        }
        server::begin(connection);
        server::piece(connection, "The bakery");
        server::wait_for_hangup(connection);
        let _ = hung_up.lock().unwrap().send(());
    });
    let app = open(&bench, &server, &[]).await;
    let scope = app.scope(Tenant("default".into()));
    let question = Question::new(QUESTION, "documents", 5);

    let mut events = Box::pin(scope.ask_stream(&question));
    let first = first_piece(&mut events).await;
    assert!(matches!(&first, AnswerEvent::Delta(piece) if piece == "The bakery"), "{first:?}");
    drop(events);
    tokio::task::spawn_blocking(move || hangs_up.recv().unwrap()).await.unwrap();

    // all pieces together are the answer, and the end comes last
    let events: Vec<AnswerEvent> = scope.ask_stream(&question).map(|event| event.unwrap()).collect().await;
    let (last, pieces) = events.split_last().unwrap();
    let pieces: String = pieces
        .iter()
        .filter_map(|event| match event {
            AnswerEvent::Found(_) | AnswerEvent::Cited(_) => None,
            AnswerEvent::Delta(piece) => Some(piece.as_str()),
            AnswerEvent::Done(_) => panic!("the end came early"),
        })
        .collect();
    let AnswerEvent::Done(response) = last else { panic!("no end") };
    assert_eq!((pieces.as_str(), response.answer.answer.as_str()), ("295 [1]", "295 [1]"));
    assert_eq!(scope.ask(&question).await.unwrap().answer.answer, "295 [1]");
    app.close().await;
}

/// A stream that nobody polls: its request ends with its time all the same, and what was shown is the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_polled_ends_in_time() {
    let bench = Bench::new();
    let (hung_up, hangs_up) = mpsc::channel::<()>();
    let hung_up = Mutex::new(hung_up);
    let server = Server::new(move |_, _, connection| {
        use std::io::Write;
        server::begin(connection);
        let event = serde_json::json!({ "choices": [{ "delta": { "content": "pies [1] " } }] });
        while connection.write_all(format!("data: {event}\n\n").as_bytes()).is_ok() {}
        let _ = hung_up.lock().unwrap().send(());
    });
    // images that need not be made smaller: the time goes into reading
    let settings =
        [("QUIRE__ANSWER__VLM__TOTAL_TIMEOUT_MS", "6000"), ("QUIRE__ANSWER__VLM__MAX_PAGE_PIXELS", "100000000")];
    let app = open(&bench, &server, &settings).await;
    let scope = app.scope(Tenant("default".into()));
    let question = Question::new(QUESTION, "documents", 5);
    let mut events = Box::pin(scope.ask_stream(&question));
    let first = first_piece(&mut events).await;
    tokio::task::spawn_blocking(move || hangs_up.recv_timeout(std::time::Duration::from_secs(60)).unwrap())
        .await
        .unwrap();
    let mut pieces = String::new();
    let mut last = None;
    let mut event = Some(first);
    while let Some(now) = event {
        match now {
            AnswerEvent::Found(_) | AnswerEvent::Cited(_) => {}
            AnswerEvent::Delta(piece) => pieces.push_str(&piece),
            AnswerEvent::Done(response) => last = Some(response),
        }
        event = events.next().await.map(|event| event.unwrap());
    }
    let answer = last.expect("an end").answer;
    assert_eq!((answer.answer.as_str(), answer.complete), (pieces.as_str(), false));
    assert!(answer.notes.iter().any(|note| note.contains("answer.vlm.total_timeout_ms")), "{:?}", answer.notes);
    drop(events);
    app.close().await;
}

/// The first event after what was found.
async fn first_piece(events: &mut (impl Stream<Item = quire::error::Result<AnswerEvent>> + Unpin)) -> AnswerEvent {
    let found = events.next().await.unwrap().unwrap();
    assert!(matches!(found, AnswerEvent::Found(_)), "{found:?}");
    events.next().await.unwrap().unwrap()
}
