//! Retrieval plans: those that Quire brings, offered where their vectors exist, and those that a pipeline writes.

use std::collections::BTreeMap;

use super::vectors::Storage;
use super::wire::{FusionWire, ParamsWire, PlanWire, StageWire};
use crate::config::report::Mistakes;
use crate::config::tree::Node;
use crate::types::{Fusion, MAX_PREFETCH_DEPTH, Plan, Rerank, SearchParams, Stage, VectorName};

/// Candidates of a prefetch stage of the plans that Quire brings.
const CANDIDATES: usize = 400;
/// Candidates of a stage over anchors: a word that is not in the codebook is known by its neighbours alone. Of 500
/// single words among 1,321 pages, MaxSim over all pages finds 464; over these candidates 461, over half as many 450.
const ANCHOR_CANDIDATES: usize = 800;

/// Originals that 'frugal' reads for each page that is asked for. Of 40 questions among 1,602 pages, the first page is that of
/// 'exact' for all, and 94 % of the first ten are; with 2 originals 82 %, and without any 65 % and the first page for 29.
const FRUGAL_OVERSAMPLING: f64 = 5.0;

/// Of MaxSim and of BM25 in 'hybrid', per word of the question. Chosen by adding up the rankings of the single plans for 90
/// questions among 971 pages of three collections (`benches/answers`): first page right for 62 %, among the first five for
/// 87 %; MaxSim alone 47 and 82 %, BM25 alone 53 and 83 %, reciprocal ranks at best 56 and 89 %. From 0.04 to 0.08 little
/// changes.
const HYBRID_WEIGHTS: [f32; 2] = [1.0, 0.05];

type Vectors = BTreeMap<VectorName, Storage>;

/// The plans that come with Quire and whose vectors are among `vectors`. Where patches are not kept, pooled vectors
/// rank; where neither is, the prefetch's own order stands.
pub(super) fn shipped(vectors: &Vectors) -> Vec<Plan> {
    use VectorName::{Anchors, Cols, Fde, Patches, Pooled, Rows, Text};
    let has = |name: VectorName| vectors.contains_key(&name);
    let stage = |using| Stage {
        using,
        limit: if using == Anchors { ANCHOR_CANDIDATES } else { CANDIDATES },
        params: SearchParams::default(),
        score_threshold: None,
        prefetch: Vec::new(),
    };
    let quantized = |name: VectorName| vectors.get(&name).is_some_and(|storage| storage.quantization.is_some());
    // Few enough candidates that scoring the originals at once is cheaper than quantized scores first and originals after.
    let original = |name| SearchParams { ignore_quantization: quantized(name), ..SearchParams::default() };
    let by = |using, params| Some(Rerank { using, params, candidates: None });
    let last = || [Patches, Pooled].into_iter().find(|&name| has(name)).and_then(|name| by(name, original(name)));
    let plan = |name: &str, prefetch: &[VectorName], rerank| Plan {
        name: name.into(),
        prefetch: prefetch.iter().map(|&using| stage(using)).collect(),
        fusion: None,
        rerank,
    };

    let mut plans = Vec::new();
    if has(Patches) {
        plans.push(plan("exact", &[], by(Patches, SearchParams { exact: true, ..SearchParams::default() })));
    }
    if has(Pooled) && has(Patches) {
        plans.push(plan("pooled", &[Pooled], last()));
    } else if has(Pooled) {
        plans.push(plan("pooled", &[], last()));
    }
    if has(Rows) && has(Cols) && has(Patches) {
        plans.push(plan("rows_cols", &[Rows, Cols], last()));
    }
    if has(Anchors) {
        plans.push(plan("anchors", &[Anchors], last()));
    }
    let best = [Anchors, Pooled, Fde, Rows].into_iter().find(|&name| has(name));
    if let (Some(best), true) = (best, has(Text)) {
        plans.push(match last() {
            Some(ranking) => hybrid(stage(best), stage(Text), &ranking),
            None => Plan {
                fusion: Some(Fusion::Rrf { k: None, weights: Vec::new() }),
                ..plan("hybrid", &[best, Text], None)
            },
        });
    }
    if has(Text) {
        plans.push(plan("text", &[Text], None));
    }
    if has(Fde) {
        plans.push(plan("muvera", &[Fde], last()));
    }
    if quantized(Patches) {
        // Quantized scores of all candidates, then the originals of few: little is read from disk. Without an index to find
        // candidates, the quantized patches of every page are scored, which is still cheaper than 'exact'.
        let rescored =
            SearchParams { rescore: Some(true), oversampling: Some(FRUGAL_OVERSAMPLING), ..SearchParams::default() };
        let indexed = [Anchors, Fde].into_iter().find(|&name| has(name));
        plans.push(plan("frugal", indexed.as_slice(), by(Patches, rescored)));
    }
    plans
}

/// What the page looks like and what its text says, added up at the root: every candidate of either has a score of both. A
/// page without text keeps the score of its looks.
fn hybrid(looks: Stage, text: Stage, ranking: &Rerank) -> Plan {
    let both = Stage {
        using: ranking.using,
        limit: looks.limit + text.limit,
        params: ranking.params,
        score_threshold: None,
        prefetch: vec![looks, text.clone()],
    };
    Plan {
        name: "hybrid".into(),
        prefetch: vec![both, text],
        fusion: Some(Fusion::Sum { weights: HYBRID_WEIGHTS.into(), lacking: None }),
        rerank: None,
    }
}

/// The validated form of a plan that a pipeline writes. `kept` are the pipeline's vectors; None where they are not
/// known.
pub(super) fn from_wire(
    name: &str,
    wire: &PlanWire,
    kept: Option<&Vectors>,
    root: &Node,
    mistakes: &mut Mistakes,
) -> Plan {
    let path = format!("retrieve.plans.{name}");
    let mut add = |at: &str, message: String| mistakes.add(root.locate(at), at, message);
    let mut check_using = |using: VectorName, at: &str| {
        if let Some(kept) = kept.filter(|kept| !kept.contains_key(&using)) {
            let kept = kept.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let message =
                format!("this pipeline keeps no vector '{using}': one of {kept} is expected, or add it under vectors");
            add(&format!("{at}.using"), message);
        }
    };
    let mut depth = 0;
    let prefetch = stages(&wire.prefetch, &path, 1, &mut depth, &mut check_using);
    let rerank = wire.rerank.as_ref().map(|rerank| {
        check_using(rerank.using, &format!("{path}.rerank"));
        Rerank { using: rerank.using, params: params(&rerank.params), candidates: rerank.candidates }
    });
    if depth > MAX_PREFETCH_DEPTH {
        add(&format!("{path}.prefetch"), format!("stages nest {depth} deep: Qdrant takes {MAX_PREFETCH_DEPTH}"));
    }
    if wire.prefetch.is_empty() && rerank.is_none() {
        add(&path, "nothing is searched: a 'prefetch' or a 'rerank' is expected".into());
    }
    if wire.prefetch.len() > 1 && rerank.is_none() && wire.fusion.is_none() {
        add(
            &path,
            format!("nothing orders the {} prefetch stages: a 'fusion' or a 'rerank' is expected", wire.prefetch.len()),
        );
    }
    if wire.fusion.is_some() && wire.prefetch.is_empty() {
        add(&format!("{path}.fusion"), "there is nothing to merge: 'prefetch' stages are expected".into());
    }
    if wire.fusion.is_none() && rerank.as_ref().is_some_and(|rerank| rerank.candidates.is_some()) {
        let at = format!("{path}.rerank.candidates");
        add(&at, "counts fused candidates, and there is no 'fusion': set the 'limit' of the prefetch stages".into());
    }
    let fusion = wire.fusion.as_ref().map(|fusion| match fusion {
        FusionWire::Rrf { k, weights } => {
            if !weights.is_empty() {
                check_weights(weights, wire.prefetch.len(), &path, &mut add);
            }
            Fusion::Rrf { k: *k, weights: weights.clone() }
        }
        FusionWire::Dbsf {} => Fusion::Dbsf,
        FusionWire::Sum { weights } => {
            check_weights(weights, wire.prefetch.len(), &path, &mut add);
            Fusion::Sum { weights: weights.clone(), lacking: None }
        }
    });
    Plan { name: name.into(), prefetch, fusion, rerank }
}

fn check_weights(weights: &[f32], expected: usize, path: &str, add: &mut impl FnMut(&str, String)) {
    let at = format!("{path}.fusion.weights");
    if weights.len() != expected {
        let found = weights.len();
        add(&at, format!("found {found} weights, {expected} are expected: one a prefetch stage"));
    }
    if weights.iter().any(|weight| *weight <= 0.0) {
        add(&at, "weights above 0 are expected".into());
    }
}

/// Stages below `path`, and the greatest depth they reach.
fn stages(
    wire: &[StageWire],
    path: &str,
    level: usize,
    depth: &mut usize,
    check_using: &mut impl FnMut(VectorName, &str),
) -> Vec<Stage> {
    if !wire.is_empty() {
        *depth = level.max(*depth);
    }
    let mut stages_of = |(index, stage): (usize, &StageWire)| {
        let at = format!("{path}.prefetch[{index}]");
        check_using(stage.using, &at);
        Stage {
            using: stage.using,
            limit: stage.limit,
            params: params(&stage.params),
            score_threshold: stage.score_threshold,
            prefetch: stages(&stage.prefetch, &at, level + 1, depth, check_using),
        }
    };
    wire.iter().enumerate().map(&mut stages_of).collect()
}

fn params(wire: &ParamsWire) -> SearchParams {
    SearchParams {
        ignore_quantization: wire.ignore_quantization,
        rescore: wire.rescore,
        oversampling: wire.oversampling,
        hnsw_ef: wire.hnsw_ef,
        exact: wire.exact,
    }
}
