//! The work queue: which session to look at, and when.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use session::Session;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::drive::{Controller, DriveError, Next};

/// So many sessions are driven at once.
const AT_ONCE: usize = 16;

/// The longest wait between two tries of what fails.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// Something in the cluster changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// A `DebugSession` appeared, changed or went away.
    Session {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A Pod changed or went away.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Anything may have changed: a watch began anew, a policy or an approval changed.
    Everything,
}

/// Where a session's objects are: what an event about one of them leads back to.
struct Place {
    namespace: String,
    session: String,
    pod: String,
    over: bool,
}

#[derive(Default)]
struct Queue {
    places: HashMap<String, Place>,
    /// When to look at each session.
    due: HashMap<String, Timestamp>,
    busy: HashSet<String>,
    failures: HashMap<String, u32>,
}

type Driven = (String, Result<Next, DriveError>);

impl Controller {
    /// Drives every session of the journal, from now until `stop`. What is under way is finished first.
    pub async fn run(
        self: Arc<Self>,
        mut wakes: mpsc::Receiver<Wake>,
        stop: impl Future<Output = ()> + Send,
    ) {
        let mut changes = self.journal.changes();
        let mut queue = Queue::default();
        queue.learn(self.journal.sessions());
        // Sessions that are over too: their objects may lag behind the log.
        queue.wake_where(self.journal.now(), |_| true);
        let mut driving: JoinSet<Driven> = JoinSet::new();
        let mut objects: JoinSet<()> = JoinSet::new();
        tokio::pin!(stop);
        loop {
            queue.start_due(&self, &mut driving);
            let pause = queue.pause(self.journal.now(), driving.len());
            tokio::select! {
                () = &mut stop => break,
                Some(wake) = wakes.recv() => {
                    if let Some((namespace, name)) = queue.unknown(&wake)
                        && objects.len() < AT_ONCE
                    {
                        objects.spawn(Arc::clone(&self).explain(namespace, name));
                    }
                    queue.wake(&wake, self.journal.now());
                }
                Some(_) = objects.join_next() => {}
                moved = changes.recv() => match moved {
                    Ok(uid) => queue.moved(self.journal.session(&uid), self.journal.now()),
                    Err(RecvError::Lagged(_)) => {
                        queue.learn(self.journal.sessions());
                        queue.wake_where(self.journal.now(), |place| !place.over);
                    }
                    Err(RecvError::Closed) => break,
                },
                Some(driven) = driving.join_next() => queue.finished(driven, self.journal.now()),
                () = tokio::time::sleep(pause) => {}
            }
        }
        while driving.join_next().await.is_some() {}
    }

    /// Best effort: the next event about the object comes here again.
    async fn explain(self: Arc<Self>, namespace: String, name: String) {
        if let Err(error) = self.look_at_object(&namespace, &name).await {
            tracing::warn!(%error, cause = %error.source, namespace, name, "an object was not looked at");
        }
    }
}

impl Queue {
    fn learn(&mut self, sessions: Vec<Session>) {
        for session in sessions {
            let request = session.request;
            let place = Place {
                namespace: request.session.namespace,
                session: request.session.name,
                pod: request.pod.name,
                over: session.phase.name().is_final(),
            };
            self.places.insert(request.session.uid, place);
        }
    }

    fn moved(&mut self, session: Option<Session>, now: Timestamp) {
        if let Some(session) = session {
            let uid = session.request.session.uid.clone();
            self.learn(vec![session]);
            self.due.insert(uid, now);
        }
    }

    fn wake(&mut self, wake: &Wake, now: Timestamp) {
        match wake {
            Wake::Session { namespace, name } => {
                self.wake_where(now, |p| p.namespace == *namespace && p.session == *name);
            }
            Wake::Pod { namespace, name } => {
                self.wake_where(now, |p| {
                    !p.over && p.namespace == *namespace && p.pod == *name
                });
            }
            Wake::Everything => self.wake_where(now, |p| !p.over),
        }
    }

    /// Namespace and name of a session's object that belongs to no session of the log.
    fn unknown(&self, wake: &Wake) -> Option<(String, String)> {
        let Wake::Session { namespace, name } = wake else {
            return None;
        };
        let known = |p: &Place| p.namespace == *namespace && p.session == *name;
        let known = self.places.values().any(known);
        (!known).then(|| (namespace.clone(), name.clone()))
    }

    fn wake_where(&mut self, now: Timestamp, wanted: impl Fn(&Place) -> bool) {
        for (uid, place) in &self.places {
            if wanted(place) {
                self.due.insert(uid.clone(), now);
            }
        }
    }

    fn start_due(&mut self, controller: &Arc<Controller>, driving: &mut JoinSet<Driven>) {
        let now = controller.journal.now();
        let ready: Vec<String> = self
            .due
            .iter()
            .filter(|(uid, at)| **at <= now && !self.busy.contains(*uid))
            .map(|(uid, _)| uid.clone())
            .take(AT_ONCE.saturating_sub(driving.len()))
            .collect();
        for uid in ready {
            self.due.remove(&uid);
            self.busy.insert(uid.clone());
            let controller = Arc::clone(controller);
            driving.spawn(async move {
                let driven = controller.drive(&uid).await;
                (uid, driven)
            });
        }
    }

    /// How long until the next session is due; whatever is woken meanwhile comes before.
    fn pause(&self, now: Timestamp, driving: usize) -> Duration {
        let waiting = self.due.iter().filter(|(uid, _)| !self.busy.contains(*uid));
        let next = waiting.map(|(_, at)| now.duration_until(*at)).min();
        let pause = next.unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
        if driving >= AT_ONCE {
            return LONGEST_PAUSE.unsigned_abs();
        }
        // Never a busy loop: what is due now was started, what is left waits for a place.
        pause.max(SignedDuration::from_millis(1)).unsigned_abs()
    }

    fn finished(&mut self, driven: Result<Driven, tokio::task::JoinError>, now: Timestamp) {
        let (uid, result) = match driven {
            Ok(driven) => driven,
            Err(error) => {
                // Which one it was is not told: none stays busy for ever.
                tracing::error!(%error, "driving a session broke off");
                self.busy.clear();
                self.wake_where(now + LONGEST_PAUSE, |place| !place.over);
                return;
            }
        };
        self.busy.remove(&uid);
        let next = match result {
            Ok(next) => {
                self.failures.remove(&uid);
                match next {
                    Next::At(at) => Some(at),
                    Next::OnChange | Next::Over => None,
                }
            }
            Err(error) => Some(now + self.after_failure(&uid, &error)),
        };
        if let Some(at) = next {
            // Whatever woke it meanwhile comes first.
            let due = self.due.entry(uid).or_insert(at);
            *due = at.min(*due);
        }
    }

    fn after_failure(&mut self, uid: &str, error: &DriveError) -> SignedDuration {
        let failures = self.failures.entry(uid.to_owned()).or_default();
        *failures = failures.saturating_add(1);
        let pause = SignedDuration::from_millis(100 << (*failures).min(9)).min(LONGEST_PAUSE);
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(session = uid, %error, cause, ?pause, "not yet; trying again");
        pause
    }
}
