//! What a policy says of the ask itself.

use session::Request;

use crate::judge::Judge;
use crate::{ApprovalRule, ApprovalRules, RequestRules, TicketRule};

/// Holds the ask against one policy's rules.
pub(crate) fn hold(judge: &mut Judge<'_>, rules: &RequestRules, request: &Request) {
    let length = request.reason.trim().chars().count();
    let least = rules.reason_min_length.max(1);
    if length < least {
        judge.refuse(
            "request.reason",
            format!("{length} characters"),
            format!("at least {least}: say what is broken and what the visit is to show"),
        );
    }
    if let TicketRule::Pattern { written, whole } = &rules.ticket
        && !whole.is_match(&request.ticket)
    {
        let found = if request.ticket.is_empty() {
            "no ticket".into()
        } else {
            format!("{:?}", request.ticket)
        };
        judge.refuse("request.ticket", found, format!("a ticket like {written}"));
    }
    for surface in &rules.checked {
        let looked = request
            .checked
            .iter()
            .any(|c| c.surface == *surface && !c.fell_short.trim().is_empty());
        if !looked {
            judge.refuse(
                "request.checked",
                format!("{surface} not looked at"),
                format!("what {surface} did not show: --checked {surface}=…"),
            );
        }
    }
    if request.duration > rules.max_duration {
        judge.refuse(
            "request.maxDurationSeconds",
            format!("{} seconds", request.duration.as_secs()),
            format!("at most {}", rules.max_duration.as_secs()),
        );
    }
}

/// A policy that does not say who must agree can be satisfied by nobody.
pub(crate) fn hold_approval(judge: &mut Judge<'_>, rules: &ApprovalRules) {
    let unsaid = match &rules.rule {
        ApprovalRule::Unsaid => true,
        ApprovalRule::Quorum(parts) => parts.is_empty(),
        ApprovalRule::AutoApprove => false,
    };
    if unsaid {
        judge.refuse(
            "approval.quorum",
            "no group of approvers",
            "a policy that names one, or says `none: AutoApprove`",
        );
    }
}
