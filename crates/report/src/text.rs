//! The record for a terminal.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::Record;
use crate::known::Known;
use crate::record::{CapabilityLists, Exit, Person};

/// Width of the column of labels.
const LABELS: usize = 20;

impl Record {
    /// The record as aligned lines; `[n]` is the entry that says so, `-` stands before the reason of an absence.
    ///
    /// Every character that a terminal would obey or that turns the text around it is escaped.
    pub fn to_text(&self) -> String {
        let mut page = Page::default();
        page.line(
            "session",
            &format!("{}/{}", self.session.namespace, self.session.name),
        );
        page.line("uid", &self.session.uid);
        page.line("phase", &self.phase);
        page.known("entered", &self.entered, |entered| yes(*entered));
        self.who_and_where(&mut page);
        self.why(&mut page);
        self.what(&mut page);
        self.on_whose_word(&mut page);
        self.what_became_of_it(&mut page);
        page.section("steps");
        for step in &self.steps {
            let at = step.at;
            page.line(
                &format!("{at:.3}"),
                &format!("{}: {} [{}]", step.kind, step.summary, step.entry),
            );
        }
        page.text
    }

    fn who_and_where(&self, page: &mut Page) {
        page.section("who and where");
        page.known("requester", &self.requester, named);
        page.known("acts for", &self.acts_for, Clone::clone);
        page.known("namespace", &self.namespace, Clone::clone);
        page.known("pod", &self.pod, |pod| {
            format!("{} (uid {})", pod.name, pod.uid)
        });
        page.known("mode", &self.mode, Clone::clone);
        page.known("node", &self.node, |node| {
            format!(
                "{} (kubelet {}, {}, kernel {})",
                node.name, node.kubelet, node.runtime, node.kernel
            )
        });
        page.known("cluster version", &self.cluster_version, Clone::clone);
        page.known("requester's rights", &self.requester_rights, |rights| {
            let right =
                |r: &crate::record::Right| format!("{} {} {}", r.verb, r.resource, yes(r.allowed));
            list(rights.iter().map(right))
        });
    }

    fn why(&self, page: &mut Page) {
        page.section("why");
        page.known("reason", &self.reason, Clone::clone);
        page.known("ticket", &self.ticket, Clone::clone);
        for (surface, fell_short) in &self.checked {
            page.known(&format!("{surface} fell short"), fell_short, Clone::clone);
        }
    }

    fn what(&self, page: &mut Page) {
        page.section("what");
        page.known("debug container", &self.debug_container, Clone::clone);
        page.known("target container", &self.target_container, Clone::clone);
        page.known("image", &self.image.reference, Clone::clone);
        page.known(
            "digest asked for",
            &self.image.requested_digest,
            Clone::clone,
        );
        page.known("digest that ran", &self.image.digest_that_ran, Clone::clone);
        page.known("digest is of the", &self.image.digest_kind, Clone::clone);
        page.known("command", &self.command, json);
        page.known("arguments", &self.arguments, json);
        page.known("stdin", &self.terminal.stdin, |stdin| yes(*stdin));
        page.known("tty", &self.terminal.tty, |tty| yes(*tty));
        page.known("capabilities asked", &self.capabilities.requested, lists);
        page.known("capabilities granted", &self.capabilities.granted, lists);
        page.known("security context", &self.security_context, |context| {
            json(context)
        });
        page.known("exposure", &self.exposure, in_words);
    }

    fn on_whose_word(&self, page: &mut Page) {
        page.section("on whose word");
        let approval = &self.approval;
        page.known("spec hash", &approval.spec_hash, Clone::clone);
        page.known("policies", &approval.policies, |policies| {
            list(
                policies
                    .iter()
                    .map(|p| format!("{} (generation {})", p.name, p.generation)),
            )
        });
        page.known("needed", &approval.quorum, |quorum| {
            list(quorum.iter().map(|q| format!("{} of {}", q.count, q.group)))
        });
        page.known("verdicts", &approval.verdicts, |verdicts| {
            list(verdicts.iter().map(|v| {
                let comment = if v.comment.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", v.comment)
                };
                format!(
                    "{} by {} at {:.3}{comment}",
                    v.verdict, v.approver.username, v.at
                )
            }))
        });
        page.known("granted", &approval.grant, |grant| {
            let by = list(grant.on_the_word_of.iter().cloned());
            format!(
                "at {:.3} on the word of {by}, to be used before {:.0}",
                grant.at, grant.use_until
            )
        });
        let confirmed = &approval.independently_confirmed;
        page.known("confirmed", confirmed, |confirmed| yes(*confirmed));
        page.known("admission", &self.admission, |admission| {
            let void = admission.void_because.as_ref();
            let void = void.map(|why| format!(": {why}")).unwrap_or_default();
            let by = &admission.by.username;
            format!(
                "{}{void} (request of {by} at {:.3})",
                admission.reservation, admission.at
            )
        });
    }

    fn what_became_of_it(&self, page: &mut Page) {
        page.section("what became of it");
        page.known("attachments", &self.terminal.attachments, |attachments| {
            list(
                attachments
                    .iter()
                    .map(|a| format!("{} by {} from {}", a.door, a.person.username, a.from)),
            )
        });
        page.known("recording", &self.terminal.recording, Clone::clone);
        page.known("deadline", &self.deadline, |at| format!("{at:.0}"));
        page.known("overstayed", &self.overstayed, |overstayed| {
            yes(*overstayed)
        });
        page.known("exit", &self.exit, ended);
        page.known("pod afterwards", &self.pod_afterwards, |pod| {
            pod.phase.clone()
        });
        page.known("audit events", &self.audit_events, json);
        page.known("evidence", &self.evidence, json);
    }
}

/// Lines under headings.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn section(&mut self, heading: &str) {
        let _ = writeln!(self.text, "\n{heading}");
    }

    fn line(&mut self, label: &str, value: &str) {
        let _ = writeln!(self.text, "  {label:LABELS$}  {}", escaped(value));
    }

    fn known<T>(&mut self, label: &str, known: &Known<T>, say: impl FnOnce(&T) -> String) {
        match known {
            Known::Value { value, source } => {
                let said = say(value);
                self.line(label, &format!("{said} [{}]", source.entry));
            }
            Known::Absent { absent } => self.line(label, &format!("- {absent}")),
        }
    }
}

/// `text` without a character that a terminal obeys or that turns what stands around it (Unicode annex 9).
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let hidden = matches!(
            character,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        );
        if character.is_control() || hidden {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn named(person: &Person) -> String {
    let groups = list(person.groups.iter().cloned());
    if person.uid.is_empty() {
        return format!("{} (groups {groups})", person.username);
    }
    format!("{} (uid {}, groups {groups})", person.username, person.uid)
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        return "nobody".to_owned();
    }
    items.join(", ")
}

fn lists(capabilities: &CapabilityLists) -> String {
    let part = |sign: &str, names: &[String]| -> Vec<String> {
        names.iter().map(|name| format!("{sign}{name}")).collect()
    };
    let mut all = part("+", &capabilities.add);
    all.extend(part("-", &capabilities.drop));
    if all.is_empty() {
        return "no change".to_owned();
    }
    all.join(" ")
}

fn in_words(exposure: &Value) -> String {
    let words = exposure["inWords"].as_array();
    let words: Vec<&str> = words
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if words.is_empty() {
        return exposure.to_string();
    }
    words.join(" ")
}

fn ended(exit: &Exit) -> String {
    let code = exit
        .code
        .value()
        .map_or_else(|| "unknown".to_owned(), ToString::to_string);
    let at = exit
        .at
        .value()
        .map(|at| format!(" at {at}"))
        .unwrap_or_default();
    format!("status {code} ({}){at}", exit.reason)
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
