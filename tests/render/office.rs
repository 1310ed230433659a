//! Office files: over doubles of LibreOffice that behave as badly as a program can, and over the real one where it is installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use quire::error::{Blame, Error, Kind};
use quire::render::{Format, Office, OfficePlaces, OpenDocument, WorkerCommand};
use quire::types::RenderLimits;

use super::{Bench, pdfium};

/// One page of the size of a playing card, with a title.
const PDF: &[u8] = b"%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 180 252]>>endobj
4 0 obj<</Title(Made of an office file)/CreationDate(D:20300101000000Z)>>endobj
trailer<</Root 1 0 R/Info 4 0 R>>
%%EOF
";

/// Every double begins so: `$out` is where the PDF belongs, `$here` where the double lies.
const ARGUMENTS: &str = r#"#!/bin/sh
here=$(dirname "$0")
while [ $# -gt 1 ]; do case "$1" in --outdir) outdir=$2;; -env:UserInstallation=*) profile=${1#*=file://};; esac; shift; done
out=$outdir/$(basename "$1" .docx).pdf
"#;

struct Desk {
    bench: Bench,
    /// Of the double, and of conversions.
    folder: tempfile::TempDir,
}

impl Desk {
    /// A renderer that converts with a shell script in the place of LibreOffice.
    fn new(limits: RenderLimits, script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("bin/soffice");
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::create_dir(folder.path().join("spool")).unwrap();
        fs::write(folder.path().join("bin/good.pdf"), PDF).unwrap();
        fs::write(&program, format!("{ARGUMENTS}{script}")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self::over(limits, folder, OfficePlaces { named: Some(program), usual: Vec::new() })
    }

    fn over(limits: RenderLimits, folder: tempfile::TempDir, places: OfficePlaces) -> Self {
        let mut bench = Bench::with(limits, 1, &[]);
        let command = WorkerCommand {
            program: env!("CARGO_BIN_EXE_quire").into(),
            args: Vec::new(),
            pdfium: pdfium(),
            faults: Vec::new(),
        };
        let spool = folder.path().join("spool");
        let _ = fs::create_dir(&spool);
        bench.renderer = bench.renderer.converting(Office::new(places, &command, spool, 1));
        Self { bench, folder }
    }

    async fn open(&self) -> quire::error::Result<OpenDocument> {
        self.bench.open("slipway.docx", &fixture("slipway.docx")).await
    }

    /// What goes wrong with a whole document, and that nothing is left of it.
    async fn failure(&self) -> Error {
        let error = self.open().await.unwrap_err();
        assert_eq!(error.blame(), Blame::Document, "{error}");
        assert!(error.to_string().contains("slipway.docx"), "{error}");
        assert_eq!(fs::read_dir(self.folder.path().join("spool")).unwrap().count(), 0);
        error
    }
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/office").join(name)).unwrap()
}

fn limits() -> RenderLimits {
    RenderLimits { office_timeout_s: 60, ..RenderLimits::default() }
}

#[tokio::test]
async fn an_office_file_becomes_the_pages_of_its_pdf() {
    let desk = Desk::new(
        limits(),
        "grep -q DisableMacrosExecution \"$profile/user/registrymodifications.xcu\" && cp \"$here/good.pdf\" \"$out\"",
    );
    let opened = desk.open().await.unwrap();
    assert_eq!((opened.format, opened.info.page_count), (Format::Pdf, 1));
    assert_eq!(opened.info.title.as_deref(), Some("Made of an office file"));
    assert_eq!(opened.info.created.as_deref(), Some("2024-03-05T08:30:00Z"), "the document's date, not its PDF's");
    let page = desk.bench.renderer.page(&opened, 1).await.unwrap();
    assert_eq!((page.width_pt, page.height_pt), (180.0, 252.0));
    assert_eq!(fs::read_dir(desk.folder.path().join("spool")).unwrap().count(), 0, "nothing is left of a conversion");
}

#[tokio::test]
async fn a_program_that_wants_to_be_started_again_is() {
    let desk = Desk::new(
        limits(),
        "[ -e \"$profile/once\" ] || { touch \"$profile/once\"; exit 81; }; cp \"$here/good.pdf\" \"$out\"",
    );
    assert_eq!(desk.open().await.unwrap().info.page_count, 1);
    let never = Desk::new(limits(), "exit 81");
    assert!(never.failure().await.is_transient());
}

#[tokio::test]
async fn a_conversion_that_hangs_ends_with_all_that_it_started() {
    let desk = Desk::new(RenderLimits { office_timeout_s: 1, ..limits() }, "sleep 74193 & sleep 74193");
    let error = desk.failure().await;
    assert!(error.is_transient(), "{error}");
    assert_eq!(error.limit().map(|limit| (limit.name.as_str(), limit.value)), Some(("office_timeout_s", 1)));
    let sleeps = || {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes.filter(|process| {
            let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
            words.starts_with(b"sleep\x0074193")
        })
    };
    // a killed process takes a moment to go
    let begun = std::time::Instant::now();
    while sleeps().count() > 0 {
        assert!(begun.elapsed().as_secs() < 20, "what the program started outlives it");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_crash_is_a_workers_death() {
    let error = Desk::new(limits(), "kill -SEGV $$").failure().await;
    assert!(error.is_transient() && error.to_string().contains("signal 11 (SIGSEGV)"), "{error}");
    let error = Desk::new(limits(), "echo out of luck >&2; exit 7").failure().await;
    assert!(error.is_transient() && error.to_string().contains("exit code 7: out of luck"), "{error}");
}

#[tokio::test]
async fn what_is_no_pdf_is_not_taken_for_one() {
    for script in [
        "echo junk > \"$out\"",
        "ln -s \"$here/good.pdf\" \"$out\"",
        "mkdir \"$out\"",
        ": > \"$out\"",
        "mkfifo \"$out\"",
    ] {
        let error = Desk::new(limits(), script).failure().await;
        assert!(error.is_transient() && error.to_string().contains("no PDF"), "{script}: {error}");
    }
}

#[tokio::test]
async fn no_file_grows_beyond_the_limit() {
    let small = RenderLimits { max_document_bytes: 100_000, ..limits() };
    let error = Desk::new(small, "exec head -c 300000 /dev/zero > \"$out\"").failure().await;
    assert_eq!(error.kind(), Kind::Permanent, "{error}");
    assert_eq!(error.limit().map(|limit| limit.name.as_str()), Some("max_document_bytes"));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_rejected() {
    let error = Desk::new(limits(), "echo 'Error: source file could not be loaded' >&2").failure().await;
    assert!(error.kind() == Kind::Permanent && error.to_string().contains("can't be read by LibreOffice"), "{error}");
}

#[tokio::test]
async fn a_password_is_named_and_nothing_is_started() {
    let desk = Desk::new(limits(), "kill -SEGV $$");
    let mut locked = vec![0; 512];
    locked[..8].copy_from_slice(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    locked[30] = 9;
    let mut entry: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    entry.resize(128, 0);
    locked.extend(entry);
    let reason = desk.bench.rejection("salaries.xlsx", &locked).await;
    assert!(reason.contains("protected by a password"), "{reason}");
}

#[tokio::test]
async fn without_libreoffice_the_reason_is_told_and_the_limit_too() {
    let places = OfficePlaces { named: None, usual: vec!["/no/such/soffice".into()] };
    let desk = Desk::over(limits(), tempfile::tempdir().unwrap(), places);
    let error = desk.failure().await;
    assert_eq!(error.kind(), Kind::Permanent);
    assert!(
        error.to_string().contains("LibreOffice, which is not installed: install it (libreoffice-writer)"),
        "{error}"
    );
    let met = error.limit().unwrap();
    assert_eq!(desk.bench.renderer.limit_values(desk.bench.renderer.limits())[&met.name], met.value);
    let installed = Desk::new(limits(), "exit 1");
    assert_ne!(
        installed.bench.renderer.limit_values(installed.bench.renderer.limits())[&met.name],
        met.value,
        "worth another try"
    );
    // a text is none, whatever it is called
    let reason = desk.bench.rejection("letter.docx", b"plain words").await;
    assert!(reason.contains("named as an office file (DOCX)"), "{reason}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_program_that_was_taken_over_gets_nowhere() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("ledger"), "secret").unwrap();
    let (file, folder, port) = (secret.path().join("ledger"), secret.path(), listener.local_addr().unwrap().port());
    let script = format!(
        "cat '{}' && echo read a secret >&2 && exit 9
        touch '{}/left' && echo wrote outside >&2 && exit 9
        bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' && echo reached the network >&2 && exit 9
        setsid true && echo left its group >&2 && exit 9
        printf '#!/bin/sh\\n' > \"$HOME/own\"; chmod +x \"$HOME/own\"; \"$HOME/own\" && echo ran what it wrote >&2 && exit 9
        touch \"$outdir/../in/more\" && echo changed the document >&2 && exit 9
        [ -z \"$QUIRE_PDFIUM\" ] || {{ echo inherited variables >&2; exit 9; }}
        echo shut in >&2; exit 7",
        file.display(),
        folder.display()
    );
    let desk = Desk::new(limits(), &script);
    let lacking: Vec<_> =
        desk.bench.renderer.confinement().await.unwrap().into_iter().filter(|part| part.missing.is_some()).collect();
    if !lacking.is_empty() {
        eprintln!("skipped: this kernel lacks {lacking:?}");
        return;
    }
    let error = desk.failure().await;
    assert!(error.to_string().contains("exit code 7: shut in"), "{error}");
}

/// The LibreOffice of this machine.
fn installed() -> Option<PathBuf> {
    ["/usr/bin/soffice", "/usr/local/bin/soffice"].into_iter().map(PathBuf::from).find(|path| path.is_file())
}

#[tokio::test]
async fn every_kind_goes_through_the_real_libreoffice() {
    let Some(program) = installed() else {
        eprintln!("skipped: LibreOffice is not installed here");
        return;
    };
    let places = OfficePlaces { named: Some(program), usual: Vec::new() };
    let described = places.describe().await.unwrap();
    assert!(described.starts_with("LibreOffice "), "{described}");
    let generous = RenderLimits { office_timeout_s: 120, ..limits() };
    let desk = Desk::over(generous, tempfile::tempdir().unwrap(), places);
    let expected = [
        ("slipway.docx", 2, "Slipway inspection", "2024-03-05T08:30:00Z", "replaced after 4,310 launches"),
        ("dues.xlsx", 1, "Harbour dues", "2023-11-20T10:00:00Z", "Guillemot"),
        ("season.pptx", 2, "Season opening", "2025-02-01T09:00:00Z", "First sailing on 12 April"),
        ("fuel.odt", 1, "Fuel berth", "2022-07-14T16:20:00Z", "red lamp over the fuel berth"),
        ("lifeboat.odp", 1, "Lifeboat volunteers", "2021-05-02T12:00:00Z", "meet on Tuesdays at nine"),
        ("visitors.ods", 1, "Visitors by month", "2020-09-30T18:00:00Z", "2977"),
    ];
    for (name, pages, title, created, text) in expected {
        let opened = desk.bench.open(name, &fixture(name)).await.unwrap();
        assert_eq!((opened.name.as_str(), opened.info.page_count), (name, pages));
        assert_eq!(opened.info.title.as_deref(), Some(title));
        assert_eq!(opened.info.author.as_deref(), Some("Harbour Office"), "{name}");
        assert_eq!(opened.info.created.as_deref(), Some(created), "{name}");
        let page = desk.bench.renderer.page(&opened, 1).await.unwrap();
        assert!(page.text.text.contains(text), "{name}: {}", page.text.text);
    }
    let mut cut = fixture("slipway.docx");
    cut.truncate(1500);
    let reason = desk.bench.rejection("cut.docx", &cut).await;
    assert!(reason.contains("can't be read by LibreOffice"), "{reason}");
    assert_eq!(fs::read_dir(desk.folder.path().join("spool")).unwrap().count(), 0);
}
