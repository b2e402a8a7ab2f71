//! Subresources as discovery lists them.

use crate::kinds::Resource;

/// One subresource: its name, the kind it takes and gives, and its verbs.
pub(super) struct Subresource {
    pub(super) name: String,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) verbs: Vec<String>,
}

/// All subresources of a resource, by name.
pub(super) fn of(resource: &Resource) -> Vec<Subresource> {
    let mut out: Vec<Subresource> = resource
        .subresources
        .iter()
        .map(|name| storing(resource, name))
        .collect();
    if resource.scale.is_some() {
        out.push(Subresource {
            group: "autoscaling".to_owned(),
            version: "v1".to_owned(),
            kind: "Scale".to_owned(),
            ..storing(resource, "scale")
        });
    }
    if !resource.custom {
        out.extend(
            acting(&resource.key())
                .iter()
                .map(|&(name, group, kind, verbs)| Subresource {
                    name: name.to_owned(),
                    group: group.to_owned(),
                    version: "v1".to_owned(),
                    kind: kind.to_owned(),
                    verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
                }),
        );
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

fn storing(resource: &Resource, name: &str) -> Subresource {
    let verbs: &[&str] = if name == "finalize" {
        &["update"]
    } else {
        &["get", "patch", "update"]
    };
    Subresource {
        name: name.to_owned(),
        group: resource.group.clone(),
        version: resource.version.clone(),
        kind: resource.kind.clone(),
        verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
    }
}

type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

/// Those that do something rather than store.
fn acting(resource: &str) -> &'static [Row] {
    match resource {
        "pods" => &[
            ("attach", "", "PodAttachOptions", &["create", "get"]),
            ("binding", "", "Binding", &["create"]),
            ("eviction", "policy", "Eviction", &["create"]),
            ("exec", "", "PodExecOptions", &["create", "get"]),
            ("log", "", "Pod", &["get"]),
            (
                "portforward",
                "",
                "PodPortForwardOptions",
                &["create", "get"],
            ),
        ],
        "serviceaccounts" => &[(
            "token",
            "authentication.k8s.io",
            "TokenRequest",
            &["create"],
        )],
        _ => &[],
    }
}
