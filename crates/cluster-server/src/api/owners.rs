//! Owner references that are there twice are taken once (`dedupOwnerReferencesAndAddWarning`).

use serde_json::Value;

use super::Context;

/// When they are looked at: that is told in the warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// As the client sent them.
    OnArrival,
    /// After mutating webhooks.
    AfterAdmission,
}

/// Takes out repeated owner references, with a warning.
pub(super) fn deduplicate(object: &mut Value, ctx: &Context, when: When) {
    let Some(references) = object
        .get_mut("metadata")
        .and_then(|metadata| metadata.get_mut("ownerReferences"))
        .and_then(Value::as_array_mut)
    else {
        return;
    };
    let mut kept: Vec<Value> = Vec::new();
    let mut twice: Vec<String> = Vec::new();
    for reference in references.drain(..) {
        if kept.contains(&reference) {
            twice.push(reference["uid"].as_str().unwrap_or_default().to_owned());
        } else {
            kept.push(reference);
        }
    }
    *references = kept;
    if twice.is_empty() {
        return;
    }
    let uids = twice.join(", ");
    ctx.warnings.add(match when {
        When::OnArrival => format!(
            ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject \
             such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {uids}"
        ),
        When::AfterAdmission => format!(
            ".metadata.ownerReferences contains duplicate entries after mutating admission happens; API server dedups owner \
             references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) \
             observed: {uids}"
        ),
    });
}
