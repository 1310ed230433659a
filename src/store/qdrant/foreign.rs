//! Collections of a server that Quire did not make, as far as it may touch them: it adds vectors to their points, and takes away what
//! it added. Points, payloads, other vectors and settings are somebody else's.
//!
//! What was added is written down in the collection's own metadata ([`NOTE_KEY`]), so that it goes where the collection goes, and only
//! what stands there is ever taken away.

use std::collections::{BTreeMap, HashMap};

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::vectors_config::Config as Vectors;
use qdrant_client::qdrant::vectors_output::VectorsOptions as OutputOptions;
use qdrant_client::qdrant::with_vectors_selector::SelectorOptions;
use qdrant_client::qdrant::{
    CollectionInfo, Distance, NamedVectors, PointId as ServerId, PointVectors, PrefetchQuery, QuantizationSearchParams,
    Query, QueryPoints, Sample, ScrollPoints, SearchParams as ServerParams, UpdateCollection, VectorInput,
    VectorParams, VectorParamsMap, Vectors as PointsVectors, VectorsOutput, VectorsSelector, WithVectorsSelector,
    vector_input, vector_output,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::connection::Connection;
use super::query::with_payload;
use super::{collection, in_place, json, points, read, schema, write};
use crate::config;
use crate::error::{Error, Result};
use crate::store::payload;
use crate::types::{DeriveSettings, Grid, Multivector, NamedVector, Schema, VectorName, VectorSpec};

/// Metadata of a collection: the vectors that Quire gave it, by name.
const NOTE_KEY: &str = "quire_derived";

/// A collection of somebody else's.
pub struct ForeignCollection {
    connection: Connection,
    name: String,
    timeout_s: u64,
}

/// The multivector that others are derived from.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignSource {
    /// Its name; empty where it has none.
    pub field: String,
    pub dim: usize,
    /// Compared by cosine: the server keeps rows of norm 1.
    pub is_cosine: bool,
    pub points: usize,
    /// Names of all vectors of the collection.
    pub vectors: Vec<String>,
}

/// What is written down of a vector that was added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeignNote {
    pub kind: VectorName,
    /// The multivector that it was made from.
    pub from: String,
    pub settings: DeriveSettings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
}

/// The id of a point, whatever its form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ForeignId(ServerId);

impl ForeignId {
    /// As the console writes it: a number, or a UUID in quotes.
    pub fn to_json(&self) -> Json {
        let text = read::text_of_id(&self.0);
        text.parse::<u64>().map_or_else(|_| Json::String(text), Json::from)
    }
}

/// Points with their multivector, and how to go on.
pub struct ForeignSlice {
    pub points: Vec<(ForeignId, Multivector)>,
    /// None where nothing is left.
    pub next: Option<ForeignId>,
}

/// A question of the collection.
pub struct ForeignQuestion<'a> {
    /// The multivector that is compared in the end.
    pub field: &'a str,
    pub tokens: &'a Multivector,
    /// Candidates: what they are compared by, the vector of it, how many. None: every point is scored.
    pub prefetch: Option<(&'a str, &'a NamedVector, usize)>,
    pub limit: usize,
}

impl ForeignCollection {
    /// Connects with the first call.
    ///
    /// # Errors
    /// Configuration, if the address or the key is none.
    pub fn new(settings: &config::Server, name: &str) -> Result<Self> {
        let timeout_s = settings.timeout.as_secs().max(1);
        Ok(Self { connection: Connection::new(settings)?, name: name.to_owned(), timeout_s })
    }

    async fn info(&self) -> Result<CollectionInfo> {
        let info = collection::find(&self.connection, &self.name).await?.ok_or_else(|| {
            Error::configuration(format!(
                "there is no collection '{}' on the Qdrant server at {}",
                self.name,
                self.connection.url()
            ))
        })?;
        if collection::is_ours(&self.name, &info)? {
            return Err(Error::configuration(format!(
                "collection '{}' was made by Quire: name it as `quire collections list` does, without --from",
                self.name
            )));
        }
        Ok(info)
    }

    /// The multivector called `field`; None: the only one there is.
    ///
    /// # Errors
    /// Configuration: there is none such, it is compared otherwise than by MaxSim of dot products or cosines, Quire made the
    /// collection, or the server is too old.
    pub async fn source(&self, field: Option<&str>) -> Result<ForeignSource> {
        let info = self.info().await?;
        let dense = dense_vectors(&info);
        let noted = notes(&info);
        let is_multi = |(name, params): &(&String, &VectorParams)| {
            params.multivector_config.is_some() && !noted.contains_key(*name)
        };
        let multis: Vec<_> = dense.iter().filter(is_multi).collect();
        let named = || multis.iter().map(|(name, _)| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let (name, params) = match (field, multis.as_slice()) {
            (Some(field), all) => *all.iter().find(|(name, _)| *name == field).ok_or_else(|| {
                Error::configuration(format!(
                    "collection '{}' has no multivector '{field}': its multivectors are {}",
                    self.name,
                    if all.is_empty() { "none".to_owned() } else { named() }
                ))
            })?,
            (None, [only]) => *only,
            (None, _) => {
                return Err(Error::configuration(format!(
                    "collection '{}' has the multivectors {}: say with --from which to derive from",
                    self.name,
                    named()
                )));
            }
        };
        let is_cosine = match Distance::try_from(params.distance) {
            Ok(Distance::Cosine) => true,
            Ok(Distance::Dot) => false,
            other => {
                return Err(Error::configuration(format!(
                    "'{name}' of collection '{}' is compared by {other:?}: MaxSim of dot products or cosines is expected",
                    self.name
                )));
            }
        };
        let sparse = info.config.as_ref().and_then(|config| config.params.as_ref());
        let sparse = sparse.and_then(|params| params.sparse_vectors_config.as_ref());
        let vectors = dense.keys().chain(sparse.iter().flat_map(|sparse| sparse.map.keys())).cloned().collect();
        let points = read::count(&self.connection, &self.name, None, None).await?;
        let dim = usize::try_from(params.size).map_err(|error| Error::bug("a size out of range").with_source(error))?;
        Ok(ForeignSource { field: name.clone(), dim, is_cosine, points, vectors })
    }

    /// What Quire gave the collection, by the names of the vectors.
    ///
    /// # Errors
    /// As [`Self::source`], of the collection as a whole.
    pub async fn notes(&self) -> Result<BTreeMap<String, ForeignNote>> {
        Ok(notes(&self.info().await?))
    }

    /// Writes down what is added, then gives the collection the vector, of the shape and kept as `spec` says.
    ///
    /// # Errors
    /// Configuration: it has a vector of that name, which is not Quire's or was made otherwise; the server is too old.
    pub async fn add(&self, vector: &str, spec: &VectorSpec, note: &ForeignNote) -> Result<()> {
        let info = self.info().await?;
        let mut noted = notes(&info);
        let exists = dense_vectors(&info).contains_key(vector);
        match noted.get(vector) {
            None if exists => {
                return Err(Error::configuration(format!(
                    "collection '{}' has a vector '{vector}' that Quire did not add: choose another name with --as",
                    self.name
                )));
            }
            Some(known) if known != note => {
                return Err(Error::configuration(format!(
                    "the vector '{vector}' of collection '{}' was made otherwise ({known:?}): drop it first, or choose another name \
                     with --as",
                    self.name
                )));
            }
            _ => {}
        }
        in_place::check_version(&self.connection).await?;
        noted.insert(vector.to_owned(), note.clone());
        self.put_notes(&noted).await?;
        let alone = Schema { vectors: vec![spec.clone()] };
        let params = match schema::vectors(&alone).config {
            Some(Vectors::ParamsMap(VectorParamsMap { map })) => map.into_values().next(),
            _ => None,
        };
        let params = params.ok_or_else(|| Error::bug(format!("'{}' is no dense vector", spec.name)))?;
        in_place::add_dense(&self.connection, &self.name, vector, params).await
    }

    /// Takes away a vector that [`Self::add`] brought, and the note of it.
    ///
    /// # Errors
    /// Configuration: Quire did not add it.
    pub async fn remove(&self, vector: &str) -> Result<()> {
        let mut noted = self.notes().await?;
        if noted.remove(vector).is_none() {
            return Err(Error::configuration(format!(
                "Quire added no vector '{vector}' to collection '{}' and takes none away that is somebody else's",
                self.name
            )));
        }
        in_place::remove(&self.connection, &self.name, vector).await?;
        self.put_notes(&noted).await
    }

    async fn put_notes(&self, noted: &BTreeMap<String, ForeignNote>) -> Result<()> {
        // Null takes the key away.
        let value = match noted.is_empty() {
            true => Json::Null,
            false => {
                serde_json::to_value(noted).map_err(|error| Error::bug("a note is always JSON").with_source(error))?
            }
        };
        let request = UpdateCollection {
            collection_name: self.name.clone(),
            metadata: HashMap::from([(NOTE_KEY.to_owned(), json::to_value(value))]),
            ..UpdateCollection::default()
        };
        let action = format!("write down what was added to collection '{}'", self.name);
        self.connection.call(&action, |client| client.update_collection(request)).await.map(drop)
    }

    /// Some of the points that have the multivector and lack the vector, by id ascending.
    ///
    /// # Errors
    /// As the server says.
    pub async fn lacking(
        &self,
        vector: &str,
        field: &str,
        from: Option<ForeignId>,
        limit: usize,
    ) -> Result<ForeignSlice> {
        let request = ScrollPoints {
            collection_name: self.name.clone(),
            filter: Some(in_place::lacking(vector, field)),
            offset: from.map(|id| id.0),
            limit: Some(u32::try_from(limit).unwrap_or(u32::MAX)),
            with_payload: Some(with_payload(false)),
            with_vectors: Some(only(field)),
            ..ScrollPoints::default()
        };
        let response = self.connection.call("list points", |client| client.scroll(request)).await?;
        let points = response.result.into_iter().map(|point| one(point.id, point.vectors, field));
        Ok(ForeignSlice { points: points.collect::<Result<_>>()?, next: response.next_page_offset.map(ForeignId) })
    }

    /// Points drawn at random, with their multivector.
    ///
    /// # Errors
    /// As the server says.
    pub async fn sample(&self, field: &str, count: usize) -> Result<Vec<(ForeignId, Multivector)>> {
        let request = QueryPoints {
            collection_name: self.name.clone(),
            query: Some(Query { variant: Some(Variant::Sample(Sample::Random.into())) }),
            limit: Some(count as u64),
            with_vectors: Some(only(field)),
            with_payload: Some(with_payload(false)),
            filter: Some(in_place::having(field)),
            ..QueryPoints::default()
        };
        let drawn = self.connection.call("draw points", |client| client.query(request)).await?.result;
        drawn.into_iter().map(|point| one(point.id, point.vectors, field)).collect()
    }

    /// Writes a vector of points, and nothing else of them.
    ///
    /// # Errors
    /// Permanent, where a vector does not fit `spec`.
    pub async fn put(&self, vector: &str, spec: &VectorSpec, made: Vec<(ForeignId, NamedVector)>) -> Result<()> {
        let mut points = Vec::with_capacity(made.len());
        for (id, values) in made {
            let values = payload::as_stored(spec, values)?;
            let named = HashMap::from([(vector.to_owned(), points::vector_to_server(values))]);
            let vectors =
                PointsVectors { vectors_options: Some(VectorsOptions::Vectors(NamedVectors { vectors: named })) };
            points.push(PointVectors { id: Some(id.0), vectors: Some(vectors) });
        }
        if points.is_empty() {
            return Ok(());
        }
        let whole = write::Target { connection: &self.connection, name: &self.name, shards: None };
        write::update_vectors(&whole, points).await
    }

    /// The ids of what is found, the best first. Without a prefetch exactly.
    ///
    /// # Errors
    /// As the server says.
    pub async fn ask(&self, question: &ForeignQuestion<'_>) -> Result<Vec<ForeignId>> {
        let nearest = |variant| Some(Query { variant: Some(Variant::Nearest(VectorInput { variant: Some(variant) })) });
        let tokens = |rows| vector_input::Variant::MultiDense(points::multi(rows));
        let prefetch = question.prefetch.map(|(using, vector, limit)| PrefetchQuery {
            query: nearest(match vector {
                NamedVector::Dense(values) => vector_input::Variant::Dense(values.clone().into()),
                NamedVector::Multi(rows) => tokens(rows),
                NamedVector::Sparse(values) => vector_input::Variant::Sparse(points::sparse(values.clone())),
            }),
            using: Some(using.to_owned()),
            limit: Some(limit as u64),
            ..PrefetchQuery::default()
        });
        // Few candidates are scored by their originals at once: quantized copies would cost pages and save nothing.
        let originals = QuantizationSearchParams { ignore: Some(true), ..QuantizationSearchParams::default() };
        let params = ServerParams {
            exact: prefetch.is_none().then_some(true),
            quantization: Some(originals),
            ..ServerParams::default()
        };
        let request = QueryPoints {
            collection_name: self.name.clone(),
            prefetch: prefetch.into_iter().collect(),
            query: nearest(tokens(question.tokens)),
            using: (!question.field.is_empty()).then(|| question.field.to_owned()),
            params: Some(params),
            limit: Some(question.limit as u64),
            with_payload: Some(with_payload(false)),
            timeout: Some(self.timeout_s),
            ..QueryPoints::default()
        };
        let found = self.connection.call("answer a query", |client| client.query(request)).await?.result;
        found.into_iter().map(|hit| id_of(hit.id)).collect()
    }

    /// Whether every vector that was added is in the index that it is searched by.
    ///
    /// # Errors
    /// As the server says.
    pub async fn is_idle(&self) -> Result<bool> {
        let info = self.info().await?;
        Ok(info.status() == qdrant_client::qdrant::CollectionStatus::Green)
    }
}

fn id_of(id: Option<ServerId>) -> Result<ForeignId> {
    id.map(ForeignId).ok_or_else(|| payload::foreign("the server sent a point without an id".into()))
}

fn only(field: &str) -> WithVectorsSelector {
    let options = SelectorOptions::Include(VectorsSelector { names: vec![field.to_owned()] });
    WithVectorsSelector { selector_options: Some(options) }
}

/// A point with its multivector.
fn one(id: Option<ServerId>, vectors: Option<VectorsOutput>, field: &str) -> Result<(ForeignId, Multivector)> {
    let id = id_of(id)?;
    let output = match vectors.and_then(|vectors| vectors.vectors_options) {
        Some(OutputOptions::Vector(vector)) => Some(vector),
        Some(OutputOptions::Vectors(mut named)) => named.vectors.remove(field),
        None => None,
    };
    let text = || read::text_of_id(&id.0);
    match output.map(|output| output.into_vector()) {
        Some(vector_output::Vector::MultiDense(rows)) => Ok((id.clone(), points::rows_of(&text(), rows)?)),
        _ => Err(payload::foreign(format!("point {} came without its multivector '{field}'", text()))),
    }
}

fn dense_vectors(info: &CollectionInfo) -> BTreeMap<String, VectorParams> {
    let params = info.config.as_ref().and_then(|config| config.params.as_ref());
    match params.and_then(|params| params.vectors_config.as_ref()).and_then(|vectors| vectors.config.as_ref()) {
        Some(Vectors::ParamsMap(VectorParamsMap { map })) => {
            map.iter().map(|(name, params)| (name.clone(), *params)).collect()
        }
        Some(Vectors::Params(params)) => BTreeMap::from([(String::new(), *params)]),
        None => BTreeMap::new(),
    }
}

/// A note that this version does not understand is as none: what it tells of is not touched.
fn notes(info: &CollectionInfo) -> BTreeMap<String, ForeignNote> {
    let written = info.config.as_ref().and_then(|config| config.metadata.get(NOTE_KEY)).cloned().map(json::from_value);
    let Some(Json::Object(written)) = written else { return BTreeMap::new() };
    let written: Map<String, Json> = written;
    written.into_iter().filter_map(|(name, note)| Some((name, serde_json::from_value(note).ok()?))).collect()
}
