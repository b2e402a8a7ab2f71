//! Files of the node that containers see: hosts, host name, resolver, termination messages.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Pod;

use crate::pod::roles;

/// The most bytes of a termination message (EC-K-64).
const MESSAGE_LIMIT: u64 = 4096;

/// `/etc/hosts` as a kubelet writes it (`kubelet_pods.go: managedHostsFileContent`).
pub fn hosts(pod: &Pod, ip: &str, hostname: &str, node_hosts: &str) -> String {
    let spec = roles::spec(pod);
    let mut out = if spec.host_network == Some(true) {
        format!("# Kubernetes-managed hosts file (host network).\n{node_hosts}")
    } else {
        let mut text = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
            fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
            .to_owned();
        let domain = spec.subdomain.as_deref().filter(|name| !name.is_empty());
        let names = domain.map(|domain| {
            let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
            format!("{hostname}.{domain}.{namespace}.svc.cluster.local\t")
        });
        let _ = writeln!(text, "{ip}\t{}{hostname}", names.unwrap_or_default());
        text
    };
    let aliases: Vec<_> = spec.host_aliases.iter().flatten().collect();
    if !aliases.is_empty() {
        out.push_str("\n# Entries added by HostAliases.\n");
        for alias in aliases {
            let names = alias.hostnames.clone().unwrap_or_default().join("\t");
            let _ = writeln!(out, "{}\t{names}", alias.ip);
        }
    }
    out
}

/// The host name in the Pod: `spec.hostname`, else the Pod's name, cut to 63 characters.
pub fn hostname(pod: &Pod) -> String {
    let spec = roles::spec(pod);
    let name = spec
        .hostname
        .clone()
        .filter(|name| !name.is_empty())
        .or_else(|| pod.metadata.name.clone());
    let mut name = name.unwrap_or_default();
    name.truncate(63);
    name.trim_end_matches(['-', '.']).to_owned()
}

/// `/etc/resolv.conf`: the node's, with what `dnsConfig` adds; only `dnsConfig` with policy `None`.
pub fn resolver(pod: &Pod, node_resolver: &str) -> String {
    let spec = roles::spec(pod);
    let own = spec.dns_policy.as_deref() == Some("None");
    let mut out = if own {
        String::new()
    } else {
        node_resolver.to_owned()
    };
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    if let Some(config) = &spec.dns_config {
        for server in config.nameservers.iter().flatten() {
            let _ = writeln!(out, "nameserver {server}");
        }
        let searches = config.searches.clone().unwrap_or_default();
        if !searches.is_empty() {
            let _ = writeln!(out, "search {}", searches.join(" "));
        }
        let option = |name: &Option<String>, value: &Option<String>| match value {
            Some(value) => format!("{}:{value}", name.clone().unwrap_or_default()),
            None => name.clone().unwrap_or_default(),
        };
        let options: Vec<String> = config
            .options
            .iter()
            .flatten()
            .map(|o| option(&o.name, &o.value))
            .collect();
        if !options.is_empty() {
            let _ = writeln!(out, "options {}", options.join(" "));
        }
    }
    out
}

/// Writes the files of a Pod below `directory`; returns pairs of path in the container and path on the node.
///
/// They are written in place: containers hold the same files mounted.
pub fn write_all(
    pod: &Pod,
    directory: &Path,
    ip: &str,
    hostname: &str,
) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let etc = directory.join("etc");
    fs::create_dir_all(&etc)?;
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let contents = [
        ("hosts", hosts(pod, ip, hostname, &read("/etc/hosts"))),
        ("hostname", format!("{hostname}\n")),
        ("resolv.conf", resolver(pod, &read("/etc/resolv.conf"))),
    ];
    let mut out = Vec::new();
    for (name, content) in contents {
        let path = etc.join(name);
        if fs::read(&path).ok().as_deref() != Some(content.as_bytes()) {
            fs::File::create(&path)?.write_all(content.as_bytes())?;
        }
        out.push((Path::new("/etc").join(name), path));
    }
    Ok(out)
}

/// Makes the empty file that a container writes its termination message to; anybody in it may.
pub fn termination_log(directory: &Path, container: &str, attempt: u32) -> io::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = termination_path(directory, container, attempt);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::File::create(&path)?.set_permissions(fs::Permissions::from_mode(0o666))?;
    Ok(path)
}

/// Where that file is.
pub fn termination_path(directory: &Path, container: &str, attempt: u32) -> PathBuf {
    directory
        .join("containers")
        .join(container)
        .join(format!("{attempt}.termination"))
}

/// The last bytes of a container's termination message; empty if there is none.
pub fn termination_message(path: &Path) -> String {
    tail(path, MESSAGE_LIMIT).unwrap_or_default()
}

/// At most `limit` bytes from the end of a file, as text.
pub fn tail(path: &Path, limit: u64) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};

    use super::{hostname, hosts, resolver};

    fn pod(spec: Value) -> Pod {
        let mut pod = json!({"metadata": {"name": "p", "namespace": "ns"}});
        pod["spec"] = spec;
        pod["spec"]["containers"] = json!([]);
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn hosts_has_eight_lines_and_the_aliases_after_them() {
        let plain = hosts(&pod(json!({})), "10.1.2.3", "p", "");
        assert_eq!(plain.lines().count(), 8);
        assert!(
            plain.ends_with("fe00::2\tip6-allrouters\n10.1.2.3\tp\n"),
            "{plain}"
        );
        let alias =
            json!({"hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}], "subdomain": "s"});
        let text = hosts(&pod(alias), "10.1.2.3", "p", "");
        let end = "10.1.2.3\tp.s.ns.svc.cluster.local\tp\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn the_hostname_is_the_pods_unless_it_says_otherwise() {
        assert_eq!(hostname(&pod(json!({}))), "p");
        assert_eq!(hostname(&pod(json!({"hostname": "h"}))), "h");
    }

    #[test]
    fn the_resolver_is_the_nodes_unless_the_policy_is_none() {
        assert_eq!(
            resolver(&pod(json!({})), "nameserver 1.1.1.1"),
            "nameserver 1.1.1.1\n"
        );
        let own = json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["9.9.9.9"], "options": [{"name": "ndots", "value": "2"}]}});
        assert_eq!(
            resolver(&pod(own), "nameserver 1.1.1.1"),
            "nameserver 9.9.9.9\noptions ndots:2\n"
        );
    }
}
