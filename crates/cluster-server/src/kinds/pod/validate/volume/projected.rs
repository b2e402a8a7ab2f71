//! Files that the node writes from the API: projected volumes and the downward API.

use std::collections::HashSet;

use serde_json::Value;

use super::{file_path, key_to_path, list, mode, non_reserved_path, required, text};
use crate::field::{FieldError, Path};
use crate::kinds::pod::validate::environment;

const TWICE: &str = "conflicting duplicate paths";

/// The faults of `projected.sources` (`validateProjectionSources`). Two files may not have one path.
pub(super) fn sources(source: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut paths = HashSet::new();
    for (at, projection) in list(&source["sources"]).iter().enumerate() {
        let item = path.child("sources").index(at);
        let mut held = 0;
        for kind in ["secret", "configMap"] {
            let part = &projection[kind];
            if !part.is_object() {
                continue;
            }
            held += 1;
            let (field, name) = (item.child(kind), text(part, "name"));
            out.extend(required(&field.child("name"), name));
            for (at, file) in list(&part["items"]).iter().enumerate() {
                out.extend(key_to_path(file, &field.child("items").index(at)));
                let to = text(file, "path");
                if !to.is_empty() && !paths.insert(to) {
                    out.push(FieldError::invalid(path, name, TWICE));
                }
            }
        }
        if projection["downwardAPI"].is_object() {
            held += 1;
            for file in list(&projection["downwardAPI"]["items"]) {
                out.extend(downward_file(file, &item.child("downwardAPI")));
                let to = text(file, "path");
                if !to.is_empty() && !paths.insert(to) {
                    out.push(FieldError::invalid(path, to, TWICE));
                }
            }
        }
        let part = &projection["serviceAccountToken"];
        if part.is_object() {
            held += 1;
            out.extend(token(part, &item.child("serviceAccountToken"), path));
        }
        if held > 1 {
            let detail = "may not specify more than 1 volume type per source";
            out.push(FieldError::forbidden(&item, detail));
        }
    }
    out
}

/// The faults of a token's lifetime and path; the path's stand at the volume, as in Kubernetes.
fn token(part: &Value, path: &Path, volume: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let seconds = part["expirationSeconds"].as_i64().unwrap_or(0);
    let field = path.child("expirationSeconds");
    if seconds < 10 * 60 {
        let detail = "may not specify a duration less than 10 minutes";
        out.push(FieldError::invalid(&field, seconds, detail));
    }
    if seconds > 1 << 32 {
        let detail = "may not specify a duration larger than 2^32 seconds";
        out.push(FieldError::invalid(&field, seconds, detail));
    }
    match text(part, "path") {
        "" => out.push(FieldError::required(&volume.child("path"), "")),
        name => out.extend(non_reserved_path(&volume.child("path"), name)),
    }
    out
}

/// The faults of a downward-API volume's files. Kubernetes gives these paths no index.
pub(super) fn downward(source: &Value, path: &Path) -> Vec<FieldError> {
    list(&source["items"])
        .iter()
        .flat_map(|file| downward_file(file, path))
        .collect()
}

fn downward_file(file: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = file_path(file, path);
    let (field, resource) = (&file["fieldRef"], &file["resourceFieldRef"]);
    if field.is_object() {
        let at = path.child("fieldRef");
        out.extend(environment::volume_field_ref(field, &at));
        if resource.is_object() {
            let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
            out.push(FieldError::invalid(path, "resource", detail));
        }
    } else if resource.is_object() {
        let at = path.child("resourceFieldRef");
        out.extend(environment::resource_ref(resource, true, &at));
    } else {
        let detail = "one of fieldRef and resourceFieldRef is required";
        out.push(FieldError::required(path, detail));
    }
    out.extend(mode(file, "mode", path));
    out
}
