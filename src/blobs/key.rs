//! How blobs are called, and whose they are: a key says its tenant, so that whoever holds a key of somebody else's holds nothing.

use crate::types::{ContentHash, DocumentId, Generation, Tenant};

/// The room of page images.
const PAGES: &str = "pages";
/// The room of what was uploaded: a folder with everybody's.
pub const UPLOADS: &str = "uploads";
/// Whose the keys without a tenant are: they were written when there was one.
const OLDER_KEYS_TENANT: &str = "default";
/// Digits of a content hash in a key.
const HASH_DIGITS: usize = 16;
/// Hexadecimal digits of a tenant's hash in a key. So many that nobody finds a name that shares them with another.
const TENANT_DIGITS: usize = 32;

/// The folder of a generation's page images, `pages/TENANT/DOCUMENT/GENERATION`: they lie together so that they can go
/// together. TENANT is a hash of the tenant's name, which may hold any character.
pub fn generation_prefix(tenant: &Tenant, document: DocumentId, generation: &Generation) -> String {
    format!("{PAGES}/{}/{document}/{generation}", tenant_part(tenant))
}

/// Every folder that may hold page images of a generation: [`generation_prefix`], and for the tenant `default` the one of
/// earlier versions, `pages/DOCUMENT/GENERATION`. What removes a generation removes all of them.
pub fn generation_prefixes(tenant: &Tenant, document: DocumentId, generation: &Generation) -> Vec<String> {
    let mut prefixes = vec![generation_prefix(tenant, document, generation)];
    if tenant.0 == OLDER_KEYS_TENANT {
        prefixes.push(format!("{PAGES}/{document}/{generation}"));
    }
    prefixes
}

/// The key of a page image; the same page of the same generation overwrites itself. `page` is 1-based.
pub fn page_key(tenant: &Tenant, document: DocumentId, generation: &Generation, page: u32) -> String {
    format!("{}/{page:05}.jpg", generation_prefix(tenant, document, generation))
}

/// The folder of an upload's bytes, `uploads/TENANT/DOCUMENT`: they go with the document.
pub fn upload_prefix(tenant: &Tenant, document: DocumentId) -> String {
    format!("{UPLOADS}/{}/{document}", tenant_part(tenant))
}

/// The key of an upload's bytes. Of their hash a few digits do: the document is known by all of it.
pub fn upload_key(tenant: &Tenant, document: DocumentId, content_hash: &ContentHash) -> String {
    let digits = content_hash.0.get(..HASH_DIGITS).unwrap_or(&content_hash.0);
    format!("{}/{digits}", upload_prefix(tenant, document))
}

/// The document that an upload's bytes belong to; None: the key is no upload's.
pub fn document_of_upload(key: &str) -> Option<DocumentId> {
    match key.split('/').collect::<Vec<_>>().as_slice() {
        [UPLOADS, _, document, _] => document.parse().ok(),
        _ => None,
    }
}

/// Whether a key is one of this tenant's. A key that is nobody's belongs to no tenant.
pub(super) fn belongs_to(key: &str, tenant: &Tenant) -> bool {
    match key.split('/').collect::<Vec<_>>().as_slice() {
        [PAGES, whose, _, _, _] | [UPLOADS, whose, _, _] => *whose == tenant_part(tenant),
        // of earlier versions
        [PAGES, document, _, _] => tenant.0 == OLDER_KEYS_TENANT && document.parse::<DocumentId>().is_ok(),
        _ => false,
    }
}

fn tenant_part(tenant: &Tenant) -> String {
    blake3::hash(tenant.0.as_bytes()).to_hex()[..TENANT_DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> Tenant {
        Tenant(name.into())
    }

    fn page_of(tenant: &Tenant) -> String {
        page_key(tenant, DocumentId::new(tenant, "documents", "/a.pdf"), &Generation("g1".into()), 7)
    }

    #[test]
    fn pages_lie_in_the_folder_of_their_generation() {
        let acme = tenant("acme");
        let document = DocumentId::new(&acme, "documents", "/a.pdf");
        let generation = Generation("g1".into());
        let key = page_key(&acme, document, &generation, 7);
        assert_eq!(key, format!("{}/00007.jpg", generation_prefix(&acme, document, &generation)));
        assert_eq!(
            generation_prefixes(&acme, document, &generation),
            [generation_prefix(&acme, document, &generation)]
        );
    }

    #[test]
    fn a_key_belongs_to_one_tenant() {
        let names = ["default", "acme", "Acme", "../x", "a/b", "żółć", "", " "];
        for owner in names {
            let key = page_of(&tenant(owner));
            let owners: Vec<_> = names.into_iter().filter(|name| belongs_to(&key, &tenant(name))).collect();
            assert_eq!(owners, [owner], "{key}");
            let document = DocumentId::new(&tenant(owner), "documents", "upload:1/a.pdf");
            let upload = upload_key(&tenant(owner), document, &ContentHash::of(b"a"));
            let owners: Vec<_> = names.into_iter().filter(|name| belongs_to(&upload, &tenant(name))).collect();
            assert_eq!(owners, [owner], "{upload}");
            assert_eq!((document_of_upload(&upload), document_of_upload(&key)), (Some(document), None));
        }
    }

    #[test]
    fn keys_of_earlier_versions_are_the_default_tenants() {
        let (default, acme) = (tenant("default"), tenant("acme"));
        let document = DocumentId::new(&default, "documents", "/a.pdf");
        let generation = Generation("g1".into());
        let older = format!("pages/{document}/{generation}/00001.jpg");
        assert!(belongs_to(&older, &default) && !belongs_to(&older, &acme));
        assert!(
            generation_prefixes(&default, document, &generation).contains(&format!("pages/{document}/{generation}"))
        );
    }

    #[test]
    fn what_is_no_page_is_nobodys() {
        let whose = tenant_part(&tenant("default"));
        for key in
            ["", "pages", "pages/a/b/c", "pages//b/c/d", &format!("others/{whose}/b/c/d"), &format!("pages/{whose}")]
        {
            assert!(!belongs_to(key, &tenant("default")), "{key}");
        }
    }
}
