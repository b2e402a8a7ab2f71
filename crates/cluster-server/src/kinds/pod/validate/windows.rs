//! Options of Windows containers (`validateWindowsSecurityContextOptions`).

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::invalid_each;
use crate::field::{FieldError, Path};
use crate::kinds::names;

const MAX_CREDENTIAL_SPEC: usize = 64 * 1024;
const MAX_DOMAIN: usize = 256;
const MAX_USER: usize = 104;
const FORBIDDEN_IN_USERS: &str = "\"/\\:;|=,+*?<>@[]";

/// A domain's name as NetBIOS or DNS has it. The patterns are constants, so that they always compile.
static DOMAINS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    [
        r#"^[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}$"#.to_owned(),
        format!(r"^{label}(?:\.{label})*$"),
    ]
    .iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

/// The faults of `windowsOptions`.
pub(super) fn options(options: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    if let Some(name) = options["gmsaCredentialSpecName"].as_str() {
        let field = path.child("gmsaCredentialSpecName");
        out.extend(invalid_each(&field, name, names::dns_subdomain(name)));
    }
    if let Some(spec) = options["gmsaCredentialSpec"].as_str() {
        let field = path.child("gmsaCredentialSpec");
        if spec.is_empty() {
            let detail = "gmsaCredentialSpec cannot be an empty string";
            out.push(FieldError::invalid(&field, spec, detail));
        } else if spec.len() > MAX_CREDENTIAL_SPEC {
            let detail = "gmsaCredentialSpec size must be under 64 KiB";
            out.push(FieldError::invalid(&field, spec, detail));
        }
    }
    if let Some(name) = options["runAsUserName"].as_str() {
        let field = path.child("runAsUserName");
        let complaints = user_name(name).into_iter();
        out.extend(complaints.map(|text| FieldError::invalid(&field, name, text)));
    }
    out
}

fn user_name(name: &str) -> Vec<String> {
    if name.is_empty() {
        return vec!["runAsUserName cannot be an empty string".to_owned()];
    }
    if name.bytes().any(|c| c.is_ascii_control()) {
        return vec!["runAsUserName cannot contain control characters".to_owned()];
    }
    let (domain, user) = match name.split('\\').collect::<Vec<_>>()[..] {
        [user] => (None, user),
        [domain, user] => (Some(domain), user),
        _ => return vec!["runAsUserName cannot contain more than one backslash".to_owned()],
    };
    let mut out = Vec::new();
    if domain.is_some_and(|domain| domain.len() >= MAX_DOMAIN) {
        out.push(format!(
            "runAsUserName's Domain length must be under {MAX_DOMAIN} characters"
        ));
    }
    if domain.is_some_and(|domain| !DOMAINS.iter().any(|format| format.is_match(domain))) {
        out.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format".to_owned());
    }
    if user.is_empty() {
        out.push("runAsUserName's User cannot be empty".to_owned());
    } else if user.len() > MAX_USER {
        out.push(format!(
            "runAsUserName's User length must not be longer than {MAX_USER} characters"
        ));
    }
    if !user.is_empty() && user.bytes().all(|c| matches!(c, b'.' | b' ')) {
        out.push("runAsUserName's User cannot contain only periods or spaces".to_owned());
    }
    if user.contains(|c| FORBIDDEN_IN_USERS.contains(c)) {
        out.push(format!(
            "runAsUserName's User cannot contain the following characters: {FORBIDDEN_IN_USERS}"
        ));
    }
    out
}
