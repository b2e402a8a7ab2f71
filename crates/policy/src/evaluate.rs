//! The one decision function.

use jiff::Timestamp;
use serde_json::Value;
use session::event::Quorum;
use session::{Injection, Mode, Person, PolicyVersion, Request, SpecHash, Verdict};

use crate::judge::Judge;
use crate::quorum::{Counting, later, needed};
use crate::{
    Act, By, Decision, Denied, Effect, Facts, Finding, Pending, Permit, Policy, Recording,
    container, effective, exposure, request as ask, shape,
};

mod scope;

/// Whether what `facts.act` says may happen now, and on which terms.
///
/// Asked by everybody who acts, each time anew: the controller before it proposes and before it grants,
/// admission before it allows. One `Allow` policy that matches must be satisfied whole (the first by name
/// wins), and so must every `Guard` that matches; without an `Allow` the answer is no.
///
/// The terms, and with them the spec hash, rest on the ask, the container that arrives, the policies and the
/// Pod's spec: an approval of anything else does not count.
pub fn evaluate(policies: &[Policy], request: &Request, facts: &Facts, now: Timestamp) -> Decision {
    let house = of_the_house(request, facts, now);
    if !house.is_empty() {
        return Decision::Denied(Denied { findings: house });
    }
    let context = effective(&facts.pod, &facts.container);
    let chosen = match choose(policies, request, facts, &context) {
        Ok(chosen) => chosen,
        Err(findings) => return Decision::Denied(Denied { findings }),
    };
    let terms = terms(&chosen, request, facts, context, now);
    if let Some(findings) = door(facts, terms.recording) {
        return Decision::Denied(Denied { findings });
    }
    decide(terms, request, facts, now)
}

/// What holds whatever the policies say.
fn of_the_house(request: &Request, facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let mut judge = Judge::of_the_house();
    if request.mode != Mode::Ephemeral {
        judge.refuse(
            "mode",
            format!("{}, which is not served yet", request.mode),
            "Ephemeral",
        );
    }
    same_pod(&mut judge, request, &facts.pod);
    let handle = request.handle();
    if facts.container.name() != handle.as_str() {
        judge.refuse("container.name", facts.container.name(), handle.as_str());
    }
    if let Some(target) = facts.container.target()
        && !scope::containers(&facts.pod).any(|name| name == target)
    {
        let names: Vec<&str> = scope::containers(&facts.pod).collect();
        judge.refuse("container.targetContainerName", target, names.join(", "));
    }
    shape::hold(&mut judge, facts.container.raw());
    actor(&mut judge, request, facts, now);
    for verdict in facts
        .approvals
        .iter()
        .filter(|a| a.verdict == Verdict::Deny)
    {
        let found = format!("{} said no: {}", verdict.approver.username, verdict.comment);
        judge.refuse("approval", found, "another request");
    }
    judge.into_findings()
}

fn same_pod(judge: &mut Judge<'_>, request: &Request, pod: &Value) {
    let metadata = &pod["metadata"];
    let asked = [
        ("pod.uid", "uid", &request.pod.uid),
        ("pod.name", "name", &request.pod.name),
        ("pod.namespace", "namespace", &request.pod.namespace),
    ];
    for (field, key, expected) in asked {
        let found = metadata[key].as_str().unwrap_or_default();
        if found.is_empty() || found != expected {
            judge.refuse(field, format!("{found:?}"), expected.as_str());
        }
    }
}

/// Who acts, and whether it is the time for it.
fn actor(judge: &mut Judge<'_>, request: &Request, facts: &Facts, now: Timestamp) {
    let requester = &request.requester;
    let by = match &facts.act {
        Act::Enter { by } => {
            match (by, request.injection) {
                (By::Controller, Injection::Controller) => {}
                (By::Person(person), Injection::Requester)
                    if requester.is_same_person_as(person) => {}
                (by, _) => {
                    let found = match by {
                        By::Controller => "the controller",
                        By::Person(person) => person.username.as_str(),
                    };
                    let accepted = match request.injection {
                        Injection::Controller => "the controller adds it: wait for it",
                        Injection::Requester => requester.username.as_str(),
                    };
                    judge.refuse("injection", found, accepted);
                }
            }
            return;
        }
        Act::Attach { by, .. } | Act::Exec { by, .. } => by,
    };
    if !requester.is_same_person_as(by) {
        let accepted = format!("{}: ask for a visit of your own", requester.username);
        judge.refuse("requester", by.username.as_str(), accepted);
    }
    match facts.open_until {
        Some(until) if now < until => {}
        Some(until) => judge.refuse("deadline", format!("it was {until}"), "another request"),
        None => judge.refuse(
            "phase",
            "the visit is not open",
            "an injected or running visit",
        ),
    }
}

/// In `Output` mode the container's log is the recording, and an exec is not in it.
fn door(facts: &Facts, recording: Recording) -> Option<Vec<Finding>> {
    let Act::Exec { .. } = &facts.act else {
        return None;
    };
    if recording == Recording::Off {
        return None;
    }
    let mut judge = Judge::of_the_house();
    let found = "an exec into a debug container whose output is recorded";
    judge.refuse(
        "recording.mode",
        found,
        "attach instead: kubectl attach -it",
    );
    Some(judge.into_findings())
}

/// The satisfied `Allow` and all matching `Guard`s, by name; or what stands against it.
fn choose<'p>(
    policies: &'p [Policy],
    request: &Request,
    facts: &Facts,
    context: &Value,
) -> Result<Vec<&'p Policy>, Vec<Finding>> {
    let labels = scope::labels(&facts.pod);
    let mut matching: Vec<&Policy> = policies
        .iter()
        .filter(|policy| scope::matches(policy, request, facts, &labels))
        .collect();
    matching.sort_by(|a, b| a.version.cmp(&b.version));
    let mut nearest: Option<Vec<Finding>> = None;
    let mut allowing = None;
    for policy in matching.iter().filter(|p| p.effect == Effect::Allow) {
        let findings = against(policy, request, facts, context);
        if findings.is_empty() {
            allowing = Some(*policy);
            break;
        }
        if nearest.as_ref().is_none_or(|n| findings.len() < n.len()) {
            nearest = Some(findings);
        }
    }
    let guards = matching.iter().filter(|p| p.effect == Effect::Guard);
    let guards: Vec<&Policy> = guards.copied().collect();
    let mut findings = match (allowing, nearest) {
        (Some(_), _) => Vec::new(),
        (None, Some(nearest)) => nearest,
        (None, None) => scope::nobody_allows(request),
    };
    for guard in &guards {
        findings.extend(against(guard, request, facts, context));
    }
    match allowing {
        Some(allow) if findings.is_empty() => {
            let mut chosen = guards;
            chosen.push(allow);
            chosen.sort_by(|a, b| a.version.cmp(&b.version));
            Ok(chosen)
        }
        _ => Err(findings),
    }
}

/// What stands against the ask in one policy.
fn against(policy: &Policy, request: &Request, facts: &Facts, context: &Value) -> Vec<Finding> {
    let mut judge = Judge::of(&policy.version);
    let rules = &policy.container;
    container::hold(&mut judge, rules, &facts.pod, &facts.container, context);
    ask::hold(&mut judge, &policy.request, request);
    ask::hold_approval(&mut judge, &policy.approval);
    judge.into_findings()
}

fn terms(
    chosen: &[&Policy],
    request: &Request,
    facts: &Facts,
    effective: Value,
    now: Timestamp,
) -> Pending {
    let exposure = exposure(&facts.pod, &facts.container);
    let policies: Vec<PolicyVersion> = chosen.iter().map(|p| p.version.clone()).collect();
    let quorum: Vec<Quorum> = needed(chosen);
    let expiry = chosen.iter().map(|p| p.approval.expiry).min();
    let expiry = expiry.unwrap_or_default();
    let recording = chosen.iter().map(|p| p.recording).max();
    Pending {
        spec_hash: SpecHash::of(request, &facts.container, &policies, &exposure.digest()),
        container: facts.container.clone(),
        policies,
        quorum,
        approve_until: later(now, expiry),
        exposure,
        effective,
        recording: recording.unwrap_or_default(),
        expiry,
    }
}

/// Whether enough people have said yes to exactly these terms.
fn decide(terms: Pending, request: &Request, facts: &Facts, now: Timestamp) -> Decision {
    let entering = matches!(facts.act, Act::Enter { .. });
    let requester: &Person = &request.requester;
    let counting = Counting {
        requester,
        spec_hash: terms.spec_hash,
        expiry: entering.then_some(terms.expiry),
        now,
    };
    let Some(approvals) = counting.met(&terms.quorum, &facts.approvals) else {
        return Decision::NeedsApproval(terms);
    };
    let oldest = approvals.iter().map(|a| a.at).min().unwrap_or(now);
    let use_until = later(oldest, terms.expiry);
    let approvals = approvals.iter().map(|a| a.uid.clone()).collect();
    Decision::Permit(Permit {
        terms,
        approvals,
        use_until,
    })
}
