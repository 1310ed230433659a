//! Files that are put into a vector store together. A batch is remembered for a day, as any receipt is; what stands of it is what stands
//! of its files.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::files;
use crate::error::Error;
use crate::ledger::{DocumentRecord, Receipt};
use crate::server::openai::error::{Body, OpenAiCaller, OpenAiError, parse};
use crate::server::openai::files::find as find_anywhere;
use crate::server::openai::page;
use crate::server::routes::{check_collection, room};
use crate::server::{Caller, Permission, Server};

/// Files of a batch: each is copied before the request is answered.
const MAX_FILES: usize = 500;

type Attributes = BTreeMap<String, Value>;

/// What a client sends: ids, or files each with attributes of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Batch {
    file_ids: Vec<String>,
    /// Of every file that has none of its own.
    attributes: Option<Attributes>,
    files: Vec<OneFile>,
}

#[derive(Debug, Clone, Deserialize)]
struct OneFile {
    file_id: String,
    #[serde(default)]
    attributes: Option<Attributes>,
}

/// What is kept of a batch.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    created_at: i64,
    file_ids: Vec<String>,
}

pub async fn create(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path(store): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Write)?;
    let batch: Batch = parse(&body)?;
    check_collection(&store)?;
    room(&server).await?;
    let records = batch.find(&server, &caller).await?;
    if records.is_empty() {
        let message = "there is nothing to put in: file_ids or files is expected";
        return Err(OpenAiError::invalid(Some("file_ids"), message));
    }
    let file_ids = batch.attach(&server, &caller, &store, records).await?;
    let id = format!("vsfb_{}", Uuid::new_v4().simple());
    let kept = Kept { created_at: Timestamp::now().as_second(), file_ids };
    let response =
        serde_json::to_string(&kept).map_err(|error| Error::bug("a batch is always JSON").with_source(error))?;
    let receipt = Receipt { request: store.clone(), response };
    caller.scope(&server).put_receipt(&id, &receipt).await?;
    Ok(Json(object(&server, &caller, &store, &id, &kept).await?))
}

pub async fn one(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path((store, id)): Path<(String, String)>,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    let kept = kept(&server, &caller, &store, &id).await?;
    Ok(Json(object(&server, &caller, &store, &id, &kept).await?))
}

/// The files of a batch that are still in the store.
pub async fn files(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    Path((store, id)): Path<(String, String)>,
) -> Result<Json<Value>, OpenAiError> {
    caller.may(Permission::Read)?;
    let kept = kept(&server, &caller, &store, &id).await?;
    let mut data = Vec::new();
    for file_id in &kept.file_ids {
        if let Ok(record) = files::find(&server, &caller, &store, file_id).await {
            let mut file = files::file(&record, &store);
            file["id"] = json!(file_id);
            data.push(file);
        }
    }
    Ok(Json(page(data, false)))
}

impl Batch {
    pub fn of_ids(file_ids: Vec<String>) -> Self {
        Self { file_ids, ..Self::default() }
    }

    fn wanted(&self) -> Vec<OneFile> {
        let plain = |id: &String| OneFile { file_id: id.clone(), attributes: self.attributes.clone() };
        self.file_ids.iter().map(plain).chain(self.files.iter().cloned()).collect()
    }

    /// The documents behind the ids.
    ///
    /// # Errors
    /// 404: the caller has no such file. 400: they are too many.
    pub async fn find(&self, server: &Server, caller: &Caller) -> Result<Vec<DocumentRecord>, OpenAiError> {
        let wanted = self.wanted();
        if wanted.len() > MAX_FILES {
            let message = format!("{} files at once, at most {MAX_FILES} are taken: send them in parts", wanted.len());
            return Err(OpenAiError::invalid(Some("file_ids"), message));
        }
        let mut records = Vec::with_capacity(wanted.len());
        for file in wanted {
            records.push(find_anywhere(server, caller, &file.file_id).await?);
        }
        Ok(records)
    }

    /// Puts what was found into the store; the ids by which the client knows the files.
    pub async fn attach(
        &self,
        server: &Server,
        caller: &Caller,
        store: &str,
        records: Vec<DocumentRecord>,
    ) -> Result<Vec<String>, OpenAiError> {
        let wanted = self.wanted();
        for (file, record) in wanted.iter().zip(&records) {
            if record.collection != store || file.attributes.is_some() {
                files::put(server, caller, store, record, file.attributes.clone()).await?;
            }
        }
        Ok(wanted.into_iter().map(|file| file.file_id).collect())
    }
}

/// # Errors
/// 404: the caller made no such batch for this store within a day.
async fn kept(server: &Server, caller: &Caller, store: &str, id: &str) -> Result<Kept, OpenAiError> {
    let missing = || {
        let message = format!("there is no batch '{id}' of the vector store '{store}': it is known for a day");
        OpenAiError::not_found("not_found", Some("batch_id"), message)
    };
    let receipt = caller.scope(server).receipt(id).await?.filter(|receipt| receipt.request == store);
    let receipt = receipt.ok_or_else(missing)?;
    serde_json::from_str(&receipt.response).map_err(|_| missing())
}

async fn object(server: &Server, caller: &Caller, store: &str, id: &str, kept: &Kept) -> Result<Value, OpenAiError> {
    let mut counts = BTreeMap::from(["in_progress", "completed", "failed", "cancelled"].map(|status| (status, 0)));
    for file_id in &kept.file_ids {
        // one that was deleted since is cancelled
        let found = files::find(server, caller, store, file_id).await.ok();
        let status = found.as_ref().map_or("cancelled", files::status);
        *counts.entry(status).or_default() += 1;
    }
    let in_progress = counts["in_progress"] > 0;
    let mut file_counts = json!(counts);
    file_counts["total"] = json!(kept.file_ids.len());
    Ok(json!({
        "id": id,
        "object": "vector_store.files_batch",
        "created_at": kept.created_at,
        "vector_store_id": store,
        "status": if in_progress { "in_progress" } else { "completed" },
        "file_counts": file_counts,
    }))
}
