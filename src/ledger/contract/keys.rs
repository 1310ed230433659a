//! Keys, secrets, receipts.

use super::*;
use crate::types::Permission;

fn key(id: &str, tenant: &str) -> NewKey {
    NewKey {
        key_id: id.into(),
        name: format!("key {id}"),
        tenant: Tenant(tenant.into()),
        permissions: vec![Permission::Read, Permission::Write],
        groups: vec!["finance".into()],
        secret_hash: format!("hash of {id}"),
        expires_at_ms: None,
    }
}

pub(crate) async fn a_key_holds_until_it_is_revoked(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    assert!(!ledger.has_keys().await.unwrap());
    let made = ledger.put_key(&key("one", "acme")).await.unwrap();
    assert_eq!((made.name.as_str(), made.groups.as_slice()), ("key one", ["finance".to_owned()].as_slice()));
    assert!(ledger.put_key(&key("one", "rival")).await.is_err(), "an id is taken once");
    let held = ledger.valid_key("one").await.unwrap().unwrap();
    assert_eq!((held.secret_hash.as_str(), &held.record), ("hash of one", &made));
    assert!(ledger.valid_key("two").await.unwrap().is_none());
    let revoked = ledger.revoke_key("one").await.unwrap().unwrap();
    assert!(revoked.revoked_at.is_some());
    assert!(ledger.valid_key("one").await.unwrap().is_none());
    assert_eq!(ledger.revoke_key("one").await.unwrap().unwrap(), revoked, "the first moment stays");
    assert_eq!(ledger.revoke_key("two").await.unwrap(), None);
    assert!(ledger.has_keys().await.unwrap(), "nobody is let in without a key again");
}

pub(crate) async fn a_key_ends_with_its_time(backend: &dyn Backend) {
    let Some((ledger, clock)) = open(backend).await else { return };
    let expires_at_ms = Some(clock.now() + 1_000);
    let made = ledger.put_key(&NewKey { expires_at_ms, ..key("one", "acme") }).await.unwrap();
    assert!(made.expires_at.is_some() && ledger.valid_key("one").await.unwrap().is_some());
    clock.advance(Duration::from_secs(1));
    assert!(ledger.valid_key("one").await.unwrap().is_none());
}

pub(crate) async fn keys_are_listed_by_tenant(backend: &dyn Backend) {
    let Some((ledger, clock)) = open(backend).await else { return };
    for (id, tenant) in [("b", "acme"), ("a", "rival"), ("c", "acme")] {
        ledger.put_key(&key(id, tenant)).await.unwrap();
        clock.advance(Duration::from_secs(1));
    }
    let ids = |keys: Vec<KeyRecord>| keys.into_iter().map(|key| key.key_id).collect::<Vec<_>>();
    assert_eq!(ids(ledger.keys(None).await.unwrap()), ["b", "a", "c"]);
    assert_eq!(ids(ledger.keys(Some(&Tenant("acme".into()))).await.unwrap()), ["b", "c"]);
}

pub(crate) async fn a_secret_is_drawn_once(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    assert_eq!(ledger.secret("links", "first").await.unwrap(), "first");
    assert_eq!(ledger.secret("links", "second").await.unwrap(), "first");
    assert_eq!(ledger.secret("other", "second").await.unwrap(), "second");
}

pub(crate) async fn an_answer_is_kept_for_a_day(backend: &dyn Backend) {
    let Some((ledger, clock)) = open(backend).await else { return };
    let (acme, rival) = (Tenant("acme".into()), Tenant("rival".into()));
    let receipt = |response: &str| Receipt { request: "r".into(), response: response.into() };
    ledger.put_receipt(&acme, "k", &receipt("1")).await.unwrap();
    ledger.put_receipt(&acme, "k", &receipt("2")).await.unwrap();
    assert_eq!(ledger.receipt(&acme, "k").await.unwrap(), Some(receipt("1")), "the first one stays");
    assert_eq!(ledger.receipt(&rival, "k").await.unwrap(), None);
    clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(ledger.receipt(&acme, "k").await.unwrap(), None);
    ledger.put_receipt(&acme, "k", &receipt("3")).await.unwrap();
    assert_eq!(ledger.receipt(&acme, "k").await.unwrap(), Some(receipt("3")));
}
