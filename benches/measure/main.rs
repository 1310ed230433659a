//! What `benches/run.py` times on our side. Each measurement does its set-up, says so in a line of JSON, and then answers
//! every line of standard input, a number of calls, with a line of JSON: the milliseconds of each call, and those of
//! processor time, all threads together. So two processes, ours and a peer's in benches/peers/ or an older build's, can take
//! turns while both stay warm.
//!
//!     measure inputs FOLDER               writes the inputs that both sides read
//!     measure muvera|pooling|image FOLDER
//!     measure render|forward CORPUS       a folder of PDFs; one call is all of its pages
//!     measure canvases CORPUS FOLDER      writes what the page graph is given for them
//!     measure question
//!     measure search DATA_DIR COLLECTION PLAN   one call is one of several questions in turns

mod flow;
mod kernels;

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    // SAFETY: the first thing that the program does, before any thread.
    unsafe { quire::embed::runtime::forbid_telemetry() };
    // `cargo bench` adds flags of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["inputs", folder] => kernels::write_inputs(Path::new(folder)),
        ["muvera", folder] => kernels::muvera(Path::new(folder)),
        ["pooling", folder] => kernels::pooling(Path::new(folder)),
        ["image", folder] => kernels::image(Path::new(folder)),
        ["render", corpus] => flow::render(&pdfs(corpus)?),
        ["forward", corpus] => flow::forward(&pdfs(corpus)?),
        ["canvases", corpus, folder] => flow::write_canvases(&pdfs(corpus)?, Path::new(folder)),
        ["question"] => flow::question(),
        ["search", data_dir, collection, plan] => flow::search(Path::new(data_dir), collection, plan),
        [] => {
            eprintln!("`make bench` measures against the peers; see benches/run.py");
            Ok(())
        }
        _ => Err(format!("unknown measurement: {}", words.join(" ")).into()),
    }
}

/// The PDFs of a folder, by name.
fn pdfs(folder: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "pdf"));
    files.sort();
    Ok(files)
}

/// Serves the protocol: `call` is timed, `facts` go with the first line.
fn serve<T>(facts: Value, mut call: impl FnMut() -> Result<T>) -> Result<()> {
    serve_prepared(facts, || Ok(()), |()| call())
}

/// As [`serve`], with `prepare` before each call, untimed.
fn serve_prepared<S, T>(
    facts: Value,
    mut prepare: impl FnMut() -> Result<S>,
    mut call: impl FnMut(S) -> Result<T>,
) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{facts}")?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        let calls: usize = line?.trim().parse()?;
        let (mut milliseconds, mut of_processor) = (Vec::with_capacity(calls), Vec::with_capacity(calls));
        for _ in 0..calls {
            let input = prepare()?;
            let (started, processor_started) = (Instant::now(), processor_time()?);
            black_box(call(input)?);
            milliseconds.push(started.elapsed().as_secs_f64() * 1e3);
            of_processor.push((processor_time()? - processor_started).as_secs_f64() * 1e3);
        }
        writeln!(out, "{}", json!({ "ms": milliseconds, "cpu_ms": of_processor }))?;
        out.flush()?;
    }
    Ok(())
}

/// What all threads of this process have taken of the processor so far.
fn processor_time() -> std::io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec to write to.
    if unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}
