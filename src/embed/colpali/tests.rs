//! Against FastEmbed's own ColPali class: tests/fixtures/colpali, written by the make.py beside it.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use npyz::npz::NpzArchive;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;
use crate::embed::tests::{alone, init_runtime, together};
use crate::embed::{Embedder, check, read_picture};
use crate::error::Kind;
use crate::types::{Device, Grid, Multivector, TokenLayout};

#[derive(Deserialize)]
struct Expected {
    images: Vec<ImageCase>,
    queries: Vec<QueryCase>,
    bos_post_processor: Value,
    ids_with_bos: Vec<Vec<i64>>,
    golden_images: Vec<String>,
    golden_rows: Vec<usize>,
}

#[derive(Deserialize)]
struct ImageCase {
    image: String,
    mode: String,
    size: [u32; 2],
    sha256: String,
    /// Channel, row, column, value.
    samples: Vec<(usize, usize, usize, f32)>,
}

#[derive(Deserialize)]
struct QueryCase {
    query: String,
    ids: Vec<i64>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/colpali")
}

fn expected() -> Expected {
    serde_json::from_slice(&std::fs::read(fixtures().join("expected.json")).unwrap()).unwrap()
}

fn golden() -> NpzArchive<BufReader<File>> {
    NpzArchive::open(fixtures().join("expected.npz")).unwrap()
}

/// An array of the golden file, `[rows, 128]`.
fn rows(archive: &mut NpzArchive<BufReader<File>>, name: &str) -> Multivector {
    let array = archive.by_name(name).unwrap().unwrap_or_else(|| panic!("no array '{name}'"));
    assert_eq!(array.shape()[1], 128);
    let values: Vec<half::f16> = array.into_vec().unwrap();
    Multivector::new(128, values.into_iter().map(half::f16::to_f32).collect()).unwrap()
}

fn options(device: Device) -> EmbedOptions {
    EmbedOptions { threads: 1, batch_pages: Some(2), device, ..EmbedOptions::default() }
}

fn family(folder: &Path) -> ColPali {
    ColPali::read(&Manifest::read(folder).unwrap().json).unwrap()
}

fn open(folder: &Path) -> Result<Opened<ColPali>> {
    init_runtime();
    family(folder).open(&Manifest::read(folder)?, &options(Device::Cpu))
}

/// A copy of the float16 model whose manifest `change` has changed.
fn changed(change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixtures().join("model")).unwrap().flatten() {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let path = copy.path().join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    std::fs::write(path, manifest.to_string()).unwrap();
    copy
}

fn same(made: &Multivector, expected: &Multivector, what: &str) {
    assert_eq!(made.len(), expected.len(), "{what}");
    for (at, (a, b)) in made.rows().zip(expected.rows()).enumerate() {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        assert!(cosine > 0.9999, "{what} row {at}: cosine {cosine}");
    }
}

#[test]
fn pixel_values_of_every_kind_of_png_equal_fastembeds_bit_for_bit() {
    let model = family(&fixtures().join("model"));
    let cases = expected().images;
    assert!(cases.len() >= 15);
    for case in cases {
        let image = read_picture(&fixtures().join("images").join(&case.image)).unwrap();
        assert_eq!([image.width, image.height], case.size, "{}", case.image);
        let PixelValues(values) = model.prepare(&image).unwrap();
        assert_eq!(values.len(), 3 * 448 * 448);
        for (channel, y, x, value) in case.samples {
            let found = values[(channel * 448 + y) * 448 + x];
            assert_eq!(found, value, "{} ({}) channel {channel} at {x}, {y}", case.image, case.mode);
        }
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(hex::encode(Sha256::digest(bytes)), case.sha256, "{} ({})", case.image, case.mode);
    }
}

#[test]
fn ids_equal_fastembeds_and_labels_are_of_these_ids() {
    let opened = open(&fixtures().join("model")).unwrap();
    for case in expected().queries {
        let prompt = ColPali::question(&opened.reader, &case.query).unwrap();
        assert_eq!(prompt.ids, case.ids, "{:?}", case.query);
        assert_eq!((prompt.labels.len(), prompt.from_text.len()), (case.ids.len(), case.ids.len()));
        assert_eq!((prompt.labels[0].as_str(), prompt.labels[1].as_str()), ("<bos>", "Query"));
    }
    let prompt = ColPali::question(&opened.reader, "hello <pad>").unwrap();
    let own: Vec<&str> =
        prompt.labels.iter().zip(&prompt.from_text).filter(|(_, own)| **own).map(|(label, _)| label.as_str()).collect();
    // What the user wrote counts as text, even if it is spelled like an augmentation token.
    assert_eq!(own.concat(), "▁hello▁<pad>");
    assert_eq!(prompt.labels.iter().filter(|label| *label == "<pad>").count(), 11);
    assert_eq!(prompt.labels.last().unwrap(), "\n");
}

#[test]
fn what_the_tokenizer_adds_itself_stays_as_fastembed_leaves_it() {
    let Expected { queries, bos_post_processor, ids_with_bos, .. } = expected();
    let manifest = Manifest::read(&fixtures().join("model")).unwrap();
    let ColPali(spec) = ColPali::read(&manifest.json).unwrap();
    let mut tokenizer: Value = serde_json::from_slice(&manifest.bytes_of("tokenizer.json").unwrap()).unwrap();
    tokenizer["post_processor"] = bos_post_processor;
    let map = manifest.bytes_of("special_tokens_map.json").unwrap();
    let prompter = Prompter::new(tokenizer.to_string().as_bytes(), Some(&map), &spec.question).unwrap();
    for (case, ids) in queries.iter().zip(ids_with_bos) {
        assert_eq!(prompter.prompt(&case.query).unwrap().ids, ids, "{:?}", case.query);
        assert_ne!(case.ids, ids);
    }
}

#[test]
fn pages_equal_fastembeds_alone_and_in_a_batch() {
    let Expected { golden_images, golden_rows, .. } = expected();
    let mut golden = golden();
    for folder in ["model", "two-graphs"] {
        let folder = fixtures().join(folder);
        let (model, opened) = (family(&folder), open(&folder).unwrap());
        let prepare = |name: &String| model.prepare(&read_picture(&fixtures().join("images").join(name)).unwrap());
        let inputs: Vec<Arc<PixelValues>> = golden_images.iter().map(|name| Arc::new(prepare(name).unwrap())).collect();
        let pages = &opened.pages[0];
        let in_a_batch = together(pages, &inputs).unwrap();
        for ((name, input), in_a_batch) in golden_images.iter().zip(&inputs).zip(in_a_batch) {
            let expected = rows(&mut golden, &format!("page {name}"));
            let by_itself = together(pages, std::slice::from_ref(input)).unwrap().remove(0);
            for page in [by_itself, in_a_batch] {
                assert_eq!(page.patches.len(), 1030);
                assert_eq!(page.layout, TokenLayout::full(Grid { rows: 32, cols: 32 }).followed_by_text(6));
                let some: Vec<f32> = golden_rows.iter().flat_map(|&row| page.patches.row(row)).copied().collect();
                same(&Multivector::new(128, some).unwrap(), &expected, &format!("{} {name}", folder.display()));
            }
        }
    }
}

#[test]
fn questions_equal_fastembeds_with_one_graph_and_with_a_graph_of_their_own() {
    let mut golden = golden();
    for folder in ["model", "two-graphs"] {
        let Opened { reader, questions, .. } = open(&fixtures().join(folder)).unwrap();
        assert_eq!(questions.pixels.is_empty(), folder == "two-graphs");
        for (at, case) in expected().queries.iter().enumerate() {
            let made = alone(&questions, ColPali::question(&reader, &case.query).unwrap()).unwrap();
            assert_eq!(made.labels.len(), made.tokens.len());
            same(&made.tokens, &rows(&mut golden, &format!("query {at}")), &format!("{folder} {:?}", case.query));
        }
    }
}

#[tokio::test]
async fn a_loaded_model_embeds_and_shows_its_inputs() {
    init_runtime();
    let options = EmbedOptions { threads: 1, ..EmbedOptions::default() };
    let embedder = Embedder::load(&fixtures().join("model"), &options).unwrap();
    let input = embedder.prepare(&read_picture(&fixtures().join("images/up.png")).unwrap()).unwrap();
    let arrays = embedder.page_arrays(&input).unwrap();
    let named: Vec<(&str, &[usize])> =
        arrays.iter().map(|array| (array.name.as_str(), array.shape.as_slice())).collect();
    assert_eq!(
        named,
        [("input_ids", &[1, 1030][..]), ("attention_mask", &[1, 1030]), ("pixel_values", &[1, 3, 448, 448])]
    );
    let InputValues::I64(ids) = &arrays[0].values else { panic!("ids are integers") };
    assert_eq!((ids[0], ids[1023], &ids[1024..]), (257_152, 257_152, &[2, 50_721, 573, 2416, 235_265, 108][..]));
    // Pages and questions share the one session: neither may wait for the other for ever.
    let question = embedder.embed_question("hello world");
    let (page, question) = tokio::join!(embedder.embed_page(input), question);
    assert_eq!((page.unwrap().patches.len(), question.unwrap().tokens.len()), (1030, 16));
    let error = embedder.embed_question(" \n").await.unwrap_err();
    assert_eq!((error.kind(), error.message().contains("is empty")), (Kind::Permanent, true));
    embedder.shutdown().await;
    assert!(embedder.embed_question("hello").await.unwrap_err().is_transient());
}

#[test]
fn models_that_fit_pass_their_check() {
    init_runtime();
    for folder in ["model", "two-graphs"] {
        let report = check(&fixtures().join(folder), Device::Cpu);
        assert!(report.is_ok(), "{report:?}");
    }
}

#[test]
fn graphs_and_manifests_that_do_not_fit_say_where() {
    for (change, says) in [
        ((|m| m["page"]["output"] = 3.into()) as fn(&mut Value), "has no output 3: its outputs are last_hidden_state"),
        (|m| m["page"]["output"] = "embeddings".into(), "has no output 'embeddings'"),
        (|m| m["dim"] = 64.into(), "one vector of 64 dimensions a token"),
        (|m| m["page"]["width"] = 224.into(), "pixel_values"),
        (|m| m["question"]["tokenizer"] = "vocab.json".into(), "'vocab.json'"),
        (|m| m["page"]["graph"] = "tokenizer.json".into(), "cannot open the graph"),
    ] {
        let error = open(changed(change).path()).err().unwrap();
        assert_eq!(error.kind(), Kind::Configuration, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    // The text graph alone does not see.
    let copy = tempfile::tempdir().unwrap();
    for name in ["text.onnx", "tokenizer.json", "special_tokens_map.json", "manifest.json"] {
        std::fs::copy(fixtures().join("two-graphs").join(name), copy.path().join(name)).unwrap();
    }
    let path = copy.path().join("manifest.json");
    let manifest =
        std::fs::read_to_string(&path).unwrap().replace("\"graph\": \"vision.onnx\"", "\"graph\": \"text.onnx\"");
    std::fs::write(&path, manifest).unwrap();
    let message = open(copy.path()).err().unwrap().to_string();
    assert!(message.contains("'pixel_values'") && message.contains("page.graph"), "{message}");
}

#[test]
fn weights_beside_the_graph_are_vouched_for_too() {
    init_runtime();
    let copy = changed(|_| ());
    let weights = copy.path().join("model.onnx_data");
    let mut bytes = std::fs::read(&weights).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let error = Embedder::load(copy.path(), &EmbedOptions::default()).err().unwrap();
    assert!(error.message().contains("model.onnx_data"), "{error}");
}

#[test]
fn a_device_that_the_runtime_lacks_is_refused_and_auto_does_without() {
    init_runtime();
    // The tests' ONNX Runtime is built for the CPU; with another one the device is there and nothing is to be refused.
    for device in [Device::Cuda(0), Device::CoreMl] {
        if let Err(error) = Embedder::load(&fixtures().join("model"), &options(device)) {
            assert_eq!(error.kind(), Kind::Configuration);
            assert!(error.message().contains(&format!("embed.device is {device}")), "{error}");
            assert!(error.message().contains("libonnxruntime"), "{error}");
        }
    }
    assert!(Embedder::load(&fixtures().join("model"), &options(Device::Auto)).is_ok());
}
