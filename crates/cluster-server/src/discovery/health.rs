//! `/healthz`, `/livez`, `/readyz` and one path for each check (`k8s.io/apiserver/pkg/server/healthz`).

use std::fmt::Write as _;

use crate::http::Answer;

/// What is looked at, by the names of the paths.
struct Check {
    name: &'static str,
    holds: fn(&Facts) -> bool,
}

/// What the checks are about.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The store takes writes.
    pub store_open: bool,
    /// The server is on its way out.
    pub stopping: bool,
}

const PING: Check = Check {
    name: "ping",
    holds: |_| true,
};
const LOG: Check = Check {
    name: "log",
    holds: |_| true,
};
/// The store stands where etcd does.
const STORE: Check = Check {
    name: "etcd",
    holds: |facts| facts.store_open,
};
const SYNC: Check = Check {
    name: "informer-sync",
    holds: |_| true,
};
const SHUTDOWN: Check = Check {
    name: "shutdown",
    holds: |facts| !facts.stopping,
};

/// The answer to a path of `root` (`healthz`, `livez`, `readyz`); `None`: there is no such check.
pub(super) fn answer(root: &str, rest: &[&str], query: &str, facts: Facts) -> Option<Answer> {
    let checks: &[Check] = match root {
        "readyz" => &[PING, LOG, STORE, SYNC, SHUTDOWN],
        _ => &[PING, LOG, STORE],
    };
    match rest {
        [] => Some(all(root, checks, query, facts)),
        [name] => {
            let check = checks.iter().find(|check| check.name == *name)?;
            Some(if (check.holds)(&facts) {
                Answer::Text(200, "ok".to_owned())
            } else {
                Answer::Text(500, "internal server error: it does not hold\n".to_owned())
            })
        }
        _ => None,
    }
}

fn all(root: &str, checks: &[Check], query: &str, facts: Facts) -> Answer {
    let parameters: Vec<&str> = query.split('&').collect();
    let excluded = || parameters.iter().filter_map(|p| p.strip_prefix("exclude="));
    let verbose = parameters
        .iter()
        .any(|p| p.split('=').next() == Some("verbose"));
    let (mut out, mut failed) = (String::new(), false);
    for check in checks {
        // Writing to a String does not fail.
        let _ = if excluded().any(|name| name == check.name) {
            writeln!(out, "[+]{} excluded: ok", check.name)
        } else if (check.holds)(&facts) {
            writeln!(out, "[+]{} ok", check.name)
        } else {
            failed = true;
            writeln!(out, "[-]{} failed: reason withheld", check.name)
        };
    }
    let mut unknown: Vec<String> = excluded()
        .filter(|name| checks.iter().all(|check| check.name != *name))
        .map(|name| format!("{name:?}"))
        .collect();
    unknown.sort();
    unknown.dedup();
    if !unknown.is_empty() {
        let unknown = unknown.join(",");
        let _ = writeln!(
            out,
            "warn: some health checks cannot be excluded: no matches for {unknown}"
        );
    }
    if failed {
        return Answer::Text(500, format!("{out}{root} check failed\n"));
    }
    if verbose {
        return Answer::Text(200, format!("{out}{root} check passed\n"));
    }
    Answer::Text(200, "ok".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(root: &str, rest: &[&str], query: &str, stopping: bool, expected: (u16, &str)) {
        let facts = Facts {
            store_open: true,
            stopping,
        };
        match answer(root, rest, query, facts) {
            Some(Answer::Text(code, text)) => assert_eq!((code, &*text), expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn health_is_told_shortly_or_check_by_check() {
        check("livez", &[], "", false, (200, "ok"));
        check("livez", &["etcd"], "", false, (200, "ok"));
        check(
            "livez",
            &[],
            "verbose",
            false,
            (
                200,
                "[+]ping ok\n[+]log ok\n[+]etcd ok\nlivez check passed\n",
            ),
        );
        check(
            "healthz",
            &[],
            "verbose&exclude=etcd&exclude=x",
            false,
            (
                200,
                "[+]ping ok\n[+]log ok\n[+]etcd excluded: ok\nwarn: some health checks cannot be excluded: no matches for \"x\"\n\
                 healthz check passed\n",
            ),
        );
        check(
            "readyz",
            &[],
            "",
            true,
            (
                500,
                "[+]ping ok\n[+]log ok\n[+]etcd ok\n[+]informer-sync ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n",
            ),
        );
    }
}
