//! Which flags yield a given container.

use serde_json::{Map, Value, json};

use crate::{Ask, Command, Profile, PullPolicy, Variable, container};

/// The flags that make kubectl send this container, if there are any.
///
/// `made` may be as kubectl sent it or as the API server returned it: defaults count as absent. The
/// answer is proved by making the container again.
pub fn recognise(made: &Value) -> Option<Ask> {
    let text = |field: &str| made[field].as_str().map(str::to_owned);
    let words = |field: &str| strings(&made[field]);
    let command = match (words("command"), words("args")) {
        (None, None) => Command::OfTheImage,
        (Some(words), None) => Command::Instead(words),
        (None, Some(words)) => Command::Arguments(words),
        (Some(_), Some(_)) => return None,
    };
    let env = made["env"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let env = env.iter().map(variable).collect::<Option<Vec<_>>>()?;
    let image = text("image")?;
    let policy: Option<PullPolicy> = match text("imagePullPolicy") {
        // What the server would fill in anyway need not be said.
        Some(policy) if policy == default_pull_policy(&image) => None,
        Some(policy) => Some(policy.parse().ok()?),
        None => None,
    };
    let ask = Ask {
        name: text("name").unwrap_or_default(),
        image,
        target: text("targetContainerName"),
        profile: Profile::default(),
        command,
        env,
        pull_policy: policy,
        stdin: made["stdin"] == json!(true),
        tty: made["tty"] == json!(true),
    };
    Profile::ALL
        .into_iter()
        .map(|profile| Ask {
            profile,
            ..ask.clone()
        })
        .find(|ask| container(ask).is_ok_and(|again| bare(&again) == bare(made)))
}

/// A container without what the API server fills in.
fn bare(container: &Value) -> Map<String, Value> {
    let mut bare = container.as_object().cloned().unwrap_or_default();
    bare.retain(|_, value| !value.is_null());
    let image = bare.get("image").and_then(Value::as_str);
    let defaults = [
        (
            "imagePullPolicy",
            json!(default_pull_policy(image.unwrap_or_default())),
        ),
        ("resources", json!({})),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
    ];
    for (field, default) in defaults {
        if bare.get(field) == Some(&default) {
            bare.remove(field);
        }
    }
    bare
}

/// `SetDefaults_Container` of `pkg/apis/core/v1/defaults.go`: always for `latest`, and for no tag at all.
fn default_pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, ""), |(n, d)| (n, d));
    let last = name.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once(':').map(|(_, tag)| tag);
    match tag {
        None | Some("latest") if digest.is_empty() => "Always",
        Some("latest") => "Always",
        _ => "IfNotPresent",
    }
}

fn variable(made: &Value) -> Option<Variable> {
    let fields = made.as_object()?;
    if fields.keys().any(|key| key != "name" && key != "value") {
        return None;
    }
    Some(Variable {
        name: made["name"].as_str()?.to_owned(),
        value: made["value"].as_str().unwrap_or_default().to_owned(),
    })
}

fn strings(list: &Value) -> Option<Vec<String>> {
    let list = list.as_array().filter(|list| !list.is_empty())?;
    list.iter().map(|w| w.as_str().map(str::to_owned)).collect()
}
