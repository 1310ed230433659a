//! What is read from documents: pixels, text, structure, and the reasons for refusing them.

use quire::error::Limit;
use quire::render::Format;
use quire::types::{OutlineEntry, PageImage, RenderLimits, RenderedPage};

use crate::Bench;
use crate::pdf::{Pdf, document, numbered};

/// Pixel at a fraction of the page.
fn pixel(image: &PageImage, x: f32, y: f32) -> [u8; 3] {
    let column = ((x * image.width as f32) as usize).min(image.width as usize - 1);
    let row = ((y * image.height as f32) as usize).min(image.height as usize - 1);
    let at = (row * image.width as usize + column) * 3;
    image.rgb[at..at + 3].try_into().unwrap()
}

const RED: [u8; 3] = [255, 0, 0];
const WHITE: [u8; 3] = [255; 3];

/// Whether most of the dark pixels of the page lie in the rectangles of its words.
fn words_cover_ink(page: &RenderedPage) -> bool {
    let (mut inside, mut outside) = (0, 0);
    for y in 0..page.image.height {
        for x in 0..page.image.width {
            let at = ((y * page.image.width + x) * 3) as usize;
            if page.image.rgb[at] < 128 && page.image.rgb[at + 1] < 128 {
                let (x, y) = (x as f32 / page.image.width as f32, y as f32 / page.image.height as f32);
                let hit = page.text.words.iter().any(|word| {
                    let rect = word.rect;
                    (rect.left..=rect.right).contains(&x) && (rect.top..=rect.bottom).contains(&y)
                });
                *if hit { &mut inside } else { &mut outside } += 1;
            }
        }
    }
    inside > 50 && inside > outside * 20
}

/// A 400 x 200 page: a red square at the top left corner of its crop box, words at the bottom.
const CONTENT: &str = "1 0 0 rg 100 150 20 20 re f 0 g BT /F 12 Tf 110 110 Td (Fraction words) Tj ET";

#[tokio::test]
async fn rotation_and_crop_box_shape_the_page_and_its_words() {
    let pages = [
        ("/MediaBox [0 0 400 200] /CropBox [100 100 300 170]", CONTENT),
        ("/MediaBox [0 0 400 200] /CropBox [100 100 300 170] /Rotate 90", CONTENT),
        ("/MediaBox [0 0 400 200] /CropBox [100 100 300 170] /Rotate 180", CONTENT),
        ("/MediaBox [0 0 400 200] /CropBox [100 100 300 170] /Rotate 270", CONTENT),
        ("/MediaBox [0 0 400 200]", CONTENT),
    ];
    // where the red square ends up
    let corners = [(0.02, 0.05), (0.98, 0.02), (0.98, 0.95), (0.02, 0.98), (0.26, 0.2)];
    let sizes = [(200.0, 70.0), (70.0, 200.0), (200.0, 70.0), (70.0, 200.0), (400.0, 200.0)];
    let bench = Bench::new();
    let opened = bench.open("boxes.pdf", &document(&pages, "", |_| String::new())).await.unwrap();
    assert_eq!((opened.format, opened.info.page_count), (Format::Pdf, 5));
    for (number, (corner, size)) in (1..).zip(corners.into_iter().zip(sizes)) {
        let page = bench.renderer.page(&opened, number).await.unwrap();
        assert_eq!((page.width_pt, page.height_pt), size, "page {number}");
        assert_eq!(page.image.width, (size.0 * 150.0 / 72.0_f32).round() as u32, "page {number}");
        assert_eq!(page.image.rgb.len(), (page.image.width * page.image.height * 3) as usize);
        assert_eq!(pixel(&page.image, corner.0, corner.1), RED, "page {number}");
        assert_eq!(page.text.text, "Fraction words", "page {number}");
        assert_eq!(page.text.words.len(), 2, "page {number}");
        assert!(words_cover_ink(&page), "page {number}: {:?}", page.text.words);
    }
    bench.renderer.shutdown().await;
}

#[tokio::test]
async fn words_outside_the_crop_box_are_not_on_the_page() {
    let content = "BT /F 12 Tf 10 20 Td (hidden) Tj 100 0 Td (shown) Tj ET";
    let bytes = document(&[("/MediaBox [0 0 400 200] /CropBox [100 0 300 200]", content)], "", |_| String::new());
    let bench = Bench::new();
    let opened = bench.open("crop.pdf", &bytes).await.unwrap();
    assert_eq!(bench.renderer.page(&opened, 1).await.unwrap().text.text, "shown");
}

#[tokio::test]
async fn annotations_and_form_fields_are_drawn() {
    let page = "/MediaBox [0 0 200 100] /Annots [ 6 0 R 8 0 R ]";
    let bytes = document(&[(page, "")], "/AcroForm << /Fields [ 8 0 R ] >>", |pdf| {
        // object 6 and its appearance 7, object 8 and its appearance 9
        pdf.add("<< /Type /Annot /Subtype /Square /Rect [0 50 50 100] /F 4 /AP << /N 7 0 R >> >>");
        let form = "/Type /XObject /Subtype /Form /BBox [0 0 50 50]";
        pdf.stream(form, "1 0 0 rg 0 0 50 50 re f");
        pdf.add(
            "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (x) /Rect [100 0 150 50] /F 4 /AP << /N 9 0 R >> >>",
        );
        pdf.stream(form, "0 0 1 rg 0 0 50 50 re f");
        String::new()
    });
    let bench = Bench::new();
    let opened = bench.open("form.pdf", &bytes).await.unwrap();
    let image = bench.renderer.page(&opened, 1).await.unwrap().image;
    assert_eq!(pixel(&image, 0.1, 0.2), RED);
    assert_eq!(pixel(&image, 0.6, 0.8), [0, 0, 255]);
    assert_eq!(pixel(&image, 0.9, 0.2), WHITE);
}

#[tokio::test]
async fn the_document_tells_its_title_dates_labels_and_outline() {
    let blank = ("/MediaBox [0 0 72 72]", "");
    let labels = "/PageLabels << /Nums [ 0 << /S /r >> 2 << /S /D /P (A-) >> ] >>";
    let bytes = document(&[blank, blank, blank], labels, |pdf| {
        // pages are objects 4, 6 and 8; the outline starts at 10
        pdf.add("<< /Type /Outlines /First 11 0 R /Last 13 0 R >>");
        pdf.add("<< /Title (Part) /Parent 10 0 R /Next 13 0 R /First 12 0 R /Last 12 0 R >>");
        // its next entry is its own parent: a knot
        pdf.add("<< /Title <FEFF00DC0062> /Parent 11 0 R /Next 11 0 R /Dest [ 6 0 R /Fit ] >>");
        pdf.add("<< /Title (End) /Parent 10 0 R /A << /S /GoTo /D [ 8 0 R /Fit ] >> >>");
        let info = pdf
            .add("<< /Title (  An  Atlas ) /Author (Ada) /CreationDate (D:20240229134501+02'00') /ModDate (never) >>");
        pdf.trailer(&format!("/Info {info} 0 R"));
        "/Outlines 10 0 R".into()
    });
    let bench = Bench::new();
    let info = bench.open("atlas.pdf", &bytes).await.unwrap().info;
    assert_eq!(info.title.as_deref(), Some("An Atlas"));
    assert_eq!(info.author.as_deref(), Some("Ada"));
    assert_eq!(info.created.as_deref(), Some("2024-02-29T13:45:01+02:00"));
    assert_eq!(info.modified, None);
    assert_eq!(info.page_labels, ["i", "ii", "A-1"]);
    let entry = |title: &str, level, page| OutlineEntry { title: title.into(), level, page };
    assert_eq!(info.outline, [entry("Part", 0, 2), entry("Üb", 1, 2), entry("End", 0, 3)]);
}

#[tokio::test]
async fn plain_documents_have_no_labels() {
    let bench = Bench::new();
    let info = bench.open("plain.pdf", &numbered(2)).await.unwrap().info;
    assert!(info.page_labels.is_empty() && info.outline.is_empty() && info.title.is_none());
}

/// The limit that a rejection comes from.
async fn limit_met(bench: &Bench, name: &str, bytes: &[u8]) -> Limit {
    bench.open(name, bytes).await.unwrap_err().limit().unwrap().clone()
}

#[tokio::test]
async fn documents_that_cannot_be_used_are_rejected_with_the_reason() {
    let bench = Bench::with(RenderLimits { max_pages: 3, max_document_bytes: 100_000, ..Default::default() }, 1, &[]);
    let whole = numbered(3);

    let reason = bench.rejection("other.pdf", b"PK\x03\x04 and so on").await;
    assert_eq!(reason, "other.pdf is named as a PDF file but is a ZIP archive (as DOCX, PPTX and XLSX files are)");
    let reason = bench.rejection("empty.pdf", b"").await;
    assert_eq!(reason, "empty.pdf is named as a PDF file but is empty (0 bytes)");
    let reason = bench.rejection("cut.pdf", &whole[..20]).await;
    assert!(reason.starts_with("cut.pdf is truncated or broken: its end marker"), "{reason}");
    let reason = bench.rejection("broken.pdf", b"%PDF-1.7\nnothing that helps\n%%EOF").await;
    assert!(reason.starts_with("broken.pdf is broken: PDFium finds no readable structure"), "{reason}");
    let reason = bench.rejection("none.pdf", &document(&[], "", |_| String::new())).await;
    assert_eq!(reason, "none.pdf has no pages");
    let reason = bench.rejection("many.pdf", &numbered(4)).await;
    assert_eq!(reason, "many.pdf has 4 pages, more than the 3 allowed (max_pages)");
    assert_eq!(limit_met(&bench, "many.pdf", &numbered(4)).await, Limit { name: "max_pages".into(), value: 3 });
    let large = vec![b'x'; 100_001];
    let limit = Limit { name: "max_document_bytes".into(), value: 100_000 };
    assert_eq!(limit_met(&bench, "large.pdf", &large).await, limit);
    let reason = bench.rejection("large.pdf", &large).await;
    assert_eq!(reason, "large.pdf is 100001 bytes large, more than the 100000 allowed (max_document_bytes)");

    let mut locked = Pdf::default();
    locked.add("<< /Type /Catalog /Pages 2 0 R >>");
    locked.add("<< /Type /Pages /Kids [ 3 0 R ] /Count 1 >>");
    locked.add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>");
    let id = "00112233445566778899aabbccddeeff";
    locked.trailer(&format!(
        "/ID [<{id}> <{id}>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{id}{id}> /U <{id}{id}> >>"
    ));
    let reason = bench.rejection("locked.pdf", &locked.bytes(1)).await;
    assert_eq!(reason, "locked.pdf is encrypted and needs a password to open; add a copy saved without one");

    // none of this cost the worker its life or the renderer its use
    assert!(bench.open("whole.pdf", &whole).await.is_ok());
    bench.renderer.shutdown().await;
}

#[tokio::test]
async fn a_truncated_document_never_panics() {
    let bench = Bench::new();
    let whole = numbered(2);
    for end in (0..whole.len()).step_by(37) {
        if let Ok(opened) = bench.open("cut.pdf", &whole[..end]).await {
            for number in 1..=opened.info.page_count {
                let _ = bench.renderer.page(&opened, number).await;
            }
        }
    }
    // the worker that read all of them is still there
    let opened = bench.open("whole.pdf", &whole).await.unwrap();
    assert_eq!(bench.renderer.page(&opened, 2).await.unwrap().text.text, "page 2");
}

#[tokio::test]
async fn posters_are_drawn_smaller() {
    let mut bench = Bench::new();
    bench.settings.max_page_pixels = 10_000;
    let poster = document(&[("/MediaBox [0 0 14400 3600]", "")], "", |_| String::new());
    let opened = bench.open("poster.pdf", &poster).await.unwrap();
    let page = bench.renderer.page(&opened, 1).await.unwrap();
    assert_eq!((page.image.width, page.image.height, page.scaled_down), (200, 50, true));
    assert_eq!((page.width_pt, page.height_pt), (14400.0, 3600.0));
}

#[tokio::test]
async fn images_are_documents_too() {
    let bench = Bench::new();
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(30, 20, image::Rgb(RED)).write_to(&mut png, image::ImageFormat::Png).unwrap();
    // the name is only a name
    let opened = bench.open("photo.jpg", png.get_ref()).await.unwrap();
    assert_eq!((opened.format, opened.info.page_count), (Format::Png, 1));
    let page = bench.renderer.page(&opened, 1).await.unwrap();
    assert_eq!((page.image.width, page.image.height, page.width_pt), (30, 20, 30.0));
    assert_eq!(pixel(&page.image, 0.5, 0.5), RED);
    assert!(page.text.text.is_empty());

    let reason = bench.rejection("photo.png", b"\x89PNG\r\n\x1a\ncut").await;
    assert!(reason.starts_with("photo.png cannot be decoded"), "{reason}");
}

#[tokio::test]
async fn a_path_may_be_used_again_for_another_document() {
    let bench = Bench::with(RenderLimits::default(), 1, &[]);
    let first = bench.open("same.pdf", &numbered(1)).await.unwrap();
    assert_eq!(bench.renderer.page(&first, 1).await.unwrap().text.text, "page 1");
    let second = bench.open("same.pdf", &numbered(3)).await.unwrap();
    assert_eq!(bench.renderer.page(&second, 3).await.unwrap().text.text, "page 3");
}
