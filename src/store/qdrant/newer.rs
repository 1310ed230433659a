//! What a schema asks for that older servers do not know, and would pass over without a word.

use super::connection::{MEMORY_TIERS, Server, TURBO_4, TURBO_8, TURBO_QUANTIZATION, Version};
use crate::config;
use crate::error::{Error, Result};
use crate::types::{Datatype, Quantization, Schema, TurboBits, VectorSpec};

/// # Errors
/// Configuration, naming the setting and since when it is known, if the server is too old for it.
pub(super) fn check_settings(settings: &config::Server, server: &Server) -> Result<()> {
    let given = [
        ("store.payload_memory", settings.payload_memory.is_some()),
        ("store.payload_index_memory", settings.payload_index_memory.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((key, _)) if server.version < MEMORY_TIERS => Err(Error::configuration(format!(
            "{key} asks for tiers of memory, which Qdrant knows from {MEMORY_TIERS} on, and the server has version {}: leave it out (payloads \
             and their indexes are on disk then), or use a newer server",
            server.release
        ))),
        _ => Ok(()),
    }
}

/// # Errors
/// Configuration, naming the vector, what it asks for and since when it is known, if the server is too old for it.
pub(super) fn check(schema: &Schema, server: &Server) -> Result<()> {
    for spec in &schema.vectors {
        for (what, since, instead) in needs(spec) {
            if server.version < since {
                return Err(Error::configuration(format!(
                    "vector '{}' asks for {what}, which Qdrant knows from {since} on, and the server has version {}: {instead}, or \
                     use a newer server",
                    spec.name, server.release
                )));
            }
        }
    }
    Ok(())
}

/// What the vector asks for, since when there is such a thing, and what there is besides.
fn needs(spec: &VectorSpec) -> Vec<(String, Version, &'static str)> {
    let mut needs = Vec::new();
    let datatype = match spec.datatype {
        Datatype::Float32 | Datatype::Float16 => None,
        Datatype::Turbo4 => Some(TURBO_4),
        Datatype::Turbo8 | Datatype::Turbo16 => Some(TURBO_8),
    };
    if let Some(since) = datatype {
        needs.push((format!("the datatype {}", spec.datatype.as_str()), since, "take datatype: float16"));
    }
    match spec.quantization {
        Some(Quantization::Turbo { bits: TurboBits::Bits8, .. }) => {
            needs.push(("TurboQuant of 8 bits".into(), TURBO_8, "take bits4, or type: scalar"));
        }
        Some(Quantization::Turbo { .. }) => {
            needs.push(("TurboQuant".into(), TURBO_QUANTIZATION, "take type: binary"));
        }
        _ => {}
    }
    if !spec.memory.say_nothing() {
        needs.push(("tiers of memory".into(), MEMORY_TIERS, "take on_disk, and in_memory of its quantization"));
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::store::fixtures;
    use crate::types::MemoryTier;

    fn against(release: &str, change: impl Fn(&mut VectorSpec)) -> Result<()> {
        let mut schema = fixtures::schema();
        change(&mut schema.vectors[0]);
        check(&schema, &Server::new(release.into()).unwrap())
    }

    #[test]
    fn what_every_server_knows_needs_no_version() {
        against("1.16.0", |_| {}).unwrap();
    }

    #[test]
    fn settings_that_an_older_server_would_pass_over_are_refused_by_name() {
        let at =
            |release: &str, settings: &config::Server| check_settings(settings, &Server::new(release.into()).unwrap());
        let plain = config::Server::at("http://localhost:6334");
        at("1.16.0", &plain).unwrap();
        let tier = Some(MemoryTier::Cold);
        let of_payload = config::Server { payload_memory: tier, ..plain.clone() };
        let of_indexes = config::Server { payload_index_memory: tier, ..plain };
        for (settings, key) in [(of_payload, "store.payload_memory"), (of_indexes, "store.payload_index_memory")] {
            let error = at("1.18.3", &settings).unwrap_err();
            assert_eq!(error.kind(), Kind::Configuration);
            assert!(error.to_string().contains(key) && error.to_string().contains("1.19"), "{error}");
            at("1.19.0", &settings).unwrap();
        }
    }

    #[test]
    fn each_is_taken_from_its_version_on_and_refused_before_in_words() {
        let turbo = |bits| Some(Quantization::Turbo { bits, in_memory: true });
        type Change = Box<dyn Fn(&mut VectorSpec)>;
        let cases: [(&str, &str, &str, Change); 6] = [
            ("1.18.3", "1.19.0", "turbo4", Box::new(|spec| spec.datatype = Datatype::Turbo4)),
            ("1.19.2", "1.20.0", "turbo8", Box::new(|spec| spec.datatype = Datatype::Turbo8)),
            ("1.19.2", "1.20.0", "turbo16", Box::new(|spec| spec.datatype = Datatype::Turbo16)),
            ("1.17.1", "1.18.0", "TurboQuant", Box::new(move |spec| spec.quantization = turbo(TurboBits::Bits1))),
            ("1.19.2", "1.20.0", "8 bits", Box::new(move |spec| spec.quantization = turbo(TurboBits::Bits8))),
            ("1.18.3", "1.19.0", "tiers", Box::new(|spec| spec.memory.vectors = Some(MemoryTier::Cold))),
        ];
        for (old, new, what, change) in cases {
            let error = against(old, &change).unwrap_err();
            assert_eq!(error.kind(), Kind::Configuration, "{what}");
            let said = error.to_string();
            for part in [what, "patches", old, new.trim_end_matches(".0")] {
                assert!(said.contains(part), "{part}: {said}");
            }
            against(new, &change).unwrap();
        }
    }
}
