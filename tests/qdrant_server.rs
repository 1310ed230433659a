//! The program against a Qdrant server that these tests start, kill and start again: its program is named by the variable
//! [`PROGRAM`]. Without it each test says that it was skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]
#![allow(clippy::disallowed_methods, reason = "tests take the server's program from the environment")]

mod common;

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Quire;
use serde_json::Value;

/// Path of Qdrant's server program.
const PROGRAM: &str = "QUIRE_TEST_QDRANT_BINARY";
/// How often the server is killed; set it to look longer.
const KILLS: &str = "QUIRE_TEST_QDRANT_KILLS";
/// Longest wait for a server to listen.
const START: Duration = Duration::from_secs(120);

/// A disk on which there is room for a server with the documents, and not much more.
const DISK_MB: u32 = 400;
/// Longest wait for an ingest to notice that the disk is full.
const NOTICE: Duration = Duration::from_secs(300);

/// Documents and their pages.
const DOCUMENTS: [(&str, u64); 5] = [
    ("annual-report-2025.pdf", 13),
    ("product-strategy-deck.pdf", 10),
    ("invoice-2025-0417.pdf", 1),
    ("fax.tiff", 2),
    ("site-notice.png", 1),
];

/// A server with a storage of its own, which outlives its kills.
struct Server {
    program: PathBuf,
    folder: tempfile::TempDir,
    storage: PathBuf,
    grpc: u16,
    http: u16,
    /// What the program is started with beside: the nodes of a cluster find each other by it.
    cluster: Option<Membership>,
    process: Option<Child>,
}

/// A node's part in a cluster.
struct Membership {
    port: u16,
    /// That of the first node; None: this one is.
    first: Option<u16>,
}

impl Server {
    /// None, said aloud, if no program was named.
    fn start() -> Option<Self> {
        let Some(program) = std::env::var_os(PROGRAM) else {
            eprintln!("skipped: {PROGRAM} names no Qdrant server program");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let storage = folder.path().join("storage");
        Some(Self::start_with(program.into(), folder, storage))
    }

    fn start_with(program: PathBuf, folder: tempfile::TempDir, storage: PathBuf) -> Self {
        Self::start_as(program, folder, storage, None)
    }

    fn start_as(program: PathBuf, folder: tempfile::TempDir, storage: PathBuf, cluster: Option<Membership>) -> Self {
        let (grpc, http) = (free_port(), free_port());
        let mut server = Self { program, folder, storage, grpc, http, cluster, process: None };
        server.restart();
        server
    }

    /// A node of a cluster, and where the next ones find it.
    fn join(program: PathBuf, first: Option<u16>) -> (Self, u16) {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let storage = folder.path().join("storage");
        (Self::start_as(program, folder, storage, Some(Membership { port, first })), port)
    }

    /// One that keeps its collections on this disk; None, said aloud, if no program was named.
    fn start_on(disk: &Disk) -> Option<Self> {
        let Some(program) = std::env::var_os(PROGRAM) else {
            eprintln!("skipped: {PROGRAM} names no Qdrant server program");
            return None;
        };
        Some(Self::start_with(program.into(), tempfile::tempdir().unwrap(), disk.0.path().join("storage")))
    }

    fn restart(&mut self) {
        assert!(self.process.is_none());
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(&self.program);
        if let Some(Membership { port, first }) = &self.cluster {
            let at = |port: &u16| format!("http://127.0.0.1:{port}");
            command.env("QDRANT__CLUSTER__ENABLED", "true").env("QDRANT__CLUSTER__P2P__PORT", port.to_string());
            command.args(["--uri", &at(port)]);
            if let Some(first) = first {
                command.args(["--bootstrap", &at(first)]);
            }
        }
        let child = command
            .env("QDRANT__SERVICE__GRPC_PORT", self.grpc.to_string())
            .env("QDRANT__SERVICE__HTTP_PORT", self.http.to_string())
            .env("QDRANT__SERVICE__HOST", "127.0.0.1")
            .env("QDRANT__STORAGE__STORAGE_PATH", &self.storage)
            .env("QDRANT__STORAGE__SNAPSHOTS_PATH", self.folder.path().join("snapshots"))
            .env("QDRANT__TELEMETRY_DISABLED", "true")
            .current_dir(self.folder.path())
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        self.process = Some(child);
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.grpc)).is_err() {
            assert!(started.elapsed() < START, "the server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL, without a word before it.
    fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A small disk of its own.
struct Disk(tempfile::TempDir);

impl Disk {
    /// None, said aloud, where this user may mount none.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={DISK_MB}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("skipped: this user may not mount a small disk");
        None
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// To the last byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.ballast()).unwrap();
        let megabyte = vec![0; 1 << 20];
        while std::io::Write::write_all(&mut file, &megabyte).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// A port that was free a moment ago: the server takes no 0.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `quire` that keeps its vectors there.
struct Client {
    quire: Quire,
    url: String,
    /// Variables beside.
    settings: Vec<(&'static str, &'static str)>,
}

impl Client {
    fn of(server: &Server) -> Self {
        let quire = Quire::new();
        for (name, _) in DOCUMENTS {
            quire.add(name);
        }
        Self { quire, url: server.url(), settings: Vec::new() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.quire.command();
        command.env("QUIRE__STORE__URL", &self.url).envs(self.settings.iter().copied()).args(arguments);
        command
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).arg("--json").output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "quire {arguments:?}: {stderr}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn ingest(&self) -> Value {
        self.json(&["ingest", self.quire.docs().to_str().unwrap()])
    }

    /// Every document is complete, once, and nobody paid for the server with an attempt.
    fn check(&self) {
        let listed = self.json(&["docs", "list"])["documents"].as_array().unwrap().clone();
        assert_eq!(listed.len(), DOCUMENTS.len());
        for (name, pages) in DOCUMENTS {
            let document = listed.iter().find(|document| common::source_name(document) == name).unwrap();
            assert_eq!(
                (&document["state"], &document["page_count"]),
                (&"indexed".into(), &pages.into()),
                "{document:#}"
            );
            let shown = self.json(&["docs", "show", document["document_id"].as_str().unwrap()]);
            assert!(shown["attempts"].as_u64().unwrap_or_default() <= 1, "{shown:#}");
        }
        let checked = self.json(&["store", "check"]);
        assert_eq!(checked["sound"], true, "{checked:#}");
        assert_eq!(checked["collections"][0]["whole"], DOCUMENTS.len(), "{checked:#}");
        let pages: u64 = DOCUMENTS.iter().map(|(_, pages)| pages).sum();
        assert_eq!(self.json(&["status"])["collections"][0]["pages"], pages);
    }
}

#[test]
fn the_commands_run_unchanged_against_a_server() {
    let Some(server) = Server::start() else { return };
    let client = Client::of(&server);
    let doctor = client.json(&["doctor"]);
    let store = doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "store").unwrap().clone();
    assert!(store["ok"] == true && store["message"].as_str().unwrap().contains(&server.url()), "{store}");
    let summary = client.ingest();
    assert_eq!(summary["documents"]["indexed"], DOCUMENTS.len(), "{summary:#}");
    client.check();
    let found = client.json(&["search", "invoice 2025-0417", "--limit", "3"]);
    assert!(!found["hits"].as_array().unwrap().is_empty());
    let answer = client.json(&["ask", "what is the number of the invoice"]);
    assert!(!answer["answer"].as_str().unwrap().is_empty());
    let info = client.json(&["store", "info"]);
    assert!(info["builds"][0]["info"]["bytes_a_page"]["patches"].as_f64().unwrap() > 0.0, "{info:#}");
    // In process the same pages come, in the same order.
    let local = Quire::new();
    for (name, _) in DOCUMENTS {
        local.add(name);
    }
    local.ingest();
    let scored = |found: &Value| -> Vec<(String, u64, f64)> {
        let hits = found["hits"].as_array().unwrap();
        let scored =
            |hit: &Value| (common::source_name(hit), hit["page"].as_u64().unwrap(), hit["score"].as_f64().unwrap());
        hits.iter().map(scored).collect()
    };
    for question in ["invoice 2025-0417", "revenue by region", "strategy"] {
        let asked = ["search", question, "--plan", "exact", "--limit", "5"];
        let (theirs, ours) = (scored(&client.json(&asked)), scored(&local.json(&asked)));
        assert_eq!(theirs.len(), ours.len(), "{question}");
        // Pages whose scores are as good as equal may change places.
        for (at, (their, our)) in theirs.iter().zip(&ours).enumerate() {
            assert!((their.2 - our.2).abs() < 1e-3, "{question}, place {at}: {theirs:?} and {ours:?}");
            let alone = ours.iter().all(|other| other == our || (other.2 - our.2).abs() >= 1e-3);
            let last = our.2 - ours[ours.len() - 1].2 < 1e-3;
            assert!(
                !alone || last || (&their.0, their.1) == (&our.0, our.1),
                "{question}, place {at}: {theirs:?}, {ours:?}"
            );
        }
    }
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_an_ingest_loses_nothing() {
    let Some(mut server) = Server::start() else { return };
    let client = Client::of(&server);
    let kills: u32 = std::env::var(KILLS).map_or(5, |text| text.parse().unwrap());
    client.ingest();
    let stderr = server.folder.path().join("ingest");
    // Moments spread over a whole run, never the same twice (golden ratio).
    let (mut fraction, mut killed, mut rounds) = (0.0_f64, 0, 0);
    while killed < kills {
        rounds += 1;
        assert!(rounds < 4 * kills, "runs end before the server can be killed");
        fraction = (fraction + 0.618_033_988_75) % 1.0;
        let arguments = ["ingest", client.quire.docs().to_str().unwrap(), "--force"].map(str::to_owned);
        let mut run = client
            .command(&arguments.each_ref().map(String::as_str))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_secs(6).mul_f64(fraction));
        if run.try_wait().unwrap().is_none() {
            server.kill();
            killed += 1;
            server.restart();
        }
        let status = run.wait().unwrap();
        let said = std::fs::read_to_string(&stderr).unwrap();
        assert!(status.success(), "round {rounds}: the ingest did not wait for the server: {status}: {said}");
    }
    client.check();
}

#[test]
fn a_server_that_is_away_is_waited_for() {
    let Some(mut server) = Server::start() else { return };
    let client = Client::of(&server);
    client.ingest();
    let mut run = client
        .command(&["ingest", client.quire.docs().to_str().unwrap(), "--force"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let interrupted = run.try_wait().unwrap().is_none();
    server.kill();
    std::thread::sleep(Duration::from_secs(10));
    server.restart();
    assert!(run.wait().unwrap().success());
    assert!(interrupted, "the run ended before the server was away");
    client.check();
}

#[test]
fn a_server_that_starts_after_an_ingest_is_waited_for() {
    let Some(mut server) = Server::start() else { return };
    let client = Client::of(&server);
    server.kill();
    let stderr = server.folder.path().join("ingest");
    let mut run = client
        .command(&["ingest", client.quire.docs().to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&stderr).unwrap())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !std::fs::read_to_string(&stderr).unwrap().contains("waits for what is away") {
        assert!(run.try_wait().unwrap().is_none(), "the run ended: {}", std::fs::read_to_string(&stderr).unwrap());
        assert!(started.elapsed() < NOTICE, "nothing was said of the server");
        std::thread::sleep(Duration::from_millis(50));
    }
    server.restart();
    let status = run.wait().unwrap();
    assert!(status.success(), "{status}: {}", std::fs::read_to_string(&stderr).unwrap());
    client.check();
}

/// Every page in two of three nodes: one may go, and come back.
#[test]
fn a_cluster_takes_and_answers_everything_while_one_of_its_nodes_is_stopped() {
    let Some(program) = std::env::var_os(PROGRAM) else {
        eprintln!("skipped: {PROGRAM} names no Qdrant server program");
        return;
    };
    for shard_by_tenant in ["false", "true"] {
        let (first, port) = Server::join(program.clone().into(), None);
        let mut others = [(); 2].map(|()| Server::join(program.clone().into(), Some(port)).0);
        let client = Client::of(&first);
        let settings = [
            ("QUIRE__STORE__SHARDS", "3"),
            ("QUIRE__STORE__REPLICATION_FACTOR", "2"),
            ("QUIRE__STORE__SHARD_BY_TENANT", shard_by_tenant),
        ];
        let client = Client { settings: settings.to_vec(), ..client };
        client.ingest();
        let question = ["search", "invoice 2025-0417", "--plan", "exact", "--limit", "3"];
        let before = client.json(&question)["hits"].clone();
        others[1].kill();
        // The same pages come, and new generations of all of them are taken.
        assert_eq!(client.json(&question)["hits"], before);
        let summary = client.json(&["ingest", client.quire.docs().to_str().unwrap(), "--force"]);
        assert_eq!(summary["documents"]["indexed"], DOCUMENTS.len(), "{summary:#}");
        client.check();
        others[1].restart();
        client.json(&["ingest", client.quire.docs().to_str().unwrap(), "--force"]);
        client.check();
    }
}

#[test]
fn a_server_whose_disk_is_full_is_waited_for_and_nothing_is_lost() {
    let Some(disk) = Disk::mount() else { return };
    let Some(server) = Server::start_on(&disk) else { return };
    let client = Client::of(&server);
    client.ingest();
    let stderr = server.folder.path().join("ingest");
    let mut run = client
        .command(&["ingest", client.quire.docs().to_str().unwrap(), "--force"])
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&stderr).unwrap())
        .spawn()
        .unwrap();
    disk.fill();
    let started = Instant::now();
    // The reason is said, and the run goes on waiting.
    while !std::fs::read_to_string(&stderr).unwrap().contains("its disk is full") {
        assert!(run.try_wait().unwrap().is_none(), "the run ended: {}", std::fs::read_to_string(&stderr).unwrap());
        assert!(started.elapsed() < NOTICE, "nothing was said of the full disk");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(run.try_wait().unwrap().is_none(), "the run gave up");
    disk.make_room();
    let status = run.wait().unwrap();
    assert!(status.success(), "{status}: {}", std::fs::read_to_string(&stderr).unwrap());
    client.check();
}
