//! Names and addresses: DNS settings, host aliases, and the ports of Pods on the node's network.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use super::{invalid_each, list, one_of, text};
use crate::field::{FieldError, Path};
use crate::kinds::names;

const MAX_NAMESERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_CHARACTERS: usize = 2048;
const POLICIES: [&str; 4] = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];

/// The faults of `dnsPolicy`.
pub(super) fn dns_policy(spec: &Value, path: &Path) -> Option<FieldError> {
    one_of(&path.child("dnsPolicy"), text(spec, "dnsPolicy"), &POLICIES)
}

/// The faults of `dnsConfig` (`validatePodDNSConfig`).
pub(super) fn dns_config(spec: &Value, path: &Path) -> Vec<FieldError> {
    let (config, servers_field) = (&spec["dnsConfig"], path.child("nameservers"));
    let servers = list(&config["nameservers"]);
    if text(spec, "dnsPolicy") == "None" {
        if !config.is_object() {
            let detail = "must provide `dnsConfig` when `dnsPolicy` is None";
            return vec![FieldError::required(path, detail)];
        }
        if servers.is_empty() {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return vec![FieldError::required(&servers_field, detail)];
        }
    }
    let mut out = Vec::new();
    if servers.len() > MAX_NAMESERVERS {
        let detail = format!("must not have more than {MAX_NAMESERVERS} nameservers");
        out.push(FieldError::invalid(
            &servers_field,
            servers.to_vec(),
            detail,
        ));
    }
    for (at, server) in servers.iter().enumerate() {
        let server = server.as_str().unwrap_or_default();
        out.extend(address(server, &servers_field.index(at)));
    }
    out.extend(searches(list(&config["searches"]), &path.child("searches")));
    for (at, option) in list(&config["options"]).iter().enumerate() {
        if text(option, "name").is_empty() {
            let field = path.child("options").index(at);
            out.push(FieldError::required(&field, "must not be empty"));
        }
    }
    out
}

fn searches(searches: &[Value], path: &Path) -> Vec<FieldError> {
    let texts: Vec<&str> = searches
        .iter()
        .map(|one| one.as_str().unwrap_or_default())
        .collect();
    let mut out = Vec::new();
    if texts.len() > MAX_SEARCHES {
        let detail = format!("must not have more than {MAX_SEARCHES} search paths");
        out.push(FieldError::invalid(path, searches.to_vec(), detail));
    }
    if texts.join(" ").len() > MAX_SEARCH_CHARACTERS {
        let detail = format!(
            "must not have more than {MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        );
        out.push(FieldError::invalid(path, searches.to_vec(), detail));
    }
    for (at, search) in texts
        .into_iter()
        .enumerate()
        .filter(|(_, text)| *text != ".")
    {
        let search = search.strip_suffix('.').unwrap_or(search);
        let complaints = names::dns_subdomain_with_underscore(search);
        out.extend(invalid_each(&path.index(at), search, complaints));
    }
    out
}

/// The faults of `hostAliases`.
pub(super) fn host_aliases(aliases: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, alias) in list(aliases).iter().enumerate() {
        let path = path.index(at);
        out.extend(address(text(alias, "ip"), &path.child("ip")));
        for (at, name) in list(&alias["hostnames"]).iter().enumerate() {
            let name = name.as_str().unwrap_or_default();
            let field = path.child("hostnames").index(at);
            out.extend(invalid_each(&field, name, names::dns_subdomain(name)));
        }
    }
    out
}

/// The faults of an address (`IsValidIPForLegacyField`): not canonical is fine, ambiguous is not.
pub(in crate::kinds::pod) fn address(text: &str, field: &Path) -> Option<FieldError> {
    let detail = match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
            "must not be an IPv4-mapped IPv6 address"
        }
        Ok(_) => return None,
        Err(_) if sloppy(text).is_some() => "must not have leading 0s",
        Err(_) => "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
    };
    Some(FieldError::invalid(field, text, detail))
}

/// An IPv4 address whose numbers may begin with zeros.
fn sloppy(text: &str) -> Option<Ipv4Addr> {
    let digits = |part: &str| {
        part.bytes()
            .all(|c| c.is_ascii_digit())
            .then(|| part.parse().ok())
    };
    let parts: Option<Vec<u8>> = text.split('.').map(|part| digits(part).flatten()).collect();
    let parts: [u8; 4] = parts?.try_into().ok()?;
    Some(parts.into())
}

/// On the node's network a container's port is the node's port (`validatePodHostNetworkDeps`).
pub(super) fn host_network(spec: &Value, is_pod: bool, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    if spec["hostNetwork"] != true {
        return out;
    }
    for (at, container) in list(&spec["containers"]).iter().enumerate() {
        let ports = path.child("containers").index(at).child("ports");
        for (at, port) in list(&container["ports"]).iter().enumerate() {
            let number = |field: &str| port[field].as_i64().unwrap_or(0);
            let (host, own) = (number("hostPort"), number("containerPort"));
            if (is_pod || host != 0) && host != own {
                let field = ports.index(at).child("hostPort");
                let detail = "must match `containerPort` when `hostNetwork` is true";
                out.push(FieldError::invalid(&field, host, detail));
            }
        }
    }
    out
}
