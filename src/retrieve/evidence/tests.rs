//! Layouts of both families, marks that cover whole words, and how they look on light and on dark ground.

use image::RgbImage;
use proptest::prelude::*;

use super::closed::core;
use super::*;
use crate::store::fixtures::Page;
use crate::types::{DocumentId, Grid, Multivector, Scale, Tenant, TokenLayout};

const WHOLE: Rect = Rect { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 };

fn rect(left: f32, top: f32, right: f32, bottom: f32) -> Rect {
    Rect { left, top, right, bottom }
}

/// A page that stores these patches, of two dimensions.
fn point(layout: &TokenLayout, patches: &[[f32; 2]]) -> StoredPoint {
    let mut payload = Page::new(1, 1).payload();
    payload.layout = layout.into();
    let patches = Multivector::new(2, patches.concat()).unwrap();
    let vectors = [(VectorName::Patches, NamedVector::Multi(patches))].into();
    StoredPoint { id: Page::new(1, 1).id(), payload, vectors }
}

/// A word of the question for each direction, and a token that the model adds.
fn question() -> QuestionEmbedding {
    QuestionEmbedding {
        tokens: Multivector::new(2, vec![1.0, 0.0, 0.0, 1.0, 0.7, 0.7]).unwrap(),
        labels: vec!["pump".into(), "torque".into(), "<pad>".into()],
        from_text: vec![true, true, false],
    }
}

/// Words in lines of these lengths; a word is a tenth of the page wide, a line a fiftieth high.
fn text(lines: &[usize]) -> Vec<Rect> {
    let word = |line: usize, word: usize| {
        let (left, top) = (0.05 + word as f32 * 0.1, 0.1 + line as f32 * 0.025);
        rect(left, top, left + 0.09, top + 0.02)
    };
    lines.iter().enumerate().flat_map(|(line, words)| (0..*words).map(move |at| word(line, at))).collect()
}

/// A grid of cells as the built-in model has it: those kept of a fine scale, and a coarse one over them.
fn two_scales(fine: Vec<Option<u32>>) -> TokenLayout {
    let scales = vec![
        Scale { grid: Grid { rows: 50, cols: 40 }, extent: WHOLE },
        Scale { grid: Grid { rows: 5, cols: 4 }, extent: WHOLE },
    ];
    TokenLayout::new(scales, fine).unwrap()
}

#[test]
fn the_built_in_models_kept_cells_mark_the_words_under_them() {
    // row 6 of 50 lies half on the first line (0.1 to 0.12), half between the lines; cells 4 and 5 are the second word's
    let cells = [5 * 40 + 6, 5 * 40 + 7, 30 * 40, 2000];
    let layout = two_scales(cells.iter().map(|cell| Some(*cell)).collect());
    let patches = [[1.0, 0.0], [0.9, 0.1], [0.1, 0.0], [0.2, 0.0]];
    let evidence = similarity_map(&point(&layout, &patches), &question(), Some(0.77)).unwrap();
    let boxes = text(&[4, 4]);
    let heat = Heatmap::new(DocumentId::new(&Tenant("t".into()), "c", "s"), 1, evidence, &boxes, [600.0, 800.0]);
    assert_eq!((heat.left_out.as_slice(), heat.grid), (["<pad>".to_owned()].as_slice(), Grid { rows: 50, cols: 40 }));
    assert_eq!(heat.tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>(), ["pump", "torque"]);
    let [mark] = heat.tokens[0].boxes.as_slice() else { panic!("{:?}", heat.tokens[0].boxes) };
    assert!(mark.left <= 0.1501 && mark.right >= 0.2399 && mark.right < 0.26, "the second word alone: {mark:?}");
    assert!(heat.tokens[1].boxes.is_empty(), "nothing looks like it");
    assert!(heat.boxes[0].left <= 0.0501 && heat.boxes[0].right >= 0.4399 && heat.boxes[0].bottom < 0.125, "its line");
    assert!((heat.relevance - (1.0 + 0.1) / 2.0).abs() < 1e-3, "{}", heat.relevance);
}

#[test]
fn colpalis_grid_leaves_its_prompt_and_the_added_tokens_out() {
    let layout = TokenLayout::full(Grid { rows: 4, cols: 4 }).followed_by_text(2);
    let mut patches = vec![[0.05, 0.05]; 18];
    patches[5] = [0.0, 0.9];
    patches[17] = [0.95, 0.0];
    let evidence = similarity_map(&point(&layout, &patches), &question(), None).unwrap();
    let boxes = [rect(0.3, 0.3, 0.45, 0.33), rect(0.8, 0.3, 0.9, 0.33)];
    let regions = evidence.regions(&boxes);
    assert_eq!(regions.len(), 1, "{regions:?}");
    assert_eq!((regions[0].left, regions[0].bottom), (0.3, 0.33));
    // the prompt's vectors take part in the score, as in the store, and lie nowhere
    assert!((evidence.relevance() - (0.95 + 0.9) / 2.0).abs() < 1e-3);
}

#[test]
fn a_patch_on_two_lines_marks_the_one_that_more_patches_speak_of() {
    let layout = TokenLayout::full(Grid { rows: 40, cols: 10 });
    let mut patches = vec![[0.0, 0.05]; 400];
    // lines lie at 0.1 to 0.12 and 0.125 to 0.145: rows 4 (0.1 to 0.125) and 5 (0.125 to 0.15); word 2 is in columns 2 and 3
    patches[42] = [1.0, 0.0];
    let evidence = similarity_map(&point(&layout, &patches), &question(), None).unwrap();
    let boxes = text(&[6, 6]);
    let marks = evidence.marks(&boxes).words;
    assert!(marks.iter().all(|mark| mark.bottom < 0.125) && !marks.is_empty(), "{marks:?}");
}

#[test]
fn what_nothing_on_the_page_resembles_is_not_marked() {
    let layout = TokenLayout::full(Grid { rows: 2, cols: 2 });
    let patches = [[0.2, 0.1], [0.1, 0.2], [0.1, 0.1], [0.1, 0.1]];
    let evidence = similarity_map(&point(&layout, &patches), &question(), Some(0.77)).unwrap();
    assert_eq!(evidence.regions(&text(&[9; 9])), []);
    assert_eq!(evidence.marks(&text(&[9; 9])).words, []);
}

#[test]
fn patches_that_do_not_fit_are_refused() {
    let layout = TokenLayout::full(Grid { rows: 1, cols: 2 });
    let error = similarity_map(&point(&layout, &[[1.0, 0.0]]), &question(), None).unwrap_err();
    assert!(error.message().contains("stores 1 patches") && error.message().contains("2 of 2 expected"), "{error}");
    let mut bare = point(&layout, &[[1.0, 0.0]; 2]);
    bare.vectors.clear();
    assert!(similarity_map(&bare, &question(), None).unwrap_err().message().contains("no stored patches"));
}

#[test]
fn the_best_region_is_where_the_question_stands_together() {
    let boxes = text(&[6, 6, 6, 6, 6, 6, 6, 6]);
    let mut scored = vec![vec![0.0; boxes.len()]; 3];
    // the first word stands on every line, the other two on the sixth
    (0..8).for_each(|line| scored[0][line * 6] = 1.0);
    (scored[1][31], scored[2][33]) = (1.0, 0.9);
    let regions = passages::regions(&scored, &boxes, &lines::lines(&boxes));
    assert_eq!(regions.len(), 1, "{regions:?}");
    let (top, bottom) = (boxes[30].top, boxes[30].bottom);
    assert!((regions[0].top - top).abs() < 1e-3 && (regions[0].bottom - bottom).abs() < 1e-3, "{regions:?}");
    assert!(regions[0].score > 0.9);
}

#[test]
fn a_row_of_a_table_is_one_region_and_columns_of_text_are_two() {
    let row = [rect(0.1, 0.1, 0.2, 0.12), rect(0.5, 0.1, 0.56, 0.12), rect(0.8, 0.1, 0.86, 0.12)];
    assert_eq!(lines::lines(&row).len(), 1);
    let columns: Vec<Rect> = (0..4)
        .map(|word| 0.05 + word as f32 * 0.11)
        .chain((0..4).map(|word| 0.53 + word as f32 * 0.11))
        .map(|left| rect(left, 0.1, left + 0.1, 0.12))
        .collect();
    assert_eq!(lines::lines(&columns).len(), 2);
}

fn white() -> RgbImage {
    RgbImage::from_pixel(200, 200, image::Rgb([255; 3]))
}

/// Contrast of two colours as WCAG 2 defines it.
fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let linear = |value: u8| match f64::from(value) / 255.0 {
        low if low <= 0.04045 => low / 12.92,
        high => ((high + 0.055) / 1.055).powf(2.4),
    };
    let light = |[r, g, b]: [u8; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) + 0.05;
    light(a).max(light(b)) / light(a).min(light(b))
}

#[test]
fn letters_are_read_on_their_marks_and_marks_are_seen_on_light_and_dark_ground() {
    let mark = Region::new(rect(0.25, 0.25, 0.75, 0.5), 1.0);
    for (ground, ink) in
        [([255; 3], [0; 3]), ([18, 24, 38], [240; 3]), ([0; 3], [255; 3]), ([250, 240, 200], [60, 60, 60])]
    {
        let mut image = RgbImage::from_pixel(200, 200, image::Rgb(ground));
        (60..140).step_by(4).for_each(|x| image.put_pixel(x, 70, image::Rgb(ink)));
        highlight(&Marks { regions: vec![], words: vec![mark] }, &mut image);
        let (marked, letter) = (image.get_pixel(101, 70).0, image.get_pixel(100, 70).0);
        assert!(contrast(marked, letter) > 4.5, "{ground:?}: letters {letter:?} on {marked:?}");
        let distance: i32 = (0..3).map(|c| (i32::from(marked[c]) - i32::from(ground[c])).abs()).sum();
        assert!(distance > 90, "{ground:?} became {marked:?}");
        assert_eq!(image.get_pixel(5, 5).0, ground, "what is beside it stays");
        assert_ne!(image.get_pixel(49, 70).0, ground, "its edge");
    }
}

#[test]
fn overlapping_marks_colour_once() {
    let mark = Region::new(rect(0.25, 0.25, 0.75, 0.5), 1.0);
    let (mut once, mut twice) = (white(), white());
    highlight(&Marks { regions: vec![], words: vec![mark] }, &mut once);
    highlight(&Marks { regions: vec![mark], words: vec![mark, mark] }, &mut twice);
    assert_eq!(once, twice);
}

#[test]
fn an_overlay_has_the_pages_shape_and_is_soft() {
    let layout = TokenLayout::full(Grid { rows: 10, cols: 10 });
    let mut patches = vec![[0.0, 0.05]; 100];
    patches[55] = [1.0, 0.0];
    let evidence = similarity_map(&point(&layout, &patches), &question(), None).unwrap();
    let heat =
        Heatmap::new(DocumentId::new(&Tenant("t".into()), "c", "s"), 1, evidence, &[], [600.0, 1200.0]).with_values();
    let picture = heat.overlay(Some(0)).unwrap();
    assert_eq!(picture.dimensions(), (512, 1024));
    let alpha = |x: u32, y: u32| picture.get_pixel(x, y).0[3];
    assert!(alpha(281, 563) > 140 && alpha(20, 20) == 0);
    // nowhere a step that is seen as an edge
    let steps = (1..512).map(|x| alpha(x, 563).abs_diff(alpha(x - 1, 563))).max().unwrap();
    assert!(steps < 8, "{steps}");
    assert_eq!(heat.tokens[0].values.as_ref().unwrap().iter().filter(|value| **value > 0.9).count(), 1);
    assert!(heat.overlay(Some(2)).unwrap_err().message().contains("no token 2: there is 0, 1"));
    let json = serde_json::to_value(&heat).unwrap();
    assert_eq!((&json["grid"]["rows"], &json["tokens"][0]["text"]), (&10.into(), &"pump".into()));
}

prop_compose! {
    /// Words in any order on a jittered grid of lines, as scans and turned pages have them: none overlaps another's core.
    fn words()(
        columns in 1usize..12, rows in 1usize..30,
        jitter in prop::collection::vec((0f32..1.0, 0f32..1.0, 0f32..1.0), 360),
        strong in prop::collection::vec(0f32..1.0, 360),
    ) -> (Vec<Rect>, Vec<f32>) {
        let (wide, high) = (1.0 / columns as f32, 1.0 / rows as f32);
        let mut boxes = Vec::new();
        for row in 0..rows {
            for column in 0..columns {
                let (a, b, c) = jitter[row * 12 + column];
                let (left, top) = (column as f32 * wide, row as f32 * high + (b - 0.5) * 0.3 * high);
                boxes.push(rect(left + a * 0.3 * wide, top.max(0.0), left + (0.6 + 0.4 * c) * wide, (top + high * 1.05).min(1.0)));
            }
        }
        let strong = strong[..boxes.len()].to_vec();
        (boxes, strong)
    }
}

proptest! {
    /// Every mark covers a word wholly or leaves it alone.
    #[test]
    fn no_word_is_marked_by_half((boxes, strong) in words()) {
        let lines = lines::lines(&boxes);
        prop_assert_eq!(lines.iter().map(|line| line.words.len()).sum::<usize>(), boxes.len());
        let marks: Vec<Rect> = passages::marked(&strong, &boxes, &lines).iter().map(Region::rect).collect();
        prop_assert!(passages::leaves_words_whole(&marks, &boxes));
        // and what is strong is covered
        for (word, _) in boxes.iter().zip(&strong).filter(|(_, strong)| **strong >= FAINTEST) {
            let core = core(word);
            prop_assert!(marks.iter().any(|mark| mark.left <= core.left && core.right <= mark.right
                && mark.top <= core.top && core.bottom <= mark.bottom));
        }
        let regions: Vec<Rect> = passages::regions(&[strong], &boxes, &lines).iter().map(Region::rect).collect();
        prop_assert!(passages::leaves_words_whole(&regions, &boxes));
        for region in regions.iter().chain(&marks) {
            prop_assert!(region.left < region.right && region.top < region.bottom);
        }
    }
}
