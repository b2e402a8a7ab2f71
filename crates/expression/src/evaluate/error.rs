//! Why an expression has no value, in cel-go's words.

/// Why an expression has no value. Whoever evaluates decides what that means; it never means `true`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// A map or an object has no such entry.
    #[error("no such key: {0}")]
    NoSuchKey(String),
    /// A variable is not bound.
    #[error("no such attribute(s): {0}")]
    NoSuchAttribute(String),
    /// A function does not take such values.
    #[error("no such overload")]
    NoSuchOverload,
    /// A list has no such element.
    #[error("index out of bounds: {0}")]
    IndexOutOfBounds(i64),
    /// `x / 0`.
    #[error("division by zero")]
    DivisionByZero,
    /// `x % 0`.
    #[error("modulus by zero")]
    ModulusByZero,
    /// Beyond what 64 bits hold.
    #[error("integer overflow")]
    IntegerOverflow,
    /// Beyond what 64 bits without a sign hold.
    #[error("unsigned integer overflow")]
    UnsignedOverflow,
    /// The value of an optional that has none.
    #[error("optional.none() dereference")]
    NoneDereferenced,
    /// A map literal names a key twice.
    #[error("Failed with repeated key")]
    RepeatedKey,
    /// A function refused its arguments.
    #[error("{0}")]
    Function(String),
    /// This evaluation has cost all that one may.
    #[error("operation cancelled: actual cost limit exceeded")]
    CostLimit,
    /// All evaluations together have cost what they may.
    #[error(
        "validation failed due to running out of cost budget, no further validation rules will be run"
    )]
    OutOfBudget,
}

impl EvaluationError {
    /// Whether `||` and `&&` cannot make up for it: nothing further is to be evaluated.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::CostLimit | Self::OutOfBudget)
    }
}
