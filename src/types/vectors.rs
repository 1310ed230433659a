//! Vectors in memory: always f32, whatever the model gave and whatever the store keeps.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::TokenLayout;
use crate::error::{Error, Result};

/// The named vectors of a page's point. Their names in the store are [`VectorName::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VectorName {
    /// Multivector: every patch of the page.
    Patches,
    /// Multivector: the mean of each row of patches.
    Rows,
    /// Multivector: the mean of each column of patches.
    Cols,
    /// Multivector: hierarchical pooling by a factor.
    Pooled,
    /// Dense: the MUVERA fixed dimensional encoding.
    Fde,
    /// Sparse: votes of the patches for entries of the model's codebook.
    Anchors,
    /// Sparse: BM25 terms of the text layer.
    Text,
}

impl VectorName {
    pub const ALL: [Self; 7] =
        [Self::Patches, Self::Rows, Self::Cols, Self::Pooled, Self::Fde, Self::Anchors, Self::Text];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patches => "patches",
            Self::Rows => "rows",
            Self::Cols => "cols",
            Self::Pooled => "pooled",
            Self::Fde => "fde",
            Self::Anchors => "anchors",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for VectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for VectorName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| {
            Error::configuration(format!(
                "'{text}' is not a vector: expected one of {}",
                Self::ALL.map(Self::as_str).join(", ")
            ))
        })
    }
}

/// A matrix of vectors, `[rows, dim]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Multivector {
    dim: usize,
    data: Vec<f32>,
}

impl Multivector {
    /// # Errors
    /// A bug, if `data` is not a whole number of rows of `dim` floats.
    pub fn new(dim: usize, data: Vec<f32>) -> Result<Self> {
        if dim == 0 || !data.len().is_multiple_of(dim) {
            return Err(Error::bug(format!("{} floats are not rows of {dim}", data.len())));
        }
        Ok(Self { dim, data })
    }

    pub fn dim(&self) -> usize {
        self.dim
    }

    pub fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    pub fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.dim..(index + 1) * self.dim]
    }

    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.dim)
    }

    /// `[rows * dim]`.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }

    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }
}

/// A sparse vector; `indices` ascend strictly and are as many as `values`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseVector {
    pub indices: Vec<u32>,
    pub values: Vec<f32>,
}

impl SparseVector {
    /// Sorts by index and keeps the largest value of each.
    pub fn from_maxima(mut pairs: Vec<(u32, f32)>) -> Self {
        pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        pairs.dedup_by_key(|pair| pair.0);
        let (indices, values) = pairs.into_iter().unzip();
        Self { indices, values }
    }

    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// A vector as it is stored under a [`VectorName`].
#[derive(Debug, Clone, PartialEq)]
pub enum NamedVector {
    Dense(Vec<f32>),
    Multi(Multivector),
    Sparse(SparseVector),
}

/// A page as the model saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct PageEmbedding {
    /// `[tokens, dim]`, rows of norm 1.
    pub patches: Multivector,
    /// One entry a row of `patches`.
    pub layout: TokenLayout,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ragged_data_is_refused() {
        assert!(Multivector::new(3, vec![0.0; 7]).is_err());
        assert_eq!(Multivector::new(3, vec![0.0; 6]).unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn sparse_indices_ascend_and_keep_their_maximum(pairs in prop::collection::vec((0u32..50, 0f32..1.0), 0..100)) {
            let sparse = SparseVector::from_maxima(pairs.clone());
            prop_assert!(sparse.indices.windows(2).all(|pair| pair[0] < pair[1]));
            for (index, value) in sparse.indices.iter().zip(&sparse.values) {
                let largest = pairs.iter().filter(|pair| pair.0 == *index).map(|pair| pair.1).fold(0.0, f32::max);
                prop_assert_eq!(*value, largest);
            }
        }
    }
}
