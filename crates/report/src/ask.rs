//! What was asked.

use std::collections::BTreeMap;

use ledger::entry;
use serde_json::Value;
use session::Surface;

use crate::known::{Known, Teller};
use crate::reading::{At, Reading};
use crate::record::{Person, Pod};

/// The key of `userInfo.extra` under which an authenticator tells for whom an agent acts.
const ACTS_FOR: &str = "ephemera.dev/acts-for";

/// The fields of a record that the ask gives.
pub(crate) struct Ask {
    pub(crate) requester: Known<Person>,
    pub(crate) acts_for: Known<String>,
    pub(crate) namespace: Known<String>,
    pub(crate) pod: Known<Pod>,
    pub(crate) mode: Known<String>,
    pub(crate) target_container: Known<String>,
    pub(crate) debug_container: Known<String>,
    pub(crate) command: Known<Vec<String>>,
    pub(crate) arguments: Known<Vec<String>>,
    pub(crate) ticket: Known<String>,
    pub(crate) reason: Known<String>,
    pub(crate) checked: BTreeMap<String, Known<String>>,
}

pub(crate) fn of(reading: &Reading<'_>) -> Ask {
    let asked = reading.requested;
    let said = asked.said;
    let pod = Pod {
        name: said.pod.name.clone(),
        uid: said.pod.uid.clone(),
    };
    Ask {
        requester: asked.known(person(&said.requester), Teller::ApiServer),
        acts_for: acts_for(asked),
        namespace: asked.known(said.pod.namespace.clone(), Teller::ApiServer),
        pod: asked.known(pod, Teller::ApiServer),
        mode: asked.known(said.mode.clone(), Teller::Requester),
        target_container: in_container(
            reading,
            |c| c["targetContainerName"].as_str().map(str::to_owned),
            "no target was asked for: it sees its own processes, or those of the whole Pod if it shares them",
        ),
        debug_container: asked.known(
            reading.session.request.handle().to_string(),
            Teller::ApiServer,
        ),
        command: in_container(reading, |c| words(&c["command"]), "the image's own command"),
        arguments: in_container(reading, |c| words(&c["args"]), "none were asked for"),
        ticket: asked.text(&said.ticket, Teller::Requester, "none was given"),
        reason: asked.text(&said.reason, Teller::Requester, "none was given"),
        checked: checked(asked),
    }
}

/// A field of the container as it was granted, or as it was asked for while there are no terms.
pub(crate) fn in_container<T>(
    reading: &Reading<'_>,
    field: impl Fn(&Value) -> Option<T>,
    why_not: &str,
) -> Known<T> {
    let asked = reading.requested;
    let found = reading.proposed.map_or_else(
        || field(&asked.said.container).map(|v| asked.known(v, Teller::Requester)),
        |terms| field(&terms.said.container).map(|v| terms.known(v, Teller::ApiServer)),
    );
    found.unwrap_or_else(|| Known::absent(why_not))
}

fn words(list: &Value) -> Option<Vec<String>> {
    let list = list.as_array().filter(|list| !list.is_empty())?;
    let word = |word: &Value| {
        word.as_str()
            .map_or_else(|| word.to_string(), str::to_owned)
    };
    Some(list.iter().map(word).collect())
}

fn acts_for(asked: At<'_, entry::Request>) -> Known<String> {
    let requester = &asked.said.requester;
    match requester
        .extra
        .get(ACTS_FOR)
        .and_then(|for_whom| for_whom.first())
    {
        Some(whom) => asked.known(whom.clone(), Teller::ApiServer),
        None if requester.username.starts_with("system:serviceaccount:") => {
            Known::absent("a service account asked, and its authenticator names nobody behind it")
        }
        None => Known::absent("the authenticator names nobody for whom this person acts"),
    }
}

fn checked(asked: At<'_, entry::Request>) -> BTreeMap<String, Known<String>> {
    let why = |surface: Surface| {
        let name = surface.as_str();
        let said = asked.said.checked.iter().find(|c| c.surface == name);
        said.map_or_else(
            || Known::absent("the requester did not say that it was looked at"),
            |said| asked.known(said.fell_short.clone(), Teller::Requester),
        )
    };
    let each = Surface::ALL.into_iter();
    each.map(|s| (s.as_str().to_owned(), why(s))).collect()
}

/// A person of an entry in the record's own shape.
pub(crate) fn person(said: &entry::Person) -> Person {
    Person {
        username: said.username.clone(),
        uid: said.uid.clone(),
        groups: said.groups.clone(),
        extra: said.extra.clone(),
    }
}
