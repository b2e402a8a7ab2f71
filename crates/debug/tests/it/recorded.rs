//! Every recorded invocation for an ephemeral container.

use debug::{Ask, Command, Profile, PullPolicy, Variable, container, non_root_warning, recognise};
use serde_json::{Value, json};

/// The flags of the recorded command lines; `None` for what is not about ephemeral containers.
fn ask(args: &[String]) -> Option<Result<Ask, String>> {
    let mut ask = Ask {
        name: "debugger-RAND".into(),
        ..Ask::default()
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (flag, value) = arg.split_once('=').unwrap_or((arg, ""));
        let read = match flag {
            "--image" => {
                ask.image = value.into();
                Ok(())
            }
            "--target" => {
                ask.target = Some(value.into());
                Ok(())
            }
            "-c" => {
                ask.name.clone_from(args.next().unwrap());
                Ok(())
            }
            "--profile" => value
                .parse::<Profile>()
                .map(|p| ask.profile = p)
                .map_err(|e| e.to_string()),
            "--image-pull-policy" => value
                .parse::<PullPolicy>()
                .map(|p| ask.pull_policy = Some(p))
                .map_err(|e| e.to_string()),
            "--env" => value
                .parse::<Variable>()
                .map(|v| ask.env.push(v))
                .map_err(|e| e.to_string()),
            "-i" => {
                ask.stdin = true;
                Ok(())
            }
            "-t" => {
                ask.tty = true;
                Ok(())
            }
            "-it" => {
                (ask.stdin, ask.tty) = (true, true);
                Ok(())
            }
            "p" | "pod/p" | "--attach" | "--quiet" | "--share-processes" => Ok(()),
            _ => return None,
        };
        if let Err(error) = read {
            return Some(Err(error));
        }
    }
    assert_eq!(ask.command, Command::OfTheImage);
    Some(Ok(ask))
}

/// What the API server fills in.
fn stored(mut container: Value) -> Value {
    if container.get("imagePullPolicy").is_none() {
        container["imagePullPolicy"] = json!("IfNotPresent");
    }
    container["terminationMessagePath"] = json!("/dev/termination-log");
    container
}

#[test]
fn the_container_or_the_error_is_kubectls() {
    let recorded: Value = serde_json::from_str(include_str!("kubectl-debug.json")).unwrap();
    let mut compared = 0;
    for case in recorded["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let args: Vec<String> = serde_json::from_value(case["args"].clone()).unwrap();
        let Some(ask) = ask(&args) else {
            continue;
        };
        let stderr = case["stderr"].as_str().unwrap();
        if stderr.contains("Not") && case["exit"] == 1 {
            continue; // The server's answer, not kubectl's.
        }
        compared += 1;
        let made = ask
            .clone()
            .and_then(|ask| container(&ask).map_err(|e| e.to_string()));
        match made {
            Err(error) => {
                assert_eq!(case["exit"], 1, "{name}: {error}");
                assert_eq!(
                    stderr.lines().next().unwrap(),
                    format!("error: {error}"),
                    "{name}"
                );
            }
            Ok(made) => {
                assert_eq!(case["exit"], 0, "{name}: {stderr}");
                let mut expected = case["container"].clone();
                if let Some(Value::Array(env)) = expected.get_mut("env") {
                    // kubectl's order is random.
                    env.sort_by_key(|v| v["name"].as_str().unwrap().to_owned());
                }
                assert_eq!(stored(made.clone()), expected, "{name}");
                let ask = ask.unwrap();
                let pod = json!({"spec": {"securityContext": case["podSecurityContext"]}});
                let said = [ask.profile.notice(), non_root_warning(&pod, &made)];
                let said: Vec<&str> = said.into_iter().flatten().collect();
                assert_eq!(said, stderr.lines().collect::<Vec<_>>(), "{name}");
                let again = recognise(&expected).unwrap();
                assert_eq!(stored(container(&again).unwrap()), stored(made), "{name}");
            }
        }
    }
    assert_eq!(compared, 25);
}

#[test]
fn a_container_that_kubectl_would_not_make_is_not_recognised() {
    let ask = Ask {
        name: "d".into(),
        image: "r/dbg:1".into(),
        ..Ask::default()
    };
    let made = container(&ask).unwrap();
    assert_eq!(recognise(&made), Some(ask));
    let check = |field: &str, value: Value| {
        let mut changed = made.clone();
        changed[field] = value;
        assert_eq!(recognise(&changed), None, "{changed}");
    };
    check("securityContext", json!({"runAsUser": 0}));
    check("workingDir", json!("/tmp"));
    check("volumeMounts", json!([{"name": "v", "mountPath": "/v"}]));
    check("stdinOnce", json!(true));
    check("tty", json!(true));
    check("env", json!([{"name": "A", "valueFrom": {}}]));
    check("tomorrow", json!(1));
    check("image", json!("Bad Image"));
}

#[test]
fn image_references_are_those_of_the_distribution() {
    let check = |image: &str, expected: bool| {
        let ask = Ask {
            image: image.into(),
            ..Ask::default()
        };
        assert_eq!(ask.validate().is_ok(), expected, "{image}");
    };
    check("busybox", true);
    check("localhost:5000/x/y:v1", true);
    check("[::1]:5000/x", true);
    check(&format!("r.example/x@sha256:{}", "0".repeat(64)), true);
    check("r.example/x@sha256:00", false);
    check("UPPER", false);
    check("r.example/Upper", false);
    check("x:", false);
    check("x y", false);
    check("x\n", false);
    check(" x", false);
}
