//! What stands on the page is its text.

use super::{Opened, has_ink};

#[tokio::test]
async fn values_of_form_fields_are_drawn_and_read() {
    let document = Opened::fixture("P10a-form-needappearances-no-ap.pdf").await;
    let page = document.page(1).await;
    let text = &page.text.text;
    assert!(text.contains("Name of the applicant: bamboo cobalt"), "{text}");
    assert!(text.contains("Remarks: dolphin 1629"), "{text}");
    // the fields stand at 220 to 500 of 612 points across
    assert!(has_ink(&page, 0.36, 0.14, 0.8, 0.18), "the value is drawn");
}

#[tokio::test]
async fn comments_are_drawn_and_read() {
    let document = Opened::fixture("P11a-comment-box-no-ap.pdf").await;
    let page = document.page(1).await;
    let text = &page.text.text;
    assert_eq!(text.matches("kernel lemon marble").count(), 1, "{text}");
    assert!(has_ink(&page, 0.17, 0.45, 0.7, 0.5), "the comment is drawn");
}

#[tokio::test]
async fn hyphens_at_line_ends_stay_where_they_belong() {
    let text = Opened::fixture("P17-hyphen-at-line-end.pdf").await.text().await;
    for whole in
        ["price-determining", "self-employed kitten", "state-of-the-art lobster", "e-mail address", "X-ray", "AB-4711"]
    {
        assert!(text.contains(whole), "{whole}: {text}");
    }
}

/// Three programs store lines that run to the left in three ways; a reader sees the same.
#[tokio::test]
async fn arabic_and_hebrew_are_in_the_order_in_which_they_are_spoken() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/right_to_left");
    for (name, said) in [
        (
            "arabic-chromium.pdf",
            ["رقم القطعة AB-4711 متوفر في المستودع", "ويبلغ وزنها 1,234 كيلوغرام", "تم فحص مضخة المياه في"],
        ),
        (
            "arabic-pango.pdf",
            ["رقم القطعة AB-4711 متوفر في المستودع", "ويبلغ وزنها 1,234 كيلوغرام", "تم فحص مضخة المياه في"],
        ),
        ("hebrew-libreoffice.pdf", ["מספר החלק AB-4711 זמין במחסן", "משאבת המים נבדקה ביום 05.03.2024", "(קומה 3)"]),
    ] {
        let text = Opened::try_path(&folder.join(name), name).await.unwrap().all_text().await;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in said {
            assert!(text.contains(said), "{name}: {said} in {text}");
        }
    }
}

#[tokio::test]
async fn columns_are_read_one_after_the_other() {
    let text = Opened::fixture("P19-two-columns-row-by-row.pdf").await.text().await;
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    assert!(text.contains("known to be governed by the maple nickel and are seen"), "{text}");
    assert!(text.contains("moved twice because the onion had frozen and the mirror"), "{text}");
}

#[tokio::test]
async fn raised_numbers_stand_apart() {
    let text = Opened::fixture("Q08-footnote-marks.pdf").await.text().await;
    assert_eq!(text, "The output of the saddle 12 is 1222 kW and that of the temple 3 is 5 m³ of urchin.");
}

#[tokio::test]
async fn garbled_text_is_known_and_other_text_is_not() {
    assert!(Opened::fixture("P16a-tounicode-shifted-by-3.pdf").await.page(1).await.text.unreadable);
    for other in ["P17-hyphen-at-line-end.pdf", "P01-userunit-72.pdf", "P21-chinese-font-not-embedded.pdf"] {
        assert!(!Opened::fixture(other).await.page(1).await.text.unreadable, "{other}");
    }
}

#[tokio::test]
async fn a_page_counts_in_its_own_unit() {
    let page = Opened::fixture("P01-userunit-72.pdf").await.page(1).await;
    assert_eq!((page.image.width, page.image.height), (1275, 1650));
    assert_eq!((page.width_pt, page.height_pt), (612.0, 792.0));
}

#[tokio::test]
async fn a_crop_box_outside_the_page_does_not_count() {
    let page = Opened::fixture("S3b-cropbox-outside.pdf").await.page(1).await;
    assert_eq!((page.width_pt, page.height_pt), (612.0, 792.0));
    assert!(!page.text.text.is_empty() && page.notes.is_empty(), "{:?}", page.notes);
}

/// A page of 200 x 200 points with this content, and with these annotations.
fn page(content: &str, annotations: &str) -> Vec<u8> {
    format!(
        "%PDF-1.4\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n2 0 obj << /Type /Pages /Kids [3 0 R] /Count 1 >> endobj\n\
         3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> \
         /Annots [{annotations}] >> endobj\n4 0 obj << /Length {} >> stream\n{content}\nendstream endobj\n\
         5 0 obj << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF",
        content.len()
    )
    .into_bytes()
}

#[tokio::test]
async fn text_under_an_opaque_box_is_not_read() {
    const TEXT: &str = "BT /F1 12 Tf 20 150 Td (seen secret words) Tj ET";
    const MARK: &str = "<< /Type /Annot /Subtype /Square /Rect [50 145 95 160] /C [0 0 0] /IC [0 0 0] /F 4 >>";
    for (what, content, annotations) in [
        ("a box", "0 g 50 145 45 15 re f", ""),
        ("an image", "q 45 0 0 15 50 145 cm BI /W 1 /H 1 /CS /G /BPC 8 /F /AHx ID 80> EI Q", ""),
        ("a mark", "", MARK),
    ] {
        let on_white = "1 g 20 20 100 20 re f BT 0 g 25 25 Td (on white) Tj ET";
        let pdf = page(&format!("{TEXT} {content} {on_white}"), annotations);
        let text = Opened::bytes("covered.pdf", &pdf).await.unwrap().text().await;
        assert!(text.starts_with("seen") && text.contains("words") && text.contains("on white"), "{what}: {text}");
        assert!(!text.contains("secret"), "{what}: {text}");
    }
    // Letters that lie below the image of their page, as some readers put them, are seen in it.
    let below =
        format!("{TEXT} q 200 0 0 200 0 0 cm BI /W 80 /H 1 /CS /G /BPC 1 /F /AHx ID aaaaaaaaaaaaaaaaaaaa> EI Q");
    let striped = Opened::bytes("below.pdf", &page(&below, "")).await.unwrap().text().await;
    assert!(striped.contains("words"), "{striped}");
}
