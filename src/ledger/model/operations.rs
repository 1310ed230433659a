//! Random sequences of operations.

use proptest::prelude::*;

use super::super::testing::submission_of;
use super::super::{PageFailure, Submission};
use crate::error::Limit;
use crate::types::{Priority, Tenant};

/// Jobs are counted back from the one that was handed out last.
#[derive(Debug, Clone)]
pub enum Operation {
    Submit(Submission),
    Claim { suspects: bool, limit: usize },
    Complete { job: usize, failed_pages: Vec<PageFailure> },
    Reject { job: usize, limit: Option<Limit> },
    Fail { job: usize },
    Renew { job: usize },
    Release { job: usize, wait: bool },
    ProcessDies,
    Delete { tenant: Tenant, of: Submission },
    Collect { garbage: usize },
    Wait { seconds: u64 },
    Rebuild { anew: bool },
    Switch { force: bool },
    Abandon,
    Lose { next: bool },
    Drop,
    Amend { next: bool },
    DropCollection,
}

pub fn tenants() -> [Tenant; 2] {
    ["a", "b"].map(|name| Tenant(name.into()))
}

fn limit(value: u64) -> Limit {
    Limit { name: "max_pages".into(), value }
}

fn submission() -> impl Strategy<Value = Submission> {
    (0usize..2, 0u8..2, 0u32..2, any::<bool>(), prop::bool::weighted(0.1), 1u64..3, 0usize..3).prop_map(
        |(tenant, name, version, tag, force, max_pages, priority)| {
            let mut made = submission_of(&tenants()[tenant], &name.to_string(), version);
            made.force = force;
            made.priority = Priority::ALL[priority];
            made.limits.insert("max_pages".into(), max_pages);
            if tag {
                made.tags.insert("seen".into(), "twice".into());
            }
            made
        },
    )
}

fn failed_pages() -> impl Strategy<Value = Vec<PageFailure>> {
    let page = |limit, again| vec![PageFailure { page: 1, reason: "no".into(), limit, again }];
    prop_oneof![
        4 => Just(Vec::new()),
        1 => Just(page(None, false)),
        1 => Just(page(None, true)),
        1 => (1u64..3).prop_map(move |value| page(Some(limit(value)), false)),
    ]
}

pub fn operations() -> impl Strategy<Value = Vec<Operation>> {
    use Operation as O;
    let job = || 0usize..6;
    let one = prop_oneof![
        12 => submission().prop_map(O::Submit),
        10 => (prop::bool::weighted(0.25), 1usize..4).prop_map(|(suspects, limit)| O::Claim { suspects, limit }),
        12 => (job(), failed_pages()).prop_map(|(job, failed_pages)| O::Complete { job, failed_pages }),
        3 => (job(), prop::option::of((1u64..3).prop_map(limit))).prop_map(|(job, limit)| O::Reject { job, limit }),
        3 => job().prop_map(|job| O::Fail { job }),
        1 => job().prop_map(|job| O::Renew { job }),
        2 => (job(), any::<bool>()).prop_map(|(job, wait)| O::Release { job, wait }),
        2 => Just(O::ProcessDies),
        2 => (0usize..2, submission()).prop_map(|(tenant, of)| O::Delete { tenant: tenants()[tenant].clone(), of }),
        6 => (0usize..6).prop_map(|garbage| O::Collect { garbage }),
        3 => (1u64..70).prop_map(|seconds| O::Wait { seconds }),
        3 => any::<bool>().prop_map(|anew| O::Rebuild { anew }),
        4 => any::<bool>().prop_map(|force| O::Switch { force }),
        2 => Just(O::Abandon),
        2 => any::<bool>().prop_map(|next| O::Lose { next }),
        1 => Just(O::Drop),
        2 => any::<bool>().prop_map(|next| O::Amend { next }),
        1 => Just(O::DropCollection),
    ];
    prop::collection::vec(one, 1..50)
}
