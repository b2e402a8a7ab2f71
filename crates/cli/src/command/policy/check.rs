//! `ephemera policy check`: what is wrong with policies before they are applied.

use std::path::{Path, PathBuf};

use api::DebugPolicy;
use serde::Serialize;
use serde_json::Value;

use super::files;
use crate::args::Format;
use crate::exit::{Exit, Outcome};
use crate::printer::Printer;

/// One thing that is wrong, as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    file: String,
    policy: String,
    severity: &'static str,
    field: String,
    message: String,
}

/// Checks every policy of every file; ends with 5 if one of them means nothing.
pub(super) fn run(paths: &[PathBuf], output: Option<Format>, printer: Printer) -> Outcome {
    let mut complaints = Vec::new();
    let mut policies = 0;
    for path in paths {
        for document in &files::documents(path)? {
            if files::is_policy(document) {
                policies += 1;
                one(path, document, &mut complaints);
            }
        }
    }
    match output {
        Some(format) => printer.value(&complaints, format)?,
        None => {
            for c in &complaints {
                printer.line(format!(
                    "{}: {} {}: {}: {}",
                    c.file, c.policy, c.severity, c.field, c.message
                ))?;
            }
        }
    }
    let errors = complaints.iter().filter(|c| c.severity == "error").count();
    let warnings = complaints.len() - errors;
    printer.say(format!(
        "{policies} policies, {errors} errors, {warnings} warnings."
    ));
    if policies == 0 {
        return Err(anyhow::anyhow!("no DebugPolicy in these files").into());
    }
    Ok(if errors == 0 {
        Exit::Done
    } else {
        Exit::Unverified
    })
}

fn one(path: &Path, document: &Value, complaints: &mut Vec<Complaint>) {
    let name = document["metadata"]["name"].as_str().unwrap_or("(no name)");
    let mut complain = |severity, field: String, message: String| {
        complaints.push(Complaint {
            file: path.display().to_string(),
            policy: name.to_owned(),
            severity,
            field,
            message,
        });
    };
    let (object, unknown) = match files::typed::<DebugPolicy>(document) {
        Ok(read) => read,
        Err(error) => {
            complain("error", "the object".into(), error.to_string());
            return;
        }
    };
    for field in unknown {
        let message = "there is no such field: the API server would drop it";
        complain("error", field, message.into());
    }
    match api::policy(&object) {
        Err(error) => {
            let message = format!("{}: {}", error.found, error.instead);
            complain("error", error.field, message);
        }
        Ok(policy) => {
            for end in policy::dead_ends(&policy) {
                complain("warning", end.field.to_owned(), end.why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_misspelt_means_nothing_or_leads_nowhere_is_said() {
        let check = |spec: Value, expected: &[(&str, &str)]| {
            let document = serde_json::json!({
                "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugPolicy", "metadata": {"name": "p"}, "spec": spec,
            });
            let mut complaints = Vec::new();
            one(Path::new("f"), &document, &mut complaints);
            let found: Vec<(&str, &str)> = complaints
                .iter()
                .map(|c| (c.severity, c.field.as_str()))
                .collect();
            assert_eq!(found, expected, "{document}");
        };
        let good = serde_json::json!({
            "match": {"namespaceSelector": {}, "podSelector": {}, "subjects": {"groups": ["sre"]}},
            "container": {"images": ["tools:*"], "targets": ["*"]},
            "approval": {"none": "AutoApprove"},
        });
        check(good.clone(), &[]);
        let mut misspelt = good.clone();
        misspelt["container"]["imagess"] = serde_json::json!([]);
        check(misspelt, &[("error", "spec.container.imagess")]);
        let mut meaningless = good.clone();
        meaningless["approval"] = serde_json::json!({"expirySeconds": 0});
        check(meaningless, &[("error", "spec.approval.expirySeconds")]);
        let mut nowhere = good;
        nowhere["container"]["images"] = serde_json::json!([]);
        check(nowhere, &[("warning", "spec.container.images")]);
    }
}
