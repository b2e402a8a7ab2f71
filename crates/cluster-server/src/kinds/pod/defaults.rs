//! What a Pod's fields are when the client leaves them out (`pkg/apis/core/v1/defaults.go`).

use serde_json::{Map, Value, json};

use super::amounts;

/// Fills in a Pod as `SetObjectDefaults_Pod` does.
pub(super) fn pod(pod: &mut Value) {
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    pod_spec(spec);
    set_if_absent(spec, "enableServiceLinks", true);
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["initContainers", "containers"] {
        each(spec, list, |ctr| {
            requests_from_limits(ctr);
            if host_network {
                each(ctr, "ports", |port| {
                    let number = port.get("containerPort").and_then(Value::as_i64);
                    set_number(port, "hostPort", number.unwrap_or(0));
                });
            }
        });
    }
    requests_of_pod(&mut pod["spec"]);
}

/// A Pod that limits itself asks for what its containers ask for, or for its limits.
fn requests_of_pod(spec: &mut Value) {
    let limits = spec["resources"]["limits"].as_object().cloned();
    let Some(limits) = limits.filter(|limits| !limits.is_empty()) else {
        return;
    };
    let supported = |name: &str| matches!(name, "cpu" | "memory") || name.starts_with("hugepages-");
    let held = spec["resources"]["requests"].as_object().cloned();
    let mut requests = held.unwrap_or_default();
    for (name, amount) in amounts::of_containers(spec) {
        // Huge pages cannot be promised twice.
        if supported(&name) && !name.starts_with("hugepages-") {
            let amount = amount.to_string();
            requests.entry(name).or_insert_with(|| amount.into());
        }
    }
    for (name, limit) in limits.into_iter().filter(|(name, _)| supported(name)) {
        requests.entry(name).or_insert(limit);
    }
    if !requests.is_empty() {
        spec["resources"]["requests"] = requests.into();
    }
}

fn set_if_absent(map: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    if map.get(field).is_none_or(Value::is_null) {
        map.insert(field.to_owned(), value.into());
    }
}

/// What sources of attached storage are without a word.
const ATTACHED: &[(&str, &[(&str, &str)])] = &[
    ("iscsi", &[("iscsiInterface", "default")]),
    (
        "rbd",
        &[
            ("pool", "rbd"),
            ("user", "admin"),
            ("keyring", "/etc/ceph/keyring"),
        ],
    ),
    (
        "azureDisk",
        &[
            ("cachingMode", "ReadWrite"),
            ("kind", "Shared"),
            ("fsType", "ext4"),
        ],
    ),
    (
        "scaleIO",
        &[("storageMode", "ThinProvisioned"), ("fsType", "xfs")],
    ),
];

fn set(map: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    let empty = map
        .get(field)
        .is_none_or(|value| value.is_null() || *value == "");
    if empty {
        map.insert(field.to_owned(), value.into());
    }
}

fn set_number(map: &mut Map<String, Value>, field: &str, value: i64) {
    if map
        .get(field)
        .is_none_or(|value| value.is_null() || *value == 0)
    {
        map.insert(field.to_owned(), value.into());
    }
}

fn each(
    map: &mut Map<String, Value>,
    field: &str,
    mut action: impl FnMut(&mut Map<String, Value>),
) {
    if let Some(list) = map.get_mut(field).and_then(Value::as_array_mut) {
        list.iter_mut()
            .filter_map(Value::as_object_mut)
            .for_each(&mut action);
    }
}

fn inside(map: &mut Map<String, Value>, field: &str, action: impl FnOnce(&mut Map<String, Value>)) {
    if let Some(inner) = map.get_mut(field).and_then(Value::as_object_mut) {
        action(inner);
    }
}

/// Fills in a Pod's spec, or that of a template, of which a Pod's own defaults are made later.
pub(crate) fn pod_spec(spec: &mut Map<String, Value>) {
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "restartPolicy", "Always");
    set(spec, "schedulerName", "default-scheduler");
    set(spec, "securityContext", json!({}));
    match spec
        .get("terminationGracePeriodSeconds")
        .and_then(Value::as_i64)
    {
        None => drop(spec.insert("terminationGracePeriodSeconds".to_owned(), 30.into())),
        Some(seconds) if seconds < 0 => {
            drop(spec.insert("terminationGracePeriodSeconds".to_owned(), 1.into()));
        }
        Some(_) => {}
    }
    same_service_account(spec);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        each(spec, list, container);
    }
    each(spec, "volumes", volume);
}

/// `serviceAccount` is an old name of `serviceAccountName`; both are always written.
fn same_service_account(spec: &mut Map<String, Value>) {
    let text = |field: &str| {
        spec.get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (name, deprecated) = (text("serviceAccountName"), text("serviceAccount"));
    let name = if name.is_empty() { deprecated } else { name };
    if !name.is_empty() {
        spec.insert("serviceAccountName".to_owned(), name.clone().into());
        spec.insert("serviceAccount".to_owned(), name.into());
    }
}

fn container(ctr: &mut Map<String, Value>) {
    let image = ctr.get("image").and_then(Value::as_str).unwrap_or_default();
    let policy = if pulls_always(image) {
        "Always"
    } else {
        "IfNotPresent"
    };
    set(ctr, "imagePullPolicy", policy);
    set(ctr, "terminationMessagePath", "/dev/termination-log");
    set(ctr, "terminationMessagePolicy", "File");
    each(ctr, "ports", |port| set(port, "protocol", "TCP"));
    each(ctr, "env", |env| {
        inside(env, "valueFrom", |from| {
            inside(from, "fieldRef", |field| set(field, "apiVersion", "v1"));
            inside(from, "fileKeyRef", |key| set(key, "optional", false));
        });
    });
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        inside(ctr, field, probe);
    }
    inside(ctr, "lifecycle", |lifecycle| {
        for hook in ["postStart", "preStop"] {
            inside(lifecycle, hook, |handler| {
                inside(handler, "httpGet", http_get);
            });
        }
    });
}

fn http_get(action: &mut Map<String, Value>) {
    set(action, "path", "/");
    set(action, "scheme", "HTTP");
}

fn probe(probe: &mut Map<String, Value>) {
    for (field, value) in [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ] {
        set_number(probe, field, value);
    }
    inside(probe, "httpGet", http_get);
    inside(probe, "grpc", |grpc| {
        grpc.entry("service").or_insert_with(|| "".into());
    });
}

/// Whether the image's tag is `latest`, written or meant (no tag and no digest).
///
/// A reference that does not parse has no tag, so it is not pulled always.
fn pulls_always(image: &str) -> bool {
    let (name, digest) = image
        .split_once('@')
        .map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or(name);
    let (path, tag) = match last.split_once(':') {
        Some((_, tag)) => (&name[..name.len() - tag.len() - 1], Some(tag)),
        None => (name, None),
    };
    let repository = match path.split_once('/') {
        // A first part with a dot, a port or `localhost` is a registry's host.
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
        _ => path,
    };
    let part = |part: &str| {
        let inside =
            |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
        let edge = |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let bytes = part.as_bytes();
        edge(bytes.first()) && edge(bytes.last()) && part.bytes().all(inside)
    };
    if !repository.split('/').all(part) {
        return false;
    }
    tag.map_or(digest.is_none(), |tag| tag == "latest")
}

/// A resource with a limit and no request asks for its limit. Ephemeral containers are left alone.
fn requests_from_limits(ctr: &mut Map<String, Value>) {
    let Some(resources) = ctr.get_mut("resources").and_then(Value::as_object_mut) else {
        return;
    };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else {
        return;
    };
    if limits.is_empty() {
        return;
    }
    let requests = resources.entry("requests").or_insert_with(|| json!({}));
    if let Some(requests) = requests.as_object_mut() {
        for (name, amount) in limits {
            requests.entry(name).or_insert(amount);
        }
    }
}

fn items(source: &mut Map<String, Value>) {
    each(source, "items", |item| {
        inside(item, "fieldRef", |field| set(field, "apiVersion", "v1"));
    });
}

fn mode(source: &mut Map<String, Value>) {
    source.entry("defaultMode").or_insert_with(|| 0o644.into());
}

fn volume(volume: &mut Map<String, Value>) {
    if volume.keys().all(|key| key == "name") {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    inside(volume, "secret", mode);
    inside(volume, "configMap", mode);
    inside(volume, "downwardAPI", |source| {
        mode(source);
        items(source);
    });
    inside(volume, "projected", |projected| {
        mode(projected);
        each(projected, "sources", |source| {
            inside(source, "serviceAccountToken", |token| {
                set_number(token, "expirationSeconds", 3600);
            });
            inside(source, "downwardAPI", items);
        });
    });
    inside(volume, "hostPath", |path| {
        path.entry("type").or_insert_with(|| "".into());
    });
    inside(volume, "image", |image| {
        let policy = if pulls_always(
            image
                .get("reference")
                .and_then(Value::as_str)
                .unwrap_or_default(),
        ) {
            "Always"
        } else {
            "IfNotPresent"
        };
        set(image, "pullPolicy", policy);
    });
    for (kind, fields) in ATTACHED {
        inside(volume, kind, |source| {
            for (field, value) in *fields {
                set(source, field, *value);
            }
        });
    }
    inside(volume, "azureDisk", |disk| {
        set_if_absent(disk, "readOnly", false);
    });
    inside(volume, "ephemeral", |ephemeral| {
        inside(ephemeral, "volumeClaimTemplate", |template| {
            inside(template, "spec", |spec| {
                set(spec, "volumeMode", "Filesystem");
            });
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_pulled_always_when_its_tag_is_latest() {
        for (image, expected) in [
            ("busybox", true),
            ("registry.example/bb", true),
            ("bb:latest", true),
            ("localhost:5000/bb", true),
            ("bb:1.36", false),
            ("bb@sha256:aa", false),
            ("REPO/BusyBox", false),
            ("Host.example:5000/a/b", true),
            ("", false),
            (" busybox ", false),
            ("a:latest@sha256:aa", true),
        ] {
            assert_eq!(pulls_always(image), expected, "{image}");
        }
    }

    #[test]
    fn a_limit_is_a_request_too_but_not_in_an_ephemeral_container() {
        let mut object = json!({"spec": {
            "containers": [{"name": "a", "image": "a:1", "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1Mi"}}}],
            "ephemeralContainers": [{"name": "b", "image": "b:1", "resources": {"limits": {"cpu": "1"}}}],
        }});
        pod(&mut object);
        assert_eq!(
            object["spec"]["containers"][0]["resources"]["requests"],
            json!({"memory": "1Mi", "cpu": "1"})
        );
        assert_eq!(
            object["spec"]["ephemeralContainers"][0]["resources"],
            json!({"limits": {"cpu": "1"}})
        );
    }

    #[test]
    fn a_pod_that_limits_itself_asks_for_what_its_containers_ask_for() {
        let mut object = json!({"spec": {"resources": {"limits": {"cpu": "4", "memory": "1Gi"}},
            "containers": [{"name": "a", "image": "a:1", "resources": {"requests": {"cpu": "1"}}},
                {"name": "b", "image": "a:1", "resources": {"requests": {"cpu": "500m"}}}]}});
        pod(&mut object);
        assert_eq!(
            object["spec"]["resources"]["requests"],
            json!({"cpu": "1500m", "memory": "1Gi"})
        );
    }
}
