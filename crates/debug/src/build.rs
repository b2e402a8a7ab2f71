//! The container that kubectl makes.

use serde_json::{Map, Value, json};

use crate::{Ask, AskError, Command};

/// The `v1.EphemeralContainer` that `kubectl debug` adds to its patch for these flags.
///
/// `resources` is there because Go writes an empty struct; what the API server fills in is not.
pub fn container(ask: &Ask) -> Result<Value, AskError> {
    ask.validate()?;
    let mut made = Map::new();
    let mut set = |field: &str, value: Value| made.insert(field.to_owned(), value);
    match &ask.command {
        Command::OfTheImage => {}
        Command::Instead(words) if words.is_empty() => {}
        Command::Arguments(words) if words.is_empty() => {}
        Command::Instead(words) => drop(set("command", json!(words))),
        Command::Arguments(words) => drop(set("args", json!(words))),
    }
    if !ask.env.is_empty() {
        let variable = |v: &crate::Variable| match v.value.as_str() {
            "" => json!({"name": v.name}),
            value => json!({"name": v.name, "value": value}),
        };
        set("env", ask.env.iter().map(variable).collect());
    }
    set("image", json!(ask.image));
    if let Some(policy) = ask.pull_policy {
        set("imagePullPolicy", json!(policy.as_str()));
    }
    set("name", json!(ask.name));
    set("resources", json!({}));
    if let Some(context) = ask.profile.security_context() {
        set("securityContext", Value::Object(context));
    }
    if ask.stdin {
        set("stdin", json!(true));
    }
    if let Some(target) = &ask.target {
        set("targetContainerName", json!(target));
    }
    set("terminationMessagePolicy", json!("File"));
    if ask.tty {
        set("tty", json!(true));
    }
    Ok(Value::Object(made))
}

/// kubectl's warning for a Pod that runs as a user who cannot use the capabilities that are added.
pub fn non_root_warning(pod: &Value, container: &Value) -> Option<&'static str> {
    let pod_user = pod["spec"]["securityContext"]["runAsUser"].as_i64();
    let context = &container["securityContext"];
    let as_root = context["runAsUser"] == json!(0);
    let added = context["capabilities"]["add"].as_array();
    let more = context["privileged"] == json!(true) || added.is_some_and(|list| !list.is_empty());
    (pod_user.is_some_and(|uid| uid != 0) && !as_root && more).then_some(
        "Warning: Non-root user is configured for the entire target Pod, and some capabilities granted \
         by debug profile may not work. Please consider using \"--custom\" with a custom profile that \
         specifies \"securityContext.runAsUser: 0\".",
    )
}
