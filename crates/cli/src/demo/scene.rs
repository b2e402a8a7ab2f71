//! What stands on the stage: a Pod that runs tools for somebody, and the policy that guards it.

use anyhow::Result;
use serde_json::{Value, json};

use crate::printer::Printer;

/// The namespace of the sample.
pub(super) const NAMESPACE: &str = "shop";
/// The sample Pod.
pub(super) const POD: &str = "tool-runner";
/// A second Pod like it, to show that a grant is for one Pod.
pub(super) const OTHER_POD: &str = "tool-runner-b";
/// The image of the debug container.
pub(super) const TOOLS: &str = "debug-tools:1";

/// A runner of tools: it answers on the Pod's loopback, and has a credential in its environment.
const RUNNER: &str = r#"
use IO::Socket::INET;
my $door = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => 8080, ReuseAddr => 1) or die;
while (my $caller = $door->accept) {
    my $asked = <$caller>;
    print $caller "HTTP/1.0 200 OK\r\n\r\ntools ready: 3\n";
    close $caller;
}"#;

/// What the visitor runs: whose processes there are, whether the runner answers, whose network it is.
pub(super) const LOOK_AROUND: &str = "for p in /proc/[0-9]*; do echo process $(basename $p) $(cat $p/comm); done; \
    exec 3<>/dev/tcp/127.0.0.1/8080; echo GET / >&3; echo runner says: $(tail -n 1 <&3); \
    echo host name: $(cat /etc/hostname); exit 7";

/// The objects, in the order in which they are created: path and body.
pub(super) fn objects() -> Vec<(String, Value)> {
    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    vec![
        ("/api/v1/namespaces".to_owned(), namespace()),
        (format!("/api/v1/namespaces/{NAMESPACE}/secrets"), secret()),
        (pods.clone(), pod(POD)),
        (pods, pod(OTHER_POD)),
        (
            "/apis/ephemera.dev/v1alpha1/debugpolicies".to_owned(),
            policy(),
        ),
    ]
}

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"team": "shop"}}})
}

fn secret() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tool-token"},
        "stringData": {"token": "not-for-your-eyes"},
    })
}

fn pod(name: &str) -> Value {
    let token = json!({"secretKeyRef": {"name": "tool-token", "key": "token"}});
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "tool-runner"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "runner", "image": "tool-runner:1", "command": ["perl", "-e", RUNNER],
                    "env": [{"name": "TOOL_TOKEN", "valueFrom": token}],
                },
                {"name": "sidecar", "image": "sidecar:1", "command": ["sleep", "86400"]},
            ],
        },
    })
}

/// Who is on call may look into the runner, once somebody else has said yes.
fn policy() -> Value {
    json!({
        "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugPolicy", "metadata": {"name": "on-call"},
        "spec": {
            "match": {
                "namespaceSelector": {"matchLabels": {"team": "shop"}},
                "podSelector": {"matchLabels": {"app": "tool-runner"}},
                "subjects": {"groups": ["sre"]},
            },
            "container": {
                "images": ["debug-tools:*"], "requireDigest": false, "targets": ["runner"], "tty": true,
                "capabilities": ["SYS_PTRACE"], "user": "Any", "allowPrivilegeEscalation": true,
            },
            "request": {"reason": {"minLength": 10}, "ticket": {"pattern": "^INC-[0-9]+$"}, "maxDurationSeconds": 1800},
            "approval": {"quorum": [{"group": "approvers", "count": 1}]},
        },
    })
}

/// A container that nobody asked for, as `kubectl debug` would send it.
pub(super) fn uninvited() -> Value {
    json!({"spec": {"ephemeralContainers": [{
        "name": "debugger-x7k2p", "image": TOOLS, "command": ["bash"], "stdin": true, "tty": true,
        "targetContainerName": "runner", "terminationMessagePolicy": "File", "resources": {},
        "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}},
    }]}})
}

/// Three things to try.
pub(super) fn what_next(kept: bool, printer: Printer) -> Result<()> {
    printer.line("\nThree things to try:")?;
    let first = if kept {
        "ephemera debug pod/tool-runner -n shop --context alice -it --image debug-tools:1 --target runner \\\n       --reason 'a look of my own' --ticket INC-7 -- bash     (and approve it as bob in another terminal)"
    } else {
        "ephemera demo --keep                      leaves the cluster up, to go on by hand"
    };
    printer.line(format!("  1. {first}"))?;
    printer.line("  2. ephemera up                              a small Kubernetes of your own; it prints how to use kubectl with it")?;
    printer.line("  3. read docs/walk-through.md               what happened here, step by step, and where each answer came from")?;
    Ok(())
}
