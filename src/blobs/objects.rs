//! What folder and bucket have in common: what a key may look like, and what their errors mean.

use object_store::path::Path as Location;

use crate::error::{Error, Result};

/// A key that can mean one place only, and none outside the folder.
pub fn location(key: &str) -> Result<Location> {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    if !key.split('/').all(plain) {
        return Err(Error::permanent(format!(
            "'{key}' is not a blob key: parts of letters, digits, '.', '-', '_' with '/' between them are expected"
        )));
    }
    Location::parse(key).map_err(|error| Error::bug(format!("'{key}' is not a blob key")).with_source(error))
}

/// What is said of a blob that is not there, and of another tenant's.
pub fn none_such(key: &str) -> Error {
    Error::permanent(format!("cannot read blob {key}: there is none"))
}

pub fn failed(action: &str, key: &str, error: object_store::Error) -> Error {
    use object_store::Error as E;
    let message = format!("cannot {action} blob {key}");
    match &error {
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => Error::configuration(message).with_source(error),
        E::InvalidPath { .. } | E::NotImplemented { .. } | E::NotSupported { .. } => {
            Error::bug(message).with_source(error)
        }
        _ => Error::transient(message).with_source(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leads_out_of_the_folder() {
        for key in ["", "/etc/passwd", "../x", "a/../x", "a//b", "a/", "a/.hidden", "a#1", "a b"] {
            assert!(location(key).is_err(), "{key}");
        }
    }
}
