//! What each list of addresses named when it was last read: a document goes whose address its list names no more, as the document of a
//! file goes that its folder holds no more. An address is never taken off while another list of the collection names it. A file of the
//! data folder; lost, documents stay that went from their lists meanwhile, and nothing else.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::durable::durable_write;
use crate::error::{Error, Result};

/// Whose list it is: what a pipeline names as its source, all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListName {
    pub collection: String,
    pub pipeline: String,
}

impl fmt::Display for ListName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the list of pipeline {}", self.pipeline)
    }
}

/// What a list named, and names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ListRecord {
    #[serde(flatten)]
    name: ListName,
    addresses: BTreeSet<String>,
    /// Named before and no more, as long as their documents may be there.
    taken_off: BTreeSet<String>,
}

/// How a list differs from what it was.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// What it names, and what it named and no other list does.
    pub ever: BTreeSet<String>,
    /// What it named, and no list does any more.
    pub taken_off: BTreeSet<String>,
}

/// The lists that were read.
pub struct Lists {
    /// None: nothing outlives the process.
    file: Option<PathBuf>,
    known: Mutex<Option<Vec<ListRecord>>>,
}

impl Lists {
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file, known: Mutex::default() }
    }

    /// Writes down what a list names now, and says what it named before. Blocks.
    ///
    /// # Errors
    /// The data folder can't be written.
    pub fn compare(&self, name: &ListName, now: BTreeSet<String>) -> Result<Compared> {
        self.change(|lists| {
            let before = lists.iter().position(|list| list.name == *name).map(|at| lists.swap_remove(at));
            let (earlier, before) = before.map(|list| (list.taken_off, list.addresses)).unwrap_or_default();
            let taken_off: BTreeSet<String> =
                earlier.into_iter().chain(before).filter(|address| !now.contains(address)).collect();
            let others = || lists.iter().filter(|list| list.name.collection == name.collection);
            let is_elsewhere = |address: &str| others().any(|list| list.addresses.contains(address));
            let gone: BTreeSet<String> = taken_off.iter().filter(|address| !is_elsewhere(address)).cloned().collect();
            let compared = Compared { ever: now.union(&gone).cloned().collect(), taken_off: gone };
            lists.push(ListRecord { name: name.clone(), addresses: now, taken_off });
            lists.sort_by(|a, b| (&a.name.collection, &a.name.pipeline).cmp(&(&b.name.collection, &b.name.pipeline)));
            compared
        })
    }

    /// The collection holds no documents of these addresses any more. Blocks.
    ///
    /// # Errors
    /// The data folder can't be written.
    pub fn forget(&self, collection: &str, addresses: &BTreeSet<String>) -> Result<()> {
        self.change(|lists| {
            for list in lists.iter_mut().filter(|list| list.name.collection == collection) {
                list.taken_off.retain(|address| !addresses.contains(address));
            }
        })
    }

    /// Reads the file where that was not done, and writes it where something changed. One that is no more what was written counts as none.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<ListRecord>) -> T) -> Result<T> {
        let mut known: MutexGuard<'_, _> = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || {
            let text = self.file.as_ref().and_then(|file| std::fs::read(file).ok());
            text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
        };
        let before: Vec<ListRecord> = known.take().unwrap_or_else(read);
        let mut lists = before.clone();
        let outcome = change(&mut lists);
        if let Some(file) = self.file.as_ref().filter(|_| lists != before) {
            let text = serde_json::to_vec(&lists)
                .map_err(|error| Error::bug("lists of addresses can't be written as JSON").with_source(error))?;
            // What could not be written is read again the next time.
            durable_write(file, &text)?;
        }
        *known = Some(lists);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(pipeline: &str) -> ListName {
        ListName { collection: "documents".into(), pipeline: pipeline.into() }
    }

    fn set(addresses: &[&str]) -> BTreeSet<String> {
        addresses.iter().map(|address| (*address).to_owned()).collect()
    }

    fn compared(ever: &[&str], taken_off: &[&str]) -> Compared {
        Compared { ever: set(ever), taken_off: set(taken_off) }
    }

    #[test]
    fn what_a_list_names_no_more_is_told_until_its_document_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url-lists.json");
        let lists = Lists::new(Some(file.clone()));
        let look = |lists: &Lists, addresses: &[&str]| lists.compare(&name("a"), set(addresses)).unwrap();
        assert_eq!(look(&lists, &["1", "2", "3"]), compared(&["1", "2", "3"], &[]));
        assert_eq!(look(&lists, &["1", "3"]), compared(&["1", "2", "3"], &["2"]));
        // Another process goes on where this one was.
        let lists = Lists::new(Some(file.clone()));
        assert_eq!(look(&lists, &["3"]), compared(&["1", "2", "3"], &["1", "2"]));
        assert_eq!(look(&lists, &["2", "3"]), compared(&["1", "2", "3"], &["1"]), "it is back");
        lists.forget("elsewhere", &set(&["1"])).unwrap();
        assert_eq!(look(&lists, &["2", "3"]).taken_off, set(&["1"]), "another collection");
        lists.forget("documents", &set(&["1"])).unwrap();
        assert_eq!(look(&Lists::new(Some(file.clone())), &["2", "3"]), compared(&["2", "3"], &[]));
        std::fs::write(&file, "[{").unwrap();
        assert_eq!(look(&Lists::new(Some(file)), &["3"]), compared(&["3"], &[]), "nothing goes that nobody knows of");
    }

    #[test]
    fn what_another_list_of_the_collection_names_stays() {
        let lists = Lists::new(None);
        let look = |pipeline: &str, addresses: &[&str]| lists.compare(&name(pipeline), set(addresses)).unwrap();
        look("a", &["1", "2"]);
        look("b", &["2", "3"]);
        let elsewhere = ListName { collection: "elsewhere".into(), ..name("a") };
        lists.compare(&elsewhere, set(&["1", "2"])).unwrap();
        assert_eq!(look("a", &[]), compared(&["1"], &["1"]));
        // Neither names it any more: whoever looks first takes it out.
        assert_eq!(look("b", &["3"]), compared(&["2", "3"], &["2"]));
        assert_eq!(look("a", &[]), compared(&["1", "2"], &["1", "2"]));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_and_nothing_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let lists = Lists::new(Some(folder.path().join("away/url-lists.json")));
        assert!(lists.compare(&name("a"), set(&["1"])).is_err());
        std::fs::create_dir(folder.path().join("away")).unwrap();
        assert_eq!(lists.compare(&name("a"), set(&["1"])).unwrap(), compared(&["1"], &[]));
        assert_eq!(lists.compare(&name("a"), set(&[])).unwrap().taken_off, set(&["1"]));
    }
}
