//! What a policy says of the command that the container runs.

use serde_json::Value;

use crate::exposure::items;
use crate::judge::Judge;
use crate::{CommandRule, ContainerRules};

/// Holds command and arguments against one policy's rules.
pub(crate) fn hold(judge: &mut Judge<'_>, rules: &ContainerRules, container: &Value) {
    let Some(commands) = &rules.commands else {
        return;
    };
    let words = |field: &str| -> Vec<&str> {
        items(&container[field])
            .map(|word| word.as_str().unwrap_or_default())
            .collect()
    };
    let (command, args) = (words("command"), words("args"));
    if command.is_empty() && !args.is_empty() {
        let found = format!("arguments {args:?} for the image's own command");
        refuse(judge, found, commands);
        return;
    }
    let argv: Vec<&str> = command.into_iter().chain(args).collect();
    // The kubelet replaces `$(NAME)` by a variable's value after this was judged.
    let expands = argv.iter().any(|word| word.contains("$("));
    if expands || !commands.iter().any(|rule| rule.fits(&argv)) {
        let found = if argv.is_empty() {
            "the image's own command".to_owned()
        } else {
            format!("{argv:?}")
        };
        refuse(judge, found, commands);
    }
}

fn refuse(judge: &mut Judge<'_>, found: String, commands: &[CommandRule]) {
    let lines: Vec<String> = commands.iter().map(CommandRule::line).collect();
    let accepted = if lines.is_empty() {
        "none (the policy names none)".to_owned()
    } else {
        format!("{}, without $(…)", lines.join(" or "))
    };
    judge.refuse("container.commands", found, accepted);
}

impl CommandRule {
    fn fits(&self, argv: &[&str]) -> bool {
        let (patterns, rest) = match self.argv.split_last() {
            Some((last, patterns)) if last.as_str() == "**" => (patterns, true),
            _ => (self.argv.as_slice(), false),
        };
        let enough = argv.len() == patterns.len() || (rest && argv.len() > patterns.len());
        enough && patterns.iter().zip(argv).all(|(p, word)| p.matches(word))
    }

    fn line(&self) -> String {
        if self.argv.is_empty() {
            return "the image's own command".to_owned();
        }
        let words: Vec<&str> = self.argv.iter().map(crate::Glob::as_str).collect();
        format!("{words:?}")
    }
}
