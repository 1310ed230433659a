//! How large a page is drawn for each look at it: pure arithmetic, the same as in training/canvas.py.

use super::manifest::{PageSpec, Passes};

/// Width and height of a page of `from` pixels at each look, the largest first. `dpi`: pixels an inch of a page whose true
/// size is known.
pub(super) fn sizes(from: (usize, usize), dpi: Option<u32>, spec: &PageSpec) -> Vec<(usize, usize)> {
    let full = full_scale(from, dpi, spec);
    let first = (scaled(from.0, full), scaled(from.1, full));
    let mut sizes = vec![first];
    if let Some(passes) = &spec.passes {
        smaller(first, passes, &mut sizes);
    }
    sizes
}

/// A side at a scale: rounded, and never without a pixel.
fn scaled(side: usize, scale: f64) -> usize {
    ((side as f64 * scale + 0.5) as usize).max(1)
}

/// Pixels of the largest look a pixel of the page.
fn full_scale(from: (usize, usize), dpi: Option<u32>, spec: &PageSpec) -> f64 {
    let (width, height) = (from.0 as f64, from.1 as f64);
    let canvas = if from.0 > from.1 { spec.landscape } else { spec.portrait };
    let (canvas_width, canvas_height) = (canvas[0] as f64, canvas[1] as f64);
    let mut scale = (canvas_width / width).min(canvas_height / height);
    if let Some(large) = spec.large {
        let (is_large, wanted) = match dpi.map(f64::from) {
            Some(dpi) => (scale * dpi < large.fit_dpi_below, large.dpi / dpi),
            None => {
                let (longer, shorter) = (width.max(height), width.min(height));
                (longer > large.longer_than * shorter, canvas_width.min(canvas_height) / shorter)
            }
        };
        if is_large {
            let affordable = (large.canvases * canvas_width * canvas_height / (width * height)).sqrt();
            scale = scale.max(wanted.min(affordable));
        }
    }
    spec.enlarge_at_most.map_or(scale, |most| scale.min(most))
}

/// The looks after the first, while there is something to be seen.
fn smaller(first: (usize, usize), passes: &Passes, sizes: &mut Vec<(usize, usize)>) {
    let Some(factors) = passes.scales.get(1..).filter(|factors| !factors.is_empty()) else { return };
    let mut unit = 1.0;
    loop {
        for &factor in factors {
            let size = (scaled(first.0, unit * factor), scaled(first.1, unit * factor));
            if size.0.min(size.1) < passes.shorter_side_at_least {
                return;
            }
            sizes.push(size);
        }
        let last = sizes[sizes.len() - 1];
        if last.0.max(last.1) <= passes.longer_side_above {
            return;
        }
        unit *= factors[factors.len() - 1];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::glyph::manifest::test_manifest;

    #[test]
    fn pages_are_looked_at_three_times_and_never_enlarged() {
        let spec = test_manifest().page;
        assert_eq!(sizes((1240, 1754), Some(150), &spec), [(814, 1152), (285, 403), (122, 173)]);
        assert_eq!(sizes((260, 70), None, &spec), [(260, 70), (91, 25)], "at .15 it has 11 lines");
        assert_eq!(sizes((9, 7), None, &spec), [(9, 7)]);
    }

    #[test]
    fn large_and_long_pages_keep_their_small_letters() {
        let spec = test_manifest().page;
        // A0 at 127 dots an inch: about 70 of them are affordable.
        let drawing = sizes((5945, 4206), Some(127), &spec);
        assert_eq!(drawing, [(3292, 2329), (1152, 815), (494, 349), (173, 122), (74, 52)]);
        // A receipt of 3 x 100 inches.
        assert_eq!(sizes((450, 15_000), Some(150), &spec)[0], (296, 9850));
        // A scan of as many pixels as the drawing may be of A4: it is fitted.
        assert_eq!(sizes((5945, 4206), None, &spec)[0], (1152, 815));
        // A chat of unknown size.
        assert_eq!(sizes((1080, 14_000), None, &spec)[0], (769, 9970));
        assert_eq!(sizes((1, 5000), None, &spec), [(1, 5000)]);
    }

    #[test]
    fn models_of_before_fit_every_page_into_one_canvas() {
        let spec = PageSpec { enlarge_at_most: None, large: None, passes: None, ..test_manifest().page };
        assert_eq!(sizes((100, 200), None, &spec), [(576, 1152)]);
        assert_eq!(sizes((5945, 4206), Some(127), &spec), [(1152, 815)]);
        assert_eq!(sizes((1, 5000), None, &spec), [(1, 1152)]);
    }
}
