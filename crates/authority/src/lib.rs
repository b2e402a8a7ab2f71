//! Who may do what, by RBAC, and through which bindings.
//!
//! **In scope:** evaluating Roles and bindings as they stand (`rbac.authorization.k8s.io/v1`), for a question such
//! as "who can approve", with the chain that gives each subject the right; and findings about what they give
//! without meaning to. **Out of scope:** reading them from a cluster, other authorizers than RBAC, and who is a
//! member of a group: the API server learns that with each request and nobody can list it.

pub mod rules;
pub use rules::Action;

pub mod holders;
pub use holders::{Holder, Rbac, Way};

pub mod question;
pub use question::{Need, Question};

pub mod lint;
pub use lint::{Finding, Severity, lint};
