//! Documents as the field has them (tests/fixtures/field, made after public reports): what a page that is damaged, filled in,
//! hyphenated or oddly coded comes to, through real worker processes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]
#![allow(clippy::disallowed_methods, reason = "tests take the library's path from the environment")]

mod kinds;
mod lost;
mod pictures;
mod text;

use std::path::{Path, PathBuf};

use quire::render::{OpenDocument, Renderer, WorkerCommand};
use quire::types::{Note, RenderLimits, RenderSettings, RenderedPage};

/// A document of the field, opened.
pub struct Opened {
    renderer: Renderer,
    document: OpenDocument,
}

/// A renderer over the real binary.
fn renderer() -> Renderer {
    let named = std::env::var_os("QUIRE_PDFIUM").map(PathBuf::from);
    let native = Path::new(env!("CARGO_MANIFEST_DIR")).join("native/libpdfium.so");
    let command = WorkerCommand {
        program: env!("CARGO_BIN_EXE_quire").into(),
        args: vec!["render-worker".into()],
        pdfium: named.unwrap_or(native),
        faults: Vec::new(),
    };
    Renderer::new(RenderLimits::default(), 1, command).unwrap()
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/field").join(name)
}

impl Opened {
    pub async fn fixture(name: &str) -> Self {
        Self::try_path(&fixture(name), name).await.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A document of these bytes.
    pub async fn bytes(name: &str, bytes: &[u8]) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Self::try_path(&path, name).await
    }

    pub async fn try_path(path: &Path, name: &str) -> Result<Self, String> {
        let renderer = renderer();
        let document = renderer.open(path, name, &RenderSettings::default()).await;
        Ok(Self { document: document.map_err(|error| error.to_string())?, renderer })
    }

    pub fn notes(&self) -> &[Note] {
        &self.document.info.notes
    }

    pub async fn page(&self, number: u32) -> RenderedPage {
        let page = self.renderer.page(&self.document, number).await.unwrap();
        // For people who want to see: a folder to which every page is written.
        if let Some(folder) = std::env::var_os("QUIRE_FIELD_PAGES") {
            let path = PathBuf::from(folder).join(format!("{}-{number}.png", self.document.name));
            let (image, rgb) = (&page.image, page.image.rgb.to_vec());
            image::RgbImage::from_raw(image.width, image.height, rgb).unwrap().save(path).unwrap();
        }
        page
    }

    /// The text of every page.
    pub async fn all_text(&self) -> String {
        let mut text = String::new();
        for number in 1..=self.document.info.page_count {
            text = format!("{text}\n{}", self.page(number).await.text.text);
        }
        text
    }

    /// The text of the only page.
    pub async fn text(&self) -> String {
        self.page(1).await.text.text
    }
}

/// Whether anything is drawn in a part of the page, in fractions of its sides.
pub fn has_ink(page: &RenderedPage, left: f32, top: f32, right: f32, bottom: f32) -> bool {
    let (width, height) = (page.image.width as usize, page.image.height as usize);
    let (x0, x1) = ((left * width as f32) as usize, (right * width as f32) as usize);
    let (y0, y1) = ((top * height as f32) as usize, (bottom * height as f32) as usize);
    (y0..y1).any(|y| page.image.rgb[(y * width + x0) * 3..(y * width + x1) * 3].iter().any(|byte| *byte < 128))
}

/// For people: what is noted about the documents of a folder, and how the text of their first pages begins.
#[tokio::test]
#[ignore = "QUIRE_FIELD_FOLDER names the folder to look at"]
async fn what_is_noted_of_a_folder() {
    let folder = PathBuf::from(std::env::var_os("QUIRE_FIELD_FOLDER").unwrap());
    let files = quire::source::discover(&[folder], &quire::source::Discover::default()).unwrap().files;
    let renderer = renderer();
    let (mut pages, mut noted) = (0, 0);
    for file in files {
        let document = match renderer.open(&file.path, &file.source.name, &RenderSettings::default()).await {
            Ok(document) => document,
            Err(error) => {
                eprintln!("{}: {error}", file.source.name);
                continue;
            }
        };
        document.info.notes.iter().for_each(|note| eprintln!("{}: {note:?}", file.source.name));
        for number in 1..=document.info.page_count.min(40) {
            let Ok(page) = renderer.page(&document, number).await else { continue };
            pages += 1;
            noted += usize::from(!page.notes.is_empty());
            page.notes.iter().for_each(|note| eprintln!("{}: {note:?}", file.source.name));
            if page.text.unreadable {
                eprintln!("{}, page {number} is garbled: {:.200}", file.source.name, page.text.text);
            }
            if std::env::var_os("QUIRE_FIELD_TEXT").is_some() {
                eprintln!("--- {}, page {number}\n{}", file.source.name, page.text.text);
            }
        }
    }
    eprintln!("{pages} pages, {noted} with notes");
}
