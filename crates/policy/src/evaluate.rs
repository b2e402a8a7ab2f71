//! The one decision function.

use jiff::Timestamp;
use session::Request;

use crate::{Decision, Denied, Facts, Finding, Policy};

/// Whether what `facts.act` says may happen now.
///
/// Asked by everybody who acts, each time anew: the controller before it proposes and before it grants,
/// admission before it allows.
pub fn evaluate(policies: &[Policy], request: &Request, facts: &Facts, now: Timestamp) -> Decision {
    let _ = (policies, request, facts, now);
    Decision::Denied(Denied {
        findings: vec![Finding {
            policy: None,
            field: "policy".into(),
            found: "no rule was asked".into(),
            accepted: "nothing yet".into(),
        }],
    })
}
