//! What a policy says of where the container's environment and files come from.

use serde_json::Value;

use crate::exposure::items;
use crate::judge::{Judge, listed};
use crate::security::said;
use crate::{ContainerRules, Glob};

/// Holds environment and mounts against one policy's rules.
pub(crate) fn hold(judge: &mut Judge<'_>, rules: &ContainerRules, container: &Value) {
    variables(judge, rules, container);
    let secrets = Source {
        kind: "Secret",
        key: "secretKeyRef",
        whole: "secretRef",
        field: "container.envFromSecrets",
        named: &rules.env_from_secrets,
    };
    let config_maps = Source {
        kind: "ConfigMap",
        key: "configMapKeyRef",
        whole: "configMapRef",
        field: "container.envFromConfigMaps",
        named: &rules.env_from_config_maps,
    };
    secrets.hold(judge, container);
    config_maps.hold(judge, container);
    for mount in items(&container["volumeMounts"]) {
        let name = mount["name"].as_str().unwrap_or_default();
        if !rules.volume_mounts.iter().any(|p| p.matches(name)) {
            let found = format!("volume {name}");
            judge.refuse(
                "container.volumeMounts",
                found,
                listed(&rules.volume_mounts),
            );
        }
    }
}

/// Every variable by its name, wherever its value is from: an annotation or a ConfigMap can hold what makes one
/// program another just as well as the container itself.
fn variables(judge: &mut Judge<'_>, rules: &ContainerRules, container: &Value) {
    let none = Vec::new();
    let named = match (&rules.env, &rules.commands) {
        (Some(named), _) => named,
        (None, Some(_)) => &none,
        (None, None) => return,
    };
    for variable in items(&container["env"]) {
        let name = variable["name"].as_str().unwrap_or_default();
        if !named.iter().any(|p| p.matches(name)) {
            let found = format!("variable {name}");
            judge.refuse("container.env", found, listed(named));
        }
    }
}

/// Objects whose values can be in an environment. That the target may see one does not make it the visitor's.
struct Source<'a> {
    kind: &'a str,
    key: &'a str,
    whole: &'a str,
    field: &'a str,
    named: &'a [Glob],
}

impl Source<'_> {
    fn hold(&self, judge: &mut Judge<'_>, container: &Value) {
        let variables =
            items(&container["env"]).filter_map(|v| said(&v["valueFrom"][self.key], "name"));
        let sources = items(&container["envFrom"]).filter_map(|s| said(&s[self.whole], "name"));
        for name in variables.chain(sources) {
            let name = name.as_str().unwrap_or_default();
            if !self.named.iter().any(|p| p.matches(name)) {
                let found = format!("{} {name}", self.kind);
                judge.refuse(self.field, found, listed(self.named));
            }
        }
    }
}
