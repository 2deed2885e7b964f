//! Errors in kubectl's words. Upstream: `kubectl/pkg/cmd/util/helpers.go`.

use super::shell::Failure;
use crate::api::Name;
use crate::event::{ApiError, ErrorReason};

const REFUSED: &str =
    "The connection to the server 10.96.0.1:443 was refused - did you specify the right host or port?";

/// What kubectl prints when it ends with these failures: one alone reads otherwise than one of several.
/// Upstream: `checkErr`.
pub(super) fn at_the_end(failures: &[Failure]) -> Vec<Name> {
    match failures {
        [] => Vec::new(),
        [failure] => vec![alone(failure)],
        several => several.iter().map(among_others).collect(),
    }
}

fn alone(failure: &Failure) -> Name {
    match failure {
        Failure::Server(error) if error.reason == ErrorReason::Invalid => invalid(error),
        Failure::Plain(message) if !message.starts_with("error: ") => ecow::eco_format!("error: {message}"),
        Failure::Server(_) | Failure::Plain(_) => among_others(failure),
    }
}

fn among_others(failure: &Failure) -> Name {
    match failure {
        Failure::Server(error) => match error.reason {
            ErrorReason::ConnectionRefused => REFUSED.into(),
            ErrorReason::ConnectionLost => ecow::eco_format!("Unable to connect to the server: {}", error.message),
            reason => ecow::eco_format!("Error from server ({}): {}", reason.as_str(), error.message),
        },
        Failure::Plain(message) => message.into(),
    }
}

/// A 422 is not quoted but told again from its details, the kind without its group. Here the details are read off the
/// message, `error when creating "x": Deployment.apps "web" is invalid: spec.…`, and several causes stay in brackets.
fn invalid(error: &ApiError) -> Name {
    let mark = "\" is invalid: ";
    let told = error.message.split_once(mark).and_then(|(object, causes)| {
        let object = object.rsplit_once(": ").map_or(object, |(_, object)| object);
        let (kind, name) = object.split_once(" \"")?;
        let kind = kind.split('.').next().unwrap_or(kind);
        Some(ecow::eco_format!("The {kind} \"{name}\" is invalid: {causes}"))
    });
    told.unwrap_or_else(|| ecow::eco_format!("The request is invalid: {}", error.message))
}

/// What the server said, with the verb and where the document came from. A document here has no file: its name stands
/// for it. Upstream: `AddSourceToErr`.
pub(super) fn with_source(verb: &str, source: &str, mut error: ApiError) -> Failure {
    if error.reason.code() == 0 {
        return Failure::Server(error);
    }
    error.message = ecow::eco_format!("error when {verb} {source:?}: {}", error.message);
    Failure::Server(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(failures: &[Failure], expected: &[&str]) {
        let found = at_the_end(failures);
        assert_eq!(found.iter().map(Name::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_error_alone_reads_otherwise_than_among_others() {
        let server = |reason, message: &str| Failure::Server(ApiError::new(reason, message));
        let missing = server(ErrorReason::NotFound, "pods \"a\" not found");
        let wrong =
            r#"Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#;
        let invalid = with_source("creating", "web", ApiError::new(ErrorReason::Invalid, wrong));
        let plain = Failure::Plain("unable to drain".to_owned());
        check(&[], &[]);
        check(std::slice::from_ref(&missing), &["Error from server (NotFound): pods \"a\" not found"]);
        check(
            std::slice::from_ref(&invalid),
            &[
                r#"The Deployment "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#,
            ],
        );
        check(std::slice::from_ref(&plain), &["error: unable to drain"]);
        check(
            &[missing, invalid, plain],
            &[
                "Error from server (NotFound): pods \"a\" not found",
                &format!("Error from server (Invalid): error when creating \"web\": {wrong}"),
                "unable to drain",
            ],
        );
        check(&[server(ErrorReason::Invalid, "too long")], &["The request is invalid: too long"]);
    }
}
