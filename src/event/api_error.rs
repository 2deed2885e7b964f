//! Errors as the API server answers them. Upstream: `meta/v1.Status`, `apimachinery/pkg/api/errors`.

use std::fmt;

use crate::api::Name;

/// `reason` of a failed `Status`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ErrorReason {
    /// 404.
    NotFound,
    /// 409 on create.
    AlreadyExists,
    /// 409: the resourceVersion or a precondition does not match.
    Conflict,
    /// 422.
    Invalid,
    /// 400.
    BadRequest,
    /// 403.
    Forbidden,
    /// 405.
    MethodNotAllowed,
    /// 410: a continue token's or watch's revision is compacted.
    Expired,
    /// 410.
    Gone,
    /// 429.
    TooManyRequests,
    /// 500.
    InternalError,
    /// 503.
    ServiceUnavailable,
    /// 504: the request may or may not have been applied.
    Timeout,
    /// 415.
    UnsupportedMediaType,
    /// No answer, since nobody listens; the request was not applied.
    ConnectionRefused,
    /// No answer in time; the request may or may not have been applied.
    ConnectionLost,
}

impl ErrorReason {
    /// The HTTP code; 0 where there was no answer.
    pub fn code(self) -> u16 {
        match self {
            ErrorReason::BadRequest => 400,
            ErrorReason::Forbidden => 403,
            ErrorReason::NotFound => 404,
            ErrorReason::MethodNotAllowed => 405,
            ErrorReason::AlreadyExists | ErrorReason::Conflict => 409,
            ErrorReason::Expired | ErrorReason::Gone => 410,
            ErrorReason::UnsupportedMediaType => 415,
            ErrorReason::Invalid => 422,
            ErrorReason::TooManyRequests => 429,
            ErrorReason::InternalError => 500,
            ErrorReason::ServiceUnavailable => 503,
            ErrorReason::Timeout => 504,
            ErrorReason::ConnectionRefused | ErrorReason::ConnectionLost => 0,
        }
    }

    /// The word in `Status.reason`; our own where there was no answer.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorReason::NotFound => "NotFound",
            ErrorReason::AlreadyExists => "AlreadyExists",
            ErrorReason::Conflict => "Conflict",
            ErrorReason::Invalid => "Invalid",
            ErrorReason::BadRequest => "BadRequest",
            ErrorReason::Forbidden => "Forbidden",
            ErrorReason::MethodNotAllowed => "MethodNotAllowed",
            ErrorReason::Expired => "Expired",
            ErrorReason::Gone => "Gone",
            ErrorReason::TooManyRequests => "TooManyRequests",
            ErrorReason::InternalError => "InternalError",
            ErrorReason::ServiceUnavailable => "ServiceUnavailable",
            ErrorReason::Timeout => "Timeout",
            ErrorReason::UnsupportedMediaType => "UnsupportedMediaType",
            ErrorReason::ConnectionRefused => "ConnectionRefused",
            ErrorReason::ConnectionLost => "ConnectionLost",
        }
    }
}

/// `details.causes[]`: what is wrong with one field.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ErrorCause {
    /// As `FieldValueInvalid`.
    pub reason: Name,
    /// A sentence.
    pub message: Name,
    /// The field; may be empty.
    pub field: Name,
}

/// A failed request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError {
    /// What kind of failure.
    pub reason: ErrorReason,
    /// `message`, as upstream words it.
    pub message: Name,
    /// `details.causes[].reason` of the first cause, where a client looks at it (`NamespaceTerminating`,
    /// `DisruptionBudget`); empty otherwise.
    pub cause: Name,
    /// `details.causes` of errors that are about fields.
    pub causes: Vec<ErrorCause>,
    /// `details.retryAfterSeconds`.
    pub retry_after_seconds: Option<u32>,
}

impl ApiError {
    /// An error without a cause or a time to retry.
    pub fn new(reason: ErrorReason, message: impl Into<Name>) -> ApiError {
        ApiError { reason, message: message.into(), cause: Name::new(), causes: Vec::new(), retry_after_seconds: None }
    }

    /// The same with a cause.
    #[must_use]
    pub fn with_cause(mut self, cause: &str) -> ApiError {
        self.cause = cause.into();
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
