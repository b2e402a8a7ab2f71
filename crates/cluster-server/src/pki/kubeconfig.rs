//! The kubeconfig: one cluster, one user and one context per person.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Person;

/// The text of a kubeconfig whose current context is the first person's.
pub(super) fn render(url: &str, ca_pem: &str, people: &[Person]) -> String {
    let current = people.first().map_or("", |person| person.name.as_str());
    let mut out = format!(
        "apiVersion: v1\nkind: Config\npreferences: {{}}\ncurrent-context: {current}\nclusters:\n- name: local\n  cluster:\n    server: {url}\n    certificate-authority-data: {}\n",
        STANDARD.encode(ca_pem)
    );
    out.push_str("contexts:\n");
    for person in people {
        let name = &person.name;
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "- name: {name}\n  context:\n    cluster: local\n    user: {name}\n    namespace: default\n"
        );
    }
    out.push_str("users:\n");
    for person in people {
        let _ = write!(
            out,
            "- name: {}\n  user:\n    token: {}\n",
            person.name, person.token
        );
    }
    out
}
