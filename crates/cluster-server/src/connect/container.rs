//! Which container of which Pod on which node (`strategy.go: validateContainer, streamLocation`).

use serde_json::Value;

use crate::error::ApiError;

/// The container that is meant: the named one, or the only regular one (EC-X-03, EC-X-04).
pub(super) fn choose(pod: &Value, pod_name: &str, wanted: &str) -> Result<String, ApiError> {
    let names = |list: &str| {
        let containers = pod["spec"][list].as_array().into_iter().flatten();
        containers
            .filter_map(|container| container["name"].as_str())
            .collect::<Vec<_>>()
    };
    let regular = names("containers");
    let all = [
        names("initContainers"),
        regular.clone(),
        names("ephemeralContainers"),
    ]
    .concat();
    match (wanted, regular.as_slice()) {
        ("", [only]) => Ok((*only).to_owned()),
        ("", []) => Err(ApiError::bad_request(format!(
            "a container name must be specified for pod {pod_name}"
        ))),
        ("", _) => {
            let choice = all.join(" ");
            let message = format!(
                "a container name must be specified for pod {pod_name}, choose one of: [{choice}]"
            );
            Err(ApiError::bad_request(message))
        }
        (name, _) if all.contains(&name) => Ok(name.to_owned()),
        (name, _) => Err(ApiError::bad_request(format!(
            "container {name} is not valid for pod {pod_name}"
        ))),
    }
}

/// The node that the Pod is bound to, if it is.
pub(super) fn node_name(pod: &Value) -> Option<&str> {
    pod["spec"]["nodeName"]
        .as_str()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::choose;

    #[test]
    fn a_container_is_chosen_or_the_choice_is_shown() {
        let check = |pod: &Value, wanted: &str, expected: Result<&str, &str>| {
            let got = choose(pod, "x", wanted).map_err(|error| error.message);
            assert_eq!(
                got,
                expected.map(str::to_owned).map_err(str::to_owned),
                "{wanted:?}"
            );
        };
        let one = json!({"spec": {"containers": [{"name": "c1"}], "ephemeralContainers": [{"name": "d1"}]}});
        check(&one, "", Ok("c1"));
        check(&one, "d1", Ok("d1"));
        check(&one, "zz", Err("container zz is not valid for pod x"));
        let two = json!({"spec": {
            "initContainers": [{"name": "i1"}],
            "containers": [{"name": "c1"}, {"name": "c2"}],
            "ephemeralContainers": [{"name": "d1"}],
        }});
        check(
            &two,
            "",
            Err("a container name must be specified for pod x, choose one of: [i1 c1 c2 d1]"),
        );
        check(&two, "i1", Ok("i1"));
    }
}
