//! Everything that is computed from a page's embedding and text, without a model: pooled vectors, MUVERA encodings,
//! anchors, BM25 terms, and the fingerprint of how it was done. Pure functions; CPU-heavy, so never on the async
//! runtime's threads.

pub mod anchors;
mod distances;
pub mod ink;
mod linkage;
mod murmur3;
pub mod muvera;
mod numpy_rng;
pub mod pooling;
mod recipe;
mod simd;
pub mod terms;

pub use recipe::Recipe;

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::types::{
    Codebook, DeriveSettings, MAX_MULTIVECTOR_FLOATS, Multivector, NamedVector, PageEmbedding, QuestionEmbedding,
    SparseVector, VectorName,
};

/// The named vectors of a page. One that would be empty is left out: a blank page has no patches, a scan no text.
///
/// # Errors
/// Configuration, where the settings ask for what the model or Qdrant can't give.
pub fn derive_page(
    settings: &DeriveSettings,
    page: &PageEmbedding,
    text: &terms::Text<'_>,
    codebook: Option<&Codebook>,
) -> Result<BTreeMap<VectorName, NamedVector>> {
    let mut vectors = BTreeMap::new();
    for &name in &settings.vectors {
        if let Some(vector) = page_vector(settings, name, page, text, codebook)? {
            vectors.insert(name, vector);
        }
    }
    Ok(vectors)
}

fn page_vector(
    settings: &DeriveSettings,
    name: VectorName,
    page: &PageEmbedding,
    text: &terms::Text<'_>,
    codebook: Option<&Codebook>,
) -> Result<Option<NamedVector>> {
    let patches = &page.patches;
    if name == VectorName::Text {
        return Ok(sparse(terms::page(text, &settings.text)));
    }
    if patches.is_empty() {
        return Ok(None);
    }
    match name {
        VectorName::Patches => multi(name, patches.clone()),
        VectorName::Rows => multi(name, pooling::rows(page)?),
        VectorName::Cols => multi(name, pooling::cols(page)?),
        VectorName::Pooled => multi(name, pooling::hierarchical(patches, settings.pooled_factor)?),
        VectorName::Fde => {
            let muvera = muvera::Muvera::shared(patches.dim(), &settings.fde)?;
            Ok(Some(NamedVector::Dense(muvera.document(patches)?)))
        }
        VectorName::Anchors => Ok(sparse(anchors::page(patches, needed(codebook)?)?)),
        VectorName::Text => Ok(None),
    }
}

/// What a question is compared with under `name`. Multivectors are all compared with the question's tokens. A sparse
/// vector may be empty, which finds nothing.
///
/// # Errors
/// Configuration, as [`derive_page`].
pub fn derive_question(
    settings: &DeriveSettings,
    name: VectorName,
    question: &QuestionEmbedding,
    text: &str,
    codebook: Option<&Codebook>,
) -> Result<NamedVector> {
    Ok(match name {
        VectorName::Patches | VectorName::Rows | VectorName::Cols | VectorName::Pooled => {
            NamedVector::Multi(question.tokens.clone())
        }
        VectorName::Fde => {
            let muvera = muvera::Muvera::shared(question.tokens.dim(), &settings.fde)?;
            NamedVector::Dense(muvera.query(&question.tokens)?)
        }
        VectorName::Anchors => NamedVector::Sparse(anchors::question(&question.tokens, needed(codebook)?)?),
        VectorName::Text => NamedVector::Sparse(terms::QuestionTerms::new(text).vector()),
    })
}

fn needed(codebook: Option<&Codebook>) -> Result<&Codebook> {
    codebook.ok_or_else(|| {
        Error::configuration("the model has no codebook, so it has no 'anchors' vector: leave it out of the vectors")
    })
}

fn sparse(vector: SparseVector) -> Option<NamedVector> {
    (!vector.is_empty()).then_some(NamedVector::Sparse(vector))
}

fn multi(name: VectorName, vectors: Multivector) -> Result<Option<NamedVector>> {
    let floats = vectors.as_slice().len();
    if floats >= MAX_MULTIVECTOR_FLOATS {
        return Err(Error::permanent(format!(
            "vector '{name}' has {} rows of {} floats, {floats} in all: \
             Qdrant takes fewer than {MAX_MULTIVECTOR_FLOATS}",
            vectors.len(),
            vectors.dim()
        )));
    }
    Ok((!vectors.is_empty()).then_some(NamedVector::Multi(vectors)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Grid, TokenLayout};

    fn page() -> PageEmbedding {
        let patches = Multivector::new(2, vec![1.0, 0.0, 0.0, 1.0, 0.6, 0.8, 0.8, 0.6]).unwrap();
        PageEmbedding { patches, layout: TokenLayout::full(Grid { rows: 2, cols: 2 }) }
    }

    fn codebook() -> Codebook {
        let entries = Multivector::new(2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        Codebook { entries, page_top: 1, question_top: 1, question_power: 4.0, rounded: std::sync::OnceLock::new() }
    }

    fn all() -> DeriveSettings {
        let mut settings = DeriveSettings { vectors: VectorName::ALL.into(), ..DeriveSettings::default() };
        settings.fde.dim_proj = 2;
        settings
    }

    #[test]
    fn every_vector_is_made_and_meets_its_question() {
        let made = derive_page(&all(), &page(), &terms::Text::new("some words"), Some(&codebook())).unwrap();
        assert_eq!(made.keys().copied().collect::<Vec<_>>(), VectorName::ALL);
        let tokens = Multivector::new(2, vec![1.0, 0.0]).unwrap();
        let question = QuestionEmbedding { tokens, labels: vec!["some".into()], from_text: vec![true] };
        for (name, vector) in &made {
            let asked = derive_question(&all(), *name, &question, "some", Some(&codebook())).unwrap();
            assert_eq!(std::mem::discriminant(vector), std::mem::discriminant(&asked), "{name}");
            if let (NamedVector::Dense(vector), NamedVector::Dense(asked)) = (vector, &asked) {
                assert_eq!(vector.len(), asked.len());
            }
        }
    }

    #[test]
    fn a_blank_page_has_no_vectors() {
        let blank = PageEmbedding {
            patches: Multivector::new(2, vec![]).unwrap(),
            layout: TokenLayout::grid(Grid { rows: 2, cols: 2 }, vec![], (1.0, 1.0)).unwrap(),
        };
        assert!(derive_page(&all(), &blank, &terms::Text::new(""), Some(&codebook())).unwrap().is_empty());
    }

    #[test]
    fn anchors_without_a_codebook_say_what_to_do() {
        let error = derive_page(&all(), &page(), &terms::Text::new(""), None).unwrap_err();
        assert!(error.to_string().contains("leave it out"), "{error}");
    }
}
