//! Pipelines: which documents, how their pages are drawn, which vectors are kept, how pages are found. Written in YAML,
//! validated before anything is opened.

mod plans;
mod source;
mod vectors;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use self::vectors::Storage;
use self::wire::PipelineWire;
use super::check::{check, schema_of};
use super::env::Environment;
use super::interpolate::{Variables, interpolate};
use super::report::{Mistakes, hint};
use super::service::Config;
use super::tree::{self, Node};
use super::values::{check_name, resolve_model, unreadable};
use crate::error::{Error, Result};
use crate::types::{
    DeriveSettings, MAX_DENSE_DIM, OwnLimits, Plan, Priority, RenderLimits, RenderSettings, Schema, VectorName,
    VectorSpec,
};

/// A validated pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    pub name: String,
    pub collection: String,
    /// What `quire run` ingests; None where the command line says it.
    pub source: Option<Source>,
    /// Put on every document.
    pub tags: BTreeMap<String, String>,
    /// Which of the tenant's documents are taken first.
    pub priority: Priority,
    pub render: RenderSettings,
    /// What a document may cost: the other keys of `render`.
    pub limits: RenderLimits,
    /// Those among them that the pipeline sets itself.
    pub own_limits: OwnLimits,
    /// Page model: its folder's name, or a path.
    pub model: String,
    pub derive: DeriveSettings,
    storage: BTreeMap<VectorName, Storage>,
    /// Every plan that a search may name: those that Quire brings, and the pipeline's own.
    pub plans: Vec<Plan>,
    /// The plan of a search that names none; None leaves it to the model.
    pub default_plan: Option<String>,
}

/// Which documents a pipeline reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Files, folders, and addresses in buckets (`s3://BUCKET/PREFIX`); or, and nothing else then, addresses on the web.
    pub paths: Vec<PathBuf>,
    /// A file with more addresses on the web, one a line.
    pub url_list: Option<PathBuf>,
    /// It is documents on the web that are meant.
    pub is_web: bool,
    /// Glob patterns of what is taken; empty: everything that can be read.
    pub include: Vec<String>,
    /// Glob patterns of what is left out.
    pub exclude: Vec<String>,
    pub follow_symlinks: bool,
    /// Remove documents whose file is gone.
    pub prune: bool,
    /// The service keeps folders and buckets in step.
    pub watch: bool,
}

impl Pipeline {
    /// Folders, buckets and lists of addresses that the service keeps in step.
    pub fn watched(&self) -> impl Iterator<Item = &PathBuf> {
        let source = self.source.as_ref().filter(|source| source.watch);
        source.into_iter().flat_map(|source| source.paths.iter().chain(&source.url_list))
    }

    /// What `quire ingest` does where no pipeline is named: every default, with the collection, model and limits of the
    /// service configuration.
    pub fn of_config(config: &Config) -> Self {
        let derive = DeriveSettings::default();
        let storage = vectors::default_storage(&derive);
        Self {
            name: "default".into(),
            collection: config.collection.clone(),
            source: None,
            tags: BTreeMap::new(),
            priority: Priority::Normal,
            render: config.render.clone(),
            limits: config.limits.clone(),
            own_limits: OwnLimits::default(),
            model: config.model.clone(),
            plans: plans::shipped(&storage),
            derive,
            storage,
            default_plan: None,
        }
    }

    /// Reads a pipeline; what it leaves open about rendering and the model is as in `config`.
    ///
    /// # Errors
    /// Configuration, listing every mistake with file, line, path, what was found and what is allowed.
    pub fn load(path: &Path, config: &Config, environment: &Environment) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, error))?;
        Self::parse(&text, path, config, environment)
    }

    /// [`Self::load`] of a text that stands in the file `path`, which only gives names and the folder of relative
    /// paths.
    pub fn parse(text: &str, path: &Path, config: &Config, environment: &Environment) -> Result<Self> {
        let mut mistakes = Mistakes::new(path.display().to_string());
        let pipeline = Self::of_config(config);
        let Some(mut root) = tree::parse(text, path, &mut mistakes) else {
            return mistakes.into_result(pipeline);
        };
        interpolate(&mut root, Variables::Of(environment), "", &mut mistakes);
        let json = check(&root, &schema_of::<PipelineWire>(), &mut mistakes);
        match json.map(|json| serde_json::from_value::<PipelineWire>(sound(json, &mistakes))) {
            Some(Ok(wire)) => pipeline.with(wire, path.parent(), &root, environment, mistakes),
            Some(Err(error)) if mistakes.is_empty() => {
                Err(Error::bug("the schema of pipelines lets wrong values in").with_source(error))
            }
            _ => mistakes.into_result(pipeline),
        }
    }

    /// The wire form over the defaults, with every check that a schema can't express.
    fn with(
        mut self,
        wire: PipelineWire,
        folder: Option<&Path>,
        root: &Node,
        environment: &Environment,
        mut mistakes: Mistakes,
    ) -> Result<Self> {
        if root.has("name") && !mistakes.touch("name") {
            check_name(&wire.name, "name", root, &mut mistakes);
        }
        if let Some(collection) = &wire.collection {
            check_name(collection, "collection", root, &mut mistakes);
        }
        self.collection = wire.collection.unwrap_or_else(|| wire.name.clone());
        self.name = wire.name;
        self.source = wire.source.map(|source| source.into_source(folder, root, environment, &mut mistakes));
        self.tags = wire.tags.into_iter().map(|(key, value)| (key, value.0)).collect();
        if self.tags.contains_key("") {
            mistakes.add(root.locate("tags"), "tags", "a tag has no name: text is expected before the ':'");
        }
        self.priority = wire.priority.into();
        self.render = wire.render.settings_over(&self.render);
        self.limits = wire.render.limits_over(&self.limits);
        self.own_limits = wire.render.own_limits();
        if let Some(model) = &wire.model {
            self.model = resolve_model(model, folder, environment);
        }
        if let Some(written) = &wire.vectors {
            (self.derive, self.storage) = vectors::from_wire(written);
            if self.storage.is_empty() && !mistakes.touch("vectors") {
                let known = VectorName::ALL.map(VectorName::as_str).join(", ");
                mistakes.add(
                    root.locate("vectors"),
                    "vectors",
                    format!("no vector is kept: at least one of {known} is expected"),
                );
            }
        }
        self.check_fde(root, &mut mistakes);
        self.plans = plans::shipped(&self.storage);
        // where a vector's name is misspelt, nobody can say which vectors a plan may read
        let vectors_known = root.keys("vectors").all(|name| name.parse::<VectorName>().is_ok());
        let plans_known = vectors_known && !mistakes.touch("retrieve.plans");
        for (name, plan) in &wire.retrieve.plans {
            check_name(name, &format!("retrieve.plans.{name}"), root, &mut mistakes);
            let kept = vectors_known.then_some(&self.storage);
            let plan = plans::from_wire(name, plan, kept, root, &mut mistakes);
            self.plans.retain(|shipped| shipped.name != *name);
            self.plans.push(plan);
        }
        let path = "retrieve.default_plan";
        if plans_known && wire.retrieve.default_plan.as_ref().is_some_and(|name| self.plan(name).is_err()) {
            mistakes.add(root.locate(path), path, self.no_plan(root.written(path).unwrap_or_default()));
        }
        self.default_plan = wire.retrieve.default_plan;
        mistakes.into_result(self)
    }

    fn check_fde(&self, root: &Node, mistakes: &mut Mistakes) {
        let fde = &self.derive.fde;
        if self.storage.contains_key(&VectorName::Fde) && fde.len() > MAX_DENSE_DIM {
            let message = format!(
                "r_reps {} x 2^k_sim {} x dim_proj {} gives {} dimensions, at most {MAX_DENSE_DIM} are expected: lower \
                 one of them, or set final_dim",
                fde.r_reps,
                fde.k_sim,
                fde.dim_proj,
                fde.len()
            );
            mistakes.add(root.locate("vectors.fde"), "vectors.fde", message);
        }
    }

    /// How the store keeps these vectors, for a model whose vectors have `dim` dimensions.
    ///
    /// # Errors
    /// Configuration, where a vector does not fit the model or is larger than Qdrant takes.
    pub fn schema(&self, dim: usize) -> Result<Schema> {
        vectors::schema(&self.derive, &self.storage, dim)
    }

    /// The plan of that name.
    ///
    /// # Errors
    /// Configuration, with the plans there are.
    pub fn plan(&self, name: &str) -> Result<&Plan> {
        let found = self.plans.iter().find(|plan| plan.name == name);
        found.ok_or_else(|| Error::configuration(self.no_plan(name)))
    }

    fn no_plan(&self, name: &str) -> String {
        let known: Vec<&str> = self.plans.iter().map(|plan| plan.name.as_str()).collect();
        let hint = hint(name, known.iter().copied());
        let known = known.join(", ");
        format!("there is no plan '{name}' for the vectors of this pipeline, one of {known} is expected{hint}")
    }
}

/// How a vector is kept that no pipeline says anything of, for a model whose vectors have `dim` dimensions.
///
/// # Errors
/// Configuration, where it does not fit the model or is larger than Qdrant takes.
pub fn default_spec(name: VectorName, derive: &DeriveSettings, dim: usize) -> Result<VectorSpec> {
    let storage = BTreeMap::from([(name, Storage::default_of(name))]);
    let made = vectors::schema(derive, &storage, dim)?.vectors.into_iter().next();
    made.ok_or_else(|| Error::bug(format!("vector '{name}' has no schema")))
}

/// The plans that Quire brings for a collection of these vectors.
pub fn plans_for(schema: &Schema) -> Vec<Plan> {
    let storage = schema.vectors.iter().map(|spec| {
        let VectorSpec { name, datatype, on_disk, hnsw, quantization, memory, .. } = spec.clone();
        (name, Storage { datatype, on_disk, hnsw, quantization, memory })
    });
    plans::shipped(&storage.collect())
}

/// What is left of a pipeline with mistakes, made whole where more can be found in it: a plan or a source with a
/// mistake goes, and what must be there is put in. None of it leaves this file.
fn sound(mut json: Json, mistakes: &Mistakes) -> Json {
    let Some(pipeline) = json.as_object_mut().filter(|_| !mistakes.is_empty()) else {
        return json;
    };
    pipeline.entry("version").or_insert(json!(1));
    pipeline.entry("name").or_insert(json!("unnamed"));
    if mistakes.touch("source") {
        pipeline.remove("source");
    }
    if let Some(plans) = pipeline.get_mut("retrieve").and_then(|retrieve| retrieve.get_mut("plans"))
        && let Some(plans) = plans.as_object_mut()
    {
        plans.retain(|name, _| !mistakes.touch(&format!("retrieve.plans.{name}")));
    }
    json
}

impl Default for Pipeline {
    fn default() -> Self {
        Self::of_config(&Config::default())
    }
}

/// The JSON Schema of pipelines, for editors: wherever a number or a choice is expected, `${VAR}` may stand too.
pub fn json_schema() -> Json {
    let mut schema = schema_of::<PipelineWire>();
    admit_variables(&mut schema);
    schema
}

fn admit_variables(schema: &mut Json) {
    match schema {
        Json::Object(object) => {
            for (key, part) in object.iter_mut() {
                if key != "default" {
                    admit_variables(part);
                }
            }
            let number = object.get("type").is_some_and(|kind| {
                ["integer", "number", "boolean"]
                    .iter()
                    .any(|name| kind == name || kind.as_array().is_some_and(|kinds| kinds[0] == *name))
            });
            if number || object.contains_key("enum") {
                let about: Vec<(String, Json)> = ["description", "default"]
                    .into_iter()
                    .filter_map(|key| object.remove(key).map(|value| (key.to_owned(), value)))
                    .collect();
                let allowed = Json::Object(std::mem::take(object));
                object.extend(about);
                let variable = json!({ "type": "string", "pattern": "\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}" });
                object.insert("anyOf".into(), json!([allowed, variable]));
            }
        }
        Json::Array(items) => items.iter_mut().for_each(admit_variables),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
