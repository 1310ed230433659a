//! Vectors for collections of a server that something else wrote, in the manner of the tutorials on visual document retrieval: against
//! the server that the variable [`ADDRESS`] names. Without it each test says that it was skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]
#![allow(clippy::disallowed_methods, reason = "tests take the server's address from the environment")]

use std::collections::{BTreeMap, HashMap, HashSet};

use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::vectors_config::Config as Vectors;
use qdrant_client::qdrant::{
    CollectionConfig, CreateCollection, DeleteCollection, DeletePointVectorsBuilder, Distance, HnswConfigDiff,
    ListValue, MultiVectorComparator, MultiVectorConfig, NamedVectors, PointId, PointStruct, PointsIdsList,
    PrefetchQueryBuilder, Query, QueryPointsBuilder, RetrievedPoint, ScrollPointsBuilder, Struct, UpsertPointsBuilder,
    Value, Vector, VectorInput, VectorParams, VectorParamsMap, VectorsConfig, VectorsSelector,
};
use qdrant_client::{Payload, Qdrant};
use quire::app::{ForeignReport, ForeignRequest, derive_add_foreign, derive_drop_foreign};
use quire::config::{Config, Server};
use quire::derive::muvera::Muvera;
use quire::types::{FdeSettings, Grid, Multivector, VectorName};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

const ADDRESS: &str = "QUIRE_TEST_QDRANT_URL";
const DIM: usize = 128;
const POINTS: u64 = 150;
/// Patches of a page; the model's own words follow them.
const GRID: Grid = Grid { rows: 6, cols: 5 };
const WORDS: usize = 6;
/// Pages of one subject look alike.
const SUBJECTS: u64 = 12;

/// A collection of somebody else's.
struct Theirs {
    client: Qdrant,
    config: Config,
    name: String,
}

impl Theirs {
    /// None, said aloud, if no server was named.
    async fn new(field: &str) -> Option<Self> {
        let Ok(url) = std::env::var(ADDRESS) else {
            eprintln!("skipped: {ADDRESS} names no Qdrant server, such as http://localhost:6334");
            return None;
        };
        let client = Qdrant::from_url(&url).timeout(std::time::Duration::from_secs(60)).build().unwrap();
        let mut config = Config::default();
        config.store.server = Some(Server::at(&url));
        let name = format!("Theirs-{}", uuid::Uuid::new_v4().simple());
        let theirs = Self { client, config, name };
        theirs.create(field).await;
        Some(theirs)
    }

    async fn create(&self, field: &str) {
        let multi = |hnsw| VectorParams {
            size: DIM as u64,
            distance: Distance::Cosine.into(),
            multivector_config: Some(MultiVectorConfig { comparator: MultiVectorComparator::MaxSim.into() }),
            hnsw_config: hnsw,
            ..VectorParams::default()
        };
        let no_graph = Some(HnswConfigDiff { m: Some(0), ..HnswConfigDiff::default() });
        let vectors = match field {
            "" => Vectors::Params(multi(no_graph)),
            field => Vectors::ParamsMap(VectorParamsMap {
                map: HashMap::from([
                    (field.to_owned(), multi(no_graph)),
                    ("mean_pooling_rows".to_owned(), multi(None)),
                ]),
            }),
        };
        let request = CreateCollection {
            collection_name: self.name.clone(),
            vectors_config: Some(VectorsConfig { config: Some(vectors) }),
            metadata: HashMap::from([("made_by".to_owned(), Value::from("a notebook"))]),
            ..CreateCollection::default()
        };
        self.client.create_collection(request).await.unwrap();
        self.put((0..POINTS).map(|number| point(field, number, rows(number))).collect()).await;
    }

    async fn put(&self, points: Vec<PointStruct>) {
        for batch in points.chunks(50) {
            let upsert = UpsertPointsBuilder::new(&self.name, batch.to_vec()).wait(true);
            self.client.upsert_points(upsert).await.unwrap();
        }
    }

    /// The ten best pages for a question beside the page that it was made of: by MaxSim over every point, or over the candidates that a
    /// prefetch brings.
    async fn ten_best(&self, question: &[Vec<f32>], own: u64, prefetch: Option<(Vec<f32>, u64)>) -> HashSet<String> {
        let nearest = Query::new_nearest(VectorInput::new_multi(question.to_vec()));
        let mut query = QueryPointsBuilder::new(&self.name).query(nearest).using("original").limit(11);
        if let Some((fde, limit)) = prefetch {
            let candidates = PrefetchQueryBuilder::default().query(Query::new_nearest(fde)).using("fde").limit(limit);
            query = query.add_prefetch(candidates);
        }
        let found = self.client.query(query).await.unwrap().result;
        let ids = found
            .into_iter()
            .map(|point| format!("{:?}", point.id))
            .filter(|id| *id != format!("{:?}", Some(self::id(own))));
        ids.take(10).collect()
    }

    /// Every point as it is, but for what is not theirs.
    async fn points(&self, theirs: &[&str]) -> BTreeMap<String, RetrievedPoint> {
        let names: Vec<String> = theirs.iter().map(|&name| name.to_owned()).collect();
        let request =
            ScrollPointsBuilder::new(&self.name).limit(1000).with_payload(true).with_vectors(VectorsSelector { names });
        let points = self.client.scroll(request).await.unwrap().result;
        points.into_iter().map(|point| (format!("{:?}", point.id), point)).collect()
    }

    async fn configuration(&self) -> CollectionConfig {
        self.client.collection_info(&self.name).await.unwrap().result.unwrap().config.unwrap()
    }

    fn request(&self, kind: VectorName, from: &str) -> ForeignRequest {
        ForeignRequest {
            collection: self.name.clone(),
            kind,
            from: Some(from.to_owned()),
            name: None,
            grid: None,
            pipeline: None,
        }
    }

    async fn add(&self, request: &ForeignRequest) -> ForeignReport {
        derive_add_foreign(&self.config, request, &CancellationToken::new()).await.unwrap()
    }

    async fn refused(&self, request: &ForeignRequest) -> String {
        let error = derive_add_foreign(&self.config, request, &CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.kind(), quire::error::Kind::Configuration, "{error}");
        error.to_string()
    }

    async fn drop(self) {
        let request = DeleteCollection { collection_name: self.name, ..DeleteCollection::default() };
        self.client.delete_collection(request).await.unwrap();
    }
}

/// Numbers and UUIDs, as people mix them.
fn id(number: u64) -> PointId {
    match number % 2 {
        0 => number.into(),
        _ => uuid::Uuid::from_u128(u128::from(number) << 64 | 7).to_string().into(),
    }
}

/// A direction, always the same for a seed.
fn unit(seed: &str) -> Vec<f32> {
    let mut bytes = vec![0u8; DIM];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes.into_iter().map(|byte| f32::from(byte) - 127.5).collect()
}

/// The sum of directions, each with its weight.
fn mixed(parts: &[(f32, &str)]) -> Vec<f32> {
    let mut sum = vec![0.0; DIM];
    for (weight, seed) in parts {
        sum.iter_mut().zip(unit(seed)).for_each(|(sum, value)| *sum += weight * value);
    }
    sum
}

/// Rows of a page as a page model makes them: all have something in common, and something of their page; a third is empty paper or the
/// frame that pages share; the rest are words of the page's two subjects, of which each has forty.
fn page_rows(number: u64) -> Vec<Vec<f32>> {
    let word = |at: u64| {
        let drawn =
            u64::from_le_bytes(blake3::hash(format!("{number} {at}").as_bytes()).as_bytes()[..8].try_into().unwrap());
        match at % 3 {
            0 => format!("frame {}", drawn % 8),
            _ => format!("subject {} word {}", (number * 7 + at % 2 * 3) % 40, drawn % 40),
        }
    };
    let row = |at| {
        let (page, own) = (format!("page {number}"), format!("page {number} row {at}"));
        mixed(&[(0.4, "everything"), (0.3, &page), (1.0, &word(at)), (0.5, &own)])
    };
    (0..96).map(row).collect()
}

/// Rows of a page: its subject's, and something of its own.
fn rows(number: u64) -> Vec<Vec<f32>> {
    let count = (GRID.rows * GRID.cols) as usize + WORDS;
    let row = |at: usize| {
        let (subject, own) =
            (unit(&format!("subject {} {}", number % SUBJECTS, at % 9)), unit(&format!("{number} {at}")));
        subject.iter().zip(own).map(|(a, b)| a + 0.7 * b).collect()
    };
    (0..count).map(row).collect()
}

/// An object's fields, as the protocol writes them.
fn fields(json: Json) -> HashMap<String, Value> {
    let Json::Object(map) = json else { panic!("{json} is no object") };
    map.into_iter().map(|(key, json)| (key, value(json))).collect()
}

fn value(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Kind::IntegerValue(number),
            None => Kind::DoubleValue(number.as_f64().unwrap()),
        },
        Json::String(text) => Kind::StringValue(text),
        Json::Array(items) => Kind::ListValue(ListValue { values: items.into_iter().map(value).collect() }),
        Json::Object(_) => Kind::StructValue(Struct { fields: fields(json) }),
    };
    Value { kind: Some(kind) }
}

fn point(field: &str, number: u64, rows: Vec<Vec<f32>>) -> PointStruct {
    let payload = json!({
        "filename": format!("report-{number}.pdf"), "page": number, "ratio": 0.1 + number as f64, "whole": 3.0,
        "nested": { "empty": {}, "list": [1, "two", null, [true]], "text": "\u{1f600} \u{0} ž" }, "none": null,
        "big": i64::MAX,
    });
    let payload = Payload::from(fields(payload));
    if field.is_empty() {
        return PointStruct::new(id(number), Vector::new_multi(rows), payload);
    }
    let pooled = rows[..6].to_vec();
    let vectors = NamedVectors::default()
        .add_vector(field, Vector::new_multi(rows))
        .add_vector("mean_pooling_rows", Vector::new_multi(pooled));
    PointStruct::new(id(number), vectors, payload)
}

/// The rows of a multivector as the server sends them.
fn multi(point: &RetrievedPoint, field: &str) -> Multivector {
    use qdrant_client::qdrant::vector_output::Vector as Sent;
    let sent = point.vectors.clone().unwrap().get_vector_by_name(field).unwrap();
    match sent {
        Sent::MultiDense(rows) => {
            Multivector::new(DIM, rows.vectors.into_iter().flat_map(|row| row.data).collect()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn dense(point: &RetrievedPoint, field: &str) -> Vec<f32> {
    use qdrant_client::qdrant::vector_output::Vector as Sent;
    match point.vectors.clone().unwrap().get_vector_by_name(field).unwrap() {
        Sent::Dense(values) => values.data,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn muvera_comes_in_place_and_goes_without_a_trace() {
    const THEIRS: [&str; 2] = ["original", "mean_pooling_rows"];
    let Some(theirs) = Theirs::new("original").await else { return };
    let (before, made) = (theirs.points(&THEIRS).await, theirs.configuration().await);
    assert_eq!(before.len() as u64, POINTS);

    let report = theirs.add(&theirs.request(VectorName::Fde, "original")).await;
    assert_eq!((report.filled, report.points, report.passed_over), (POINTS, POINTS, 0));
    assert_eq!(theirs.points(&THEIRS).await, before, "payloads, ids and their vectors are as they were");
    let agreement = report.agreement.expect("it was measured");
    assert_eq!(agreement.questions, 32);
    let best = agreement.tried.last().unwrap();
    assert_eq!(best.prefetch_limit, agreement.prefetch_limit);
    assert!(best.recall_at_10 >= 0.95, "{agreement:?}");
    assert_eq!(report.query.body["prefetch"]["using"], "fde");
    assert_eq!(report.query.body["using"], "original");
    assert!(report.question_vector.contains("Muvera(dim=128, k_sim=5, dim_proj=16, r_reps=20, random_seed=42)"));

    let muvera = Muvera::new(DIM, &FdeSettings::default()).unwrap();
    for point in theirs.points(&["original", "fde"]).await.values() {
        let expected = muvera.document(&multi(point, "original")).unwrap();
        assert_eq!(dense(point, "fde"), expected);
    }
    // Somebody took it from a few points, or the first call was killed: the rest is done, and nothing else.
    let some: Vec<PointId> = (0..20).map(id).collect();
    let lose = DeletePointVectorsBuilder::new(&theirs.name)
        .points_selector(PointsIdsList { ids: some })
        .vectors(VectorsSelector { names: vec!["fde".into()] })
        .wait(true);
    theirs.client.delete_vectors(lose).await.unwrap();
    let again = theirs.add(&theirs.request(VectorName::Fde, "original")).await;
    assert_eq!(again.filled, 20);

    derive_drop_foreign(&theirs.config, &theirs.name, "fde").await.unwrap();
    assert_eq!(theirs.points(&THEIRS).await, before);
    assert_eq!(theirs.configuration().await, made, "nothing is left of it");
    theirs.drop().await;
}

/// The number of candidates is chosen by 32 questions, and has to do for others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_query_that_is_printed_finds_what_full_max_sim_finds() {
    const PAGES: std::ops::Range<u64> = 1000..1240;
    let Some(theirs) = Theirs::new("original").await else { return };
    theirs.put(PAGES.map(|number| point("original", number, page_rows(number))).collect()).await;
    let report = theirs.add(&theirs.request(VectorName::Fde, "original")).await;
    let agreement = report.agreement.unwrap();
    assert!(agreement.is_enough, "{agreement:?}");
    for pair in agreement.tried.windows(2) {
        assert!(pair[0].recall_at_10 < 0.95 && pair[0].prefetch_limit < pair[1].prefetch_limit, "{agreement:?}");
    }
    let limit = report.query.body["prefetch"]["limit"].as_u64().unwrap();
    assert_eq!(limit, agreement.prefetch_limit as u64);
    let muvera = Muvera::new(DIM, &FdeSettings::default()).unwrap();
    let (mut found, mut asked) = (0, 0);
    for number in PAGES.step_by(12) {
        // Sixteen rows in a run, as the words of a passage are.
        let norm = |row: &Vec<f32>| row.iter().map(|value| value * value).sum::<f32>().sqrt();
        let question: Vec<Vec<f32>> = page_rows(number)[40..56].to_vec();
        let tokens = question.iter().flat_map(|row| row.iter().map(move |value| value / norm(row))).collect();
        let fde = muvera.query(&Multivector::new(DIM, tokens).unwrap()).unwrap();
        let full = theirs.ten_best(&question, number, None).await;
        found += full.intersection(&theirs.ten_best(&question, number, Some((fde, limit))).await).count();
        asked += 10;
    }
    assert!(found * 10 >= asked * 9, "{found} of {asked} with {limit} candidates: {agreement:?}");
    theirs.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_added_is_taken_away() {
    let Some(theirs) = Theirs::new("original").await else { return };
    let made = theirs.configuration().await;
    let error = derive_drop_foreign(&theirs.config, &theirs.name, "mean_pooling_rows").await.unwrap_err();
    assert!(error.to_string().contains("takes none away that is somebody else's"), "{error}");
    let taken = ForeignRequest {
        name: Some("mean_pooling_rows".into()),
        grid: Some(GRID),
        ..theirs.request(VectorName::Rows, "original")
    };
    let said = theirs.refused(&taken).await;
    assert!(said.contains("did not add") && said.contains("--as"), "{said}");
    let said = theirs.refused(&theirs.request(VectorName::Fde, "patches")).await;
    assert!(said.contains("'original'"), "{said}");
    let large =
        ForeignRequest { grid: Some(Grid { rows: 32, cols: 32 }), ..theirs.request(VectorName::Cols, "original") };
    let said = theirs.refused(&large).await;
    assert!(said.contains("36 rows at most") && said.contains("1024"), "{said}");
    assert_eq!(theirs.configuration().await, made, "what was refused left nothing");
    theirs.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pooled_vectors_come_and_one_of_them_goes() {
    let Some(theirs) = Theirs::new("original").await else { return };
    let rows = ForeignRequest { grid: Some(GRID), ..theirs.request(VectorName::Rows, "original") };
    let report = theirs.add(&rows).await;
    assert_eq!(report.filled, POINTS);
    theirs.add(&theirs.request(VectorName::Pooled, "original")).await;
    let points = theirs.points(&["rows", "pooled"]).await;
    for point in points.values() {
        assert_eq!(multi(point, "rows").len(), GRID.rows as usize);
        assert_eq!(multi(point, "pooled").len(), ((GRID.rows * GRID.cols) as usize + WORDS) / 3);
    }
    // Made with another grid it would be another vector.
    let other = ForeignRequest { grid: Some(Grid { rows: 5, cols: 6 }), ..rows.clone() };
    assert!(theirs.refused(&other).await.contains("was made otherwise"));
    derive_drop_foreign(&theirs.config, &theirs.name, "rows").await.unwrap();
    let left = theirs.points(&["pooled"]).await;
    assert!(left.values().all(|point| multi(point, "pooled").len() == 12));
    derive_drop_foreign(&theirs.config, &theirs.name, "pooled").await.unwrap();
    theirs.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_multivector_without_a_name_will_do() {
    let Some(theirs) = Theirs::new("").await else { return };
    let made = theirs.configuration().await;
    let request = ForeignRequest { from: None, ..theirs.request(VectorName::Fde, "") };
    let report = theirs.add(&request).await;
    assert_eq!((report.filled, report.from.as_str()), (POINTS, ""));
    assert!(report.query.body.get("using").is_none());
    derive_drop_foreign(&theirs.config, &theirs.name, "fde").await.unwrap();
    let after = theirs.configuration().await;
    assert_eq!(after.metadata, made.metadata);
    theirs.drop().await;
}
