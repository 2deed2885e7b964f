//! Admission webhooks: from what was typed to what the API server reads.

use super::file::{WebhookConditionFile, WebhookFile};
use crate::api::located::{InputError, Place};
use crate::kernel::Span;
use crate::store::{DeclaredWebhook, WebhookCondition, WebhookDenial, WebhookPatch, WebhookTest};

pub(super) fn lower(files: &[WebhookFile], place: &Place<'_>, errors: &mut Vec<InputError>) -> Vec<DeclaredWebhook> {
    let mut declared: Vec<DeclaredWebhook> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let here = place.index(index);
        if declared.iter().any(|known| known.name == file.name) {
            errors.push(here.key("name").error(format!("{:?} is declared twice", file.name)));
        }
        match lower_one(file, &here) {
            Ok(webhook) => declared.push(webhook),
            Err(error) => errors.push(error),
        }
    }
    declared
}

fn lower_one(file: &WebhookFile, place: &Place<'_>) -> Result<DeclaredWebhook, InputError> {
    let latency =
        file.latency.map_or((Span::from_millis(2), Span::from_millis(10)), |range| (range.0.low, range.0.high));
    let mut denials = Vec::new();
    for (index, denial) in file.denies.iter().enumerate() {
        let when = conditions(&denial.when, &place.key("denies").index(index).key("when"))?;
        denials.push(WebhookDenial { when, message: denial.message.clone() });
    }
    let mut patches = Vec::new();
    for (index, patch) in file.patches.iter().enumerate() {
        let here = place.key("patches").index(index);
        if serde_json::from_value::<json_patch::Patch>(patch.patch.clone()).is_err() {
            let help = "write for example [{op: add, path: /metadata/labels/team, value: blue}]";
            return Err(here.key("patch").error_help("this is no JSON patch", help));
        }
        patches.push(WebhookPatch { when: conditions(&patch.when, &here.key("when"))?, patch: patch.patch.clone() });
    }
    Ok(DeclaredWebhook { name: file.name.as_str().into(), latency, denials, patches })
}

fn conditions(files: &[WebhookConditionFile], place: &Place<'_>) -> Result<Vec<WebhookCondition>, InputError> {
    files.iter().enumerate().map(|(index, file)| condition(file, &place.index(index))).collect()
}

fn condition(file: &WebhookConditionFile, place: &Place<'_>) -> Result<WebhookCondition, InputError> {
    let exists = |exists: bool| if exists { WebhookTest::Present } else { WebhookTest::Missing };
    let tests = [
        file.equals.clone().map(WebhookTest::Is),
        file.not_equals.clone().map(WebhookTest::IsNot),
        file.at_least.map(WebhookTest::AtLeast),
        file.at_most.map(WebhookTest::AtMost),
        file.exists.map(exists),
    ];
    let mut given = tests.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(test), None) => Ok(WebhookCondition { path: file.field.clone(), test }),
        (None, _) => {
            Err(place.error_help("nothing is asked of the field", "add equals, notEquals, atLeast, atMost or exists"))
        }
        (Some(_), Some(_)) => Err(place.error("one test belongs to one field: write a condition for each")),
    }
}
