//! One governed visit, end to end, in the order of ARCHITECTURE's "Life of a session".

use anyhow::{Context, Result, ensure};
use cli::stage::tampered;
use http::StatusCode;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testkit::cluster::{STRATEGIC, door, refuses, said};
use testkit::sample::{NAMESPACE, POD, pod_path, sessions_path, uninvited};
use testkit::{Ask, Cluster, Visit};

use crate::record;

pub(crate) fn all() -> Vec<Trial> {
    vec![
        crate::story("one_session::a_visit_from_refusal_to_proof", whole),
        crate::story(
            "one_session::a_person_adds_the_granted_container_by_any_kind_of_request",
            by_hand,
        ),
    ]
}

/// What the visitor sees: processes, addresses, the host name; its own end.
const LOOK_AROUND: &str = r#"
for p in /proc/[0-9]*; do read -r name < $p/comm; echo "process $name"; done
while read -r line; do [[ $line == *"|-- "* ]] && echo "address ${line##*|-- }"; done < /proc/net/fib_trie
echo "host $(</etc/hostname)"
exit 7"#;

async fn whole(cluster: &mut Cluster) -> Result<()> {
    nobody_enters_without_a_session(cluster).await?;
    a_preview_stores_nothing(cluster).await?;
    let visit = somebody_asks(cluster).await?;
    nothing_happens_before_the_approval(cluster, &visit).await?;
    somebody_else_approves(cluster, &visit).await?;
    the_container_runs_and_ends(cluster, &visit).await?;
    the_grant_is_used(cluster, &visit).await?;
    the_record_is_whole(cluster, &visit).await?;
    the_ledger_proves_it(cluster).await
}

async fn nobody_enters_without_a_session(cluster: &Cluster) -> Result<()> {
    for person in ["alice", "bob", "admin"] {
        let answer = cluster.add(person, POD, &uninvited()).await?;
        let instead = "ephemera request pod/app -n shop --image tools:1 --target app";
        refuses(
            &answer,
            StatusCode::FORBIDDEN,
            &["nobody enters Pod app without a session", instead],
        )?;
    }
    // Who holds no right on the subresource does not even reach admission.
    refuses(
        &cluster.add("carl", POD, &uninvited()).await?,
        StatusCode::FORBIDDEN,
        &["cannot patch resource"],
    )?;
    ensure!(
        cluster.containers_in(POD).await?.is_empty(),
        "a refused container was stored"
    );
    Ok(())
}

async fn a_preview_stores_nothing(cluster: &Cluster) -> Result<()> {
    let ask = Ask {
        person: "alice",
        flags: &["--inject", "--dry-run=server"],
        command: &["bash"],
    };
    let answer = cluster.done("alice", &ask.words()).await?;
    for told in ["It sees the processes of container app", "Secrets token"] {
        ensure!(
            answer.stderr.contains(told),
            "the exposure does not tell {told:?}: {answer:?}"
        );
    }
    let sessions = cluster.get(&sessions_path("")).await?;
    ensure!(
        sessions["items"] == json!([]),
        "a preview was stored: {sessions:#}"
    );
    Ok(())
}

async fn somebody_asks(cluster: &Cluster) -> Result<Visit> {
    let visit = cluster
        .ask(Ask::injected(&["bash", "-c", LOOK_AROUND]))
        .await?;
    let session = cluster.session(&visit).await?;
    let pod = cluster.get(&pod_path(POD)).await?;
    ensure!(
        session["status"]["phase"] == "AwaitingApproval",
        "{session:#}"
    );
    ensure!(
        session["spec"]["requester"]["username"] == "alice",
        "who asks is not stamped: {session:#}"
    );
    ensure!(
        session["spec"]["pod"]["uid"] == pod["metadata"]["uid"],
        "the Pod is not stamped: {session:#}"
    );
    ensure!(
        visit.handle == format!("visit-{}", &visit.uid[..8]),
        "the handle is {}",
        visit.handle
    );
    ensure!(
        session["status"]["container"]["name"] == visit.handle.as_str(),
        "{session:#}"
    );
    let hash = session["status"]["specHash"]
        .as_str()
        .context("no spec hash")?;
    ensure!(
        hash.starts_with("sha256:") && visit.answer.stdout.contains(hash),
        "{:?}",
        visit.answer
    );
    Ok(visit)
}

async fn nothing_happens_before_the_approval(cluster: &Cluster, visit: &Visit) -> Result<()> {
    let container = cluster.container(visit).await?;
    let early = cluster.add("alice", POD, &container).await?;
    refuses(
        &early,
        StatusCode::FORBIDDEN,
        &["is not approved yet; it needs 1 of approvers"],
    )?;
    let record = cluster.record(visit).await?;
    ensure!(
        record["entered"]["value"] != true,
        "nobody entered yet: {:#}",
        record["entered"]
    );
    Ok(())
}

async fn somebody_else_approves(cluster: &Cluster, visit: &Visit) -> Result<()> {
    let own = cluster
        .stage
        .ephemera("alice", &["approve", &visit.name, "-n", NAMESPACE])
        .await?;
    ensure!(
        own.status == 3 && own.stderr.contains("cannot approve it: ask somebody else"),
        "{own:?}"
    );
    let viewer = cluster
        .stage
        .ephemera("carl", &["approve", &visit.name, "-n", NAMESPACE])
        .await?;
    ensure!(viewer.status != 0, "a viewer approved: {viewer:?}");
    cluster.approve(visit).await
}

async fn the_container_runs_and_ends(cluster: &Cluster, visit: &Visit) -> Result<()> {
    let session = cluster.closed(visit).await?;
    let pod = cluster.get(&pod_path(POD)).await?;
    ensure!(
        pod["spec"]["ephemeralContainers"] == json!([session["status"]["container"]]),
        "{:#}",
        pod["spec"]
    );
    ensure!(
        session["status"]["exit"]["code"] == 7,
        "{:#}",
        session["status"]
    );
    let output = cluster.output(visit).await?;
    let lines: Vec<&str> = output.lines().collect();
    let address = format!(
        "address {}",
        pod["status"]["podIP"]
            .as_str()
            .context("the Pod has no address")?
    );
    for seen in ["process tail", "process bash", address.as_str(), "host app"] {
        ensure!(lines.contains(&seen), "{seen:?} was not seen: {output}");
    }
    ensure!(
        !lines.contains(&"process sleep"),
        "the sidecar's process was seen: {output}"
    );
    Ok(())
}

async fn the_grant_is_used(cluster: &Cluster, visit: &Visit) -> Result<()> {
    let container = cluster.container(visit).await?;
    // In the same Pod the strategic merge finds the container by its name: nothing changes.
    let (status, answer) = cluster.add("alice", POD, &container).await?;
    ensure!(status == StatusCode::OK, "{status}: {}", said(&answer));
    let again = json!([{"op": "add", "path": "/spec/ephemeralContainers/-", "value": container}]);
    let answer = cluster
        .stage
        .send(
            "alice",
            "PATCH",
            &door(POD),
            "application/json-patch+json",
            &again,
        )
        .await?;
    refuses(
        &answer,
        StatusCode::UNPROCESSABLE_ENTITY,
        &["Duplicate value"],
    )?;
    ensure!(
        cluster.containers_in(POD).await? == [visit.handle.clone()],
        "there is another container"
    );
    let steps = cluster.steps(visit).await?;
    ensure!(steps == EVERY_STEP, "{steps:?}");
    Ok(())
}

/// The entries of a visit that went well.
const EVERY_STEP: [&str; 9] = [
    "Requested",
    "Proposed",
    "Judged",
    "Granted",
    "Reserved",
    "Committed",
    "Started",
    "Ended",
    "Closed",
];

async fn the_record_is_whole(cluster: &Cluster, visit: &Visit) -> Result<()> {
    let pod = cluster.get(&pod_path(POD)).await?;
    let session = cluster.session(visit).await?;
    let status = cluster.status_when(visit, |_| true).await?;
    record::check(
        &cluster.record(visit).await?,
        &record::of_the_story(visit, &session, &pod, &status),
    )
}

async fn the_ledger_proves_it(cluster: &Cluster) -> Result<()> {
    cluster.verifies().await?;
    let copy = cluster.stage.path("tampered");
    let changed = tampered(
        &cluster.stage.path("ledger"),
        &copy,
        b"INC-2041",
        b"INC-9999",
    )?;
    ensure!(changed > 0, "the copy was not changed");
    let answer = cluster.verify(&copy).await?;
    ensure!(
        answer.status == 5 && answer.stderr.contains("has been changed"),
        "{answer:?}"
    );
    Ok(())
}

/// How a person can send the same container.
#[derive(Debug, Clone, Copy)]
enum Sent {
    /// As `kubectl debug` does.
    Strategic,
    JsonPatch,
    MergePatch,
    Put,
    Apply,
}

async fn by_hand(cluster: &mut Cluster) -> Result<()> {
    people_may_replace(cluster).await?;
    for sent in [
        Sent::Strategic,
        Sent::JsonPatch,
        Sent::MergePatch,
        Sent::Put,
        Sent::Apply,
    ] {
        let visit = cluster
            .approved(Ask::by_hand(&["bash", "-c", "echo hello; exit 3"]))
            .await?;
        let answer = send(cluster, &visit, sent).await?;
        ensure!(
            answer.0 == StatusCode::OK,
            "{sent:?}: {}: {}",
            answer.0,
            said(&answer.1)
        );
        let session = cluster
            .closed(&visit)
            .await
            .with_context(|| format!("{sent:?}"))?;
        ensure!(
            session["status"]["exit"]["code"] == 3,
            "{sent:?}: {:#}",
            session["status"]
        );
        ensure!(cluster.output(&visit).await? == "hello\n", "{sent:?}");
        let steps = cluster.steps(&visit).await?;
        ensure!(steps == EVERY_STEP, "{sent:?}: {steps:?}");
        let record = cluster.record(&visit).await?;
        ensure!(
            record["admission"]["value"]["by"]["username"] == "alice",
            "{sent:?}: {:#}",
            record["admission"]
        );
    }
    cluster.verifies().await
}

async fn send(cluster: &Cluster, visit: &Visit, sent: Sent) -> Result<(StatusCode, Value)> {
    let container = cluster.container(visit).await?;
    let mut pod = cluster.get(&pod_path(POD)).await?;
    let mut all = pod["spec"]["ephemeralContainers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let first = all.is_empty();
    all.push(container.clone());
    let (method, kind, body) = match sent {
        Sent::Strategic => return cluster.add("alice", POD, &container).await,
        Sent::JsonPatch if first => {
            let whole = json!([{"op": "add", "path": "/spec/ephemeralContainers", "value": all}]);
            ("PATCH", "application/json-patch+json", whole)
        }
        Sent::JsonPatch => {
            let one =
                json!([{"op": "add", "path": "/spec/ephemeralContainers/-", "value": container}]);
            ("PATCH", "application/json-patch+json", one)
        }
        Sent::MergePatch => (
            "PATCH",
            "application/merge-patch+json",
            json!({"spec": {"ephemeralContainers": all}}),
        ),
        Sent::Put => {
            pod["spec"]["ephemeralContainers"] = all.into();
            ("PUT", "application/json", pod)
        }
        Sent::Apply => {
            let wanted = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD},
                "spec": {"ephemeralContainers": [container]}});
            ("PATCH", "application/apply-patch+yaml", wanted)
        }
    };
    let manager = if kind == STRATEGIC {
        ""
    } else {
        "?fieldManager=alice"
    };
    cluster
        .stage
        .send(
            "alice",
            method,
            &format!("{}{manager}", door(POD)),
            kind,
            &body,
        )
        .await
}

/// A right that the shipped roles do not give: PUT is `update`.
async fn people_may_replace(cluster: &Cluster) -> Result<()> {
    const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
    let rule =
        json!({"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["update"]});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "replacer"}, "rules": [rule]});
    cluster
        .create(&format!("{RBAC}/clusterroles"), &role)
        .await?;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "replacer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "replacer"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "sre"}]});
    cluster
        .create(&format!("{RBAC}/clusterrolebindings"), &binding)
        .await?;
    Ok(())
}
