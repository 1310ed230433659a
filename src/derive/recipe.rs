//! The fingerprint of all that shapes a page's vectors. Two pages of equal bytes under one recipe have equal vectors,
//! so a document is derived again when, and only when, its recipe changes.

use crate::types::{DeriveSettings, FdeSettings, RecipeId, TextSettings, VectorName, length_prefixed};

/// Raised when code changes what it makes of the same input (resizing, pooling and so on).
const CODE_VERSION: u32 = 2;
/// The same for the terms of `text` alone: a collection without that vector is not made again. 2: parts of German compounds.
const TERMS_VERSION: u32 = 2;

/// Everything that shapes vectors, and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    pub model_id: String,
    pub model_revision: String,
    /// SHA-256 of the model's manifest, which holds those of its files.
    pub manifest_sha256: String,
    /// Dots per inch at which pages are drawn.
    pub dpi: f32,
    /// Larger pages are drawn smaller.
    pub max_page_pixels: u64,
    pub derive: DeriveSettings,
}

impl Recipe {
    /// The same for equal recipes, on every machine. Parameters of vectors that are not made do not count.
    pub fn id(&self) -> RecipeId {
        let mut fields = Fields(Vec::new());
        fields.add("code", CODE_VERSION.to_le_bytes());
        fields.add("model", &self.model_id);
        fields.add("revision", &self.model_revision);
        fields.add("manifest", &self.manifest_sha256);
        fields.add("dpi", self.dpi.to_bits().to_le_bytes());
        fields.add("max_page_pixels", self.max_page_pixels.to_le_bytes());
        // Taken apart, so that a new field cannot be forgotten here.
        let DeriveSettings { vectors, pooled_factor, fde, text } = &self.derive;
        for name in vectors {
            fields.add("vector", name.as_str());
            match name {
                VectorName::Pooled => fields.add("pooled_factor", (*pooled_factor as u64).to_le_bytes()),
                VectorName::Fde => fields.fde(fde),
                VectorName::Text => fields.text(text),
                VectorName::Patches | VectorName::Rows | VectorName::Cols | VectorName::Anchors => {}
            }
        }
        let joined = length_prefixed(fields.0.iter().map(Vec::as_slice));
        RecipeId(blake3::hash(&joined).to_hex()[..32].to_owned())
    }
}

struct Fields(Vec<Vec<u8>>);

impl Fields {
    fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.0.push(name.as_bytes().to_vec());
        self.0.push(value.as_ref().to_vec());
    }

    fn fde(&mut self, settings: &FdeSettings) {
        let FdeSettings { k_sim, dim_proj, r_reps, seed, final_dim } = *settings;
        self.add("k_sim", (k_sim as u64).to_le_bytes());
        self.add("dim_proj", (dim_proj as u64).to_le_bytes());
        self.add("r_reps", (r_reps as u64).to_le_bytes());
        self.add("seed", seed.to_le_bytes());
        self.add("final_dim", final_dim.map_or(Vec::new(), |dim| (dim as u64).to_le_bytes().to_vec()));
    }

    fn text(&mut self, settings: &TextSettings) {
        let TextSettings { k1, b, average_words } = *settings;
        self.add("terms", TERMS_VERSION.to_le_bytes());
        for (name, value) in [("k1", k1), ("b", b), ("average_words", average_words)] {
            self.add(name, value.to_bits().to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn recipes() -> impl Strategy<Value = Recipe> {
        let derive = (
            prop::collection::btree_set(prop::sample::select(VectorName::ALL.as_slice()), 1..=7),
            1usize..6,
            (1usize..8, 1usize..64, 1usize..30, any::<u64>(), prop::option::of(1usize..5000)),
            (0.1f32..3.0, 0.0f32..1.0, 1.0f32..900.0),
        )
            .prop_map(
                |(vectors, pooled_factor, (k_sim, dim_proj, r_reps, seed, final_dim), (k1, b, average_words))| {
                    DeriveSettings {
                        vectors,
                        pooled_factor,
                        fde: FdeSettings { k_sim, dim_proj, r_reps, seed, final_dim },
                        text: TextSettings { k1, b, average_words },
                    }
                },
            );
        ("[a-c]{0,3}", "[a-c]{0,3}", "[0-9a-f]{0,8}", 36.0f32..300.0, 1u64..100_000_000, derive).prop_map(
            |(model_id, model_revision, manifest_sha256, dpi, max_page_pixels, derive)| Recipe {
                model_id,
                model_revision,
                manifest_sha256,
                dpi,
                max_page_pixels,
                derive,
            },
        )
    }

    /// A change of one field, with the vector that must be made for it to count.
    type Change = (Option<VectorName>, fn(&mut Recipe));

    /// Every field.
    fn changes() -> Vec<Change> {
        use VectorName::{Fde, Pooled, Text};
        vec![
            (None, |r| r.model_id.push('x')),
            (None, |r| r.model_revision.push('x')),
            (None, |r| r.manifest_sha256.push('0')),
            (None, |r| r.dpi += 1.0),
            (None, |r| r.max_page_pixels += 1),
            (Some(Pooled), |r| r.derive.pooled_factor += 1),
            (Some(Fde), |r| r.derive.fde.k_sim += 1),
            (Some(Fde), |r| r.derive.fde.dim_proj += 1),
            (Some(Fde), |r| r.derive.fde.r_reps += 1),
            (Some(Fde), |r| r.derive.fde.seed ^= 1),
            (Some(Fde), |r| r.derive.fde.final_dim = Some(r.derive.fde.final_dim.map_or(1, |dim| dim + 1))),
            (Some(Text), |r| r.derive.text.k1 += 0.5),
            (Some(Text), |r| r.derive.text.b += 0.5),
            (Some(Text), |r| r.derive.text.average_words += 1.0),
        ]
    }

    proptest! {
        #[test]
        fn whatever_shapes_vectors_changes_the_id_and_nothing_else_does(recipe in recipes()) {
            for (number, (needs, change)) in changes().into_iter().enumerate() {
                let mut changed = recipe.clone();
                change(&mut changed);
                let counts = needs.is_none_or(|name| recipe.derive.vectors.contains(&name));
                prop_assert_eq!(changed.id() != recipe.id(), counts, "change {}", number);
            }
            for name in VectorName::ALL {
                let mut changed = recipe.clone();
                if !changed.derive.vectors.remove(&name) {
                    changed.derive.vectors.insert(name);
                }
                prop_assert_ne!(changed.id(), recipe.id());
            }
        }

        #[test]
        fn neighbouring_fields_never_run_into_each_other(a in recipes(), b in recipes()) {
            prop_assert_eq!(a == b || a.id() != b.id(), true);
        }
    }

    #[test]
    fn the_id_is_stable() {
        let recipe = Recipe {
            model_id: "quire-glyph".into(),
            model_revision: "1".into(),
            manifest_sha256: "00".into(),
            dpi: 150.0,
            max_page_pixels: 25_000_000,
            derive: DeriveSettings::default(),
        };
        assert_eq!(recipe.id().0.len(), 32);
        insta::assert_snapshot!(recipe.id().0, @"faebbd32e84c35dbcb01839e9b49c6ae");
    }
}
