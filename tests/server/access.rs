//! Keys, scopes, groups: who may do what.

use quire::app::KeyRequest;
use quire::types::{Permission, Tenant};
use serde_json::json;

use crate::house::{House, reply, text_pdf};
use crate::id_of;
use crate::uploads::{drain, form};

async fn key(house: &House, permissions: &[Permission], groups: &[&str]) -> (String, String) {
    let request = KeyRequest {
        name: "test".into(),
        tenant: Tenant("acme".into()),
        permissions: permissions.to_vec(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        expires: None,
    };
    let created = house.app.create_key(&request).await.unwrap();
    (created.key, created.record.key_id)
}

async fn status(house: &House, key: &str, method: &str, path: &str) -> u16 {
    reply(house.stranger(method, path).header("authorization", format!("Bearer {key}"))).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_for_what_it_was_made_for_until_it_is_revoked() {
    let house = House::open(None).await;
    let document = format!("/v1/documents/{}", id_of(&house, "acme").await);
    let (reader, id) = key(&house, &[Permission::Read], &[]).await;
    let (writer, _) = key(&house, &[Permission::Write], &[]).await;
    assert_eq!(status(&house, &reader, "GET", &document).await, 200);
    assert_eq!(status(&house, &reader, "DELETE", &document).await, 403);
    assert_eq!(status(&house, &writer, "GET", &document).await, 403);
    let listed = serde_json::to_string(&house.app.keys(None).await.unwrap()).unwrap();
    let secret = reader.rsplit('_').next().unwrap();
    assert!(listed.contains(&id) && !listed.contains(secret), "a secret is shown once");
    assert_eq!(status(&house, &reader.replace(secret, &"0".repeat(64)), "GET", &document).await, 401);
    house.app.revoke_key(&id).await.unwrap();
    assert_eq!(status(&house, &reader, "GET", &document).await, 401);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_kept_for_groups_are_seen_by_them_alone() {
    let house = House::open(None).await;
    let pdf = text_pdf(&["Payroll of the year: CanaryPayroll earns 17 talers.".to_owned()]);
    let (boundary, body) = form(&[("payroll.pdf", &pdf)], &[("tags", r#"{"allowed": ["finance"]}"#)]);
    let (admin, _) = key(&house, &[Permission::Admin], &[]).await;
    let sent = house.stranger("POST", "/v1/documents").header("authorization", format!("Bearer {admin}"));
    let taken = reply(sent.header("content-type", boundary).body(body)).await;
    assert_eq!(taken.status, 202, "{}", taken.body);
    drain(&house).await;
    let id = taken.body["documents"][0]["document_id"].as_str().unwrap().to_owned();
    let (finance, _) = key(&house, &[Permission::Read, Permission::Write], &["finance"]).await;
    let (sales, _) = key(&house, &[Permission::Read, Permission::Write], &["sales"]).await;
    for (who, sees) in [(&admin, true), (&finance, true), (&sales, false)] {
        let bearer =
            |method: &str, path: &str| house.stranger(method, path).header("authorization", format!("Bearer {who}"));
        let expected = if sees { 200 } else { 404 };
        for path in ["", "/story", "/original", "/pages/1", "/pages/1/image", "/pages/1/heatmap?q=payroll"] {
            let answer = bearer("GET", &format!("/v1/documents/{id}{path}")).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), expected, "{path}");
        }
        let listed = reply(bearer("GET", "/v1/documents")).await.body;
        assert_eq!(listed.to_string().contains("payroll.pdf"), sees);
        assert_eq!(listed["counts"]["indexed"], if sees { 2 } else { 1 });
        for (path, body) in [
            ("/v1/search", json!({ "query": "CanaryPayroll", "limit": 50 })),
            ("/v1/ask", json!({ "question": "What does CanaryPayroll earn?" })),
        ] {
            let answer = bearer("POST", path).header("content-type", "application/json").body(body.to_string());
            let text = answer.send().await.unwrap().text().await.unwrap();
            assert_eq!(text.contains("payroll.pdf"), sees, "{path}: {text}");
        }
        if !sees {
            assert_eq!(reply(bearer("DELETE", &format!("/v1/documents/{id}"))).await.status, 404);
        }
    }
    house.close().await;
}
