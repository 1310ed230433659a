//! The same as a library call: a stream of events that can be dropped.

use std::sync::{Mutex, mpsc};

use futures::StreamExt;
use quire::app::{AnswerEvent, App, Installation, Question};
use quire::config::{Config, Environment, Flags};

use crate::server::{self, Server};
use crate::{Bench, QUESTION};

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
    let base_url = server.base_url();
    let variables = [
        ("QUIRE__ANSWER__VLM__BASE_URL", base_url.as_str()),
        ("QUIRE__ANSWER__VLM__MODEL", "m"),
        ("QUIRE__COLLECTION", "documents"),
    ];
    let environment: Environment = variables.into_iter().collect();
    let file = bench.quire.docs().join("quire.yaml");
    std::fs::write(&file, "version: 1\n").unwrap();
    let flags = Flags { config: Some(file), data_dir: Some(bench.quire.data_dir()), ..Flags::default() };
    let app = App::open(Config::load(&flags, &environment).unwrap(), Installation::of_process()).await.unwrap();
    let question = Question::new(QUESTION, "documents", 5);

    let mut events = Box::pin(app.ask_stream(&question));
    let first = events.next().await.unwrap().unwrap();
    assert!(matches!(&first, AnswerEvent::Delta(piece) if piece == "The bakery"), "{first:?}");
    drop(events);
    tokio::task::spawn_blocking(move || hangs_up.recv().unwrap()).await.unwrap();

    // all pieces together are the answer, and the end comes last
    let events: Vec<AnswerEvent> = app.ask_stream(&question).map(|event| event.unwrap()).collect().await;
    let (last, pieces) = events.split_last().unwrap();
    let pieces: String = pieces
        .iter()
        .map(|event| match event {
            AnswerEvent::Delta(piece) => piece.as_str(),
            AnswerEvent::Done(_) => panic!("the end came early"),
        })
        .collect();
    let AnswerEvent::Done(response) = last else { panic!("no end") };
    assert_eq!((pieces.as_str(), response.answer.answer.as_str()), ("295 [1]", "295 [1]"));
    assert_eq!(app.ask(&question).await.unwrap().answer.answer, "295 [1]");
    app.close().await;
}
