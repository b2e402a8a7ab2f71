//! Command lines, and the variables that could change what they run.

use policy::{CommandRule, Glob, Policy};
use serde_json::{Value, json};

use crate::container::{as_is, check};

#[test]
fn a_command_is_held_word_by_word_against_those_that_are_named() {
    let named = |lines: &'static [&'static [&'static str]]| {
        move |p: &mut Policy| {
            let rule = |line: &&[&str]| CommandRule {
                argv: line.iter().map(|word| Glob::new(*word)).collect(),
            };
            p.container.commands = Some(lines.iter().map(rule).collect());
        }
    };
    let runs = |command: Value, args: Value| {
        move |c: &mut Value| {
            c["command"] = command;
            c["args"] = args;
        }
    };
    let refused = &["container.commands"];
    let ps = named(&[&["ps", "**"], &["jstack", "*"]]);
    check(runs(json!(["ps"]), Value::Null), ps, &[]);
    check(runs(json!(["ps"]), json!(["-e", "-f"])), ps, &[]);
    check(runs(json!(["jstack", "1"]), Value::Null), ps, &[]);
    check(runs(json!(["jstack"]), Value::Null), ps, refused);
    check(runs(json!(["jstack", "1", "2"]), Value::Null), ps, refused);
    check(runs(json!(["ps -e"]), Value::Null), ps, refused);
    check(runs(json!(["jstack", "$(PID)"]), Value::Null), ps, refused);
    check(runs(json!(["/bin/ps"]), Value::Null), ps, refused);
    check(runs(Value::Null, json!(["ps"])), ps, refused);
    check(runs(Value::Null, Value::Null), ps, refused);
    check(runs(Value::Null, Value::Null), named(&[&[]]), &[]);
    check(|_| {}, named(&[]), refused);
}

#[test]
fn where_commands_are_named_so_are_the_variables_that_could_change_them() {
    let preload = |c: &mut Value| c["env"] = json!([{"name": "LD_PRELOAD", "value": "/tmp/x.so"}]);
    let shell = vec![CommandRule {
        argv: vec![Glob::new("sh")],
    }];
    check(preload, as_is, &[]);
    let elsewhere = |c: &mut Value| {
        let annotation = json!({"fieldRef": {"fieldPath": "metadata.annotations['x']"}});
        c["env"] = json!([{"name": "LD_PRELOAD", "valueFrom": annotation}]);
    };
    let commands = |p: &mut Policy| p.container.commands = Some(shell.clone());
    check(preload, commands, &["container.env"]);
    check(elsewhere, commands, &["container.env"]);
    let both = |p: &mut Policy| {
        p.container.commands = Some(shell.clone());
        p.container.env = Some(vec![Glob::new("LD_*")]);
    };
    check(preload, both, &[]);
    check(
        preload,
        |p| p.container.env = Some(Vec::new()),
        &["container.env"],
    );
}
