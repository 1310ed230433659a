//! The families of models that Quire knows: one line each.

use serde_json::Value;

use super::colpali::ColPali;
use super::family::{AnyFamily, Family};
use super::glyph::Glyph;
use super::manifest::Manifest;
use crate::error::Result;

/// Reads the family's part of a manifest.
type Read = fn(&Value) -> Result<Box<dyn AnyFamily>, String>;

/// By the name that manifests call them. How a family turns pages and questions into vectors is code; what varies between its
/// models is in their manifests.
const FAMILIES: &[(&str, Read)] = &[
    // The built-in model: what is written, found by its shape.
    ("glyph", read::<Glyph>),
    // ColPali on PaliGemma, exported to ONNX: what is meant, found by a vision language model.
    ("colpali", read::<ColPali>),
];

fn read<F: Family>(manifest: &Value) -> Result<Box<dyn AnyFamily>, String> {
    Ok(Box::new(F::read(manifest)?))
}

/// The family that a manifest names, with its part of the manifest read.
///
/// # Errors
/// Configuration, if there is no such family, or the manifest is not what it needs.
pub(super) fn family_of(manifest: &Manifest) -> Result<Box<dyn AnyFamily>> {
    let wanted = manifest.info.family.as_str();
    let Some((_, read)) = FAMILIES.iter().find(|(name, _)| *name == wanted) else {
        let known: Vec<&str> = FAMILIES.iter().map(|(name, _)| *name).collect();
        return Err(manifest.wrong(format!("family is '{wanted}', and this Quire knows {}", known.join(", "))));
    };
    read(&manifest.json).map_err(|what| manifest.wrong(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Value)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest: Value = serde_json::from_str(include_str!("glyph/test_manifest.json")).unwrap();
        change(&mut manifest);
        std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
        family_of(&Manifest::read(folder.path()).unwrap()).err().unwrap().to_string()
    }

    #[test]
    fn a_family_that_is_not_there_is_named_with_those_that_are() {
        let message = refused(|manifest| manifest["family"] = "palm".into());
        assert!(message.contains("family is 'palm', and this Quire knows glyph, colpali"), "{message}");
        assert!(message.contains("manifest.json"), "{message}");
    }

    #[test]
    fn a_manifest_that_its_family_cannot_use_is_refused() {
        let message = refused(|manifest| manifest["page"]["luma"] = "other".into());
        assert!(message.contains("page.luma") && message.contains("manifest.json"), "{message}");
    }
}
