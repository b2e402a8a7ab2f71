//! A `DebugSession` out of what was typed.

use std::str::FromStr;

use anyhow::{Context, Result, bail};
use api::debug_session::{Checked, Injection, Mode, PodTarget, Surface};
use api::{DebugSession, DebugSessionSpec};

use crate::args::Ask;

/// The Pod's name of `NAME` or `pod/NAME`.
pub(crate) fn pod_name(typed: &str) -> Result<&str> {
    match typed.split_once('/') {
        None => Ok(typed),
        Some(("pod" | "pods" | "po", name)) if !name.is_empty() => Ok(name),
        Some((kind, _)) => bail!("{kind:?} cannot be visited yet: name a Pod, as in pod/NAME"),
    }
}

/// The object to create; the API server names it after the Pod.
pub(crate) fn session(ask: &Ask, namespace: &str, injection: Injection) -> Result<DebugSession> {
    let pod = pod_name(&ask.pod)?;
    let spec = DebugSessionSpec {
        pod: PodTarget {
            name: pod.to_owned(),
            uid: None,
        },
        mode: Mode::Ephemeral,
        // The name is replaced by the handle as soon as the session has a uid.
        container: debug::container(&container(ask, "visit")?)?,
        injection,
        reason: ask.reason.clone(),
        ticket: ask.ticket.clone(),
        checked: ask
            .checked
            .iter()
            .map(|typed| checked(typed))
            .collect::<Result<_>>()?,
        duration_seconds: seconds(&ask.duration).context("--duration")?,
        requester: None,
    };
    let mut session = DebugSession::new("", spec);
    session.metadata.name = None;
    session.metadata.generate_name = Some(format!("{}-", pod.chars().take(50).collect::<String>()));
    session.metadata.namespace = Some(namespace.to_owned());
    Ok(session)
}

/// What `kubectl debug` would be asked with the same flags, for a container of this name.
pub(crate) fn container(ask: &Ask, name: &str) -> Result<debug::Ask> {
    let command = match (ask.command.as_slice(), ask.arguments_only) {
        ([], _) => debug::Command::OfTheImage,
        (words, false) => debug::Command::Instead(words.to_vec()),
        (words, true) => debug::Command::Arguments(words.to_vec()),
    };
    Ok(debug::Ask {
        name: name.to_owned(),
        image: ask.image.clone(),
        target: ask.target.clone(),
        profile: ask.profile.parse()?,
        command,
        env: ask
            .env
            .iter()
            .map(|typed| Ok(typed.parse()?))
            .collect::<Result<_>>()?,
        pull_policy: ask
            .image_pull_policy
            .as_deref()
            .map(str::parse)
            .transpose()?,
        stdin: ask.stdin,
        tty: ask.tty,
    })
}

fn checked(typed: &str) -> Result<Checked> {
    let Some((surface, fell_short)) = typed
        .split_once('=')
        .filter(|(_, why)| !why.trim().is_empty())
    else {
        bail!(
            "--checked {typed:?}: say where you looked and what was missing, as in logs='nothing since 14:02'"
        );
    };
    let surface = match session::Surface::from_str(surface)? {
        session::Surface::Logs => Surface::Logs,
        session::Surface::Metrics => Surface::Metrics,
        session::Surface::Traces => Surface::Traces,
        session::Surface::Events => Surface::Events,
        session::Surface::Audit => Surface::Audit,
    };
    Ok(Checked {
        surface,
        fell_short: fell_short.to_owned(),
    })
}

/// Whole seconds of `90s`, `15m`, `1h30m`.
pub(crate) fn seconds(typed: &str) -> Result<i64> {
    let span: jiff::SignedDuration = typed
        .parse()
        .with_context(|| format!("{typed:?} is no time: write 90s, 15m or 1h30m"))?;
    if span.as_secs() < 1 {
        bail!("{typed:?} is no time to visit: write 90s, 15m or 1h30m");
    }
    Ok(span.as_secs())
}

#[cfg(test)]
mod tests {
    use super::{checked, pod_name, seconds};

    #[test]
    fn times_are_read_as_people_write_them() {
        for (typed, expected) in [("90s", 90), ("15m", 900), ("1h30m", 5400)] {
            assert_eq!(seconds(typed).unwrap(), expected, "{typed}");
        }
        for typed in ["", "0s", "-5m", "soon", "15"] {
            assert!(seconds(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn only_pods_can_be_named() {
        assert_eq!(pod_name("web").unwrap(), "web");
        assert_eq!(pod_name("pod/web").unwrap(), "web");
        assert!(pod_name("node/n1").is_err());
        assert!(pod_name("pod/").is_err());
    }

    #[test]
    fn a_place_that_was_looked_at_needs_what_was_missing_there() {
        assert_eq!(
            checked("logs=nothing since 14:02").unwrap().fell_short,
            "nothing since 14:02"
        );
        assert!(checked("logs").is_err());
        assert!(checked("logs= ").is_err());
        assert!(checked("crystal-ball=cloudy").is_err());
    }
}
