//! Services and EndpointSlices: stored so that webhooks and APIServices can name one (see [`crate::service`]).
//!
//! There are no virtual addresses here, so every Service that is no `ExternalName` is headless, and types that promise
//! a port of the node or a load balancer are refused.

use serde_json::{Value, json};

use super::{Strategy, names};
use crate::field::{FieldError, Path};

/// What is particular to Services.
pub struct ServiceStrategy;

/// The strategy of Services.
pub static SERVICE: ServiceStrategy = ServiceStrategy;

const STORED_ONLY: &str = "Services are stored for webhooks and APIServices only: this cluster gives them no virtual IP and no DNS name";

impl Strategy for ServiceStrategy {
    fn default(&self, object: &mut Value) {
        let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
            return;
        };
        let kind = match spec.get("type").and_then(Value::as_str) {
            None | Some("") => "ClusterIP".to_owned(),
            Some(kind) => kind.to_owned(),
        };
        spec.insert("type".to_owned(), kind.as_str().into());
        spec.entry("sessionAffinity")
            .or_insert_with(|| "None".into());
        for port in spec
            .get_mut("ports")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            default_port(port);
        }
        if kind != "ClusterIP" {
            return;
        }
        let fixed = [
            ("clusterIP", json!("None")),
            ("clusterIPs", json!(["None"])),
            ("internalTrafficPolicy", json!("Cluster")),
            ("ipFamilyPolicy", json!("SingleStack")),
            ("ipFamilies", json!(["IPv4"])),
        ];
        for (field, value) in fixed {
            spec.entry(field).or_insert(value);
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({"loadBalancer": {}});
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        let mut out = name_faults(object);
        let kind = spec["type"].as_str().unwrap_or_default();
        if !matches!(kind, "ClusterIP" | "ExternalName") {
            let served = ["ClusterIP", "ExternalName"];
            out.push(FieldError::not_supported(
                &path.child("type"),
                kind,
                &served,
            ));
        }
        out.extend(address_faults(spec, kind, &path));
        out.extend(port_faults(spec, &path.child("ports")));
        for (key, value) in spec["selector"].as_object().into_iter().flatten() {
            let (at, value) = (path.child("selector"), value.as_str().unwrap_or_default());
            let complaints = names::qualified(key).into_iter();
            out.extend(complaints.map(|text| FieldError::invalid(&at, key.as_str(), text)));
            let complaints = names::label_value(value).into_iter();
            out.extend(complaints.map(|text| FieldError::invalid(&at, value, text)));
        }
        let affinity = spec["sessionAffinity"].as_str().unwrap_or_default();
        if !matches!(affinity, "None" | "ClientIP") {
            out.push(FieldError::not_supported(
                &path.child("sessionAffinity"),
                affinity,
                &["ClientIP", "None"],
            ));
        }
        out
    }

    fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        let kept = if subresource == "status" {
            "spec"
        } else {
            "status"
        };
        new[kept] = old[kept].clone();
    }

    fn validate_update(&self, _subresource: &str, new: &Value, _old: &Value) -> Vec<FieldError> {
        self.validate_create(new)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn warnings(&self, _subresource: &str, new: &Value, old: Option<&Value>) -> Vec<String> {
        let is_external = new["spec"]["type"] == "ExternalName";
        if old.is_none() && !is_external {
            vec![STORED_ONLY.to_owned()]
        } else {
            Vec::new()
        }
    }
}

fn default_port(port: &mut Value) {
    let is_empty = |value: &Value| value.is_null() || *value == 0 || *value == "";
    if is_empty(&port["protocol"]) {
        port["protocol"] = "TCP".into();
    }
    if is_empty(&port["targetPort"]) {
        port["targetPort"] = port["port"].clone();
    }
}

fn name_faults(object: &Value) -> Vec<FieldError> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let complaints = names::dns_1035_label(name).into_iter();
    complaints
        .map(|text| FieldError::invalid(&Path::new("metadata.name"), name, text))
        .collect()
}

fn address_faults(spec: &Value, kind: &str, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    if kind == "ExternalName" {
        let name = spec["externalName"].as_str().unwrap_or_default();
        let at = path.child("externalName");
        let plain = name.strip_suffix('.').unwrap_or(name);
        if plain.is_empty() {
            out.push(FieldError::required(&at, ""));
        } else {
            let complaints = names::dns_subdomain(plain).into_iter();
            out.extend(complaints.map(|text| FieldError::invalid(&at, name, text)));
        }
        if spec["clusterIP"].as_str().is_some_and(|ip| !ip.is_empty()) {
            out.push(FieldError::forbidden(
                &path.child("clusterIPs"),
                "may not be set for ExternalName services",
            ));
        }
        return out;
    }
    let ip = spec["clusterIP"].as_str().unwrap_or_default();
    if kind == "ClusterIP" && ip != "None" {
        out.push(FieldError::invalid(
            &path.child("clusterIPs").index(0),
            ip,
            "this cluster has no virtual IPs: leave it out, or write \"None\"",
        ));
    }
    out
}

fn port_faults(spec: &Value, path: &Path) -> Vec<FieldError> {
    let ports: Vec<&Value> = spec["ports"].as_array().into_iter().flatten().collect();
    let mut out = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (at, port) in ports.iter().enumerate() {
        let path = path.index(at);
        let name = port["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            if ports.len() > 1 {
                out.push(FieldError::required(&path.child("name"), ""));
            }
        } else if seen.contains(&name) {
            out.push(FieldError::duplicate(&path.child("name"), name));
        } else {
            let complaints = names::dns_label(name).into_iter();
            out.extend(complaints.map(|text| FieldError::invalid(&path.child("name"), name, text)));
        }
        seen.push(name);
        let number = port["port"].as_i64().unwrap_or(0);
        if !(1..=65535).contains(&number) {
            out.push(FieldError::invalid(
                &path.child("port"),
                number,
                "must be between 1 and 65535, inclusive",
            ));
        }
        let protocol = port["protocol"].as_str().unwrap_or_default();
        if !matches!(protocol, "TCP" | "UDP" | "SCTP") {
            out.push(FieldError::not_supported(
                &path.child("protocol"),
                protocol,
                &["SCTP", "TCP", "UDP"],
            ));
        }
        out.extend(target_faults(&port["targetPort"], &path));
    }
    out
}

fn target_faults(target: &Value, path: &Path) -> Vec<FieldError> {
    let at = path.child("targetPort");
    match target {
        Value::String(name) => names::port_name(name)
            .into_iter()
            .map(|text| FieldError::invalid(&at, name.as_str(), text))
            .collect(),
        number if !(1..=65535).contains(&number.as_i64().unwrap_or(0)) => {
            vec![FieldError::invalid(
                &at,
                number.clone(),
                "must be between 1 and 65535, inclusive",
            )]
        }
        _ => Vec::new(),
    }
}

/// What is particular to EndpointSlices.
pub struct SliceStrategy;

/// The strategy of EndpointSlices.
pub static SLICE: SliceStrategy = SliceStrategy;

impl Strategy for SliceStrategy {
    fn default(&self, object: &mut Value) {
        for port in object
            .get_mut("ports")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            for (field, value) in [("name", ""), ("protocol", "TCP")] {
                if port[field].is_null() {
                    port[field] = value.into();
                }
            }
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut out = Vec::new();
        let types = ["FQDN", "IPv4", "IPv6"];
        let kind = object["addressType"].as_str().unwrap_or_default();
        if kind.is_empty() {
            out.push(FieldError::required(&Path::new("addressType"), ""));
        } else if !types.contains(&kind) {
            out.push(FieldError::not_supported(
                &Path::new("addressType"),
                kind,
                &types,
            ));
        }
        for (at, endpoint) in object["endpoints"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let path = Path::new("endpoints").index(at).child("addresses");
            let addresses = endpoint["addresses"]
                .as_array()
                .map_or(&[][..], Vec::as_slice);
            if addresses.is_empty() {
                out.push(FieldError::required(
                    &path,
                    "must contain at least 1 address",
                ));
            }
            for (at, address) in addresses.iter().enumerate() {
                let text = address.as_str().unwrap_or_default();
                out.extend(address_fault(kind, text, &path.index(at)));
            }
        }
        out
    }

    fn validate_update(&self, _subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut out = self.validate_create(new);
        if new["addressType"] != old["addressType"] {
            out.push(FieldError::invalid(
                &Path::new("addressType"),
                new["addressType"].clone(),
                "field is immutable",
            ));
        }
        out
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}

fn address_fault(kind: &str, text: &str, path: &Path) -> Vec<FieldError> {
    let invalid = |why: &str| vec![FieldError::invalid(path, text, why)];
    match kind {
        "IPv4" if text.parse::<std::net::Ipv4Addr>().is_err() => {
            invalid("must be a valid IPv4 address")
        }
        "IPv6" if text.parse::<std::net::Ipv6Addr>().is_err() => {
            invalid("must be a valid IPv6 address")
        }
        "FQDN" => names::dns_subdomain(text)
            .into_iter()
            .flat_map(|why| invalid(&why))
            .collect(),
        _ => Vec::new(),
    }
}
