//! Which policies an ask is held against.

use std::collections::BTreeMap;

use serde_json::Value;
use session::{Mode, Person, Request};

use crate::exposure::items;
use crate::judge::Judge;
use crate::{Act, By, Effect, Facts, Finding, Policy, Selector};

/// Whether a policy matches namespace, Pod, person and mode.
///
/// What is left out is read against the visit: for an `Allow` it matches nothing, for a `Guard` everything.
pub(super) fn matches(
    policy: &Policy,
    request: &Request,
    facts: &Facts,
    pod_labels: &BTreeMap<String, String>,
) -> bool {
    let scope = &policy.scope;
    let guard = policy.effect == Effect::Guard;
    let selects = |selector: &Option<Selector>, labels: &BTreeMap<String, String>| {
        selector.as_ref().map_or(guard, |s| s.matches(labels))
    };
    let anybody = scope.users.is_empty() && scope.groups.is_empty();
    let mut people = people(request, facts);
    let named = if guard {
        anybody || people.any(|person| scope.names(person))
    } else {
        // Also who acts now: somebody may have left the group since the ask.
        people.all(|person| scope.names(person))
    };
    let mode = if scope.modes.is_empty() {
        guard || request.mode == Mode::Ephemeral
    } else {
        scope.modes.contains(&request.mode)
    };
    named
        && mode
        && selects(&scope.namespaces, &facts.namespace_labels)
        && selects(&scope.pods, pod_labels)
}

/// Who asked, and who acts now if that is a person.
fn people<'a>(request: &'a Request, facts: &'a Facts) -> impl Iterator<Item = &'a Person> {
    let now = match &facts.act {
        Act::Enter {
            by: By::Person(person),
        }
        | Act::Attach { by: person, .. }
        | Act::Exec { by: person, .. } => Some(person),
        Act::Enter { by: By::Controller } => None,
    };
    std::iter::once(&request.requester).chain(now)
}

/// The labels of a Pod.
pub(super) fn labels(pod: &Value) -> BTreeMap<String, String> {
    let labels = pod["metadata"]["labels"].as_object();
    labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Names of the containers that can be a target.
pub(super) fn containers(pod: &Value) -> impl Iterator<Item = &str> {
    ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| items(&pod["spec"][list]))
        .filter_map(|container| container["name"].as_str())
}

/// The finding where no policy opens anything.
pub(super) fn nobody_allows(request: &Request) -> Vec<Finding> {
    let mut judge = Judge::of_the_house();
    let groups: Vec<&str> = request
        .requester
        .groups
        .iter()
        .map(String::as_str)
        .collect();
    let found = format!(
        "no policy lets {} (groups {}) visit Pod {}/{}",
        request.requester.username,
        groups.join(", "),
        request.pod.namespace,
        request.pod.name,
    );
    let accepted =
        "a DebugPolicy with effect Allow that names the person and selects namespace and Pod";
    judge.refuse("match", found, accepted);
    judge.into_findings()
}
