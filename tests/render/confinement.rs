//! What a worker can do after it has locked itself in: draw pages, with the fonts of the system, and nothing else.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use quire::render::{FaultKind, ProbeTargets};
use quire::types::RenderLimits;

use crate::Bench;
use crate::pdf::{document, frame, numbered};

/// What Landlock refuses; the rest is seccomp's.
const FILES: [&str; 8] = [
    "read /etc/passwd",
    "read the ledger",
    "write to the ledger",
    "list the data folder",
    "create a file in the data folder",
    "create a file in the folder for temporary files",
    "create a file in the working directory",
    "read the environment of its parent",
];

/// What works for every process that is not confined. (The rest needs rights, or arguments that a probe does not have.)
const WORKS_OUTSIDE: [&str; 24] = [
    "read /etc/passwd",
    "read the ledger",
    "write to the ledger",
    "list the data folder",
    "create a file in the data folder",
    "create a file in the folder for temporary files",
    "create a file in the working directory",
    "read its own environment",
    "use a descriptor of the pool",
    "connect to the loopback interface",
    "connect to a Unix socket",
    "start a program",
    "start a thread",
    "read the environment of its parent",
    "open a socket of the Internet",
    "open a Unix socket",
    "fork",
    "become another program",
    "signal its parent",
    "signal a thread of its parent",
    "make memory executable",
    "make a file in memory",
    "change its limits",
    "be dumpable again",
];

/// What works outside where the system lets a child look into its parent.
const WORKS_WITHOUT_YAMA: [&str; 3] =
    ["open the memory of its parent", "look into its parent with ptrace", "read the memory of its parent"];

/// Everything that a probe reaches for, in this process.
struct Scene {
    targets: ProbeTargets,
    folder: tempfile::TempDir,
    _open: (TcpListener, UnixListener, File, Box<[u8; 8]>),
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("ledger.db"), b"what the ledger says").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let unix = UnixListener::bind(at("socket")).unwrap();
        // as libraries open files: every child inherits it
        let file = File::open(at("ledger.db")).unwrap();
        // SAFETY: a descriptor that is open, and a new one that belongs to nobody else.
        let inherited = unsafe { File::from_raw_fd(libc::fcntl(file.as_raw_fd(), libc::F_DUPFD, 50)) };
        let memory = Box::new(*b"secret!!");
        let targets = ProbeTargets {
            ledger: at("ledger.db"),
            data_dir: folder.path().to_owned(),
            unix_socket: at("socket"),
            tcp_port: tcp.local_addr().unwrap().port(),
            parent: std::process::id() as i32,
            parent_address: memory.as_ptr() as u64,
            descriptor: inherited.as_raw_fd(),
        };
        Self { targets, folder, _open: (tcp, unix, inherited, memory) }
    }

    /// The probe's report from a worker that was started as any program is, before it locked itself in.
    fn probed_outside(&self) -> String {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut worker = Command::new(env!("CARGO_BIN_EXE_quire"))
            .arg("render-worker")
            .current_dir(self.folder.path())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let fault = serde_json::json!({ "page": 1, "kind": FaultKind::ProbeBeforeLockIn(self.targets.clone()) });
        let setup =
            serde_json::json!({ "limits": RenderLimits::default(), "pdfium": crate::pdfium(), "faults": [fault] });
        let settings = quire::types::RenderSettings::default();
        let page = serde_json::json!({ "Page": { "id": 1, "format": "pdf", "number": 1, "settings": settings } });
        for header in [setup, serde_json::json!({ "request": page, "slot": null })] {
            ours.write_all(&frame(&header, 0)).unwrap();
        }
        let mut output = worker.stdout.take().unwrap();
        let mut lengths = [0; 12];
        output.read_exact(&mut lengths).unwrap();
        let mut header = vec![0; u32::from_le_bytes(lengths[..4].try_into().unwrap()) as usize];
        output.read_exact(&mut header).unwrap();
        drop(ours);
        assert!(worker.wait().unwrap().success());
        let reply: serde_json::Value = serde_json::from_slice(&header).unwrap();
        reply["Refused"]["reason"].as_str().unwrap().to_owned()
    }
}

/// Names of attempts, and how they went.
fn lines(report: &str) -> Vec<(&str, &str)> {
    report.lines().filter_map(|line| line.split_once(": ")).collect()
}

#[tokio::test]
async fn whatever_a_worker_tries_is_refused_every_time() {
    let scene = Scene::new();
    let faults: Vec<_> = (1..=6).map(|page| (page, FaultKind::Probe(scene.targets.clone()))).collect();
    let bench = Bench::with(RenderLimits::default(), 2, &faults);
    let parts = bench.renderer.confinement().await.unwrap();
    let has = |means: &str| parts.iter().any(|part| part.part.contains(means) && part.missing.is_none());
    let (landlock, seccomp) = (has("files (Landlock)"), has("seccomp"));
    assert!(landlock || seccomp, "this kernel confines nothing, and nothing can be tested: {parts:?}");

    let document = bench.open("six.pdf", &numbered(6)).await.unwrap();
    let pages = (1..=6).map(|number| bench.page_failure(&document, number));
    let reports = futures::future::join_all(pages).await;
    let outside = scene.probed_outside();
    for (number, report) in (1..).zip(&reports) {
        let report = report.strip_prefix(&format!("page {number} ")).unwrap();
        assert_eq!(lines(report).len(), lines(&outside).len(), "{report}");
        for (name, outcome) in lines(report) {
            let confined = if FILES.contains(&name) { landlock } else { seccomp };
            assert!(!confined || outcome != "succeeded", "page {number}: {name}: {outcome}");
        }
    }
    bench.renderer.shutdown().await;
}

/// Refusals prove something only if the same attempts work where nothing refuses them.
#[test]
fn the_same_attempts_work_outside() {
    let scene = Scene::new();
    let report = scene.probed_outside();
    let outcomes = lines(&report);
    let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").is_ok_and(|scope| scope.trim() != "0");
    // SAFETY: asks for a number.
    let looks_into_parents = !yama || unsafe { libc::geteuid() } == 0;
    let expected = WORKS_OUTSIDE.iter().chain(WORKS_WITHOUT_YAMA.iter().filter(|_| looks_into_parents));
    for name in expected {
        assert!(outcomes.contains(&(name, "succeeded")), "{name}: {report}");
    }
}

#[tokio::test]
async fn the_parts_of_the_confinement_are_told() {
    let bench = Bench::new();
    let parts = bench.renderer.confinement().await.unwrap();
    let names: Vec<&str> = parts.iter().map(|part| part.part).collect();
    assert_eq!(
        names,
        [
            "memory (RLIMIT_AS)",
            "files (Landlock)",
            "network (Landlock)",
            "signals and abstract sockets (Landlock)",
            "system calls (seccomp)"
        ]
    );
    // it goes on drawing
    let document = bench.open("one.pdf", &numbered(1)).await.unwrap();
    assert_eq!(bench.renderer.page(&document, 1).await.unwrap().text.text, "page 1");
}

/// Fonts that a document does not bring are read from the system's folders, after the worker has locked itself in.
#[tokio::test]
async fn fonts_of_the_system_are_still_found() {
    const FONT: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSerif-Bold.ttf";
    if !std::path::Path::new(FONT).exists() {
        eprintln!("not tested: there is no {FONT}");
        return;
    }
    let bench = Bench::new();
    let mut drawn = Vec::new();
    for name in ["DejaVu#20Serif,Bold", "NoSuchFont"] {
        let content = "BT /G 24 Tf 20 40 Td (Quartz glyphs) Tj ET";
        let page = ("/MediaBox [0 0 240 80] /Resources << /Font << /G 5 0 R >> >>", content);
        let pdf = fonts_pdf(page, name);
        let opened = bench.open("font.pdf", &pdf).await.unwrap();
        let page = bench.renderer.page(&opened, 1).await.unwrap();
        assert_eq!(page.text.text, "Quartz glyphs");
        drawn.push(page.image.rgb);
    }
    assert!(drawn[0] != drawn[1], "the system's font was not used");
    bench.renderer.shutdown().await;
}

/// A page whose font `/G` is a TrueType font of that name that is not embedded.
fn fonts_pdf((entries, content): (&str, &str), name: &str) -> Vec<u8> {
    use crate::pdf::Pdf;
    let mut pdf = Pdf::default();
    let root = pdf.add("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.add("<< /Type /Pages /Kids [ 3 0 R ] /Count 1 >>");
    pdf.add(format!("<< /Type /Page /Parent 2 0 R /Contents 4 0 R {entries} >>"));
    pdf.stream("", content);
    pdf.add(format!(
        "<< /Type /Font /Subtype /TrueType /BaseFont /{name} /Encoding /WinAnsiEncoding /FontDescriptor 6 0 R >>"
    ));
    pdf.add(format!("<< /Type /FontDescriptor /FontName /{name} /Flags 32 /ItalicAngle 0 /StemV 80 >>"));
    pdf.bytes(root)
}

#[tokio::test]
async fn what_a_worker_starts_dies_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // a worker that answers nothing, and a child of it that has the pipe open as long as it lives
    let script = "sleep 1000 > \"$1\" & sleep 1000";
    let command = quire::render::WorkerCommand {
        program: "/bin/sh".into(),
        args: ["-c", script, "sh"].map(Into::into).into_iter().chain([pipe.clone().into_os_string()]).collect(),
        pdfium: crate::pdfium(),
        faults: Vec::new(),
    };
    let limits = RenderLimits { page_timeout_s: 1, ..Default::default() };
    let renderer = quire::render::Renderer::new(limits, 1, command).unwrap();
    let path = folder.path().join("one.pdf");
    std::fs::write(&path, numbered(1)).unwrap();
    // opens when the child does, and ends when the child has ended
    let end = std::thread::spawn(move || File::open(pipe).unwrap().read_to_end(&mut Vec::new()).unwrap());
    let error = renderer.open(&path, "one.pdf", &Default::default()).await.unwrap_err();
    assert!(error.to_string().contains("page_timeout_s"), "{error}");
    assert_eq!(end.join().unwrap(), 0);
    renderer.shutdown().await;
}

/// A descriptor has its own position: two workers that draw one document at once do not disturb each other.
#[tokio::test]
async fn two_workers_read_one_descriptor() {
    let bench = Bench::new();
    let pages: Vec<(&str, &str)> = vec![("/MediaBox [0 0 144 72]", "BT /F 24 Tf 20 40 Td (here) Tj ET"); 40];
    let opened = bench.open("forty.pdf", &document(&pages, "", |_| String::new())).await.unwrap();
    let drawn = futures::future::join_all((1..=40).map(|number| bench.renderer.page(&opened, number))).await;
    assert!(drawn.into_iter().all(|page| page.unwrap().text.text == "here"));
    bench.renderer.shutdown().await;
}
