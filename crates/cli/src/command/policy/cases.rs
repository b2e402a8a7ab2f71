//! `ephemera policy test`: cases as data, decided by the function that decides in the cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use api::{DebugSession, Stamp};
use jiff::Timestamp;
use kube::api::ObjectMeta;
use policy::{Act, By, Decision, Facts, Policy, evaluate};
use serde::Deserialize;
use serde_json::Value;
use session::{Approval, Verdict};

use super::files;
use crate::clock;
use crate::exit::{Exit, Outcome};
use crate::printer::Printer;

/// One case: policies, a Pod, an ask, and the decision that is expected.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    /// What it shows, as a sentence.
    name: String,
    /// Files with policies, relative to the case's own.
    policies: Vec<PathBuf>,
    /// Labels of the Pod's namespace.
    #[serde(default)]
    namespace_labels: BTreeMap<String, String>,
    /// The Pod, as the API server would return it.
    pod: Value,
    /// The ask: the `spec` of a DebugSession, `requester` filled in, the container as a dry run would return it.
    ask: Value,
    /// People who say yes to exactly this.
    #[serde(default)]
    approvals: Vec<Stamp>,
    /// What must come out.
    expect: Expected,
}

/// What must come out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Expected {
    /// `Permit`, `NeedsApproval` or `Denied`.
    decision: String,
    /// For `Denied`: the fields of all findings, in any order. Left out: any.
    fields: Option<Vec<String>>,
    /// For the others: the names of the policies that were satisfied. Left out: any.
    policies: Option<Vec<String>>,
}

/// Decides every case of the folder; ends with 5 if one comes out differently.
pub(super) fn run(folder: &Path, printer: Printer) -> Outcome {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?
    {
        let path = entry?.path();
        let yaml = path
            .extension()
            .is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        if yaml && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let (mut passed, mut failed) = (0, 0);
    for path in &paths {
        for document in files::documents(path)?
            .iter()
            .filter(|d| !d["expect"].is_null())
        {
            let case: Case = serde_json::from_value(document.clone())
                .with_context(|| format!("{} holds a case that is none", path.display()))?;
            let told = format!("{}: {}", path.display(), case.name);
            match judged(path, &case).with_context(|| told.clone())? {
                None => {
                    passed += 1;
                    printer.line(format!("ok    {told}"))?;
                }
                Some(difference) => {
                    failed += 1;
                    printer.line(format!("FAIL  {told}\n      {difference}"))?;
                }
            }
        }
    }
    printer.say(format!("{passed} passed, {failed} failed."));
    if passed + failed == 0 {
        return Err(anyhow!("no cases in {}: a case has `expect`", folder.display()).into());
    }
    Ok(if failed == 0 {
        Exit::Done
    } else {
        Exit::Unverified
    })
}

/// What is not as expected.
fn judged(path: &Path, case: &Case) -> Result<Option<String>> {
    let beside = path.parent().unwrap_or(Path::new("."));
    let mut policies = Vec::new();
    for file in &case.policies {
        let read = files::policies(&beside.join(file))?;
        if read.is_empty() {
            bail!("{} has no DebugPolicy", file.display());
        }
        policies.extend(read);
    }
    let decision = decide(&policies, case)?;
    Ok(difference(&decision, &case.expect))
}

/// Asks once for the hash and, if people said yes to it, once more.
fn decide(policies: &[Policy], case: &Case) -> Result<Decision> {
    let (request, mut facts) = asked(case)?;
    let now = clock::now();
    let first = evaluate(policies, &request, &facts, now);
    let Decision::NeedsApproval(pending) = &first else {
        return Ok(first);
    };
    let hash = pending.spec_hash();
    let yes = |(number, stamp): (usize, &Stamp)| Approval {
        uid: format!("approval-{number}"),
        name: format!("approval-{number}"),
        approver: stamp.into(),
        verdict: Verdict::Approve,
        spec_hash: hash,
        comment: String::new(),
        at: now,
    };
    facts.approvals = case.approvals.iter().enumerate().map(yes).collect();
    Ok(evaluate(policies, &request, &facts, now))
}

/// The ask as the controller would hold it, with uids where the case names none.
fn asked(case: &Case) -> Result<(session::Request, Facts)> {
    const UID: &str = "00000000-0000-4000-8000-000000000000";
    let mut pod = case.pod.clone();
    let metadata = &mut pod["metadata"];
    for (field, default) in [("namespace", "default"), ("uid", UID)] {
        if metadata[field].is_null() {
            metadata[field] = default.into();
        }
    }
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    let mut spec = case.ask.clone();
    spec["pod"] = serde_json::json!({"name": text("name"), "uid": text("uid")});
    if spec["container"]["name"].is_null() {
        spec["container"]["name"] = "debugger".into();
    }
    let (spec, unknown) = files::typed(&spec).context("its `ask` is no spec of a DebugSession")?;
    if let Some(field) = unknown.first() {
        bail!("its `ask` has a field {field}, which a DebugSession does not have");
    }
    let object = DebugSession {
        metadata: ObjectMeta {
            name: Some("case".into()),
            namespace: Some(text("namespace")),
            uid: Some(UID.into()),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    };
    let request = api::request(&object)?;
    let facts = Facts {
        container: request.container.named(&request.handle()),
        act: Act::Enter {
            by: By::expected(&request),
        },
        pod,
        namespace_labels: case.namespace_labels.clone(),
        approvals: Vec::new(),
        open_until: None::<Timestamp>,
    };
    Ok((request, facts))
}

fn difference(decision: &Decision, expected: &Expected) -> Option<String> {
    let told = match decision {
        Decision::Denied(denied) => denied.to_string(),
        other => other.name().to_owned(),
    };
    if decision.name() != expected.decision {
        return Some(format!("expected {}, found {told}", expected.decision));
    }
    match decision {
        Decision::Denied(denied) => {
            let found = denied.findings.iter().map(|f| f.field.clone()).collect();
            unlike(expected.fields.clone(), found, "fields", &told)
        }
        Decision::NeedsApproval(pending) => satisfied(expected, pending.policies(), &told),
        Decision::Permit(permit) => satisfied(expected, permit.policies(), &told),
    }
}

fn satisfied(expected: &Expected, found: &[session::PolicyVersion], told: &str) -> Option<String> {
    let found = found.iter().map(|version| version.name.clone()).collect();
    unlike(expected.policies.clone(), found, "policies", told)
}

fn unlike(
    expected: Option<Vec<String>>,
    mut found: Vec<String>,
    what: &str,
    told: &str,
) -> Option<String> {
    let mut expected = expected?;
    expected.sort();
    expected.dedup();
    found.sort();
    found.dedup();
    (expected != found)
        .then(|| format!("expected the {what} {expected:?}, found {found:?}: {told}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/policy-cases/on-call.yaml")
    }

    #[test]
    fn the_examples_come_out_as_they_say() {
        let path = examples();
        let documents = files::documents(&path).unwrap();
        assert_eq!(documents.len(), 4);
        for document in documents {
            let case: Case = serde_json::from_value(document).unwrap();
            assert_eq!(judged(&path, &case).unwrap(), None, "{}", case.name);
        }
    }

    #[test]
    fn a_case_that_comes_out_differently_says_how() {
        let path = examples();
        let check = |change: fn(&mut Value), expected: &str| {
            let mut document = files::documents(&path).unwrap().remove(0);
            change(&mut document);
            let case: Case = serde_json::from_value(document).unwrap();
            let difference = judged(&path, &case).unwrap().unwrap_or_default();
            assert!(difference.starts_with(expected), "{difference}");
        };
        check(
            |d| d["expect"]["decision"] = "Permit".into(),
            "expected Permit, found NeedsApproval",
        );
        check(
            |d| d["ask"]["ticket"] = "none".into(),
            "expected NeedsApproval, found not permitted: ",
        );
        check(
            |d| d["expect"]["policies"] = serde_json::json!(["other"]),
            "expected the policies [\"other\"], found [\"on-call\"]",
        );
    }
}
