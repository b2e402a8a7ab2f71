//! APIServices (`kube-aggregator/pkg/apis/apiregistration`).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Strategy, names};
use crate::field::{FieldError, Path};

/// What is particular to APIServices.
pub struct ApiServiceStrategy;

/// The strategy of APIServices.
pub static API_SERVICE: ApiServiceStrategy = ApiServiceStrategy;

const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

impl Strategy for ApiServiceStrategy {
    fn default(&self, object: &mut Value) {
        let service = object.pointer_mut("/spec/service");
        if let Some(service) = service.filter(|service| service.is_object())
            && service["port"].is_null()
        {
            service["port"] = 443.into();
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({});
        if !object["spec"]["service"].is_object() {
            object["status"]["conditions"] = json!([{
                "type": "Available", "status": "True", "reason": "Local",
                "message": "Local APIServices are always available",
                "lastTransitionTime": object["metadata"]["creationTimestamp"],
            }]);
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        let (group, version) = (text(spec, "group"), text(spec, "version"));
        let mut out = name_faults(object, group, version);
        if group.is_empty() && version != "v1" {
            out.push(FieldError::required(
                &path.child("group"),
                "only v1 may have an empty group and it better be legacy kube",
            ));
        }
        if !group.is_empty() {
            let complaints = names::dns_subdomain(group).into_iter();
            out.extend(complaints.map(|why| FieldError::invalid(&path.child("group"), group, why)));
        }
        let is_label = names::dns_label(version).is_empty()
            && version.starts_with(|c: char| c.is_ascii_lowercase());
        if !is_label {
            out.push(FieldError::invalid(
                &path.child("version"),
                version,
                LABEL_1035,
            ));
        }
        for (field, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
            let number = spec[field].as_i64().unwrap_or(0);
            if !(1..=most).contains(&number) {
                let why = format!("must be positive and less than {most}");
                out.push(FieldError::invalid(&path.child(field), number, why));
            }
        }
        out.extend(service_faults(spec, &path));
        out
    }

    fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        if subresource == "status" {
            new["spec"] = old["spec"].clone();
            for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
                match old["metadata"].get(field) {
                    Some(kept) => new["metadata"][field] = kept.clone(),
                    None => {
                        if let Some(metadata) = new["metadata"].as_object_mut() {
                            metadata.remove(field);
                        }
                    }
                }
            }
        } else {
            new["status"] = old["status"].clone();
        }
    }

    fn validate_update(&self, subresource: &str, new: &Value, _old: &Value) -> Vec<FieldError> {
        if subresource != "status" {
            return self.validate_create(new);
        }
        let supported = ["True", "False", "Unknown"];
        let conditions = new["status"]["conditions"].as_array();
        let wrong = conditions.into_iter().flatten().enumerate();
        wrong
            .filter(|(_, one)| !supported.contains(&text(one, "status")))
            .map(|(at, one)| {
                let path = Path::new("status.conditions").index(at).child("status");
                FieldError::not_supported(&path, text(one, "status"), &supported)
            })
            .collect()
    }
}

/// The name must be version and group.
fn name_faults(object: &Value, group: &str, version: &str) -> Vec<FieldError> {
    let name = text(&object["metadata"], "name");
    let required = format!("{version}.{group}");
    if name == required || !names::path_segment(name).is_empty() {
        return Vec::new();
    }
    let why = format!("must be `spec.version+\".\"+spec.group`: {required:?}");
    vec![FieldError::invalid(&Path::new("metadata.name"), name, why)]
}

fn service_faults(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let (insecure, bundle) = (
        spec["insecureSkipTLSVerify"] == true,
        text(spec, "caBundle"),
    );
    let service = &spec["service"];
    if !service.is_object() {
        if !bundle.is_empty() {
            let bytes = STANDARD.decode(bundle).map_or(0, |bytes| bytes.len());
            out.push(FieldError::invalid(
                &path.child("caBundle"),
                format!("{bytes} bytes"),
                "local APIServices may not have a caBundle",
            ));
        }
        if insecure {
            out.push(FieldError::invalid(
                &path.child("insecureSkipTLSVerify"),
                true,
                "local APIServices may not have insecureSkipTLSVerify",
            ));
        }
        return out;
    }
    let at = path.child("service");
    for field in ["namespace", "name"] {
        if text(service, field).is_empty() {
            out.push(FieldError::required(&at.child(field), ""));
        }
    }
    let port = service["port"].as_i64().unwrap_or(0);
    if !(1..=65535).contains(&port) {
        out.push(FieldError::invalid(
            &at.child("port"),
            port,
            "port is not valid: must be between 1 and 65535, inclusive",
        ));
    }
    if insecure && !bundle.is_empty() {
        out.push(FieldError::invalid(
            &path.child("insecureSkipTLSVerify"),
            true,
            "may not be true if caBundle is present",
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, spec: &Value, expected: &[&str]) {
        let mut object = json!({"metadata": {"name": name}, "spec": spec});
        API_SERVICE.default(&mut object);
        let faults = API_SERVICE.validate_create(&object);
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn an_api_service_is_judged_as_kubernetes_judges_it() {
        let good = json!({"group": "g.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 15,
            "service": {"namespace": "n", "name": "s"}});
        check("v1.g.example.com", &good, &[]);
        check(
            "wrong",
            &good,
            &[
                "metadata.name: Invalid value: \"wrong\": must be `spec.version+\".\"+spec.group`: \"v1.g.example.com\"",
            ],
        );
        let mut bad = good.clone();
        bad["groupPriorityMinimum"] = 0.into();
        bad["versionPriority"] = 1001.into();
        bad["service"] = json!({"port": 70000});
        bad["insecureSkipTLSVerify"] = true.into();
        bad["caBundle"] = "YQ==".into();
        check(
            "v1.g.example.com",
            &bad,
            &[
                "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
                "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000",
                "spec.service.namespace: Required value",
                "spec.service.name: Required value",
                "spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive",
                "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
            ],
        );
    }
}
