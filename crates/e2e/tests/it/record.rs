//! What the record of a visit must tell, field by field: a value with its source, or why there is none.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::Visit;

/// What a field is to be.
pub(crate) enum Expected {
    /// This value, on whose word.
    Is(Value, &'static str),
    /// Something, on whose word.
    Something(&'static str),
    /// Absent, for a reason with these words.
    Absent(&'static str),
}

use Expected::{Absent, Is, Something};

/// Checks each field of the list, and that no other field is without source and reason.
pub(crate) fn check(record: &Value, expected: &[(&str, Expected)]) -> Result<()> {
    for (pointer, expected) in expected {
        let field = record
            .pointer(pointer)
            .with_context(|| format!("the record has no {pointer}"))?;
        match expected {
            Is(value, by) => {
                ensure!(
                    field["value"] == *value,
                    "{pointer} is {:#}, not {value:#}",
                    field["value"]
                );
                ensure!(
                    field["source"]["toldBy"] == *by,
                    "{pointer} is told by {:#}, not {by}",
                    field["source"]
                );
            }
            Something(by) => {
                ensure!(!field["value"].is_null(), "{pointer} is absent: {field:#}");
                ensure!(
                    field["source"]["toldBy"] == *by,
                    "{pointer} is told by {:#}, not {by}",
                    field["source"]
                );
            }
            Absent(why) => {
                let said = field["absent"]
                    .as_str()
                    .with_context(|| format!("{pointer} is not absent: {field:#}"))?;
                ensure!(
                    said.contains(why),
                    "{pointer} is absent because {said:?}, not {why:?}"
                );
            }
        }
        if field.get("value").is_some() {
            ensure!(
                field["source"]["entry"].is_u64() && field["source"]["kind"].is_string(),
                "{pointer} has no source"
            );
        }
    }
    for (name, field) in record.as_object().context("the record is no object")? {
        told(name, field)?;
    }
    Ok(())
}

/// A field has a value with a source, a reason, or consists of such fields.
fn told(name: &str, field: &Value) -> Result<()> {
    if matches!(name, "version" | "session" | "phase" | "steps") {
        return Ok(());
    }
    let Some(parts) = field.as_object() else {
        bail!("{name} has neither source nor reason: {field:#}")
    };
    if parts.contains_key("value") {
        ensure!(
            parts.contains_key("source"),
            "{name} has no source: {field:#}"
        );
    } else if !parts.contains_key("absent") {
        ensure!(!parts.is_empty(), "{name} is empty");
        for (part, field) in parts {
            told(&format!("{name}.{part}"), field)?;
        }
    }
    Ok(())
}

/// The record of the visit in `one_session`, by what the cluster itself shows.
pub(crate) fn of_the_story(
    visit: &Visit,
    session: &Value,
    pod: &Value,
    status: &Value,
) -> Vec<(&'static str, Expected)> {
    let mut all = asked(visit, pod);
    all.extend(approved(session));
    all.extend(ran(session, status));
    all
}

fn asked(visit: &Visit, pod: &Value) -> Vec<(&'static str, Expected)> {
    let alice = json!({"username": "alice", "uid": "alice-uid", "groups": ["sre", "system:authenticated"], "extra": {}});
    vec![
        ("/requester", Is(alice, "API server")),
        ("/actsFor", Absent("authenticator names nobody")),
        ("/namespace", Is("shop".into(), "API server")),
        (
            "/pod",
            Is(
                json!({"name": "app", "uid": pod["metadata"]["uid"]}),
                "API server",
            ),
        ),
        ("/mode", Is("Ephemeral".into(), "requester")),
        ("/targetContainer", Is("app".into(), "API server")),
        (
            "/debugContainer",
            Is(visit.handle.as_str().into(), "API server"),
        ),
        (
            "/reason",
            Is("it answers slowly since 14:02".into(), "requester"),
        ),
        ("/ticket", Is("INC-2041".into(), "requester")),
        ("/checked/logs", Is("they end at 14:02".into(), "requester")),
        ("/checked/metrics", Absent("did not say")),
        ("/checked/audit", Absent("did not say")),
        (
            "/capabilities/requested",
            Is(json!({"add": ["SYS_PTRACE"], "drop": []}), "requester"),
        ),
        ("/requesterRights", Something("API server")),
        ("/clusterVersion", Something("API server")),
    ]
}

fn approved(session: &Value) -> Vec<(&'static str, Expected)> {
    vec![
        (
            "/approval/specHash",
            Is(session["status"]["specHash"].clone(), "policy"),
        ),
        (
            "/approval/quorum",
            Is(json!([{"group": "approvers", "count": 1}]), "policy"),
        ),
        ("/approval/policies", Something("policy")),
        ("/approval/verdicts", Something("approver")),
        ("/approval/grant", Something("policy")),
        (
            "/approval/independentlyConfirmed",
            Absent("no source of audit events"),
        ),
        (
            "/capabilities/granted",
            Is(json!({"add": ["SYS_PTRACE"], "drop": []}), "policy"),
        ),
        ("/exposure", Something("API server")),
        ("/securityContext", Something("API server")),
        ("/entered", Is(true.into(), "controller")),
        ("/admission", Something("admission")),
    ]
}

fn ran(session: &Value, status: &Value) -> Vec<(&'static str, Expected)> {
    vec![
        ("/image/reference", Is("tools:1".into(), "API server")),
        ("/image/requestedDigest", Absent("by tag")),
        (
            "/image/digestThatRan",
            Is(status["imageID"].clone(), "node"),
        ),
        (
            "/command",
            Is(
                session["spec"]["container"]["command"].clone(),
                "API server",
            ),
        ),
        ("/arguments", Absent("none were asked for")),
        ("/terminal/stdin", Is(false.into(), "API server")),
        ("/terminal/tty", Is(false.into(), "API server")),
        ("/terminal/attachments", Absent("nobody was let")),
        ("/terminal/recording", Absent("not recorded yet")),
        ("/node", Something("node")),
        ("/deadline", Something("controller")),
        ("/overstayed", Is(false.into(), "controller")),
        ("/exit", Something("node")),
        ("/podAfterwards", Something("controller")),
        ("/auditEvents", Absent("not collected yet")),
        ("/evidence", Absent("not captured yet")),
    ]
}
