//! The addresses of a Pod and of its node.

use std::net::IpAddr;

use serde_json::Value;

use super::super::super::validate;
use super::super::super::warnings::address;
use super::list;
use crate::field::{FieldError, Path};

const TWO_OF_A_FAMILY: &str = "may specify no more than one IP for each IP family";

fn addresses<'a>(status: &'a Value, field: &str) -> Vec<&'a str> {
    let entries = list(status, field).iter();
    let texts = entries.map(|entry| entry["ip"].as_str().unwrap_or_default());
    texts.collect()
}

/// Addresses that were there already may stay as they are; of several, each family has one.
fn families(held: &[&str], known: &[&str], written: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, text) in held.iter().enumerate() {
        if !known.contains(text) {
            out.extend(validate::address(text, &path.index(at)));
        }
    }
    let read: Vec<IpAddr> = held.iter().filter_map(|text| text.parse().ok()).collect();
    let both = read.iter().any(IpAddr::is_ipv4) && read.iter().any(IpAddr::is_ipv6);
    if held.len() > 1 && (!both || held.len() > 2) {
        let entries = written.as_array().into_iter().flatten();
        let printed: Value = entries
            .map(|entry| serde_json::json!({"IP": entry["ip"]}))
            .collect();
        out.push(FieldError::invalid(path, printed, TWO_OF_A_FAMILY));
    }
    out
}

/// The faults of `podIPs`.
pub(super) fn of_pod(new: &Value, old: &Value, path: &Path) -> Vec<FieldError> {
    let known = addresses(old, "podIPs");
    families(&addresses(new, "podIPs"), &known, &new["podIPs"], path)
}

/// The faults of `hostIPs`; the first is `hostIP`.
pub(super) fn of_host(new: &Value, old: &Value, path: &Path) -> Vec<FieldError> {
    let (held, known) = (addresses(new, "hostIPs"), addresses(old, "hostIPs"));
    let mut out = Vec::new();
    if let Some(first) = held.first()
        && new["hostIP"].as_str().unwrap_or_default() != *first
    {
        let field = path.index(0).child("ip");
        out.push(FieldError::invalid(
            &field,
            *first,
            "must be equal to `hostIP`",
        ));
    }
    out.extend(families(&held, &known, &new["hostIPs"], path));
    out
}

/// IPv6 addresses that are not in their canonical form.
pub(in crate::kinds::pod) fn warnings(new: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for field in ["podIPs", "hostIPs"] {
        let path = Path::new("status").child(field);
        for (at, text) in addresses(&new["status"], field).into_iter().enumerate() {
            out.extend(address(text, &path.index(at).child("ip")));
        }
    }
    out
}
