//! Ink and its connected components. Ink is where brightness changes: so it is found on light ground and on dark, and a
//! coloured panel is none.

use crate::types::PageImage;

/// Larger pages are looked at in fewer pixels.
const MOST_PIXELS: usize = 4_000_000;
/// How much of the page's own range of brightness a change must have, and its bounds.
const SHARE_OF_RANGE: f32 = 0.22;
const LEAST_STEP: f32 = 18.0;
const LARGEST_STEP: f32 = 60.0;
/// Fewer pixels are dirt.
const LEAST_PIXELS: u32 = 8;
/// Of the page's longer side: what is higher, or wider, is neither a letter nor a word whose letters touch.
const HIGHEST_WORD: f32 = 0.07;
const WIDEST_WORD: f32 = 0.25;
/// A rule is this thin, of its length; or that thin, and hardly thicker than its edges.
const THIN: f32 = 0.035;
const THIN_LINE: f32 = 0.15;
const THICKEST_LINE: f32 = 0.003;
/// Of its box, in pixels with a change: a frame has less, a picture more.
const FILLED: f32 = 0.07;
/// Tiles of a picture, along the page's longer side.
const TILES: usize = 24;

/// Which pixels hold ink, `[height, width]`.
pub(super) struct Mask {
    pub width: usize,
    pub height: usize,
    ink: Vec<bool>,
}

/// Connected ink; its sides in pixels, right and bottom beyond it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Component {
    pub left: u32,
    pub top: u32,
    pub right: u32,
    pub bottom: u32,
    pub pixels: u32,
}

impl Mask {
    /// None for pictures of less than three pixels a side.
    pub fn of(image: &PageImage) -> Option<Self> {
        let (luma, width, height) = reduced(image);
        if width < 3 || height < 3 {
            return None;
        }
        let step = step(&luma);
        let mut ink = vec![false; width * height];
        for y in 1..height - 1 {
            let [above, line, below] = [y - 1, y, y + 1].map(|y| &luma[y * width..][..width]);
            let found = &mut ink[y * width..][..width];
            for x in 1..width - 1 {
                found[x] = line[x + 1].abs_diff(line[x - 1]).max(below[x].abs_diff(above[x])) > step;
            }
        }
        Some(Self { width, height, ink })
    }

    /// The parts of a picture that hold ink, on a grid of squares.
    pub fn tiles(&self, picture: &Component) -> Vec<Component> {
        let side = (self.width.max(self.height) / TILES).max(8);
        let (left, top) = (picture.left as usize, picture.top as usize);
        let (right, bottom) = (picture.right as usize, picture.bottom as usize);
        let mut tiles = Vec::new();
        for top in (top..bottom).step_by(side) {
            for left in (left..right).step_by(side) {
                let (right, bottom) = ((left + side).min(right), (top + side).min(bottom));
                let ink = |y: usize| self.ink[y * self.width..][left..right].iter().filter(|ink| **ink).count();
                let pixels = (top..bottom).map(ink).sum::<usize>() as u32;
                if pixels as f32 > FILLED * ((right - left) * (bottom - top)) as f32 {
                    let [left, top, right, bottom] = [left, top, right, bottom].map(|side| side as u32);
                    tiles.push(Component { left, top, right, bottom, pixels });
                }
            }
        }
        tiles
    }
}

impl Component {
    pub fn width(&self) -> u32 {
        self.right - self.left
    }

    pub fn height(&self) -> u32 {
        self.bottom - self.top
    }

    /// Too large for a word: a frame, a picture.
    pub fn is_large(&self, mask: &Mask) -> bool {
        let side = mask.width.max(mask.height) as f32;
        self.height() as f32 > HIGHEST_WORD * side || self.width() as f32 > WIDEST_WORD * side
    }

    /// A line that was ruled, of a table or under words.
    pub fn is_rule(&self, mask: &Mask) -> bool {
        let (wide, high) = (self.width() as f32, self.height() as f32);
        let (thick, long) = (wide.min(high), wide.max(high));
        let line = THICKEST_LINE * mask.width.max(mask.height) as f32;
        thick < THIN * long || (thick < THIN_LINE * long && thick <= line.max(4.0))
    }

    /// A picture, as opposed to a frame.
    pub fn is_filled(&self) -> bool {
        self.pixels as f32 > FILLED * self.width() as f32 * self.height() as f32
    }

    /// Both together.
    pub fn with(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
            pixels: self.pixels.saturating_add(other.pixels),
        }
    }
}

/// Connected ink, in the order of first lines. Dirt is left out.
pub(super) fn of(mask: &Mask) -> Vec<Component> {
    let mut groups = Groups::default();
    let (mut above, mut line): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
    for y in 0..mask.height {
        line.clear();
        let mut next_above = 0;
        for (from, to) in runs(&mask.ink[y * mask.width..][..mask.width]) {
            let component = Component { left: from, top: y as u32, right: to, bottom: y as u32 + 1, pixels: to - from };
            let group = groups.add(component);
            // corners touch too
            while next_above < above.len() && above[next_above].to < from {
                next_above += 1;
            }
            for run in above[next_above..].iter().take_while(|run| run.from <= to) {
                groups.unite(run.group, group);
            }
            line.push(Run { from, to, group });
        }
        std::mem::swap(&mut above, &mut line);
    }
    groups.into_components()
}

/// Pixels of ink beside each other in one line.
struct Run {
    from: u32,
    to: u32,
    group: u32,
}

/// Where ink begins and ends in a line.
fn runs(line: &[bool]) -> impl Iterator<Item = (u32, u32)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let from = at + line[at..].iter().position(|ink| *ink)?;
        at = line[from..].iter().position(|ink| !ink).map_or(line.len(), |length| from + length);
        Some((from as u32, at as u32))
    })
}

/// Components that grow together: a disjoint-set forest.
#[derive(Default)]
struct Groups {
    parents: Vec<u32>,
    components: Vec<Component>,
}

impl Groups {
    fn add(&mut self, component: Component) -> u32 {
        let group = self.parents.len() as u32;
        self.parents.push(group);
        self.components.push(component);
        group
    }

    fn root(&mut self, mut group: u32) -> u32 {
        while self.parents[group as usize] != group {
            let parent = self.parents[group as usize];
            self.parents[group as usize] = self.parents[parent as usize];
            group = self.parents[group as usize];
        }
        group
    }

    fn unite(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            let (root, leaf) = (a.min(b), a.max(b));
            self.parents[leaf as usize] = root;
            self.components[root as usize] = self.components[root as usize].with(self.components[leaf as usize]);
        }
    }

    fn into_components(self) -> Vec<Component> {
        let roots = self.parents.iter().enumerate().filter(|(group, parent)| *group == **parent as usize);
        roots.map(|(group, _)| self.components[group]).filter(|component| component.pixels >= LEAST_PIXELS).collect()
    }
}

/// Unites components by pairs of their indices.
pub(super) fn united(components: &[Component], pairs: impl IntoIterator<Item = (usize, usize)>) -> Vec<Component> {
    let mut groups = Groups::default();
    components.iter().for_each(|component| {
        groups.add(*component);
    });
    for (a, b) in pairs {
        groups.unite(a as u32, b as u32);
    }
    groups.into_components()
}

/// Brightness, at most [`MOST_PIXELS`] of it: means of squares of pixels.
fn reduced(image: &PageImage) -> (Vec<u8>, usize, usize) {
    let (width, height) = (image.width as usize, image.height as usize);
    if image.rgb.len() != width * height * 3 {
        return (Vec::new(), 0, 0);
    }
    let mut side = 1;
    while (width / side) * (height / side) > MOST_PIXELS {
        side += 1;
    }
    let brightness =
        |pixel: &[u8]| (u32::from(pixel[0]) * 77 + u32::from(pixel[1]) * 150 + u32::from(pixel[2]) * 29) >> 8;
    if side == 1 {
        let luma = image.rgb.chunks_exact(3).map(|pixel| brightness(pixel) as u8).collect();
        return (luma, width, height);
    }
    let (small_width, small_height) = (width / side, height / side);
    let mut luma = Vec::with_capacity(small_width * small_height);
    for y in 0..small_height {
        for x in 0..small_width {
            let sum: u32 = (0..side)
                .map(|row| {
                    let at = ((y * side + row) * width + x * side) * 3;
                    image.rgb[at..at + side * 3].chunks_exact(3).map(brightness).sum::<u32>()
                })
                .sum();
            luma.push((sum / (side * side) as u32) as u8);
        }
    }
    (luma, small_width, small_height)
}

/// A change of brightness that is ink on this page: pale print has smaller ones than black print.
fn step(luma: &[u8]) -> u8 {
    let mut histogram = [0usize; 256];
    luma.iter().for_each(|value| histogram[usize::from(*value)] += 1);
    let edge = luma.len() / 200;
    let darkest = reached(&histogram, 0..256, edge);
    let lightest = reached(&histogram, (0..256).rev(), edge);
    (SHARE_OF_RANGE * lightest.saturating_sub(darkest) as f32).clamp(LEAST_STEP, LARGEST_STEP) as u8
}

/// The first of these values at which more than `edge` pixels were passed.
fn reached(histogram: &[usize; 256], mut values: impl Iterator<Item = usize>, edge: usize) -> usize {
    let mut passed = 0;
    let beyond = values.find(|value| {
        passed += histogram[*value];
        passed > edge
    });
    beyond.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(lines: &[&str]) -> Mask {
        let ink = lines.iter().flat_map(|line| line.chars().map(|c| c == '#')).collect();
        Mask { width: lines[0].len(), height: lines.len(), ink }
    }

    #[test]
    fn ink_that_touches_is_one_component_also_over_corners_and_round_corners() {
        let mask = drawn(&["##....##", "##....##", "##.##.##", "#######.", "........", "..####..", "..####.."]);
        let found: Vec<_> = of(&mask).into_iter().map(|c| (c.left, c.top, c.right, c.bottom, c.pixels)).collect();
        assert_eq!(found, [(0, 0, 8, 4, 21), (2, 5, 6, 7, 8)]);
    }

    #[test]
    fn a_large_page_is_looked_at_in_fewer_pixels() {
        let (width, height) = (4_000u32, 3_000u32);
        let image = PageImage { width, height, rgb: vec![200; 36_000_000].into(), dpi: None };
        let (luma, small_width, small_height) = reduced(&image);
        assert_eq!((small_width, small_height, luma[0]), (2_000, 1_500, 200));
    }
}
