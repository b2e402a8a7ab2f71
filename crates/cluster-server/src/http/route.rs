//! Paths (`k8s.io/apiserver/pkg/endpoints/request.RequestInfo`).

use http::Method;

use crate::identity::Attributes;

/// What a path and method ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Route {
    /// For authorization.
    pub(super) attributes: Attributes,
    /// Whether the path has a form that resources have.
    pub(super) is_resource: bool,
    /// Whether the path goes on below the subresource, which nothing that is served here does.
    pub(super) is_deeper: bool,
}

/// Reads a path. `watching` is `?watch=`, `selected` the name of a field selector `metadata.name=`.
pub(super) fn parse(method: &Method, path: &str, watching: bool, selected: Option<&str>) -> Route {
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(decoded)
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return bare(method, path),
    };
    // The old watch paths: `/api/v1/watch/pods`.
    let (old_watch, rest) = match rest {
        ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
        rest => (false, rest),
    };
    let (namespace, resource, name, subresource) = match rest {
        ["namespaces", namespace, sub @ ("status" | "finalize")] => {
            (*namespace, "namespaces", *namespace, *sub)
        }
        ["namespaces", namespace, resource, rest @ ..] => (
            *namespace,
            *resource,
            rest.first().copied().unwrap_or_default(),
            rest.get(1).copied().unwrap_or_default(),
        ),
        ["namespaces", namespace] => (*namespace, "namespaces", *namespace, ""),
        [resource, rest @ ..] => (
            "",
            *resource,
            rest.first().copied().unwrap_or_default(),
            rest.get(1).copied().unwrap_or_default(),
        ),
        [] => return bare(method, path),
    };
    let (["namespaces", _, below @ ..] | below) = rest;
    let is_deeper = below.len() > 3;
    let verb = match verb(method, name.is_empty(), watching) {
        "get" | "list" | "watch" if old_watch => "watch",
        verb => verb,
    };
    let name = match verb {
        "list" | "watch" if name.is_empty() => selected.unwrap_or_default(),
        _ => name,
    };
    let attributes = Attributes {
        verb: verb.to_owned(),
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        path: path.to_owned(),
    };
    Route {
        attributes,
        is_resource: true,
        is_deeper,
    }
}

fn bare(method: &Method, path: &str) -> Route {
    let attributes = Attributes {
        verb: method.as_str().to_lowercase(),
        path: path.to_owned(),
        ..Attributes::default()
    };
    Route {
        attributes,
        ..Route::default()
    }
}

fn verb(method: &Method, collection: bool, watching: bool) -> &'static str {
    match (method.as_str(), collection) {
        ("GET" | "HEAD", true) if watching => "watch",
        ("GET" | "HEAD", true) => "list",
        ("GET" | "HEAD", false) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "deletecollection",
        ("DELETE", false) => "delete",
        _ => "",
    }
}

fn decoded(part: &str) -> String {
    percent_encoding::percent_decode_str(part)
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, path: &str, expected: [&str; 6]) {
        let a = parse(method, path, false, None).attributes;
        assert_eq!(
            [
                &*a.verb,
                &*a.group,
                &*a.namespace,
                &*a.resource,
                &*a.name,
                &*a.subresource
            ],
            expected,
            "{path}"
        );
    }

    #[test]
    fn paths_are_read_as_kubernetes_reads_them() {
        check(
            &Method::GET,
            "/api/v1/namespaces",
            ["list", "", "", "namespaces", "", ""],
        );
        check(
            &Method::GET,
            "/api/v1/namespaces/a",
            ["get", "", "a", "namespaces", "a", ""],
        );
        check(
            &Method::PUT,
            "/api/v1/namespaces/a/finalize",
            ["update", "", "a", "namespaces", "a", "finalize"],
        );
        check(
            &Method::GET,
            "/api/v1/namespaces/a/pods",
            ["list", "", "a", "pods", "", ""],
        );
        check(
            &Method::DELETE,
            "/api/v1/namespaces/a/pods",
            ["deletecollection", "", "a", "pods", "", ""],
        );
        check(
            &Method::PATCH,
            "/api/v1/namespaces/a/pods/p/ephemeralcontainers",
            ["patch", "", "a", "pods", "p", "ephemeralcontainers"],
        );
        check(
            &Method::GET,
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/x%3Ay",
            [
                "get",
                "rbac.authorization.k8s.io",
                "",
                "clusterroles",
                "x:y",
                "",
            ],
        );
        check(
            &Method::GET,
            "/api/v1/watch/namespaces/a/pods/p",
            ["watch", "", "a", "pods", "p", ""],
        );
        check(
            &Method::GET,
            "/apis/policy/v1/watch/poddisruptionbudgets",
            ["watch", "policy", "", "poddisruptionbudgets", "", ""],
        );
        // What is below a subresource is no name of a right.
        check(
            &Method::GET,
            "/apis/g.example.com/v1/namespaces/a/things/t/connect/more/of/it",
            ["get", "g.example.com", "a", "things", "t", "connect"],
        );
        check(&Method::GET, "/api/v1", ["get", "", "", "", "", ""]);
        check(&Method::GET, "/version", ["get", "", "", "", "", ""]);
    }
}
