//! The tree of a linkage, and scipy's way of cutting it into at most so many clusters, label for label.

use super::ward::{Merge, ward};

/// Merges of a clustering, as scipy's linkage matrix has them: leaves are `0..n`, merge `i` makes node `n + i`,
/// distances never descend.
pub(super) struct Tree {
    leaves: usize,
    /// The two nodes of each merge, the smaller first, and the largest height inside.
    merges: Vec<(usize, usize, f64)>,
}

/// Ward's linkage of finite points `[n, dim]`, row-major, n >= 1.
pub(super) fn ward_of_points(points: &[f64], dim: usize) -> Tree {
    Tree::new(points.len() / dim, ward(points, dim))
}

impl Tree {
    fn new(leaves: usize, mut found: Vec<Merge>) -> Self {
        // Those of one height stay in the order in which they were found.
        found.sort_by(|a, b| a.height.total_cmp(&b.height));
        let mut merges: Vec<(usize, usize, f64)> = Vec::with_capacity(found.len());
        // The node that a cluster has become, by the cluster's name, and the name that it goes by now.
        let mut nodes: Vec<usize> = (0..leaves).collect();
        let mut names: Vec<usize> = (0..leaves).collect();
        for Merge { clusters, height } in found {
            let [a, b] = clusters.map(|cluster| name(&mut names, cluster));
            let (left, right) = (nodes[a].min(nodes[b]), nodes[a].max(nodes[b]));
            let below = [left, right].into_iter().filter_map(|node| node.checked_sub(leaves));
            let inside = below.fold(height, |largest, merge| largest.max(merges[merge].2));
            nodes[b] = leaves + merges.len();
            names[a] = b;
            merges.push((left, right, inside));
        }
        Self { leaves, merges }
    }

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

/// What a cluster is called that has become part of others: the merges of one height may have been found before those below.
fn name(names: &mut [usize], cluster: usize) -> usize {
    let mut top = cluster;
    while names[top] != top {
        top = names[top];
    }
    // The next look is short.
    let mut at = cluster;
    while names[at] != top {
        at = std::mem::replace(&mut names[at], top);
    }
    top
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
