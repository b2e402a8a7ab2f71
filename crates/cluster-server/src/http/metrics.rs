//! `/metrics`: those of kube-apiserver's that are ours to know, by their names.

use std::fmt::Write as _;
use std::time::Duration;

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
};

use super::limits;
use crate::identity::Attributes;
use crate::store::Store;

/// The buckets of `apiserver_request_duration_seconds`, but the finest ones.
const BUCKETS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0,
    30.0, 60.0,
];
const LABELS: [&str; 6] = [
    "verb",
    "group",
    "version",
    "resource",
    "subresource",
    "scope",
];

/// Counts what is served.
pub(super) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl Metrics {
    /// Metrics of one server.
    ///
    /// # Errors
    /// The names do not hold, which only a change of this file can bring about.
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let total = "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, \
                     component, and HTTP response code.";
        let with_code = [&LABELS[..], &["component", "code"]].concat();
        let requests = IntCounterVec::new(Opts::new("apiserver_request_total", total), &with_code)?;
        let duration = "Response latency distribution in seconds for each verb, dry run value, group, version, resource, \
                        subresource, scope and component.";
        let options = HistogramOpts::new("apiserver_request_duration_seconds", duration)
            .buckets(BUCKETS.to_vec());
        let with_component = [&LABELS[..], &["component"]].concat();
        let durations = HistogramVec::new(options, &with_component)?;
        let registry = Registry::new();
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        Ok(Self {
            registry,
            requests,
            durations,
        })
    }

    /// Counts one answered request. What is not served is counted without its name: the names that clients make up would
    /// fill the memory.
    pub(super) fn count(&self, attributes: &Attributes, served: bool, code: u16, took: Duration) {
        let nothing = Attributes::default();
        let attributes = match attributes {
            a if a.is_resource() && !served => &nothing,
            a => a,
        };
        let verb = verb(&attributes.verb);
        let scope = match attributes {
            a if !a.is_resource() => "",
            a if !a.name.is_empty() => "resource",
            a if !a.namespace.is_empty() => "namespace",
            _ => "cluster",
        };
        let subresource = if code == 404 {
            ""
        } else if attributes.is_resource() {
            &attributes.subresource
        } else {
            known_path(&attributes.path)
        };
        let labels = [
            verb,
            &attributes.group,
            &attributes.version,
            &attributes.resource,
            subresource,
            scope,
            "apiserver",
        ];
        let code = code.to_string();
        self.requests
            .with_label_values(&[&labels[..], &[&code]].concat())
            .inc();
        if !limits::is_long_running(attributes) {
            self.durations
                .with_label_values(&labels)
                .observe(took.as_secs_f64());
        }
    }

    /// All of them in the text format of Prometheus. `in_flight`: requests that read, that write.
    pub(super) fn text(&self, store: &Store, in_flight: (usize, usize)) -> String {
        let mut bytes = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut bytes) {
            tracing::error!(%error, "metrics could not be written");
        }
        let mut out = String::from_utf8_lossy(&bytes).into_owned();
        let mut gauge = |name: &str, help: &str, values: &[(String, String)]| {
            // Writing to a String does not fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
            for (labels, value) in values {
                let _ = writeln!(out, "{name}{labels} {value}");
            }
        };
        let kinds = [("readOnly", in_flight.0), ("mutating", in_flight.1)];
        gauge(
            "apiserver_current_inflight_requests",
            "Maximal number of currently used inflight request limit of this apiserver per request kind in last second.",
            &kinds.map(|(kind, n)| (format!("{{request_kind=\"{kind}\"}}"), n.to_string())),
        );
        let counts = store.counts().into_iter();
        let counts = counts.map(|(name, n)| (format!("{{resource=\"{name}\"}}"), n.to_string()));
        let mut counts: Vec<_> = counts.collect();
        counts.sort();
        gauge(
            "apiserver_storage_objects",
            "Number of stored objects at the time of last check split by kind.",
            &counts,
        );
        let version = crate::discovery::VERSION;
        gauge(
            "kubernetes_build_info",
            "A metric with a constant '1' value labeled by major, minor, git version.",
            &[(
                format!("{{git_version=\"{version}\",major=\"1\",minor=\"36\"}}"),
                "1".to_owned(),
            )],
        );
        for (name, help, value) in process() {
            gauge(name, help, &[(String::new(), value)]);
        }
        out
    }
}

/// The verb as metrics name it; methods that clients make up are one.
fn verb(verb: &str) -> &'static str {
    match verb {
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        "head" => "HEAD",
        _ => "other",
    }
}

/// Paths are told only where they are few.
fn known_path(path: &str) -> &str {
    match path {
        "/healthz" | "/livez" | "/readyz" | "/metrics" | "/version" | "/api" | "/apis" => path,
        _ => "",
    }
}

/// What the kernel tells of this process. What it does not tell is left out.
fn process() -> Vec<(&'static str, &'static str, String)> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
    let mut out = Vec::new();
    let status = read("status").unwrap_or_default();
    let kilobytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    for (name, help, key) in [
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            "VmSize:",
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            "VmRSS:",
        ),
    ] {
        out.extend(kilobytes(key).map(|n| (name, help, (n * 1024).to_string())));
    }
    if let Some(stat) = read("stat") {
        // The second field may hold spaces; what follows it begins after the last parenthesis.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|n| n.parse::<u64>().ok()).sum();
        // `USER_HZ` is 100 on every architecture that this runs on.
        let seconds = format!("{}.{:02}", ticks / 100, ticks % 100);
        out.push((
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
            seconds,
        ));
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        out.push((
            "process_open_fds",
            "Number of open file descriptors.",
            files.count().to_string(),
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_clients_make_up_are_not_kept() {
        let metrics = Metrics::new().expect("metrics");
        for n in 0..100 {
            let made_up = Attributes {
                verb: format!("v{n}"),
                resource: format!("r{n}"),
                subresource: format!("s{n}"),
                path: format!("/p{n}"),
                ..Attributes::default()
            };
            metrics.count(&made_up, false, 404, Duration::ZERO);
            let subresource = Attributes {
                resource: "pods".to_owned(),
                ..made_up
            };
            metrics.count(&subresource, true, 404, Duration::ZERO);
        }
        let mut lines = 0;
        for family in metrics.registry.gather() {
            lines += family.get_metric().len();
        }
        assert_eq!(lines, 4);
    }
}
