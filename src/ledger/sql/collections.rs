//! Collections and their builds: defined, filled anew, switched, given up, lost.

use super::database::{Lock, Statement, Transaction};
use super::rows::{self, Aimed, to_json};
use super::statements as sql;
use super::writing::Writing;
use crate::error::{Error, Result};
use crate::ledger::transitions::{OnAbandon, OnDefine, OnRebuild, Role, on_abandon, on_define, on_rebuild, on_taken};
use crate::ledger::{Build, Switch, Task};
use crate::types::DocumentId;

impl<T: Transaction> Writing<T> {
    pub async fn define(mut self, collection: &str, build: &Build) -> Result<()> {
        self.lock(Lock::Collection(collection)).await?;
        let existing = self.find_collection(collection).await?;
        match on_define(collection, existing.as_ref(), build)? {
            OnDefine::Create => {
                self.run(Statement::new(sql::INSERT_COLLECTION).with(collection).with(self.now_ms)).await?;
                self.add_build(collection, Role::Active, build).await?;
            }
            OnDefine::Replace => self.set_definition(build).await?,
        }
        self.commit().await
    }

    pub async fn rebuild(mut self, collection: &str, next: &Build) -> Result<u64> {
        self.lock(Lock::Collection(collection)).await?;
        let existing = self.defined(collection).await?;
        let to_submit = match on_rebuild(&existing, next)? {
            OnRebuild::GoOn => {
                self.set_definition(next).await?;
                Statement::new(sql::NOT_AIMED_AT).with(collection).with(next.physical.as_str())
            }
            OnRebuild::Begin { instead_of } => {
                if let Some(earlier) = instead_of {
                    self.clear_build(&earlier).await?;
                    self.set_role(&earlier, Role::Retired).await?;
                }
                self.add_build(collection, Role::Next, next).await?;
                Statement::new(sql::ALL).with(collection)
            }
        };
        let submitted = self.submit_all_again(to_submit, next).await?;
        self.commit().await?;
        Ok(submitted)
    }

    pub async fn switch(mut self, collection: &str, force: bool) -> Result<Switch> {
        self.lock(Lock::Collection(collection)).await?;
        let outcome = self.switch_locked(collection, force).await?;
        self.answer(outcome).await
    }

    async fn switch_locked(&mut self, collection: &str, force: bool) -> Result<Switch> {
        let existing = self.defined(collection).await?;
        let (active, Some(next)) = (existing.active, existing.next) else { return Ok(Switch::Nothing) };
        if !force {
            let waiting = self.row(Statement::new(sql::COUNT_JOBS).with(collection), rows::jobs).await?;
            if let Some(waiting) = waiting.filter(|waiting| *waiting > 0) {
                return Ok(Switch::Waiting(waiting));
            }
            let losses = Statement::new(sql::WOULD_LOSE).with(active.physical.as_str()).with(next.physical.as_str());
            let losses = self.rows(losses, rows::loss).await?;
            if !losses.is_empty() {
                return Ok(Switch::WouldLose(losses));
            }
        }
        self.clear_build(&active.physical).await?;
        self.set_role(&active.physical, Role::Retired).await?;
        self.set_role(&next.physical, Role::Active).await?;
        Ok(Switch::Switched)
    }

    pub async fn abandon(mut self, collection: &str) -> Result<bool> {
        self.lock(Lock::Collection(collection)).await?;
        let existing = self.defined(collection).await?;
        let (active, Some(next)) = (existing.active, existing.next) else { return self.answer(false).await };
        self.clear_build(&next.physical).await?;
        let aimed = Statement::new(sql::AIMED_AT).with(next.physical.as_str()).with(active.physical.as_str());
        for aimed in self.rows(aimed, rows::aimed).await? {
            self.return_to(&active, aimed).await?;
        }
        self.set_role(&next.physical, Role::Retired).await?;
        self.commit().await?;
        Ok(true)
    }

    /// A document whose target was in a build that is given up.
    async fn return_to(&mut self, active: &Build, aimed: Aimed) -> Result<()> {
        let document = aimed.document;
        let seen = aimed.seen.as_ref().map(|(_, seen)| seen);
        let then = on_abandon(seen, &aimed.content_hash, &aimed.tags, active);
        let (OnAbandon::Stands | OnAbandon::Retag, Some((generation, _))) = (&then, &aimed.seen) else {
            return self.submit_again(document, active).await;
        };
        self.run(Statement::new(sql::DISCARD_TARGET).with(document.to_string())).await?;
        let statement = if then == OnAbandon::Stands { sql::AIM_AT_SEEN } else { sql::AIM };
        let aim = Statement::new(statement)
            .with(document.to_string())
            .with(active.physical.as_str())
            .with(active.recipe.0.as_str())
            .with(generation.0.as_str())
            .with(self.now_ms);
        self.run(aim).await?;
        match then {
            OnAbandon::Retag => self.put_job(document, Task::Retag).await,
            _ => self.delete_job(document).await,
        }
    }

    pub async fn put_incarnations(mut self, physical: &str, accepted: &[String]) -> Result<()> {
        let statement = Statement::new(sql::SET_INCARNATIONS).with(physical).with(to_json(&accepted)?);
        if self.run(statement).await? == 0 {
            return Err(Error::configuration(format!("no collection is kept in '{physical}': define it first")));
        }
        self.commit().await
    }

    pub async fn resubmit_all(mut self, collection: &str, physical: &str) -> Result<u64> {
        self.lock(Lock::Collection(collection)).await?;
        let existing = self.defined(collection).await?;
        let in_use = [Some(&existing.active), existing.next.as_ref()];
        if !in_use.into_iter().flatten().any(|build| build.physical == physical) {
            return self.answer(0).await;
        }
        let lost = Statement::new(sql::LOST).with(collection).with(physical);
        let documents = self.rows(lost, rows::document_id).await?;
        self.clear_build(physical).await?;
        for document in &documents {
            self.submit_again(*document, existing.target()).await?;
        }
        self.commit().await?;
        Ok(documents.len() as u64)
    }

    pub async fn dropped(mut self, physical: &str) -> Result<()> {
        self.run(Statement::new(sql::DROPPED).with(physical)).await?;
        self.commit().await
    }

    async fn submit_all_again(&mut self, documents: Statement, build: &Build) -> Result<u64> {
        let documents: Vec<DocumentId> = self.rows(documents, rows::document_id).await?;
        for document in &documents {
            self.submit_again(*document, build).await?;
        }
        Ok(documents.len() as u64)
    }

    /// # Errors
    /// As [`on_taken`] says, where another build has the physical collection.
    async fn add_build(&mut self, collection: &str, role: Role, build: &Build) -> Result<()> {
        let taken = Statement::new(sql::BUILD).with(build.physical.as_str());
        if let Some((owner, role)) = self.row(taken, rows::owner).await? {
            return Err(on_taken(&build.physical, &owner, &role));
        }
        let statement = Statement::new(sql::INSERT_BUILD)
            .with(build.physical.as_str())
            .with(collection)
            .with(role.as_str())
            .with(build.recipe.0.as_str())
            .with(build.definition.as_str())
            .with(to_json(&build.incarnations)?);
        self.run(statement).await.map(drop)
    }

    async fn set_definition(&mut self, build: &Build) -> Result<()> {
        let statement =
            Statement::new(sql::SET_DEFINITION).with(build.physical.as_str()).with(build.definition.as_str());
        self.run(statement).await.map(drop)
    }

    async fn set_role(&mut self, physical: &str, role: Role) -> Result<()> {
        self.run(Statement::new(sql::SET_ROLE).with(physical).with(role.as_str())).await.map(drop)
    }
}
