//! What a collection is made with once it has a vector more, or one less. Pure: nothing is opened here.

use crate::app::definition::{Definition, recipe};
use crate::config::{Pipeline, default_spec, plans_for};
use crate::embed::ModelInfo;
use crate::error::{Error, Result};
use crate::types::{DeriveSettings, VectorName, VectorSpec};

/// Plans that are asked where none is named, the best first.
const DEFAULT_PLANS: [&str; 4] = ["hybrid", "anchors", "pooled", "exact"];

impl Definition {
    /// With a vector that is derived from the stored patches. Its parameters are the pipeline's, where one is given that makes
    /// it, else the collection's own. The plans that Quire brings for it come along.
    ///
    /// # Errors
    /// Configuration, where it cannot be derived from what is stored, or does not fit the model.
    pub(super) fn with_vector(&self, name: VectorName, pipeline: Option<&Pipeline>, info: &ModelInfo) -> Result<Self> {
        self.check_source(name, info)?;
        let (spec, theirs) = match pipeline {
            None => (None, &self.derive),
            Some(pipeline) => {
                let spec = pipeline.schema(info.dim)?.get(name).cloned();
                (Some(spec.ok_or_else(|| not_in(pipeline, name))?), &pipeline.derive)
            }
        };
        let mut with = self.clone();
        with.take_parameters(name, theirs);
        let spec: VectorSpec = match spec {
            Some(spec) => spec,
            None => default_spec(name, &with.derive, info.dim)?,
        };
        with.derive.vectors.insert(name);
        with.schema.vectors.push(spec);
        // As pipelines list them.
        with.schema.vectors.sort_unstable_by_key(|spec| spec.name);
        with.add_plans(|vectors| vectors.contains(&name));
        with.recipe = recipe(info, &with.render, &with.derive);
        Ok(with)
    }

    /// Without a vector. Plans that read it go; the ones that Quire brings for what is left take their places.
    ///
    /// # Errors
    /// Configuration, where the others are made from it, or no plan is left.
    pub(super) fn without_vector(&self, name: VectorName, info: &ModelInfo) -> Result<Self> {
        if name == VectorName::Patches {
            return Err(Error::configuration(
                "every other vector is made from 'patches': without them nothing could be derived or compared exactly again",
            ));
        }
        let mut without = self.clone();
        without.derive.vectors.remove(&name);
        without.schema.vectors.retain(|spec| spec.name != name);
        without.plans.retain(|plan| !plan.vectors().contains(&name));
        let gone = |plan: &str| self.plans.iter().any(|known| known.name == plan);
        without.add_plans_called(gone);
        let has = |wanted: &str| without.plans.iter().any(|plan| plan.name == wanted);
        if !has(&without.default_plan) {
            let next = DEFAULT_PLANS.into_iter().find(|name| has(name)).map(str::to_owned);
            let next = next.or_else(|| without.plans.first().map(|plan| plan.name.clone()));
            without.default_plan = next.ok_or_else(|| {
                Error::configuration(format!("without '{name}' no plan is left that could find a page"))
            })?;
        }
        without.recipe = recipe(info, &without.render, &without.derive);
        Ok(without)
    }

    fn check_source(&self, name: VectorName, info: &ModelInfo) -> Result<()> {
        match name {
            VectorName::Patches => {
                Err(Error::configuration("'patches' is what the others are derived from: it is no derived vector"))
            }
            VectorName::Text => Err(Error::configuration(
                "'text' is made of a page's whole text, of which the store keeps a part: ingest again with a pipeline that names it",
            )),
            _ if !self.derive.vectors.contains(&VectorName::Patches) => Err(Error::configuration(format!(
                "this collection keeps no patches, from which '{name}' would be derived: ingest again with a pipeline that names it"
            ))),
            VectorName::Anchors if !info.has_codebook => {
                Err(Error::configuration(format!("model '{}' has no codebook, so it has no 'anchors'", info.name())))
            }
            _ => Ok(()),
        }
    }

    fn take_parameters(&mut self, name: VectorName, theirs: &DeriveSettings) {
        match name {
            VectorName::Pooled => self.derive.pooled_factor = theirs.pooled_factor,
            VectorName::Fde => self.derive.fde = theirs.fde,
            VectorName::Patches | VectorName::Rows | VectorName::Cols | VectorName::Anchors | VectorName::Text => {}
        }
    }

    fn add_plans(&mut self, wanted: impl Fn(&[VectorName]) -> bool) {
        for plan in plans_for(&self.schema) {
            if wanted(&plan.vectors()) && !self.plans.iter().any(|known| known.name == plan.name) {
                self.plans.push(plan);
            }
        }
    }

    fn add_plans_called(&mut self, wanted: impl Fn(&str) -> bool) {
        for plan in plans_for(&self.schema) {
            if wanted(&plan.name) && !self.plans.iter().any(|known| known.name == plan.name) {
                self.plans.push(plan);
            }
        }
    }
}

fn not_in(pipeline: &Pipeline, name: VectorName) -> Error {
    Error::configuration(format!("pipeline '{}' keeps no vector '{name}': name it under vectors", pipeline.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    fn info() -> ModelInfo {
        ModelInfo {
            id: "model".into(),
            revision: "1".into(),
            family: "colpali".into(),
            dim: 128,
            license: "Apache-2.0".into(),
            default_plan: None,
            pooled_factor: None,
            seen_from: None,
            has_codebook: false,
            manifest_sha256: "00".into(),
            bytes: 0,
            folder: "/".into(),
        }
    }

    fn pipeline(vectors: &str) -> Pipeline {
        let text = format!("version: 1\nname: test\nvectors:\n{vectors}");
        let file = std::path::Path::new("pipeline.yaml");
        Pipeline::parse(&text, file, &Config::default(), &Environment::default()).unwrap()
    }

    fn definition(vectors: &str) -> Definition {
        Definition::new(&pipeline(vectors), &info()).unwrap()
    }

    #[test]
    fn it_is_what_a_pipeline_with_that_vector_would_make() {
        let with = definition("  patches:\n  text:\n").with_vector(VectorName::Fde, None, &info()).unwrap();
        let made = definition("  patches:\n  fde:\n  text:\n");
        assert!(with.shares_vectors_with(&made), "{with:?}\n{made:?}");
        assert!(with.plan(Some("muvera")).is_ok());
        let back = with.without_vector(VectorName::Fde, &info()).unwrap();
        assert!(back.shares_vectors_with(&definition("  patches:\n  text:\n")));
        assert!(back.plan(Some("muvera")).is_err());
    }

    #[test]
    fn a_pipelines_parameters_are_taken() {
        let asked = pipeline("  patches:\n  fde:\n    r_reps: 3\n    on_disk: true\n");
        let with = definition("  patches:\n").with_vector(VectorName::Fde, Some(&asked), &info()).unwrap();
        assert_eq!(with.derive.fde.r_reps, 3);
        assert!(with.schema.get(VectorName::Fde).unwrap().on_disk);
        let error = definition("  patches:\n").with_vector(VectorName::Rows, Some(&asked), &info()).unwrap_err();
        assert!(error.to_string().contains("'rows'"), "{error}");
    }

    #[test]
    fn what_patches_do_not_give_is_refused() {
        for (name, word) in
            [(VectorName::Text, "whole text"), (VectorName::Patches, "derived from"), (VectorName::Anchors, "codebook")]
        {
            let error = definition("  patches:\n").with_vector(name, None, &info()).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
        let error = definition("  pooled:\n").with_vector(VectorName::Fde, None, &info()).unwrap_err();
        assert!(error.to_string().contains("no patches"), "{error}");
        assert!(definition("  patches:\n").without_vector(VectorName::Patches, &info()).is_err());
    }

    #[test]
    fn a_default_plan_that_goes_has_a_successor() {
        let from = definition("  patches:\n  pooled:\n");
        assert_eq!(from.default_plan, "pooled");
        assert_eq!(from.without_vector(VectorName::Pooled, &info()).unwrap().default_plan, "exact");
    }

    #[test]
    fn no_question_is_asked_of_what_is_on_its_way() {
        let mut with = definition("  patches:\n").with_vector(VectorName::Fde, None, &info()).unwrap();
        with.transit = vec![with.schema.get(VectorName::Fde).unwrap().clone()];
        let error = with.plan(Some("muvera")).unwrap_err();
        assert!(error.to_string().contains("quire derive add fde"), "{error}");
        with.default_plan = "muvera".into();
        assert_eq!(with.plan(None).unwrap().name, "exact");
    }
}
