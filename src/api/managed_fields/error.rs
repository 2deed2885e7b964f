//! Why an applied configuration was not taken.
//!
//! Follows apimachinery `pkg/util/managedfields/internal/conflict.go`.

use std::fmt;

/// A field that another manager owns with another value: a cause in the `details` of the answer, of type
/// `FieldManagerConflict`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The manager as messages name it: `"one"`, `"two" with subresource "status" using apps/v1`.
    pub manager: String,
    /// The field, as `.spec.replicas`.
    pub field: String,
}

impl Conflict {
    /// The message of the cause.
    pub fn message(&self) -> String {
        format!("conflict with {}", self.manager)
    }
}

/// Why an applied configuration was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// 400, `BadRequest`: the configuration is of another type, or holds what it must not.
    BadRequest(String),
    /// 409, `Conflict`: fields of others, in upstream's order; never empty.
    Conflicts(Vec<Conflict>),
    /// 500 without a reason: the configuration does not fit its type, or the object's `managedFields` cannot be read.
    Failed(String),
}

impl ApplyError {
    /// The code of the answer.
    pub fn code(&self) -> u16 {
        match self {
            ApplyError::BadRequest(_) => 400,
            ApplyError::Conflicts(_) => 409,
            ApplyError::Failed(_) => 500,
        }
    }
}

/// The message of the answer.
impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conflicts = match self {
            ApplyError::BadRequest(message) | ApplyError::Failed(message) => return f.write_str(message),
            ApplyError::Conflicts(conflicts) => conflicts,
        };
        if let [only] = conflicts.as_slice() {
            return write!(f, "Apply failed with 1 conflict: {}: {}", only.message(), only.field);
        }
        write!(f, "Apply failed with {} conflicts: ", conflicts.len())?;
        let mut before = None;
        for conflict in conflicts {
            if before != Some(&conflict.manager) {
                let line = if before.is_some() { "\n" } else { "" };
                write!(f, "{line}conflicts with {}:", conflict.manager)?;
                before = Some(&conflict.manager);
            }
            write!(f, "\n- {}", conflict.field)?;
        }
        Ok(())
    }
}

impl std::error::Error for ApplyError {}
