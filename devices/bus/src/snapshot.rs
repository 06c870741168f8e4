//! Saved state: a kind, a version, and named fields.

use ciborium::Value;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The saved state of one device, or of a group of them. Self-describing: `fields` is a CBOR value in
/// which every field has its name, so a snapshot can be read without the code that wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The device's [`kind`](crate::Device::kind).
    pub kind: String,
    /// Version of the fields, from 1. It rises when their meaning changes.
    pub version: u32,
    /// The fields.
    pub fields: Value,
}

/// Why a saved state cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The state belongs to another kind of device.
    #[error("the saved state is of a {found:?}, not of a {expected:?}")]
    WrongKind {
        /// What the device is.
        expected: String,
        /// What the snapshot says.
        found: String,
    },
    /// The state was written by a newer program.
    #[error("the saved state of {kind:?} has version {found}; this program knows up to {known}")]
    NewerVersion {
        /// The device's kind.
        kind: String,
        /// The snapshot's version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// A field is missing, unknown, of the wrong type or out of range.
    #[error("the saved state of {kind:?} is damaged: {what}")]
    Invalid {
        /// The device's kind.
        kind: String,
        /// Which field, and what is wrong with it.
        what: String,
    },
}

impl Snapshot {
    /// Wraps a state struct. `T` must serialize as a struct, so that its fields keep their names.
    pub fn new<T: Serialize>(kind: &str, version: u32, state: &T) -> Self {
        let fields = Value::serialized(state)
            .expect("device state is plain data: integers, bytes, lists and structs");
        Self { kind: kind.to_owned(), version, fields }
    }

    /// The state struct again, if this is a snapshot of `kind` and of exactly `version`, the only one
    /// so far. A device that has had several reads [`version`](Self::version) first.
    pub fn open<T: DeserializeOwned>(&self, kind: &str, version: u32) -> Result<T, SnapshotError> {
        if self.kind != kind {
            return Err(SnapshotError::WrongKind {
                expected: kind.to_owned(),
                found: self.kind.clone(),
            });
        }
        if self.version > version {
            return Err(SnapshotError::NewerVersion {
                kind: kind.to_owned(),
                found: self.version,
                known: version,
            });
        }
        if self.version != version {
            return Err(SnapshotError::invalid(kind, format!("no version {}", self.version)));
        }
        self.fields.deserialized().map_err(|e| SnapshotError::invalid(kind, e.to_string()))
    }
}

impl SnapshotError {
    /// A damaged field of `kind`.
    pub fn invalid(kind: &str, what: impl Into<String>) -> Self {
        Self::Invalid { kind: kind.to_owned(), what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    struct State {
        counter: u16,
        name: String,
    }

    fn saved() -> Snapshot {
        Snapshot::new("pit", 1, &State { counter: 7, name: "x".into() })
    }

    #[test]
    fn opens_what_was_saved() {
        assert_eq!(saved().open::<State>("pit", 1).unwrap().counter, 7);
    }

    #[test]
    fn refuses_another_kind_and_a_newer_version() {
        assert!(matches!(saved().open::<State>("pic", 1), Err(SnapshotError::WrongKind { .. })));
        let mut newer = saved();
        newer.version = 2;
        assert!(matches!(newer.open::<State>("pit", 1), Err(SnapshotError::NewerVersion { .. })));
    }

    #[test]
    fn names_the_damaged_field() {
        let mut bad = saved();
        let Value::Map(fields) = &mut bad.fields else { panic!("a struct is a map") };
        fields[0].1 = Value::Integer(70_000.into());
        let error = bad.open::<State>("pit", 1).unwrap_err().to_string();
        assert!(error.contains("pit"), "{error}");
    }
}
