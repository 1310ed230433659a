//! `quire keys`: who may ask the service, and for what.

use super::exit::ExitCode;
use std::io::{self, Write};

use clap::Subcommand;
use serde::Serialize;

use super::output::Output;
use crate::app::{App, KeyRequest};
use crate::error::Result;
use crate::ledger::KeyRecord;
use crate::telemetry::visible_line;
use crate::types::{Permission, Tenant};

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key and show it, this once. From the first key on nobody is let in without one
    Create {
        /// What to call it: who or what uses it
        name: String,
        /// Whose documents it is for
        #[arg(long, default_value = super::TENANT, value_name = "TENANT")]
        tenant: String,
        /// What it may do: read, write, admin; may be given more than once
        #[arg(long = "scope", value_name = "SCOPE", default_value = "read", value_parser = parse_permission)]
        permissions: Vec<Permission>,
        /// A group whose documents it may see; may be given more than once
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// Until when it holds: a moment as RFC 3339 writes it, or so many days: 90d
        #[arg(long, value_name = "WHEN", value_parser = parse_expiry)]
        expires: Option<jiff::Timestamp>,
    },
    /// List keys; what they are is never shown again
    List {
        /// Only this tenant's
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
    /// Let a key hold no more, at once
    Revoke {
        /// Its id, as `quire keys list` shows it
        key_id: String,
    },
}

#[derive(Debug, Serialize)]
struct Keys {
    keys: Vec<KeyRecord>,
}

fn parse_permission(text: &str) -> std::result::Result<Permission, String> {
    text.parse().map_err(|error: crate::error::Error| error.to_string())
}

/// `90d`, or a moment.
fn parse_expiry(text: &str) -> std::result::Result<jiff::Timestamp, String> {
    if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()) {
        let span = jiff::SignedDuration::from_hours(days.saturating_mul(24));
        return jiff::Timestamp::now().checked_add(span).map_err(|error| error.to_string());
    }
    text.parse().map_err(|_| format!("'{text}' is neither days (90d) nor a moment of RFC 3339 (2027-01-31T00:00:00Z)"))
}

pub async fn keys(app: &App, command: KeysCommand, output: Output) -> Result<ExitCode> {
    match command {
        KeysCommand::Create { name, tenant, permissions, groups, expires } => {
            let request = KeyRequest { name, tenant: Tenant(tenant), permissions, groups, expires };
            let created = app.create_key(&request).await?;
            output.result(&created, |out| {
                writeln!(out, "{}", created.key)?;
                writeln!(
                    out,
                    "\nKeep it: it is not shown again. Send it as `Authorization: Bearer {}...`.",
                    &created.key[..3]
                )?;
                write_key(out, &created.record)
            })?;
        }
        KeysCommand::List { tenant } => {
            let keys = Keys { keys: app.keys(tenant.map(Tenant).as_ref()).await? };
            output.result(&keys, |out| match keys.keys.as_slice() {
                [] => writeln!(
                    out,
                    "No keys: the service listens on this machine alone, and whoever is on it may do everything."
                ),
                some => some.iter().try_for_each(|key| write_key(out, key)),
            })?;
        }
        KeysCommand::Revoke { key_id } => {
            let revoked = app.revoke_key(&key_id).await?;
            output.result(&revoked, |out| write_key(out, &revoked))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_key(out: &mut dyn Write, key: &KeyRecord) -> io::Result<()> {
    let scopes: Vec<_> = key.permissions.iter().map(|permission| permission.as_str()).collect();
    let groups = if key.groups.is_empty() { String::new() } else { format!("   groups {}", key.groups.join(", ")) };
    let end = match (&key.revoked_at, &key.expires_at) {
        (Some(at), _) => format!("   revoked {at}"),
        (None, Some(at)) => format!("   until {at}"),
        (None, None) => String::new(),
    };
    writeln!(
        out,
        "{}  {:<16}  {:<12}  {}{}{end}",
        key.key_id,
        visible_line(&key.name),
        visible_line(&key.tenant.0),
        scopes.join(","),
        visible_line(&groups)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_expire_after_days_or_at_a_moment() {
        let soon = parse_expiry("90d").unwrap().duration_since(jiff::Timestamp::now());
        assert!((89 * 24..=90 * 24).contains(&soon.as_hours()), "{soon:?}");
        assert_eq!(parse_expiry("2027-01-31T00:00:00Z").unwrap().to_string(), "2027-01-31T00:00:00Z");
        assert!(parse_expiry("soon").unwrap_err().contains("'soon'"));
    }
}
