//! What a build of a collection is made with, kept in the ledger so that a question is embedded, derived and planned exactly
//! as its pages were.

use serde::{Deserialize, Serialize};

use crate::config::Pipeline;
use crate::derive::Recipe;
use crate::embed::ModelInfo;
use crate::error::{Error, Result};
use crate::ledger::Build;
use crate::types::{DeriveSettings, OwnLimits, Plan, RecipeId, RenderSettings, Schema, VectorName, VectorSpec};

/// The definition of a build, as JSON in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Name or path by which the model is found.
    pub model: String,
    /// `id@revision` of the model that made the vectors.
    pub model_name: String,
    pub recipe: RecipeId,
    pub render: RenderSettings,
    pub derive: DeriveSettings,
    pub schema: Schema,
    pub plans: Vec<Plan>,
    pub default_plan: String,
    /// Limits that its pipeline sets itself: they may change from run to run without changing a vector.
    #[serde(default, skip_serializing_if = "OwnLimits::is_empty")]
    pub limits: OwnLimits,
    /// Vectors on their way in or out: the store has them, pages may lack them, no question is asked of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transit: Vec<VectorSpec>,
    /// The store that the vectors were brought to: an address, or `IN_PROCESS`. None: they never moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
}

/// Where vectors lie that no server keeps.
pub const IN_PROCESS: &str = "in-process";

impl Definition {
    /// What a pipeline means with a model.
    pub fn new(pipeline: &Pipeline, info: &ModelInfo) -> Result<Self> {
        let schema = pipeline.schema(info.dim)?;
        let derive = pipeline.derive.clone();
        if derive.vectors.contains(&VectorName::Anchors) && !info.has_codebook {
            return Err(Error::configuration(format!(
                "pipeline '{}' asks for anchors, and model '{}' has no codebook: name the vectors to keep in a pipeline, \
                 without anchors, as pipelines/colpali.yaml does",
                pipeline.name,
                info.name()
            )));
        }
        let plans = pipeline.plans.clone();
        let default_plan = default_plan(pipeline, info.default_plan.as_deref())?;
        let recipe = recipe(info, &pipeline.render, &derive);
        Ok(Self {
            model: pipeline.model.clone(),
            model_name: info.name(),
            recipe,
            render: pipeline.render.clone(),
            derive,
            schema,
            plans,
            default_plan,
            limits: pipeline.own_limits.clone(),
            transit: Vec::new(),
            moved_to: None,
        })
    }

    /// With what is known of the build whose definition this replaces, and of which no pipeline speaks.
    pub(super) fn in_place_of(mut self, older: &Self) -> Self {
        self.transit.clone_from(&older.transit);
        self.moved_to.clone_from(&older.moved_to);
        self
    }

    /// What the store's collection has: the schema, and what is on its way.
    pub(super) fn kept_schema(&self) -> Schema {
        let mut vectors = self.schema.vectors.clone();
        let also = self.transit.iter().filter(|spec| self.schema.get(spec.name).is_none());
        vectors.extend(also.cloned());
        Schema { vectors }
    }

    fn in_transit(&self, plan: &Plan) -> Option<VectorName> {
        plan.vectors().into_iter().find(|vector| self.transit.iter().any(|spec| spec.name == *vector))
    }

    /// The same settings under the model as it is now: a newer revision gives another recipe, and so other vectors.
    pub fn with_model(mut self, info: &ModelInfo) -> Self {
        self.recipe = recipe(info, &self.render, &self.derive);
        self.model_name = info.name();
        self
    }

    /// # Errors
    /// Configuration: another version of Quire wrote it.
    pub fn of_build(build: &Build) -> Result<Self> {
        serde_json::from_str(&build.definition).map_err(|error| {
            Error::configuration(format!("the definition of '{}' can't be read by this version", build.physical))
                .with_source(error)
        })
    }

    /// As a build that is kept in this collection of the store.
    pub fn to_build(&self, physical: String) -> Result<Build> {
        let definition = serde_json::to_string(self)
            .map_err(|error| Error::bug("a definition is always JSON").with_source(error))?;
        Ok(Build { physical, recipe: self.recipe.clone(), definition, incarnations: Vec::new() })
    }

    /// # Errors
    /// Configuration: the model that `info` tells of is not the one that made the vectors of `collection`.
    pub fn check_model(&self, collection: &str, info: &ModelInfo) -> Result<()> {
        if info.name() == self.model_name {
            return Ok(());
        }
        Err(Error::configuration(format!(
            "collection '{collection}' was made with {}, and '{}' is now {}: ingest again to move to it",
            self.model_name,
            self.model,
            info.name()
        )))
    }

    /// Whether pages of the other definition may stand in one collection with pages of this one.
    pub fn shares_vectors_with(&self, other: &Self) -> bool {
        self.recipe == other.recipe && self.schema == other.schema
    }

    /// The plan of that name, or the default one.
    pub fn plan(&self, name: Option<&str>) -> Result<&Plan> {
        let wanted = name.unwrap_or(&self.default_plan);
        let found = self.plans.iter().find(|plan| plan.name == wanted).ok_or_else(|| {
            Error::configuration(format!(
                "there is no plan '{wanted}' in this collection; it has {}",
                self.plans.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>().join(", ")
            ))
        })?;
        let Some(vector) = self.in_transit(found) else { return Ok(found) };
        let other = self.plans.iter().find(|plan| name.is_none() && self.in_transit(plan).is_none());
        other.ok_or_else(|| {
            Error::configuration(format!(
                "plan '{wanted}' reads the vector '{vector}', which the pages of this collection do not have yet: `quire derive \
                 add {vector}` goes on with it"
            ))
        })
    }
}

pub(super) fn recipe(info: &ModelInfo, render: &RenderSettings, derive: &DeriveSettings) -> RecipeId {
    Recipe {
        model_id: info.id.clone(),
        model_revision: info.revision.clone(),
        manifest_sha256: info.manifest_sha256.clone(),
        dpi: render.dpi,
        max_page_pixels: render.max_page_pixels,
        derive: derive.clone(),
    }
    .id()
}

/// The pipeline's choice, else the model's where its vectors exist, else exact search.
fn default_plan(pipeline: &Pipeline, models_choice: Option<&str>) -> Result<String> {
    let has = |name: &str| pipeline.plans.iter().any(|plan| plan.name == name);
    if let Some(chosen) = &pipeline.default_plan {
        return Ok(chosen.clone());
    }
    let fallbacks = ["hybrid", "anchors", "pooled", "exact"];
    models_choice.into_iter().chain(fallbacks).find(|name| has(name)).map(str::to_owned).ok_or_else(|| {
        Error::configuration(format!("pipeline '{}' stores no vectors that any plan could search", pipeline.name))
    })
}
