//! Ward's linkage, and scipy's way of cutting its tree into at most so many clusters, label for label.

use super::simd::{for_this_processor, side_by_side};

/// Merges of a clustering, as scipy's linkage matrix has them: leaves are `0..n`, merge `i` makes node `n + i`,
/// distances never descend.
pub(super) struct Tree {
    leaves: usize,
    /// The two nodes of each merge, the smaller first, and the largest distance inside.
    merges: Vec<(usize, usize, f64)>,
}

/// `points`: `[n, dim]`, row-major, n >= 1.
pub(super) fn ward_of_points(points: &[f64], dim: usize) -> Tree {
    let leaves = points.len() / dim;
    let mut distances = condensed_distances(points, dim);
    let steps = kodama::linkage(&mut distances, leaves, kodama::Method::Ward);
    let mut merges: Vec<(usize, usize, f64)> = Vec::with_capacity(steps.len());
    for step in steps.steps() {
        let inside = [step.cluster1, step.cluster2]
            .iter()
            .filter(|&&node| node >= leaves)
            .fold(step.dissimilarity, |largest, &node| largest.max(merges[node - leaves].2));
        merges.push((step.cluster1, step.cluster2, inside));
    }
    Tree { leaves, merges }
}

/// Sides of a block of a matrix product, whose sums stay in registers.
pub(super) const COLUMNS: usize = 16;
pub(super) const ROWS: usize = 4;

/// A squared distance below this share of the points' squared norms has lost digits to cancellation.
const CANCELLED: f64 = 1e-3;

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
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

for_this_processor! {
    /// Euclidean distances of all pairs `i < j`, in the order of i, then j: over dot products, and again over the
    /// differences where points nearly coincide.
    fn condensed_distances(points: &[f64], dim: usize) -> Vec<f64> {
        let count = points.len() / dim;
        let (rows, columns) = (side_by_side::<_, ROWS>(points, dim), side_by_side::<_, COLUMNS>(points, dim));
        let mut norms: Vec<f64> =
            points.chunks_exact(dim).map(|point| point.iter().map(|value| value * value).sum()).collect();
        norms.resize(columns.len() / dim * COLUMNS, 0.0);
        let mut distances = vec![0.0; count * count.saturating_sub(1) / 2];
        let blocks = columns.chunks_exact(dim).zip(norms.as_chunks::<COLUMNS>().0);
        for ((columns, column_norms), first) in blocks.zip((0..).step_by(COLUMNS)) {
            let end = (first + COLUMNS).min(count);
            for (rows, row) in rows.chunks_exact(dim).zip((0..end).step_by(ROWS)) {
                let sums = products(rows, columns);
                for (i, sums) in (row..count).zip(sums) {
                    let mut line = [0.0; COLUMNS];
                    let mut cancelled = false;
                    for c in 0..COLUMNS {
                        let both = norms[i] + column_norms[c];
                        let squared = both - 2.0 * sums[c];
                        cancelled |= squared < CANCELLED * both;
                        line[c] = squared.max(0.0).sqrt();
                    }
                    let start = (i + 1).max(first);
                    if start >= end {
                        continue;
                    }
                    if cancelled {
                        for j in start..end {
                            let both = norms[i] + norms[j];
                            if both - 2.0 * sums[j - first] < CANCELLED * both {
                                line[j - first] = distance(&points[i * dim..][..dim], &points[j * dim..][..dim]);
                            }
                        }
                    }
                    let to = &mut distances[i * (2 * count - i - 1) / 2 + start - i - 1..][..end - start];
                    match to.as_chunks_mut::<COLUMNS>().0 {
                        [whole] => *whole = line,
                        _ => to.copy_from_slice(&line[start - first..end - first]),
                    }
                }
            }
        }
        distances
    }
}

impl Tree {
    /// `[leaves]`: `fcluster(Z, clusters, criterion="maxclust") - 1`: the lowest cut of at most `clusters` clusters,
    /// numbered in the order in which a walk from the root, smaller child first, meets them.
    pub fn cut(&self, clusters: usize) -> Vec<usize> {
        if self.leaves == 1 {
            return vec![0];
        }
        // scipy bisects over the merges and never tries the lowest.
        let (mut too_low, mut enough) = (0, self.merges.len().max(1));
        while enough - too_low > 1 {
            let middle = usize::midpoint(too_low, enough);
            if self.clusters_below(self.merges[middle].2) > clusters {
                too_low = middle;
            } else {
                enough = middle;
            }
        }
        let height = self.merges[enough.min(self.merges.len() - 1)].2;
        self.labels_below(height)
    }

    /// How many clusters remain where merges above `height` are undone.
    fn clusters_below(&self, height: f64) -> usize {
        let mut count = 0;
        self.walk(height, |_| count += 1);
        count
    }

    fn labels_below(&self, height: f64) -> Vec<usize> {
        let mut labels = vec![0; self.leaves];
        let mut next = 0;
        self.walk(height, |top| {
            let mut nodes = vec![top];
            while let Some(node) = nodes.pop() {
                match node.checked_sub(self.leaves) {
                    None => labels[node] = next,
                    Some(merge) => nodes.extend([self.merges[merge].0, self.merges[merge].1]),
                }
            }
            next += 1;
        });
        labels
    }

    /// Calls `cluster` with the top node of each cluster. As in scipy, a leaf beside a split subtree is numbered after
    /// the subtree, whichever is the smaller child: leaves are met on the way back up.
    fn walk(&self, height: f64, mut cluster: impl FnMut(usize)) {
        enum Visit {
            Node(usize),
            Leaf(usize),
        }
        let mut waiting = vec![Visit::Node(self.leaves + self.merges.len() - 1)];
        while let Some(visit) = waiting.pop() {
            let node = match visit {
                Visit::Leaf(leaf) => {
                    cluster(leaf);
                    continue;
                }
                Visit::Node(node) => node,
            };
            let (left, right, inside) = self.merges[node - self.leaves];
            if inside <= height {
                cluster(node);
                continue;
            }
            // Pushed in reverse: subtrees first, then leaves, each from left to right.
            for child in [right, left] {
                if child < self.leaves {
                    waiting.push(Visit::Leaf(child));
                }
            }
            for child in [right, left] {
                if child >= self.leaves {
                    waiting.push(Visit::Node(child));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_points_is_cut_where_the_gaps_are() {
        let tree = ward_of_points(&[0.0, 0.1, 5.0, 5.1, 9.0], 1);
        let labels = tree.cut(3);
        assert_eq!(labels[0], labels[1]);
        assert_eq!(labels[2], labels[3]);
        assert_eq!(labels.iter().max(), Some(&2));
        assert_eq!(tree.cut(1), [0; 5]);
    }

    #[test]
    fn two_points_are_one_cluster() {
        assert_eq!(ward_of_points(&[0.0, 1.0], 1).cut(1), [0, 0]);
    }
}
