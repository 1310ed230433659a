//! Ward's linkage by `kodama`, and scipy's way of cutting it into at most so many clusters, label for label.

use super::distances::condensed_distances;

/// Merges of a clustering, as scipy's linkage matrix has them: leaves are `0..n`, merge `i` makes node `n + i`,
/// distances never descend.
pub(super) struct Tree {
    leaves: usize,
    /// The two nodes of each merge, the smaller first, and the largest distance inside.
    merges: Vec<(usize, usize, f64)>,
}

/// Ward's linkage of finite points `[n, dim]`, row-major, n >= 1. Equal distances are met in scipy's order.
pub(super) fn ward_of_points(points: &[f64], dim: usize) -> Tree {
    let leaves = points.len() / dim;
    let mut distances = condensed_distances(points, dim);
    let dendrogram = kodama::linkage(&mut distances, leaves, kodama::Method::Ward);
    let mut merges: Vec<(usize, usize, f64)> = Vec::with_capacity(dendrogram.len());
    for step in dendrogram.steps() {
        let below = [step.cluster1, step.cluster2].into_iter().filter_map(|node| node.checked_sub(leaves));
        let inside = below.fold(step.dissimilarity, |largest, merge| largest.max(merges[merge].2));
        merges.push((step.cluster1, step.cluster2, inside));
    }
    Tree { leaves, merges }
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
            let mut heights: Vec<f64> =
                ward_of_points(&points, dim).merges.iter().map(|merge| merge.2.powi(2)).collect();
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
}
