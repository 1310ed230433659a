//! Pages that are lost are named; pages that are blank are not.

use super::Opened;
use quire::types::Note;

async fn notes(name: &str, page: u32) -> Vec<Note> {
    Opened::fixture(name).await.page(page).await.notes
}

fn one_lost<'a>(notes: &'a [Note], page: u32, said: &str) -> &'a str {
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].lost && notes[0].page == Some(page) && notes[0].reason.contains(said), "{notes:?}");
    &notes[0].reason
}

#[tokio::test]
async fn a_damaged_image_is_named() {
    one_lost(&notes("P22-page-image-damaged.pdf", 1).await, 1, "image is damaged");
}

#[tokio::test]
async fn a_damaged_content_stream_is_named_and_its_neighbours_are_not() {
    let document = Opened::fixture("Q13-flate-damaged-page-3.pdf").await;
    for page in [1, 2, 4, 5, 6] {
        assert_eq!(document.page(page).await.notes, [], "page {page}");
    }
    one_lost(&document.page(3).await.notes, 3, "content stream is damaged");
}

#[tokio::test]
async fn converted_line_ends_are_named() {
    one_lost(&notes("P24e-crlf-converted.pdf", 1).await, 1, "content stream is damaged");
}

#[tokio::test]
async fn damage_is_named_in_every_coding_and_what_is_whole_is_not() {
    let whole = Opened::fixture("../damaged/whole.pdf").await;
    for page in 1..=4 {
        assert_eq!(whole.page(page).await.notes, [], "page {page}");
    }
    // Holes and noise in JPEGs, in compressed images and in faxes.
    let images = Opened::fixture("../damaged/images.pdf").await;
    for page in 1..=6 {
        one_lost(&images.page(page).await.notes, page, "image is damaged");
    }
    one_lost(&notes("../damaged/hole.jpg", 1).await, 1, "damaged");
    let content = Opened::fixture("../damaged/content.pdf").await;
    assert_eq!(content.page(1).await.notes, []);
    one_lost(&content.page(2).await.notes, 2, "content stream is damaged");
}

#[tokio::test]
async fn letters_of_a_font_that_is_not_there_are_named() {
    let page = Opened::fixture("P21-chinese-font-not-embedded.pdf").await.page(1).await;
    let reason = one_lost(&page.notes, 1, "STSong-Light");
    assert!(reason.contains("neither in the file nor"), "{reason}");
    assert!(page.text.text.contains("水泵每六个月检查一次"), "the text is there all the same");
}

#[tokio::test]
async fn covers_of_what_is_not_read_are_named() {
    let form = Opened::fixture("P12-xfa-please-wait.pdf").await;
    assert!(form.notes()[0].lost && form.notes()[0].reason.contains("XFA"), "{:?}", form.notes());
    let portfolio = Opened::fixture("P13-portfolio.pdf").await;
    let inside: Vec<&str> = portfolio.document.info.attachments.iter().map(|inside| inside.name.as_str()).collect();
    assert_eq!((inside, portfolio.notes()), (vec!["offer.pdf"], &[][..]), "what is read needs no note");
}

#[tokio::test]
async fn blank_pages_and_white_pages_are_no_loss() {
    let page = |content: &str| {
        format!(
            "%PDF-1.4\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n2 0 obj << /Type /Pages /Kids [3 0 R] /Count 1 >> endobj\n\
             3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R >> endobj\n\
             4 0 obj << /Length {} >> stream\n{content}\nendstream endobj\ntrailer << /Root 1 0 R >>\n%%EOF",
            content.len()
        )
    };
    for content in ["", "q Q", "1 1 1 rg 0 0 200 200 re f"] {
        let document = Opened::bytes("blank.pdf", page(content).as_bytes()).await.unwrap();
        assert_eq!(document.page(1).await.notes, [], "{content}");
    }
    let document = Opened::bytes("missing.pdf", page("q 100 0 0 100 0 0 cm /Im1 Do Q").as_bytes()).await.unwrap();
    one_lost(&document.page(1).await.notes, 1, "asks for text or images");
}
