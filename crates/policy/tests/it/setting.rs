//! One ask that is permitted, for tests to change one thing in.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use policy::{
    Act, ApprovalRule, ApprovalRules, By, ContainerRules, Decision, Effect, Facts, Glob, Policy,
    Recording, RequestRules, Scope, Selector, evaluate,
};
use serde_json::{Value, json};
use session::event::Quorum;
use session::{
    Approval, Container, Injection, Mode, Person, PodRef, PolicyVersion, Request, SessionId,
    SpecHash, Verdict,
};

pub(crate) const UID: &str = "0f9d2c41-77aa-4c1e-9b1e-1f1f1f1f1f1f";
pub(crate) const DIGEST: &str =
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Everything a decision is asked with.
pub(crate) struct Setting {
    pub(crate) policies: Vec<Policy>,
    pub(crate) request: Request,
    pub(crate) facts: Facts,
    pub(crate) now: Timestamp,
}

impl Setting {
    pub(crate) fn decide(&self) -> Decision {
        evaluate(&self.policies, &self.request, &self.facts, self.now)
    }

    pub(crate) fn policy(&mut self) -> &mut Policy {
        &mut self.policies[0]
    }

    /// Changes the container that arrives.
    pub(crate) fn arrives(&mut self, change: impl FnOnce(&mut Value)) {
        let mut raw = self.facts.container.raw().clone();
        change(&mut raw);
        self.facts.container = Container::new(raw).unwrap();
    }

    /// The hash that an approval would have to carry now.
    pub(crate) fn hash(&self) -> SpecHash {
        match self.decide() {
            Decision::NeedsApproval(pending) => pending.spec_hash(),
            Decision::Permit(permit) => permit.spec_hash(),
            Decision::Denied(denied) => panic!("{denied}"),
        }
    }

    /// Somebody of these groups says yes to what is asked now.
    pub(crate) fn approve(&mut self, name: &str, groups: &[&str]) {
        let approval = Approval {
            uid: format!("approval-of-{name}"),
            name: format!("by-{name}"),
            approver: person(name, groups),
            verdict: Verdict::Approve,
            spec_hash: self.hash(),
            comment: String::new(),
            at: self.now,
        };
        self.facts.approvals.push(approval);
    }

    /// The fields of the findings; empty if it is not denied.
    pub(crate) fn refused(&self) -> Vec<String> {
        match self.decide() {
            Decision::Denied(denied) => denied.findings.into_iter().map(|f| f.field).collect(),
            _ => Vec::new(),
        }
    }
}

/// Alice asks for a look at the app of one Pod; the policy wants one approver; nobody has said anything yet.
pub(crate) fn setting() -> Setting {
    let request = request();
    let container = container().named(&request.handle());
    Setting {
        policies: vec![policy("sre")],
        facts: Facts {
            pod: pod(),
            namespace_labels: [("env".to_owned(), "prod".to_owned())].into(),
            container,
            act: Act::Enter { by: By::Controller },
            approvals: Vec::new(),
            open_until: None,
        },
        request,
        now: Timestamp::from_second(1_800_000_000).unwrap(),
    }
}

pub(crate) fn policy(name: &str) -> Policy {
    Policy {
        version: PolicyVersion {
            name: name.into(),
            uid: format!("uid-of-{name}"),
            generation: 1,
        },
        effect: Effect::Allow,
        scope: Scope {
            namespaces: Some(Selector::default()),
            pods: Some(Selector::default()),
            groups: ["sre".to_owned()].into(),
            ..Scope::default()
        },
        container: ContainerRules {
            images: vec![Glob::new("registry.example/dbg")],
            targets: vec![Glob::new("app")],
            ..ContainerRules::default()
        },
        request: RequestRules::default(),
        approval: ApprovalRules {
            rule: ApprovalRule::Quorum(vec![Quorum {
                group: "approvers".into(),
                count: 1,
            }]),
            ..ApprovalRules::default()
        },
        recording: Recording::Output,
    }
}

pub(crate) fn person(name: &str, groups: &[&str]) -> Person {
    Person {
        username: name.into(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..Person::default()
    }
}

fn request() -> Request {
    Request {
        session: SessionId {
            namespace: "shop".into(),
            name: "look".into(),
            uid: UID.into(),
        },
        requester: person("alice", &["sre"]),
        pod: PodRef {
            namespace: "shop".into(),
            name: "cart".into(),
            uid: "pod-1".into(),
        },
        mode: Mode::Ephemeral,
        container: container(),
        injection: Injection::Controller,
        reason: "the cart answers 500".into(),
        ticket: "INC-1".into(),
        checked: Vec::new(),
        duration: Duration::from_mins(10),
    }
}

/// As `kubectl debug --profile=restricted` makes it and a dry run returns it.
fn container() -> Container {
    Container::new(json!({
        "name": "x",
        "image": format!("registry.example/dbg@{DIGEST}"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh"],
        "resources": {},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "stdin": true,
        "targetContainerName": "app",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }))
    .unwrap()
}

fn pod() -> Value {
    json!({
        "metadata": {
            "name": "cart", "namespace": "shop", "uid": "pod-1", "labels": {"app": "cart"},
        },
        "spec": {
            "serviceAccountName": "cart",
            "containers": [
                {
                    "name": "app",
                    "env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "db", "key": "t"}}}],
                    "volumeMounts": [{"name": "token", "mountPath": "/run/token"}],
                },
                {"name": "side", "envFrom": [{"secretRef": {"name": "side-secret"}}]},
            ],
            "initContainers": [{"name": "init"}],
            "volumes": [
                {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
                {"name": "creds", "secret": {"secretName": "creds"}},
            ],
        },
    })
}

/// Labels from pairs.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    owned.collect()
}
