//! Pictures in their true shape, as far as they go, and with honest words.

use quire::types::RenderedPage;

use super::Opened;

async fn page(name: &str) -> RenderedPage {
    Opened::fixture(name).await.page(1).await
}

/// Share of dark pixels, in percent.
fn ink(page: &RenderedPage) -> f64 {
    let dark = page.image.rgb.chunks_exact(3).filter(|pixel| pixel[0] < 128).count();
    dark as f64 * 100.0 / (page.image.rgb.len() / 3) as f64
}

#[tokio::test]
async fn faxes_have_their_true_shape() {
    let page = page("I01-fax-204x98.tif").await;
    assert_eq!((page.image.width, page.image.height), (1728, 2244));
    assert!((0.5..30.0).contains(&ink(&page)) && page.notes.is_empty(), "{}", ink(&page));
}

#[tokio::test]
async fn tiffs_of_rare_kinds_are_read() {
    for name in ["I04-bigtiff-tiled.tif", "I04-fax-g3-2d.tif"] {
        let page = page(name).await;
        assert!((0.5..30.0).contains(&ink(&page)), "{name}: {}", ink(&page));
        assert_eq!(page.notes, [], "{name}");
    }
}

#[tokio::test]
async fn a_large_drawing_of_one_bit_a_pixel_is_drawn_at_the_size_that_is_wanted() {
    let page = page("H1-A0-400dpi-g4.tif").await;
    let pixels = u64::from(page.image.width) * u64::from(page.image.height);
    assert!(page.scaled_down && (20_000_000..=25_000_000).contains(&pixels), "{pixels}");
    assert!(ink(&page) > 0.01, "{}", ink(&page));
}

#[tokio::test]
async fn a_webp_is_shown_upright_whatever_its_exif_begins_with() {
    let page = page("Q12-orientation-6-exif-prefix.webp").await;
    assert_eq!((page.image.width, page.image.height), (827, 1169));
}

#[tokio::test]
async fn files_that_break_off_are_shown_as_far_as_they_go_with_a_note() {
    for name in ["I09a-jpeg-cut-at-90-percent.jpg", "I10d-png-cut-at-80-percent.png"] {
        let page = page(name).await;
        assert_eq!((page.image.width, page.image.height), (827, 1169), "{name}");
        assert!(
            page.notes.len() == 1 && page.notes[0].lost && page.notes[0].reason.contains("end early"),
            "{:?}",
            page.notes
        );
        assert!(ink(&page) > 0.3, "{name}: {}", ink(&page));
    }
    assert_eq!(page("I12-photo.jfif").await.notes, [], "a whole one has none");
}

#[tokio::test]
async fn white_ink_on_transparency_can_be_seen() {
    let page = page("I10a-white-ink-on-transparent.png").await;
    let light = 100.0 - ink(&page);
    assert!((0.3..30.0).contains(&light), "{light}");
}

#[tokio::test]
async fn refusals_name_what_a_file_is() {
    let refusal =
        |name: &'static str| async move { Opened::try_path(&super::fixture(name), name).await.err().unwrap() };
    assert!(refusal("I12-heic-named.jpg").await.contains("HEIC"));
    let document = Opened::try_path(&super::fixture("I04-int16.tif"), "I04-int16.tif").await;
    let said = match document {
        Err(reason) => reason,
        Ok(document) => document.renderer.page(&document.document, 1).await.unwrap_err().to_string(),
    };
    assert!(said.contains("16 bits with a sign") && !said.contains("0 samples"), "{said}");
}
