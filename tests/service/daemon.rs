//! A service that runs as long as its value.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::Quire;

/// Longer than anything here takes on a busy machine: who waits so long waits in vain.
pub const PATIENCE: Duration = Duration::from_secs(900);

pub struct Daemon {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub address: String,
    /// What it printed when it was there.
    pub screen: String,
}

impl Daemon {
    pub fn start(quire: &Quire) -> Self {
        Self::start_with(quire, &[])
    }

    pub fn start_with(quire: &Quire, arguments: &[&str]) -> Self {
        Self::of(quire.command().args(["serve", "--listen", "127.0.0.1:0"]).args(arguments))
    }

    /// Returns when it answers.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut screen = String::new();
        // The last line is the one with the first step.
        while !screen.lines().any(|line| line.starts_with("Try:") || line.starts_with("Nothing is indexed")) {
            assert!(stdout.read_line(&mut screen).unwrap() > 0, "the service ended: {screen}");
        }
        let line = screen.lines().find_map(|line| line.strip_prefix("Quire is at "));
        let mut daemon = Self { child, stdout, address: line.unwrap_or_default().to_owned(), screen };
        let socket = daemon.socket_of(command);
        until("its control socket", || {
            assert!(daemon.child.try_wait().unwrap().is_none(), "the service ended");
            std::os::unix::net::UnixStream::connect(&socket).is_ok().then_some(())
        });
        daemon
    }

    fn socket_of(&self, command: &Command) -> std::path::PathBuf {
        let folder = command.get_envs().find(|(name, _)| *name == "QUIRE_DATA_DIR").unwrap().1.unwrap();
        std::path::Path::new(folder).join("control.sock")
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: the process is our child and has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Waits for its end; what it printed since it was there.
    pub fn end(&mut self) -> (ExitStatus, String) {
        let status = until("the end of the service", || self.child.try_wait().unwrap());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (status, rest)
    }

    pub fn terminate(mut self) {
        self.signal(libc::SIGTERM);
        let (status, _) = self.end();
        assert!(status.success(), "{status}");
    }

    /// The HTTP status of a GET.
    pub fn get(&self, path: &str) -> Option<u16> {
        use std::io::Write;
        let address = self.address.strip_prefix("http://")?;
        let mut stream = std::net::TcpStream::connect(address).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again until there is something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// File names and states of all documents.
pub fn states(quire: &Quire) -> Vec<(String, String)> {
    let name = |document: &Value| crate::common::source_name(document);
    let listed = quire.documents();
    listed.iter().map(|document| (name(document), document["state"].as_str().unwrap().to_owned())).collect()
}

/// Waits until exactly these files are indexed, and nothing else is there.
pub fn until_indexed(quire: &Quire, names: &[&str]) {
    let wanted: Vec<(String, String)> = names.iter().map(|name| ((*name).to_owned(), "indexed".to_owned())).collect();
    let began = Instant::now();
    loop {
        let mut found = states(quire);
        found.sort();
        if found == wanted {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {names:?}: {found:?}");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}
