//! How much work an expression may make.

use crate::evaluate::EvaluationError;

/// What one evaluation of one expression may cost (`PerCallLimit` of `k8s.io/apiserver/pkg/apis/cel`).
pub const CALL_LIMIT: u64 = 1_000_000;

/// What all expressions of one policy, or all rules of one object, may cost together (`RuntimeCELCostBudget`).
pub const POLICY_LIMIT: u64 = 10_000_000;

/// Cost units that are left.
///
/// One budget may be handed to several evaluations one after the other; each of them is also held to [`CALL_LIMIT`].
#[derive(Debug, Clone)]
pub struct Budget {
    left: u64,
    call: u64,
}

impl Budget {
    /// A budget of so many units for everything it is handed to.
    pub fn new(limit: u64) -> Self {
        Self {
            left: limit,
            call: CALL_LIMIT,
        }
    }

    /// Units left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether all is spent: nothing more is to be evaluated.
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// A new expression starts, which may cost [`CALL_LIMIT`] of what is left. The answer is what the one that it is
    /// evaluated for may still cost, for [`end_call`](Self::end_call).
    pub(crate) fn start_call(&mut self) -> u64 {
        std::mem::replace(&mut self.call, CALL_LIMIT)
    }

    /// The expression has ended; the one that it was evaluated for goes on.
    pub(crate) fn end_call(&mut self, outer: u64) {
        self.call = outer;
    }

    /// Takes `units`, or says that there are not so many.
    pub(crate) fn charge(&mut self, units: u64) -> Result<(), EvaluationError> {
        // As Kubernetes reckons: an expression is stopped by its own limit, and the whole is looked at as well.
        if units > self.call {
            self.left = self.left.saturating_sub(self.call);
            self.call = 0;
            return Err(EvaluationError::CostLimit);
        }
        self.call -= units;
        if units > self.left {
            self.left = 0;
            return Err(EvaluationError::OutOfBudget);
        }
        self.left -= units;
        Ok(())
    }
}

impl Default for Budget {
    /// [`POLICY_LIMIT`].
    fn default() -> Self {
        Self::new(POLICY_LIMIT)
    }
}
