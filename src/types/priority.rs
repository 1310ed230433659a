//! What goes first where documents wait: of one tenant's, for tenants take turns whatever they say of their own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How soon a document is wanted, beside its tenant's others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others.
    High,
    #[default]
    Normal,
    /// When nothing else waits.
    Low,
}

impl Priority {
    /// In the order in which they are served.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// Its place in the order in which they are served.
    pub fn rank(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|priority| priority.as_str() == text).ok_or_else(|| {
            Error::permanent(format!(
                "'{text}' is no priority: one of {} is expected",
                Self::ALL.map(Self::as_str).join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_served_in_order_and_read_as_they_are_written() {
        for (rank, priority) in Priority::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(priority.rank()), rank);
            assert_eq!(priority.to_string().parse::<Priority>().unwrap(), priority);
            assert_eq!(serde_json::to_value(priority).unwrap(), priority.as_str());
        }
        assert!(Priority::High < Priority::Normal && Priority::Normal < Priority::Low);
        assert!("urgent".parse::<Priority>().unwrap_err().to_string().contains("high, normal, low"));
    }
}
