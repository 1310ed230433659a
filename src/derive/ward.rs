//! Ward's linkage by chains of nearest neighbours, as scipy walks them: equal distances are met in the same order.

use super::simd::{for_this_processor, side_by_side};

/// Sides of a block of a matrix product, whose sums stay in registers.
pub(super) const COLUMNS: usize = 16;
pub(super) const ROWS: usize = 4;

/// A squared distance below this share of the points' squared norms has lost digits to cancellation.
const CANCELLED: f64 = 1e-3;

/// Two clusters that became one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Merge {
    /// Each named by one of its points, the smaller first; the second is also the name of what they became.
    pub clusters: [usize; 2],
    /// The square of Ward's distance.
    pub height: f64,
}

/// Dot products of the points of two panels, `[dim, points]` each.
#[inline(always)]
pub(super) fn products(rows: &[[f64; ROWS]], columns: &[[f64; COLUMNS]]) -> [[f64; COLUMNS]; ROWS] {
    let mut sums = [[0.0f64; COLUMNS]; ROWS];
    for (row, column) in rows.iter().zip(columns) {
        for r in 0..ROWS {
            for c in 0..COLUMNS {
                sums[r][c] = row[r].mul_add(column[c], sums[r][c]);
            }
        }
    }
    sums
}

/// All `n - 1` merges of finite points `[n, dim]`, row-major, n >= 1, in the order in which the chains find them: heights may
/// descend, and are in order once sorted.
pub(super) fn ward(points: &[f64], dim: usize) -> Vec<Merge> {
    chains(squared_distances(points, dim), points.len() / dim)
}

/// Squared distances between clusters, `[side, side]`; the clusters are the first ones, the rest fills the last block.
struct Distances {
    side: usize,
    data: Vec<f64>,
}

impl Distances {
    fn line(&self, of: usize) -> &[f64] {
        &self.data[of * self.side..][..self.side]
    }
}

for_this_processor! {
    /// Squares of Euclidean distances, infinite on the diagonal: over dot products, and again over the differences where
    /// points nearly coincide.
    fn squared_distances(points: &[f64], dim: usize) -> Distances {
        let (rows, columns) = (side_by_side::<_, ROWS>(points, dim), side_by_side::<_, COLUMNS>(points, dim));
        let side = columns.len() / dim * COLUMNS;
        let mut norms: Vec<f64> = points.chunks_exact(dim).map(squared_norm).collect();
        norms.resize(side, 0.0);
        let mut data = vec![0.0; side * side];
        let (norms_of_rows, norms_of_columns) = (norms.as_chunks().0, norms.as_chunks().0);
        let panels = columns.chunks_exact(dim).zip(norms_of_columns).zip((0..).step_by(COLUMNS));
        for ((columns, column_norms), column) in panels {
            // The others are met as columns of these rows.
            let above = rows.chunks_exact(dim).zip(norms_of_rows).zip((0..column + COLUMNS).step_by(ROWS));
            for ((rows, row_norms), row) in above {
                let mut block = products(rows, columns);
                if into_distances(&mut block, row_norms, column_norms) {
                    again(&mut block, [row, column], points, dim, &norms);
                }
                for (r, line) in block.iter().enumerate() {
                    data[(row + r) * side + column..][..COLUMNS].copy_from_slice(line);
                }
                for c in 0..COLUMNS {
                    let turned: [f64; ROWS] = std::array::from_fn(|r| block[r][c]);
                    data[(column + c) * side + row..][..ROWS].copy_from_slice(&turned);
                }
            }
        }
        data.iter_mut().step_by(side + 1).for_each(|distance| *distance = f64::INFINITY);
        Distances { side, data }
    }
}

#[inline(always)]
fn squared_norm(point: &[f64]) -> f64 {
    let mut sums = [0.0; COLUMNS];
    let (whole, rest) = point.as_chunks::<COLUMNS>();
    for values in whole {
        for c in 0..COLUMNS {
            sums[c] = values[c].mul_add(values[c], sums[c]);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|value| value * value).sum::<f64>()
}

/// Products to squared distances; true where one has lost digits.
#[inline(always)]
fn into_distances(block: &mut [[f64; COLUMNS]; ROWS], rows: &[f64; ROWS], columns: &[f64; COLUMNS]) -> bool {
    let mut worst = [f64::INFINITY; COLUMNS];
    for r in 0..ROWS {
        for c in 0..COLUMNS {
            let both = rows[r] + columns[c];
            let squared = both - 2.0 * block[r][c];
            worst[c] = smaller(squared - CANCELLED * both, worst[c]);
            block[r][c] = if squared > 0.0 { squared } else { 0.0 };
        }
    }
    worst.into_iter().fold(0.0, smaller) < 0.0
}

/// Distances that have lost digits, from differences.
#[cold]
#[inline(never)]
fn again(block: &mut [[f64; COLUMNS]; ROWS], [row, column]: [usize; 2], points: &[f64], dim: usize, norms: &[f64]) {
    let point = |at: usize| &points[at * dim..][..dim];
    let count = points.len() / dim;
    for (i, line) in (row..count).zip(block) {
        for (j, distance) in (column..count).zip(line) {
            if *distance < CANCELLED * (norms[i] + norms[j]) {
                *distance = point(i).iter().zip(point(j)).map(|(a, b)| (a - b) * (a - b)).sum();
            }
        }
    }
}

/// One instruction, as no method of f64 is: these also look for NaN.
#[inline(always)]
fn smaller(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// The smallest of a line; `away` is infinite for what does not count, else 0.
#[inline(always)]
fn smallest(line: &[f64], away: &[f64]) -> f64 {
    let mut lanes = [f64::INFINITY; COLUMNS];
    for (line, away) in line.as_chunks::<COLUMNS>().0.iter().zip(away.as_chunks::<COLUMNS>().0) {
        for c in 0..COLUMNS {
            lanes[c] = smaller(line[c] + away[c], lanes[c]);
        }
    }
    lanes.into_iter().fold(f64::INFINITY, smaller)
}

/// Where a line has `wanted` first; its end, where it hasn't.
#[inline(always)]
fn first_of(line: &[f64], away: &[f64], wanted: f64) -> usize {
    let blocks = line.as_chunks::<COLUMNS>().0.iter().zip(away.as_chunks::<COLUMNS>().0);
    for ((line, away), first) in blocks.zip((0..).step_by(COLUMNS)) {
        let mut found = 0u32;
        for c in 0..COLUMNS {
            found |= u32::from(line[c] + away[c] == wanted) << c;
        }
        if found != 0 {
            return first + found.trailing_zeros() as usize;
        }
    }
    line.len()
}

/// The clusters while they merge.
struct Clusters {
    distances: Distances,
    /// Points of each, 0 where it has become part of another.
    sizes: Vec<f64>,
    /// Infinite where it has.
    away: Vec<f64>,
    /// What merges made, in their order.
    made: Vec<usize>,
    /// How many of `made` a cluster's line of distances knows of. A line is brought up to date where it is read, from the
    /// lines of what was made since: most never are, and writing a column touches as many pages as it has lines.
    known: Vec<usize>,
}

impl Clusters {
    #[inline(always)]
    fn bring_up_to_date(&mut self, cluster: usize) {
        let Distances { side, data } = &mut self.distances;
        for &other in &self.made[self.known[cluster]..] {
            if other != cluster {
                data[cluster * *side + other] = data[other * *side + cluster];
            }
        }
        self.known[cluster] = self.made.len();
    }

    /// `a` becomes part of `b`; both know of all merges so far.
    #[inline(always)]
    fn merge(&mut self, [a, b]: [usize; 2], height: f64, line: &mut [f64]) {
        let (size_a, size_b) = (self.sizes[a], self.sizes[b]);
        let lines = self.distances.line(a).iter().zip(self.distances.line(b));
        for ((to, (from_a, from_b)), size) in line.iter_mut().zip(lines).zip(&self.sizes) {
            let together = (size + size_a) * from_a + (size + size_b) * from_b - size * height;
            *to = together / (size + size_a + size_b);
        }
        line[b] = f64::INFINITY;
        self.distances.data[b * self.distances.side..][..line.len()].copy_from_slice(line);
        self.sizes[a] = 0.0;
        self.sizes[b] = size_a + size_b;
        self.away[a] = f64::INFINITY;
        self.made.push(b);
        self.known[b] = self.made.len();
    }
}

for_this_processor! {
    fn chains(distances: Distances, count: usize) -> Vec<Merge> {
        let side = distances.side;
        let mut clusters = Clusters {
            distances,
            sizes: vec![1.0; side],
            away: vec![0.0; side],
            made: Vec::with_capacity(count),
            known: vec![0; side],
        };
        clusters.away[count..].fill(f64::INFINITY);
        let mut merges = Vec::with_capacity(count.saturating_sub(1));
        let mut line = vec![0.0; side];
        // Each is the nearest of the one before it; where two are each other's nearest, they merge.
        let mut chain: Vec<usize> = Vec::with_capacity(count);
        let mut first = 0;
        while merges.len() + 1 < count {
            let Some(&last) = chain.last() else {
                while clusters.away[first] > 0.0 {
                    first += 1;
                }
                chain.push(first);
                continue;
            };
            clusters.bring_up_to_date(last);
            let distances = clusters.distances.line(last);
            let nearest = smallest(distances, &clusters.away);
            // Of several that are as near, the one before: the chain would never end.
            let before = chain.len().checked_sub(2).map(|at| chain[at]).filter(|&before| distances[before] <= nearest);
            if let Some(before) = before {
                chain.truncate(chain.len() - 2);
                clusters.bring_up_to_date(before);
                let pair = [last.min(before), last.max(before)];
                clusters.merge(pair, nearest, &mut line);
                merges.push(Merge { clusters: pair, height: nearest });
            } else {
                chain.push(first_of(distances, &clusters.away, nearest));
            }
        }
        merges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ward's linkage by its definition: the two clusters whose union adds least to the squares within, again and again.
    /// Returns the heights, ascending.
    fn by_definition(points: &[f64], dim: usize) -> Vec<f64> {
        let mut clusters: Vec<Vec<&[f64]>> = points.chunks_exact(dim).map(|point| vec![point]).collect();
        let centre = |of: &[&[f64]]| -> Vec<f64> {
            (0..dim).map(|d| of.iter().map(|point| point[d]).sum::<f64>() / of.len() as f64).collect()
        };
        let height = |a: &[&[f64]], b: &[&[f64]]| {
            let apart: f64 = centre(a).iter().zip(centre(b)).map(|(a, b)| (a - b) * (a - b)).sum();
            let (a, b) = (a.len() as f64, b.len() as f64);
            2.0 * a * b / (a + b) * apart
        };
        let mut heights = Vec::new();
        while clusters.len() > 1 {
            let pairs = (0..clusters.len()).flat_map(|j| (0..j).map(move |i| (i, j)));
            let all = pairs.map(|(i, j)| (height(&clusters[i], &clusters[j]), i, j));
            let (least, i, j) = all.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
            let other = clusters.remove(j);
            clusters[i].extend(other);
            heights.push(least);
        }
        heights
    }

    #[test]
    fn heights_are_those_of_the_definition() {
        // No two distances are alike, so there is one tree.
        let mut state = 1u64;
        let mut value = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        for (count, dim) in [(2, 1), (3, 2), (16, 3), (17, 5), (50, 3)] {
            let points: Vec<f64> = (0..count * dim).map(|_| value()).collect();
            let mut heights: Vec<f64> = ward(&points, dim).iter().map(|merge| merge.height).collect();
            heights.sort_by(f64::total_cmp);
            let expected = by_definition(&points, dim);
            assert_eq!(heights.len(), expected.len());
            for (height, expected) in heights.iter().zip(expected) {
                assert!(
                    (height - expected).abs() < 1e-9 * expected.max(1.0),
                    "{count} points: {height}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn each_name_goes_once() {
        let points: Vec<f64> = (0..40).map(|i| f64::from(i * i % 37)).collect();
        let mut gone: Vec<usize> = ward(&points, 1).iter().map(|merge| merge.clusters[0]).collect();
        gone.sort_unstable();
        gone.dedup();
        assert_eq!(gone.len(), 39);
        assert!(ward(&[1.0], 1).is_empty());
    }

    #[test]
    fn points_that_nearly_coincide_keep_their_distance() {
        let heights: Vec<f64> = ward(&[1e6, 1e6 + 1e-3, 0.0], 1).iter().map(|merge| merge.height).collect();
        assert!((heights[0] - 1e-6).abs() < 1e-10, "{heights:?}");
    }
}
