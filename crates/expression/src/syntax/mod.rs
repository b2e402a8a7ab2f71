//! From text to a tree: tokens, the tree, the grammar, and the macros that are part of the grammar.

mod literal;
mod macros;
mod parse;
mod token;
mod tree;

pub(crate) use parse::parse;
pub(crate) use tree::{Entry, Fold, Kind, Macro, Node};
