//! Collections whose vectors were changed in place, and collections that are removed as a whole.

use super::database::{Lock, Statement, Transaction};
use super::rows;
use super::statements as sql;
use super::writing::Writing;
use crate::error::Result;
use crate::ledger::Build;
use crate::ledger::transitions::{Role, on_amend};

impl<T: Transaction> Writing<T> {
    pub async fn amend(mut self, collection: &str, build: &Build) -> Result<u64> {
        self.lock(Lock::Collection(collection)).await?;
        let existing = self.defined(collection).await?;
        let is_other_recipe = on_amend(&existing, build)?;
        let (physical, recipe) = (build.physical.as_str(), build.recipe.0.as_str());
        self.run(Statement::new(sql::AMEND_BUILD).with(physical).with(recipe).with(build.definition.as_str())).await?;
        if !is_other_recipe {
            self.commit().await?;
            return Ok(0);
        }
        for statement in [sql::AMEND_DOCUMENTS, sql::AMEND_INDEXED] {
            self.run(Statement::new(statement).with(physical).with(recipe)).await?;
        }
        let in_work = self.rows(Statement::new(sql::INDEXED_NOW).with(physical), rows::document_id).await?;
        for document in &in_work {
            self.submit_again(*document, build).await?;
        }
        self.commit().await?;
        Ok(in_work.len() as u64)
    }

    pub async fn drop_collection(mut self, collection: &str) -> Result<Option<u64>> {
        self.lock(Lock::Collection(collection)).await?;
        let Some(existing) = self.find_collection(collection).await? else { return self.answer(None).await };
        self.run(Statement::new(sql::DISCARD_TARGETS).with(collection)).await?;
        for build in existing.builds() {
            self.clear_build(&build.physical).await?;
            let retire = Statement::new(sql::SET_ROLE).with(build.physical.as_str()).with(Role::Retired.as_str());
            self.run(retire).await?;
        }
        let hidden = self.run(Statement::new(sql::HIDE_ALL).with(collection).with(self.now_ms)).await?;
        for statement in [sql::DELETE_JOBS, sql::CLOSE_QUEUES, sql::FORGET_ALL, sql::DELETE_COLLECTION] {
            self.run(Statement::new(statement).with(collection)).await?;
        }
        self.commit().await?;
        Ok(Some(hidden))
    }
}
