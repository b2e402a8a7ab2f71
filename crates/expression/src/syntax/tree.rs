//! The tree of an expression.

use kube_cel::cel::Value;

/// A part of an expression and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Characters before the token that cel-go points at: an operator, an opening bracket, the start of an identifier.
    pub(crate) at: usize,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a part of an expression is. Operators are calls of functions named as cel-go names them (`_+_`).
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Literal(Value),
    Ident(String),
    Select {
        operand: Box<Node>,
        field: String,
        optional: bool,
    },
    /// `has(operand.field)`.
    Has {
        operand: Box<Node>,
        field: String,
    },
    Index {
        operand: Box<Node>,
        index: Box<Node>,
        optional: bool,
    },
    Call {
        function: String,
        target: Option<Box<Node>>,
        args: Vec<Node>,
    },
    /// All terms of a chain of `&&`, so that long chains are not deep.
    And(Vec<Node>),
    /// All terms of a chain of `||`.
    Or(Vec<Node>),
    Conditional(Box<[Node; 3]>),
    /// Elements; `true` for `?element`.
    List(Vec<(Node, bool)>),
    Map(Vec<Entry>),
    /// `Name{…}`. Only the name matters: no message type can be made.
    Struct(String),
    Fold(Box<Fold>),
}

/// One entry of a map literal.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
    pub(crate) optional: bool,
}

/// A macro that binds variables over a body.
#[derive(Debug, Clone)]
pub(crate) struct Fold {
    pub(crate) which: Macro,
    /// What is ranged over (the bound value, for `cel.bind` and the optionals).
    pub(crate) range: Node,
    pub(crate) variable: String,
    /// The second variable of the two-variable forms.
    pub(crate) second: Option<String>,
    /// The filter of three-argument forms.
    pub(crate) filter: Option<Node>,
    pub(crate) body: Node,
}

/// Which macro.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Macro {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
    SortBy,
    TransformList,
    TransformMap,
    TransformMapEntry,
    Bind,
    OptMap,
    OptFlatMap,
}
