//! On which terms, and who agreed.

use ledger::entry;
use serde_json::Value;

use crate::ask::person;
use crate::known::{Known, Teller};
use crate::reading::Reading;
use crate::record::{
    Approval, Capabilities, CapabilityLists, Grant, Policy, Quorum, Right, Verdict,
};

pub(crate) fn of(reading: &Reading<'_>) -> Approval {
    Approval {
        spec_hash: of_terms(reading, Teller::Policy, |t| t.spec_hash.clone()),
        quorum: of_terms(reading, Teller::Policy, |t| {
            t.quorum.iter().map(quorum).collect()
        }),
        policies: of_terms(reading, Teller::Policy, |t| {
            t.policies.iter().map(policy).collect()
        }),
        verdicts: verdicts(reading),
        grant: grant(reading),
        independently_confirmed: Known::absent(
            "no source of audit events is configured: who approved is the webhook's word alone",
        ),
    }
}

fn of_terms<T>(
    reading: &Reading<'_>,
    told_by: Teller,
    field: impl Fn(&entry::Terms) -> T,
) -> Known<T> {
    match &reading.proposed {
        Some(terms) => terms.known(field(terms.said), told_by),
        None => Known::absent(reading.no_terms()),
    }
}

fn quorum(said: &entry::Quorum) -> Quorum {
    Quorum {
        group: said.group.clone(),
        count: said.count,
    }
}

fn policy(said: &entry::PolicyVersion) -> Policy {
    Policy {
        name: said.name.clone(),
        uid: said.uid.clone(),
        generation: said.generation,
    }
}

fn verdicts(reading: &Reading<'_>) -> Known<Vec<Verdict>> {
    let Some(last) = reading.judged.last() else {
        return Known::absent(match &reading.granted {
            Some(_) => "a policy says in words that nobody need agree".to_owned(),
            None => "nobody has given one".to_owned(),
        });
    };
    let verdicts = reading.judged.iter().map(|judged| Verdict {
        approver: person(&judged.said.approver),
        verdict: judged.said.verdict.clone(),
        at: judged.said.at,
        comment: judged.said.comment.clone(),
        uid: judged.said.uid.clone(),
        entry: judged.index,
    });
    last.known(verdicts.collect(), Teller::Approver)
}

fn grant(reading: &Reading<'_>) -> Known<Grant> {
    let Some(granted) = &reading.granted else {
        let phase = reading.session.phase.name();
        return Known::absent(format!("it was not granted: the session is {phase}"));
    };
    let approvers = granted.said.approvals.iter().map(|uid| {
        let given = reading
            .judged
            .iter()
            .rfind(|judged| judged.said.uid == *uid);
        given.map_or_else(
            || format!("approval {uid}"),
            |judged| judged.said.approver.username.clone(),
        )
    });
    let grant = Grant {
        at: granted.time,
        on_the_word_of: approvers.collect(),
        use_until: granted.said.use_until,
    };
    granted.known(grant, Teller::Policy)
}

pub(crate) fn security_context(reading: &Reading<'_>) -> Known<Value> {
    of_terms(reading, Teller::ApiServer, |terms| terms.effective.clone())
}

pub(crate) fn exposure(reading: &Reading<'_>) -> Known<Value> {
    of_terms(reading, Teller::ApiServer, |terms| terms.exposure.clone())
}

pub(crate) fn capabilities(reading: &Reading<'_>) -> Capabilities {
    let asked = reading.requested;
    let granted = match (&reading.proposed, &reading.granted) {
        (Some(terms), Some(granted)) => granted.known(lists(&terms.said.container), Teller::Policy),
        _ => Known::absent(format!(
            "none were granted: the session is {}",
            reading.session.phase.name()
        )),
    };
    Capabilities {
        requested: asked.known(lists(&asked.said.container), Teller::Requester),
        granted,
    }
}

fn lists(container: &Value) -> CapabilityLists {
    let names = |list: &str| -> Vec<String> {
        let listed = container["securityContext"]["capabilities"][list].as_array();
        let name = |name: &Value| {
            name.as_str()
                .map_or_else(|| name.to_string(), str::to_owned)
        };
        listed.into_iter().flatten().map(name).collect()
    };
    CapabilityLists {
        add: names("add"),
        drop: names("drop"),
    }
}

pub(crate) fn cluster_version(reading: &Reading<'_>) -> Known<String> {
    match &reading.proposed {
        Some(terms) => terms.text(
            &terms.said.surroundings.cluster_version,
            Teller::ApiServer,
            "the API server's version could not be read",
        ),
        None => Known::absent(reading.no_terms()),
    }
}

pub(crate) fn requester_rights(reading: &Reading<'_>) -> Known<Vec<Right>> {
    let Some(terms) = &reading.proposed else {
        return Known::absent(reading.no_terms());
    };
    let rights = &terms.said.surroundings.requester_rights;
    if rights.is_empty() {
        return Known::absent("no SubjectAccessReview was answered");
    }
    let right = |said: &entry::Right| Right {
        verb: said.verb.clone(),
        resource: said.resource.clone(),
        allowed: said.allowed,
        reason: said.reason.clone(),
    };
    terms.known(rights.iter().map(right).collect(), Teller::ApiServer)
}
