fn main() {
    if std::env::args().nth(1).as_deref() == Some("render-worker")
        && let Err(error) = quire::render::worker::run()
    {
        eprintln!("{error}");
        std::process::exit(3);
    }
}
