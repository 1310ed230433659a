//! Each kind of picture that programs write (tests/fixtures/pictures, made by the script there) is read, or refused by its name.

use quire::types::RenderedPage;

use super::Opened;

async fn opened(name: &str) -> Result<Opened, String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures").join(name);
    Opened::try_path(&path, name).await
}

async fn page(name: &str) -> RenderedPage {
    opened(name).await.unwrap_or_else(|error| panic!("{name}: {error}")).page(1).await
}

/// Why the file is refused, as a whole or at its first page.
async fn refusal(name: &str) -> String {
    match opened(name).await {
        Err(reason) => reason,
        Ok(opened) => opened.renderer.page(&opened.document, 1).await.unwrap_err().to_string(),
    }
}

/// Whether a pixel is dark. `x`, `y`: shares of the page.
fn dark(page: &RenderedPage, x: f64, y: f64) -> bool {
    let (column, row) = ((x * f64::from(page.image.width)) as usize, (y * f64::from(page.image.height)) as usize);
    page.image.rgb[(row * page.image.width as usize + column) * 3] < 128
}

/// Percent of dark pixels.
fn ink(page: &RenderedPage) -> usize {
    page.image.rgb.chunks_exact(3).filter(|pixel| pixel[0] < 128).count() * 300 / page.image.rgb.len()
}

/// The line below the word, and the paper around it.
fn is_the_picture(page: &RenderedPage) -> bool {
    dark(page, 0.5, 0.8) && !dark(page, 0.5, 0.95) && !dark(page, 0.02, 0.02) && (5..20).contains(&ink(page))
}

#[tokio::test]
async fn tiffs_of_every_common_compression_are_read() {
    for name in [
        "zstd.tif",
        "lzw-tiled.tif",
        "deflate-tiled.tif",
        "packbits.tif",
        "ccitt-rle.tif",
        "fax-g3.tif",
        "fax-g3-2d.tif",
        "fax-g4.tif",
        "fax-g4-lsb-first.tif",
        "jpeg-ycbcr.tif",
        "jpeg-old.tif",
    ] {
        let page = page(name).await;
        assert_eq!((page.image.width, page.image.height), (200, 80), "{name}");
        assert!(is_the_picture(&page) && page.notes.is_empty(), "{name}: {} % {:?}", ink(&page), page.notes);
    }
    let fax = page("fax-204x98.tif").await;
    assert_eq!((fax.image.width, fax.image.height), (200, 167), "its pixels are higher than wide");
    assert!(is_the_picture(&fax));
}

#[tokio::test]
async fn other_compressions_are_refused_by_their_names() {
    for (name, said) in [
        ("refused-jbig.tif", "JBIG (34661)"),
        ("refused-jpeg2000.tif", "JPEG 2000 (34712)"),
        ("refused-jpegxl.tif", "JPEG XL (50002)"),
        ("refused-lerc.tif", "LERC (34887)"),
        ("refused-lzma.tif", "LZMA (34925)"),
        ("refused-webp.tif", "WebP (50001)"),
        ("refused-unknown.tif", "number 60123"),
    ] {
        let refusal = refusal(name).await;
        assert!(refusal.contains(said) && refusal.contains("compression"), "{name}: {refusal}");
    }
}

#[tokio::test]
async fn tiffs_that_break_off_are_shown_as_far_as_they_go_with_a_note() {
    for name in ["cut-lzw.tif", "cut-deflate.tif", "cut-plain.tif"] {
        let page = page(name).await;
        assert!(page.notes.len() == 1 && page.notes[0].lost, "{name}: {:?}", page.notes);
        assert!(page.notes[0].reason.contains("end early"), "{:?}", page.notes);
        let white = |y: f64| (0..100).all(|x| !dark(&page, f64::from(x) / 100.0, y));
        assert!(!white(0.5) && white(0.95), "{name}: noise in the middle, nothing at the end");
    }
}

#[tokio::test]
async fn white_ink_can_be_seen_in_every_format() {
    for name in ["white-ink-grey.png", "white-ink.webp", "white-ink.tif"] {
        let light = 100 - ink(&page(name).await);
        assert!((3..30).contains(&light), "{name}: {light} % light");
    }
}

#[tokio::test]
async fn moving_pictures_show_their_first_and_say_so() {
    for name in ["animated.webp", "animated.png"] {
        let page = page(name).await;
        assert!(is_the_picture(&page), "{name}: {} %", ink(&page));
        assert!(page.notes.len() == 1 && !page.notes[0].lost, "{name}: {:?}", page.notes);
        assert!(page.notes[0].reason.contains("only its first picture"), "{:?}", page.notes);
    }
}

#[tokio::test]
async fn formats_that_are_not_read_are_named() {
    for (name, said) in
        [("animated.gif", "GIF"), ("picture.avif", "AVIF"), ("picture.jp2", "JPEG 2000"), ("picture.jxl", "JPEG XL")]
    {
        let refusal = refusal(name).await;
        assert!(refusal.contains(said), "{name}: {refusal}");
    }
}
