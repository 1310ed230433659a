//! The question graph: words to vectors.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ort::session::Session;
use ort::value::TensorRef;

use super::graph::{expected, failed};
use super::manifest::QuestionSpec;
use super::words::WordRules;
use crate::embed::session::{self, Threads};
use crate::embed::worker::Model;
use crate::error::{Error, Result};
use crate::types::{Device, Multivector, QuestionEmbedding};

/// A question, cut into words.
#[derive(Debug)]
pub(in crate::embed) struct Question {
    pub words: Vec<String>,
}

/// The n-grams of a question's words, padded to the word that has most.
pub(super) struct WordNgrams {
    /// `[words, ngrams]`.
    pub shape: [usize; 2],
    pub ids: Vec<i64>,
    pub mask: Vec<f32>,
}

impl WordNgrams {
    pub fn new(rules: &WordRules, words: &[String]) -> Self {
        let ids: Vec<Vec<u32>> = words.iter().map(|word| rules.ids(word)).collect();
        let longest = ids.iter().map(Vec::len).max().unwrap_or(0);
        let mut padded = vec![0i64; words.len() * longest];
        let mut mask = vec![0f32; padded.len()];
        for (word, ids) in ids.iter().enumerate() {
            for (at, &id) in ids.iter().enumerate() {
                padded[word * longest + at] = i64::from(id);
                mask[word * longest + at] = 1.0;
            }
        }
        Self { shape: [words.len(), longest], ids: padded, mask }
    }
}

/// Words to question embeddings.
pub(in crate::embed) struct GlyphQuestions {
    session: Mutex<Session>,
    spec: QuestionSpec,
    rules: WordRules,
    dim: usize,
}

impl GlyphQuestions {
    /// # Errors
    /// Configuration, if the graph does not fit the manifest.
    pub(super) fn open(graph: &Path, spec: &QuestionSpec, rules: WordRules, dim: usize) -> Result<Self> {
        // A question is a few words: more threads, or a device, would take longer to wake than to compute.
        let one = Threads { cpu: 1, beside_device: 1 };
        let (session, _) = session::open(session::Source::File(graph), one, Device::Cpu)?;
        let bag = [None, None];
        let inputs = [expected(&spec.inputs.ids, &bag), expected(&spec.inputs.mask, &bag)];
        session::check(graph, &session, &inputs, &[expected(&spec.output, &[None, Some(dim as i64)])])?;
        Ok(Self { session: Mutex::new(session), spec: spec.clone(), rules, dim })
    }

    fn embed(&self, words: &[String]) -> Result<QuestionEmbedding> {
        let WordNgrams { shape, ids, mask } = WordNgrams::new(&self.rules, words);
        let ids = TensorRef::from_array_view((shape, ids.as_slice())).map_err(failed("question"))?;
        let mask = TensorRef::from_array_view((shape, mask.as_slice())).map_err(failed("question"))?;
        let inputs = ort::inputs![&self.spec.inputs.ids.name => ids, &self.spec.inputs.mask.name => mask];
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(inputs).map_err(failed("question"))?;
        let (_, vectors) =
            outputs[self.spec.output.name.as_str()].try_extract_tensor::<f32>().map_err(failed("question"))?;
        if vectors.len() != words.len() * self.dim {
            return Err(Error::configuration(format!(
                "the question graph gave {} values for {} words of {}: its manifest does not fit it",
                vectors.len(),
                words.len(),
                self.dim
            )));
        }
        let tokens = Multivector::new(self.dim, vectors.to_vec())?;
        Ok(QuestionEmbedding { tokens, labels: words.to_vec(), from_text: vec![true; words.len()] })
    }
}

impl Model for GlyphQuestions {
    type Input = Arc<Question>;
    type Batch = Vec<Arc<Question>>;
    type Computed = Vec<QuestionEmbedding>;
    type Output = QuestionEmbedding;

    fn join(&self, batch: &mut Self::Batch, question: Arc<Question>) {
        batch.push(question);
    }

    fn compute(&self, batch: &Self::Batch) -> Result<Self::Computed> {
        batch.iter().map(|question| self.embed(&question.words)).collect()
    }

    fn finish(&self, _: &Self::Batch, computed: Self::Computed) -> Result<Vec<QuestionEmbedding>> {
        Ok(computed)
    }
}
