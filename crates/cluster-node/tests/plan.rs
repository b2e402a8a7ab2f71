//! What is to be done next for a Pod, and what is reported of it, from its spec and records alone.
#![expect(
    clippy::unwrap_used,
    reason = "a test whose set-up fails is to end there"
)]

use std::collections::{BTreeMap, BTreeSet};

use cluster_node::pod::plan::{Facts, plan};
use cluster_node::pod::records::Records;
use cluster_node::pod::roles;
use cluster_node::pod::status::{Inputs, Waiting, status};
use cluster_sandbox::runtime::{
    ContainerConfig, ContainerState, ContainerStatus, Exit, PidMode, Resources, Seccomp, Security,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// A Pod with init container `i`, regular containers `a` and `b`, ephemeral container `d`.
fn pod(policy: &str) -> Pod {
    let container = |name: &str| json!({"name": name, "image": "x"});
    let pod = json!({
        "metadata": {"name": "p", "namespace": "ns", "uid": "u", "generation": 2},
        "spec": {
            "restartPolicy": policy,
            "initContainers": [container("i")],
            "containers": [container("a"), container("b")],
            "ephemeralContainers": [container("d")],
        },
    });
    serde_json::from_value(pod).unwrap()
}

/// `a:run`, `a:0`, `a:1` (exit codes), `a:lost`, `a:made`.
fn record(text: &str) -> ContainerStatus {
    let (name, state) = text.split_once(':').unwrap();
    let at = Timestamp::UNIX_EPOCH;
    let state = match state {
        "run" => ContainerState::Running { started_at: at },
        "lost" => ContainerState::Unknown,
        "made" => ContainerState::Created,
        code => ContainerState::Exited(Exit {
            started_at: Some(at),
            finished_at: at,
            code: code.parse().unwrap(),
            reason: String::new(),
            message: String::new(),
        }),
    };
    let security = Security {
        run_as_user: Some(0),
        run_as_group: Some(0),
        supplemental_groups: Vec::new(),
        privileged: false,
        no_new_privileges: false,
        add_capabilities: Vec::new(),
        drop_capabilities: Vec::new(),
        read_only_root: false,
        seccomp: Seccomp::Unconfined,
        unmasked_proc: false,
    };
    ContainerStatus {
        id: format!("id-{name}"),
        sandbox: "s".to_owned(),
        config: ContainerConfig {
            name: name.to_owned(),
            attempt: 0,
            image: "sha256:x".to_owned(),
            command: Vec::new(),
            args: Vec::new(),
            working_dir: String::new(),
            env: Vec::new(),
            mounts: Vec::new(),
            security,
            resources: Resources::default(),
            pid: PidMode::Container,
            stdin: false,
            stdin_once: false,
            tty: false,
            log_path: "x/0.log".into(),
            labels: BTreeMap::new(),
        },
        image_ref: "x".to_owned(),
        image_id: "sha256:x".to_owned(),
        pid: None,
        created_at: at,
        state,
    }
}

fn records(texts: &str) -> Records {
    Records::new(texts.split_whitespace().map(record))
}

#[test]
fn the_next_step_follows_from_spec_and_records() {
    let check = |policy: &str, present: &str, expected: &str| {
        let pod = pod(policy);
        let (containers, records) = (roles::containers(&pod), records(present));
        let none = BTreeSet::new();
        let facts = Facts {
            pod: &pod,
            containers: &containers,
            records: &records,
            seen: &none,
            starting: &none,
        };
        let plan = plan(&facts);
        let names: Vec<&str> = plan
            .start
            .iter()
            .map(|&index| containers[index].name())
            .collect();
        let got = if plan.finished {
            "finished".to_owned()
        } else {
            names.join(" ")
        };
        assert_eq!(got, expected, "{policy}: {present}");
    };
    // Ephemeral containers start beside init containers (EC-K-03), and only once (EC-K-02).
    check("Always", "", "d i");
    check("Always", "d:run i:run", "");
    check("Always", "d:0 i:run", "");
    check("Always", "d:1 i:0 a:run b:run", "");
    check("Always", "d:lost i:0 a:run b:run", "");
    check("Always", "d:made i:0 a:run b:run", "");
    // Init containers first, then all regular ones.
    check("Always", "d:run i:0", "a b");
    check("Always", "d:run i:1", "i");
    check("Never", "d:run i:1", "finished");
    // What ended is started again as the policy says.
    check("Always", "d:run i:0 a:0 b:run", "a");
    check("OnFailure", "d:run i:0 a:0 b:1", "b");
    check("OnFailure", "d:run i:0 a:0 b:0", "finished");
    check("Never", "d:run i:0 a:1 b:run", "");
    // A running ephemeral container keeps no Pod alive (EC-K-05).
    check("Never", "d:run i:0 a:1 b:0", "finished");
}

#[test]
fn an_ephemeral_container_whose_record_is_lost_is_not_started_again() {
    let pod = pod("Always");
    let (containers, records) = (roles::containers(&pod), records("i:0 a:run b:run"));
    let (seen, none) = (BTreeSet::from(["d".to_owned()]), BTreeSet::new());
    let facts = Facts {
        pod: &pod,
        containers: &containers,
        records: &records,
        seen: &seen,
        starting: &none,
    };
    assert_eq!(plan(&facts).start, Vec::<usize>::new());
}

fn reported(pod: &Pod, present: &str, waiting: &[(&str, &str)]) -> Value {
    let (containers, records) = (roles::containers(pod), records(present));
    let waiting = waiting.iter().map(|&(name, reason)| {
        let (reason, message) = (reason.to_owned(), "why".to_owned());
        (name.to_owned(), Waiting { reason, message })
    });
    let status = status(&Inputs {
        pod,
        containers: &containers,
        records: &records,
        sandbox: None,
        waiting: &waiting.collect(),
        messages: &BTreeMap::new(),
        starting: &BTreeSet::new(),
        unready: &BTreeSet::new(),
        terminating: false,
        scheme: "test",
        host_ip: "127.0.0.1",
        now: Timestamp::UNIX_EPOCH,
    });
    serde_json::to_value(status).unwrap()
}

#[test]
fn the_phase_counts_regular_and_init_containers_only() {
    let check = |policy: &str, present: &str, expected: &str| {
        let status = reported(&pod(policy), present, &[]);
        let ready = status["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["type"] == "Ready")
            .unwrap();
        let got = format!(
            "{} {}",
            status["phase"].as_str().unwrap(),
            ready["status"].as_str().unwrap()
        );
        assert_eq!(got, expected, "{policy}: {present}");
    };
    check("Always", "", "Pending False");
    check("Always", "i:run d:run", "Pending False");
    check("Always", "i:0 a:run", "Pending False");
    check("Always", "i:0 a:run b:run", "Running True");
    check("Always", "i:0 a:run b:run d:1", "Running True");
    check("Always", "i:0 a:run b:1", "Running False");
    check("Never", "i:0 a:0 b:0", "Succeeded False");
    check("Never", "i:0 a:0 b:1", "Failed False");
    check("Never", "i:1", "Failed False");
    // Not over while the ephemeral container still runs: it is killed first.
    check("Never", "i:0 a:0 b:0 d:run", "Pending False");
}

#[test]
fn an_ephemeral_container_is_never_ready_and_shows_why_it_waits() {
    let pod = pod("Always");
    let of = |status: &Value| status["ephemeralContainerStatuses"][0].clone();
    let running = of(&reported(&pod, "i:0 a:run b:run d:run", &[]));
    assert_eq!(
        (&running["ready"], running.get("started")),
        (&json!(false), None)
    );
    let waits = of(&reported(
        &pod,
        "i:0 a:run b:run",
        &[("d", "CreateContainerConfigError")],
    ));
    let expected = json!({"waiting": {"reason": "CreateContainerConfigError", "message": "why"}});
    assert_eq!(waits["state"], expected);
    let default = of(&reported(&pod, "i:0 a:run b:run", &[]));
    assert_eq!(
        default["state"],
        json!({"waiting": {"reason": "PodInitializing"}})
    );
}

#[test]
fn a_running_ephemeral_container_without_a_record_is_reported_as_lost() {
    let mut pod = pod("Always");
    let old = json!({"ephemeralContainerStatuses": [{"name": "d", "image": "x", "imageID": "", "ready": false,
        "restartCount": 0, "containerID": "test://gone", "state": {"running": {}}}]});
    pod.status = Some(serde_json::from_value(old).unwrap());
    let status = reported(&pod, "i:0 a:run b:run", &[]);
    let end = &status["ephemeralContainerStatuses"][0]["state"]["terminated"];
    assert_eq!(
        (&end["reason"], &end["exitCode"]),
        (&json!("ContainerStatusUnknown"), &json!(137))
    );
}
