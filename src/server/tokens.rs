//! Tokens of the configured issuer (JWT): checked against its key, read for tenant, scopes and groups.
//!
//! A token counts only if it is signed the one way that is configured, comes from the issuer, is for the audience where one is
//! named, has not expired, and names its tenant.

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::caller::Caller;
use super::problem::Problem;
use crate::config::{Jwt, JwtAlgorithm, JwtKey};
use crate::error::{Error, Result};
use crate::types::{Permission, Tenant, check_group};

/// What checks tokens.
pub struct Tokens {
    settings: Jwt,
    validation: Validation,
    /// With the ids that the issuer gave them, where it did.
    keys: Vec<(Option<String>, DecodingKey)>,
}

impl Tokens {
    /// Reads the issuer's key. Blocks.
    ///
    /// # Errors
    /// Configuration: it can't be read; the key itself is not repeated.
    pub fn new(settings: Jwt) -> Result<Self> {
        let text = match &settings.key {
            JwtKey::Text(text) => text.expose_secret().to_owned(),
            JwtKey::File(path) => std::fs::read_to_string(path).map_err(|error| {
                Error::configuration(format!("server.jwt.key_file: cannot read {}", path.display())).with_source(error)
            })?,
        };
        let keys = read_keys(settings.algorithm, text.trim())?;
        let mut validation = Validation::new(match settings.algorithm {
            JwtAlgorithm::HS256 => Algorithm::HS256,
            JwtAlgorithm::RS256 => Algorithm::RS256,
            JwtAlgorithm::ES256 => Algorithm::ES256,
        });
        validation.set_issuer(&[&settings.issuer]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        validation.validate_nbf = true;
        match &settings.audience {
            Some(audience) => validation.set_audience(&[audience]),
            None => validation.validate_aud = false,
        }
        Ok(Self { settings, validation, keys })
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// 401: it does not count.
    pub fn caller(&self, token: &str) -> Result<Caller, Problem> {
        let named = decode_header(token).map_err(|_| Problem::unauthorized())?.kid;
        let fits = |id: &Option<String>| match (&named, id) {
            (Some(named), Some(id)) => named == id,
            _ => true,
        };
        let read = |(_, key): &(Option<String>, DecodingKey)| {
            decode::<Map<String, Value>>(token, key, &self.validation).ok().map(|token| token.claims)
        };
        let claims = self.keys.iter().filter(|(id, _)| fits(id)).find_map(read).ok_or_else(Problem::unauthorized)?;
        let tenant = claims.get(&self.settings.tenant_claim).and_then(Value::as_str).filter(|name| !name.is_empty());
        let tenant = tenant.ok_or_else(Problem::unauthorized)?;
        let scopes = words(claims.get(&self.settings.scopes_claim));
        // scopes of other services stand beside ours
        let permissions: Vec<Permission> = scopes.iter().filter_map(|name| name.parse().ok()).collect();
        let mut groups = words(claims.get(&self.settings.groups_claim));
        groups.retain(|group| check_group(group).is_ok());
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        Ok(Caller::new(Tenant(tenant.to_owned()), permissions, groups, format!("{tenant}/{subject}")))
    }
}

/// A list, or one text with blanks.
fn words(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn read_keys(algorithm: JwtAlgorithm, text: &str) -> Result<Vec<(Option<String>, DecodingKey)>> {
    let wrong =
        || Error::configuration("the key of server.jwt can't be read: a public key as PEM, JWK or JWK set is expected");
    if algorithm == JwtAlgorithm::HS256 {
        return Ok(vec![(None, DecodingKey::from_secret(text.as_bytes()))]);
    }
    if text.starts_with('{') {
        let keys = match serde_json::from_str::<JwkSet>(text) {
            Ok(set) => set.keys,
            Err(_) => vec![serde_json::from_str::<Jwk>(text).map_err(|_| wrong())?],
        };
        let read = |key: Jwk| Some((key.common.key_id.clone(), DecodingKey::from_jwk(&key).ok()?));
        let keys: Vec<_> = keys.into_iter().filter_map(read).collect();
        return if keys.is_empty() { Err(wrong()) } else { Ok(keys) };
    }
    let der = pem::read(text).ok_or_else(wrong)?;
    let inner = pem::public_key(&der).ok_or_else(wrong)?;
    Ok(vec![(
        None,
        match algorithm {
            JwtAlgorithm::ES256 => DecodingKey::from_ec_der(inner),
            _ => DecodingKey::from_rsa_der(inner),
        },
    )])
}

/// As much of PEM and DER as a public key needs.
mod pem {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    /// The bytes between the lines `-----BEGIN PUBLIC KEY-----` and `-----END PUBLIC KEY-----`.
    pub fn read(text: &str) -> Option<Vec<u8>> {
        let inside = text.split_once("-----BEGIN PUBLIC KEY-----")?.1.split_once("-----END PUBLIC KEY-----")?.0;
        BASE64_STANDARD.decode(inside.split_whitespace().collect::<String>()).ok()
    }

    /// The key itself out of a SubjectPublicKeyInfo (RFC 5280, 4.1): behind the sequence that names its kind, a bit string.
    pub fn public_key(der: &[u8]) -> Option<&[u8]> {
        const SEQUENCE: u8 = 0x30;
        const BIT_STRING: u8 = 0x03;
        let (info, _) = element(der, SEQUENCE)?;
        let (_, rest) = element(info, SEQUENCE)?;
        let (bits, _) = element(rest, BIT_STRING)?;
        // the first byte counts the bits of the last that don't matter: none do
        bits.strip_prefix(&[0])
    }

    /// What an element of this kind holds, and what comes behind it.
    fn element(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
        let (&found, rest) = der.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let digits = usize::from(first & 0x7f);
            let (digits, rest) = rest.split_at_checked(digits).filter(|(digits, _)| digits.len() <= 4)?;
            (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
        };
        (found == kind).then(|| rest.split_at_checked(length))?
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;

    /// Made with openssl; their private halves are gone. The tokens hold until 2100, and say: tenant acme, scopes `openid read`,
    /// group finance.
    const EC_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETb8qajIKE6qtDnGuM7Yxjl+E+1w/\n4aameKT3aix/i5BK6Cqn3NlpyS9HvcEj+UO5lKuvJcUPynjxpGgmqyjw2w==\n-----END PUBLIC KEY-----";
    const EC_TOKEN: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQiOiJxdWlyZSIsImV4cCI6NDEwMjQ0NDgwMCwidGVuYW50IjoiYWNtZSIsInNjb3BlIjoib3BlbmlkIHJlYWQiLCJncm91cHMiOlsiZmluYW5jZSJdLCJzdWIiOiJhbm4ifQ.A6WWsm4m0oko2kyvdwzbZAALs8neOpW167bZYb-givylvpEqWE4JlaEafShHDxN2BZCUJP3i44iYjq0-sr3OpA";
    const RSA_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuNLIRfbEhOs/dJKL4Qgh\nQluHYfk3xC4Ro709IYPrMo2r/QfJEQGXWHaRHrLMVB1uXPoSH1JL2z/hB00jkzNp\n5HZez6c+gJBqkJ3qcWcjDFclule6tcEozxqhCtRydr2Bp9/FyXYkh/zyYINIldjC\niyxWNOEpyiVtSlRU+IPywaBcGqOqeiJGTDujUOdHbdhNp8JqTZIlFomWcDobdKUs\nddYbay/bBmTro2WZ9fsRrf6CkQpigDY5zG56ZsgJWLX94BivWDk2wnJ31B6clm1h\nXeqidALb/eYvbQ/IqAsmNTD0zfqIbk058CBcP3/gYx/l72xjRfUXSFitnOcHybdm\nKQIDAQAB\n-----END PUBLIC KEY-----";
    const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQiOiJxdWlyZSIsImV4cCI6NDEwMjQ0NDgwMCwidGVuYW50IjoiYWNtZSIsInNjb3BlIjoib3BlbmlkIHJlYWQiLCJncm91cHMiOlsiZmluYW5jZSJdLCJzdWIiOiJhbm4ifQ.Yx39ecklV5VY-kM99Ponaab4OS9v-MUscacSzR1nMxZYPIbZPGPYeX4uErbse2DTgWOeFl70drp8TTEbYIBu4fda1Eo34ApJmoiyI_roearpeDSU1Lu1wQHgXYDoP3pMpmQcpsGoBPYgWPJVWYvjKC4E5-2KK8Nul0SZ3FVZBR3xWMu0gmILZKAqyENt84qyxYycwy5Ccm03rmDncPakjI_nPb35MpXIqzrRu7b8ZNX9asAQvcuzxOn_NvA4U5QM3j1EIUsOVMkN_wFZA7g9InM30A1Gvlzf0_sJNjoi1DppPVMOK2t9V3d3WmhsMgVt620Se_ta0Gxmk_lnOs5hag";

    fn tokens(algorithm: JwtAlgorithm, key: &str) -> Tokens {
        let settings = Jwt {
            issuer: "https://id.example".into(),
            audience: Some("quire".into()),
            algorithm,
            key: JwtKey::Text(SecretString::from(key.to_owned())),
            tenant_claim: "tenant".into(),
            scopes_claim: "scope".into(),
            groups_claim: "groups".into(),
        };
        Tokens::new(settings).unwrap()
    }

    #[test]
    fn a_token_of_the_issuer_names_its_caller() {
        for (algorithm, key, token) in
            [(JwtAlgorithm::ES256, EC_KEY, EC_TOKEN), (JwtAlgorithm::RS256, RSA_KEY, RSA_TOKEN)]
        {
            let caller = tokens(algorithm, key).caller(token).unwrap();
            assert_eq!((caller.tenant.0.as_str(), caller.name.as_deref()), ("acme", Some("acme/ann")));
            assert!(caller.may(Permission::Read).is_ok() && caller.may(Permission::Write).is_err());
        }
        assert!(tokens(JwtAlgorithm::RS256, RSA_KEY).caller(EC_TOKEN).is_err(), "signed another way");
        let cut = &RSA_TOKEN[..RSA_TOKEN.len() - 8];
        assert!(tokens(JwtAlgorithm::RS256, RSA_KEY).caller(cut).is_err());
        assert!(read_keys(JwtAlgorithm::ES256, "no key").is_err());
    }

    #[test]
    fn a_token_counts_only_as_it_should_be() {
        const SECRET: &str = "a secret of the issuer";
        let good = json!({ "iss": "https://id.example", "aud": "quire", "exp": 4102444800u64, "tenant": "acme", "scope": ["admin"] });
        let signed = |claims: &Value, secret: &str| {
            encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
        };
        let tokens = tokens(JwtAlgorithm::HS256, SECRET);
        assert!(tokens.caller(&signed(&good, SECRET)).unwrap().may(Permission::Write).is_ok());
        assert!(tokens.caller(&signed(&good, "another")).is_err());
        for (claim, value) in [
            ("iss", json!("https://evil.example")),
            ("aud", json!("others")),
            ("exp", json!(1)),
            ("nbf", json!(4102444800u64)),
            ("tenant", json!("")),
            ("tenant", Value::Null),
        ] {
            let mut claims = good.clone();
            claims[claim] = value;
            assert!(tokens.caller(&signed(&claims, SECRET)).is_err(), "{claim}: {claims}");
        }
        // a public key is no secret: nobody signs with it
        let confused = signed(&good, EC_KEY);
        assert!(super::tests::tokens(JwtAlgorithm::ES256, EC_KEY).caller(&confused).is_err());
    }
}
