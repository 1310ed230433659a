//! Collections and queries as Qdrant's web console takes them: requests to look at, change and try by hand. The same as the
//! backends send; a test of each part says how.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::payload::flat_tag;
use super::schema::{FULL_SCAN_THRESHOLD_KB, FieldIndex, PAYLOAD_INDEXES, field};
use super::tree::{self, Stage, Summand};
use super::{Condition, DateField, Filter, QueryVector, Scoring, StoreQuery};
use crate::config;
use crate::error::Result;
use crate::types::{
    Datatype, Fusion, MemoryTier, Quantization, Schema, SearchParams, VectorKind, VectorName, VectorSpec,
};

/// A request to a server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConsoleRequest {
    pub method: &'static str,
    /// `collections/documents`.
    pub path: String,
    pub body: Value,
}

/// As the console takes it: the method and path in a line of their own, the body below.
impl fmt::Display for ConsoleRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}\n{:#}", self.method, self.path, self.body)
    }
}

/// What makes a collection of this schema: the collection first, then each of its payload indexes.
pub fn collection_requests(name: &str, schema: &Schema, store: &config::Store) -> Vec<ConsoleRequest> {
    let path = format!("collections/{name}");
    let mut vectors = Map::new();
    let mut sparse = Map::new();
    for spec in &schema.vectors {
        let name = spec.name.as_str().to_owned();
        match spec.kind {
            VectorKind::SparseIdf => {
                let mut index = json!({ "datatype": datatype(spec.datatype) });
                place(&mut index, "on_disk", true, spec.memory.index);
                sparse.insert(name, json!({ "index": index, "modifier": "idf" }));
            }
            VectorKind::Dense { dim } | VectorKind::Multi { dim } => {
                vectors.insert(name, vector(spec, dim));
            }
        }
    }
    let mut body = json!({ "vectors": vectors, "sparse_vectors": sparse, "on_disk_payload": true });
    if let Some(kb) = store.indexing_threshold_kb {
        body["optimizers_config"] = json!({ "indexing_threshold": kb });
    }
    if let Some(server) = &store.server {
        let numbers = [
            ("shard_number", server.shards),
            ("replication_factor", server.replication_factor),
            ("write_consistency_factor", server.write_consistency_factor),
        ];
        for (key, number) in numbers {
            if let Some(number) = number {
                body[key] = number.into();
            }
        }
        if server.shard_by_tenant {
            body["sharding_method"] = "custom".into();
        }
        if let Some(tier) = server.payload_memory {
            body["payload"] = json!({ "memory": tier });
            body.as_object_mut().into_iter().for_each(|body| drop(body.remove("on_disk_payload")));
        }
    }
    let tier = store.server.as_ref().and_then(|server| server.payload_index_memory);
    let collection = ConsoleRequest { method: "PUT", path: path.clone(), body };
    let indexes = PAYLOAD_INDEXES.into_iter().map(|(field, index)| ConsoleRequest {
        method: "PUT",
        path: format!("{path}/index"),
        body: json!({ "field_name": field, "field_schema": field_schema(index, tier) }),
    });
    std::iter::once(collection).chain(indexes).collect()
}

fn vector(spec: &VectorSpec, dim: usize) -> Value {
    let (m, ef_construct) = spec.hnsw.map_or((0, 100), |hnsw| (hnsw.m, hnsw.ef_construct));
    let mut vector = json!({
        "size": dim,
        "distance": "Dot",
        "datatype": datatype(spec.datatype),
        "hnsw_config": {
            "m": m, "ef_construct": ef_construct, "full_scan_threshold": FULL_SCAN_THRESHOLD_KB, "payload_m": m
        },
    });
    place(&mut vector, "on_disk", spec.on_disk, spec.memory.vectors);
    place(&mut vector["hnsw_config"], "on_disk", true, spec.memory.index);
    if matches!(spec.kind, VectorKind::Multi { .. }) {
        vector["multivector_config"] = json!({ "comparator": "max_sim" });
    }
    if let Some(quantization) = spec.quantization {
        let mut config = self::quantization(quantization);
        for kind in config.as_object_mut().into_iter().flat_map(|kinds| kinds.values_mut()) {
            let in_memory = kind["always_ram"] == true;
            place(kind, "always_ram", in_memory, spec.memory.quantized);
        }
        vector["quantization_config"] = config;
    }
    vector
}

/// Where a part lies: its tier of memory, or the older word that every server understands.
fn place(part: &mut Value, word: &str, value: bool, tier: Option<MemoryTier>) {
    match tier {
        Some(tier) => {
            part["memory"] = json!(tier);
            if let Some(part) = part.as_object_mut() {
                part.remove(word);
            }
        }
        None => part[word] = value.into(),
    }
}

fn datatype(datatype: Datatype) -> Value {
    json!(datatype)
}

fn quantization(quantization: Quantization) -> Value {
    match quantization {
        Quantization::Scalar { quantile, in_memory } => {
            let mut scalar = json!({ "type": "int8", "always_ram": in_memory });
            if let Some(quantile) = quantile {
                scalar["quantile"] = quantile.into();
            }
            json!({ "scalar": scalar })
        }
        Quantization::Product { ratio, in_memory } => {
            json!({ "product": { "compression": ratio, "always_ram": in_memory } })
        }
        Quantization::Binary { encoding, query_encoding, in_memory } => {
            let mut binary = json!({ "always_ram": in_memory, "encoding": encoding });
            if let Some(query) = query_encoding {
                use crate::types::BinaryQueryEncoding as Query;
                binary["query_encoding"] = match query {
                    Query::Binary => "binary",
                    Query::Scalar4Bits => "scalar4bits",
                    Query::Scalar8Bits => "scalar8bits",
                }
                .into();
            }
            json!({ "binary": binary })
        }
        Quantization::Turbo { bits, in_memory } => {
            use crate::types::TurboBits as Bits;
            let bits = match bits {
                Bits::Bits1 => "bits1",
                Bits::Bits1_5 => "bits1_5",
                Bits::Bits2 => "bits2",
                Bits::Bits4 => "bits4",
                Bits::Bits8 => "bits8",
            };
            json!({ "turbo": { "always_ram": in_memory, "bits": bits } })
        }
    }
}

fn field_schema(index: FieldIndex, tier: Option<MemoryTier>) -> Value {
    let mut schema = match index {
        FieldIndex::Keyword => json!({ "type": "keyword" }),
        FieldIndex::Tenant => json!({ "type": "keyword", "is_tenant": true }),
        FieldIndex::Uuid => json!({ "type": "uuid" }),
        FieldIndex::Integer => json!({ "type": "integer", "lookup": true, "range": true }),
        FieldIndex::Datetime => json!({ "type": "datetime" }),
    };
    place(&mut schema, "on_disk", true, tier);
    schema
}

/// What asks `name`, a collection or an alias, this query.
///
/// # Errors
/// Configuration, if the query is no legal tree.
pub fn query_request(name: &str, query: StoreQuery) -> Result<ConsoleRequest> {
    let mut body = stage(tree::shape(query.root)?);
    let mut must = conditions(&query.filter);
    must.extend(body.get("filter").and_then(|own| own["must"].as_array().cloned()).unwrap_or_default());
    body.insert("filter".into(), json!({ "must": must }));
    body.insert("with_payload".into(), true.into());
    let path = format!("collections/{name}/points/query");
    Ok(ConsoleRequest { method: "POST", path, body: Value::Object(body) })
}

fn stage(stage: Stage) -> Map<String, Value> {
    let Stage { scoring, prefetch, conditions, params, score_threshold, limit } = stage;
    let mut body = Map::new();
    if !prefetch.is_empty() {
        body.insert("prefetch".into(), prefetch.into_iter().map(self::stage).map(Value::Object).collect());
    }
    match scoring {
        Scoring::Nearest { using, vector } => {
            let query = match vector {
                QueryVector::Dense(values) => json!(values),
                QueryVector::Multi(rows) => rows.rows().map(|row| json!(row)).collect(),
                QueryVector::Sparse(sparse) => json!({ "indices": sparse.indices, "values": sparse.values }),
            };
            body.insert("query".into(), query);
            body.insert("using".into(), using.as_str().into());
        }
        Scoring::Fusion(fusion) => {
            body.insert("query".into(), self::fusion(fusion));
        }
    }
    if !conditions.is_empty() {
        body.insert("filter".into(), json!({ "must": conditions.iter().map(condition).collect::<Vec<_>>() }));
    }
    if params != SearchParams::default() {
        body.insert("params".into(), self::params(params));
    }
    if let Some(threshold) = score_threshold {
        body.insert("score_threshold".into(), threshold.into());
    }
    body.insert("limit".into(), limit.into());
    body
}

fn fusion(fusion: Fusion) -> Value {
    match fusion {
        Fusion::Sum { weights, lacking } => {
            let summands = tree::summands(weights, lacking);
            let defaults: Map<_, _> = summands.iter().map(|summand| (summand.variable.clone(), json!(0.0))).collect();
            let part = |Summand { weight, variable, having }| {
                let has = having.map(|vector: VectorName| json!({ "has_vector": vector.as_str() }));
                let factors: Vec<Value> = [json!(weight), json!(variable)].into_iter().chain(has).collect();
                json!({ "mult": factors })
            };
            let parts: Vec<Value> = summands.into_iter().map(part).collect();
            json!({ "formula": { "sum": parts }, "defaults": defaults })
        }
        Fusion::Dbsf => json!({ "fusion": "dbsf" }),
        Fusion::Rrf { k: None, weights } if weights.is_empty() => json!({ "fusion": "rrf" }),
        Fusion::Rrf { k, weights } => {
            let mut rrf = Map::new();
            rrf.extend(k.map(|k| ("k".to_owned(), k.into())));
            if !weights.is_empty() {
                rrf.insert("weights".into(), json!(weights));
            }
            json!({ "rrf": rrf })
        }
    }
}

fn params(params: SearchParams) -> Value {
    let SearchParams { ignore_quantization, rescore, oversampling, hnsw_ef, exact } = params;
    let mut quantization = json!({ "ignore": ignore_quantization });
    if let Some(rescore) = rescore {
        quantization["rescore"] = rescore.into();
    }
    if let Some(oversampling) = oversampling {
        quantization["oversampling"] = oversampling.into();
    }
    let mut all = json!({ "exact": exact, "quantization": quantization });
    if let Some(ef) = hnsw_ef {
        all["hnsw_ef"] = ef.into();
    }
    all
}

fn conditions(filter: &Filter) -> Vec<Value> {
    std::iter::once(keyword(field::TENANT, &filter.tenant().0)).chain(filter.must.iter().map(condition)).collect()
}

fn condition(condition: &Condition) -> Value {
    match condition {
        Condition::Document(document) => keyword(field::DOCUMENT_ID, &document.to_string()),
        Condition::Generation(generation) => keyword(field::GENERATION, &generation.0),
        Condition::Source(source) => keyword(field::SOURCE, source),
        Condition::Title(title) => keyword(field::TITLE, title),
        Condition::Tag { key, value } => keyword(field::TAG_LIST, &flat_tag(key, value)),
        Condition::Pages { from, to } => range(field::PAGE, json!(from), json!(to)),
        Condition::Date { field, from, to } => {
            let key = match field {
                DateField::Created => field::CREATED,
                DateField::IngestedAt => field::INGESTED_AT,
            };
            range(key, json!(from), json!(to))
        }
        Condition::AllowedTo(groups) => {
            let any = json!({ "key": field::ALLOWED, "match": { "any": groups } });
            json!({ "should": [{ "is_empty": { "key": field::ALLOWED } }, any] })
        }
        Condition::Ids(ids) => json!({ "has_id": ids }),
        Condition::Any(any) if any.is_empty() => json!({ "has_id": [] }),
        Condition::Any(any) => json!({ "should": any.iter().map(self::condition).collect::<Vec<_>>() }),
    }
}

fn keyword(key: &str, value: &str) -> Value {
    json!({ "key": key, "match": { "value": value } })
}

fn range(key: &str, from: Value, to: Value) -> Value {
    let mut bounds = Map::new();
    bounds.extend(
        [("gte", from), ("lte", to)]
            .into_iter()
            .filter(|(_, bound)| !bound.is_null())
            .map(|(name, bound)| (name.to_owned(), bound)),
    );
    json!({ "key": key, "range": bounds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{by_anchors, by_fde, fused, over};
    use crate::store::fixtures::{self, Noise, by_patches, only, question};
    use crate::types::{BinaryEncoding, BinaryQueryEncoding, VectorName};

    #[test]
    fn a_collection_says_all_that_its_schema_does() {
        let mut schema = fixtures::schema();
        schema.vectors[0].quantization = Some(Quantization::Binary {
            encoding: BinaryEncoding::TwoBits,
            query_encoding: Some(BinaryQueryEncoding::Scalar8Bits),
            in_memory: true,
        });
        let server = config::Server { shards: Some(6), ..config::Server::at("http://localhost:6334") };
        let store = config::Store { server: Some(server), ..config::Store::default() };
        let requests = collection_requests("documents", &schema, &store);
        assert_eq!(requests.len(), 1 + PAYLOAD_INDEXES.len());
        let body = &requests[0].body;
        assert_eq!(body["shard_number"], 6);
        let patches = &body["vectors"]["patches"];
        assert_eq!(patches["multivector_config"]["comparator"], "max_sim");
        assert_eq!((&patches["hnsw_config"]["m"], &patches["datatype"]), (&json!(0), &json!("float16")));
        let binary = json!({ "always_ram": true, "encoding": "two_bits", "query_encoding": "scalar8bits" });
        assert_eq!(patches["quantization_config"]["binary"], binary);
        assert!(body["vectors"]["fde"].get("multivector_config").is_none());
        assert_eq!(body["sparse_vectors"]["text"]["modifier"], "idf");
        assert_eq!(requests[1].body["field_schema"]["is_tenant"], true);
        assert!(requests[1].to_string().starts_with("PUT collections/documents/index\n{"));
    }

    #[test]
    fn tiers_of_payloads_take_the_place_of_the_older_words() {
        let (memory, pinned) = (Some(MemoryTier::Cached), Some(MemoryTier::Pinned));
        let plain = config::Server::at("http://localhost:6334");
        let tiers = config::Server { payload_memory: memory, payload_index_memory: pinned, ..plain.clone() };
        let of = |server| {
            let store = config::Store { server: Some(server), ..config::Store::default() };
            collection_requests("documents", &fixtures::schema(), &store)
        };
        let requests = of(plain);
        assert!(requests[0].body["on_disk_payload"] == true && requests[0].body.get("payload").is_none());
        assert!(requests[1..].iter().all(|request| request.body["field_schema"]["on_disk"] == true));
        let requests = of(tiers);
        assert_eq!(requests[0].body["payload"], json!({ "memory": "cached" }));
        assert!(requests[0].body.get("on_disk_payload").is_none());
        for request in &requests[1..] {
            let schema = &request.body["field_schema"];
            assert!(schema["memory"] == "pinned" && schema.get("on_disk").is_none(), "{request}");
        }
    }

    #[test]
    fn a_query_says_all_that_the_tree_does() {
        let asked = Noise::new(1).sparse(3, 40);
        let rrf = Fusion::Rrf { k: Some(60), weights: vec![2.0, 1.0] };
        let tree = over(vec![fused(rrf, vec![by_anchors(&asked, 9), by_fde(1, 8)], 7)], by_patches(&question(1, 2), 5));
        let filter = only(Condition::Pages { from: Some(3), to: None });
        let request = query_request("documents", StoreQuery { filter, root: tree }).unwrap();
        assert_eq!(request.path, "collections/documents/points/query");
        let body = &request.body;
        assert_eq!((body["using"].as_str(), body["limit"].as_u64()), (Some("patches"), Some(5)));
        assert_eq!(body["query"].as_array().unwrap().len(), 2);
        assert_eq!(body["filter"]["must"][0], keyword("tenant", fixtures::TENANT));
        assert_eq!(body["filter"]["must"][1], json!({ "key": "page", "range": { "gte": 3 } }));
        let inner = &body["prefetch"][0];
        assert_eq!(inner["query"], json!({ "rrf": { "k": 60, "weights": [2.0, 1.0] } }));
        assert_eq!(inner["prefetch"][0]["query"]["indices"], json!(asked.indices));
        assert_eq!(inner["prefetch"][1]["using"], VectorName::Fde.as_str());
    }
}
