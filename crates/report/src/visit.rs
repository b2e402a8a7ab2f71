//! What became of it.

use jiff::Timestamp;
use ledger::entry;
use serde_json::Value;

use crate::ask::{in_container, person};
use crate::known::{Known, Teller};
use crate::reading::{At, Reading};
use crate::record::{Admission, Attachment, Exit, Image, Node, PodAfterwards, Terminal};

const NO_RECORDING: &str =
    "the terminal's output is not recorded yet; the kubelet keeps it as the container's log";

/// Only a container that was seen in the Pod has entered it.
pub(crate) fn entered(reading: &Reading<'_>) -> Known<bool> {
    if let Some(committed) = &reading.committed {
        return committed.known(true, Teller::Controller);
    }
    if reading.session.phase.name().is_final() && !reading.lost_with_a_promise() {
        return reading.last.known(false, Teller::Controller);
    }
    Known::absent(reading.no_visit())
}

pub(crate) fn image(reading: &Reading<'_>) -> Image {
    let reference = |c: &Value| c["image"].as_str().map(str::to_owned);
    let digest = |c: &Value| Some(c["image"].as_str()?.split_once('@')?.1.to_owned());
    let ended = reading
        .ended
        .filter(|ended| !ended.said.image_id.is_empty());
    let digest_that_ran = match (&reading.started, ended) {
        (Some(started), _) if !started.said.image_id.is_empty() => {
            started.known(started.said.image_id.clone(), Teller::Node)
        }
        (_, Some(ended)) => ended.known(ended.said.image_id.clone(), Teller::Node),
        (Some(_), None) => Known::absent("the node did not tell it"),
        (None, None) => Known::absent(reading.no_visit()),
    };
    Image {
        reference: in_container(reading, reference, "none was named"),
        requested_digest: in_container(
            reading,
            digest,
            "the image was named by tag, not by digest",
        ),
        digest_kind: digest_kind(&digest_that_ran),
        digest_that_ran,
    }
}

/// An `imageID` with a name before `@` is of a manifest in a registry; a bare digest may be of either.
fn digest_kind(image_id: &Known<String>) -> Known<String> {
    match image_id {
        Known::Value { value, source } if value.contains('@') => Known::Value {
            value: "manifest".to_owned(),
            source: source.clone(),
        },
        Known::Value { .. } => Known::absent(
            "the node told a bare digest, which may be of the manifest or of the configuration",
        ),
        Known::Absent { absent } => Known::absent(absent.clone()),
    }
}

pub(crate) fn terminal(reading: &Reading<'_>) -> Terminal {
    let is = |field: &'static str| move |c: &Value| Some(c[field] == Value::Bool(true));
    let recording = if reading.committed.is_some() {
        Known::absent(NO_RECORDING)
    } else {
        Known::absent(reading.no_visit())
    };
    Terminal {
        stdin: in_container(reading, is("stdin"), ""),
        tty: in_container(reading, is("tty"), ""),
        attachments: attachments(reading),
        recording,
    }
}

fn attachments(reading: &Reading<'_>) -> Known<Vec<Attachment>> {
    match (reading.attached.last(), &reading.committed) {
        (Some(last), _) => {
            let each = reading.attached.iter().map(attachment);
            last.known(each.collect(), Teller::Admission)
        }
        (None, Some(_)) => Known::absent("nobody was let onto the container's streams"),
        (None, None) => Known::absent(reading.no_visit()),
    }
}

fn attachment(attached: &At<'_, entry::Attachment>) -> Attachment {
    Attachment {
        person: person(&attached.said.by),
        door: attached.said.door.clone(),
        stdin: attached.said.stdin,
        tty: attached.said.tty,
        command: attached.said.command.clone(),
        from: attached.time,
        to: Known::absent("admission sees who comes in, not when they leave"),
        bytes: Known::absent("admission does not see the bytes"),
        recording: Known::absent(NO_RECORDING),
        entry: attached.index,
    }
}

pub(crate) fn node(reading: &Reading<'_>) -> Known<Node> {
    let Some(started) = &reading.started else {
        return Known::absent(reading.no_visit());
    };
    let said = &started.said.node;
    if said.name.is_empty() {
        return Known::absent("the Pod named no node when the container was seen to run");
    }
    let node = Node {
        name: said.name.clone(),
        kubelet: said.kubelet.clone(),
        runtime: said.runtime.clone(),
        kernel: said.kernel.clone(),
    };
    started.known(node, Teller::Node)
}

pub(crate) fn admission(reading: &Reading<'_>) -> Known<Admission> {
    let Some(reserved) = &reading.reserved else {
        let phase = reading.session.phase.name();
        return Known::absent(format!(
            "admission allowed no container of this session; it is {phase}"
        ));
    };
    let reservation = match (&reading.committed, &reading.voided) {
        (Some(_), _) => "Committed",
        (None, Some(_)) => "Void",
        (None, None) => "Reserved",
    };
    let admission = Admission {
        reservation: reservation.to_owned(),
        at: reserved.time,
        by: person(&reserved.said.by),
        container: reserved.said.container.clone(),
        pod_uid: reserved.said.pod_uid.clone(),
        void_because: reading.voided.map(|voided| voided.said.clone()),
    };
    reserved.known(admission, Teller::Admission)
}

pub(crate) fn deadline(reading: &Reading<'_>) -> Known<Timestamp> {
    match &reading.committed {
        Some(committed) => committed.known(committed.said.deadline, Teller::Controller),
        None => Known::absent(reading.no_visit()),
    }
}

pub(crate) fn overstayed(reading: &Reading<'_>) -> Known<bool> {
    match (&reading.overstayed, &reading.ended) {
        (Some(overstayed), _) => overstayed.known(true, Teller::Controller),
        (None, Some(ended)) => ended.known(false, Teller::Controller),
        (None, None) => Known::absent(match &reading.committed {
            Some(_) => "the visit is not over".to_owned(),
            None => reading.no_visit(),
        }),
    }
}

pub(crate) fn exit(reading: &Reading<'_>) -> Known<Exit> {
    let Some(ended) = &reading.ended else {
        return Known::absent(match &reading.committed {
            Some(_) => "the container has not been seen to end".to_owned(),
            None => reading.no_visit(),
        });
    };
    let unknown = || format!("nobody can say: {}", ended.said.reason);
    let exit = Exit {
        code: ended.said.code.map_or_else(
            || Known::absent(unknown()),
            |code| ended.known(code, Teller::Node),
        ),
        reason: ended.said.reason.clone(),
        message: ended.said.message.clone(),
        at: ended.said.finished_at.map_or_else(
            || Known::absent(unknown()),
            |at| ended.known(at, Teller::Node),
        ),
    };
    ended.known(exit, Teller::Node)
}

pub(crate) fn pod_afterwards(reading: &Reading<'_>) -> Known<PodAfterwards> {
    let Some(closed) = &reading.closed else {
        return Known::absent(match &reading.committed {
            Some(_) => "the books are not closed".to_owned(),
            None => reading.no_visit(),
        });
    };
    let pod = PodAfterwards {
        phase: closed.said.pod_phase.clone(),
        resource_version: closed.said.resource_version.clone(),
    };
    closed.known(pod, Teller::Controller)
}

pub(crate) fn audit_events() -> Known<Vec<Value>> {
    Known::absent("audit events are not collected yet: the cluster's own audit log has them")
}

pub(crate) fn evidence() -> Known<Vec<Value>> {
    Known::absent("evidence is not captured yet")
}
