//! Whether a value of one type may stand where another is wanted.

use std::collections::HashMap;

use crate::types::Type;

/// What the type parameters of an overload stand for.
#[derive(Debug, Default)]
pub(super) struct Substitution(HashMap<char, Type>);

impl Substitution {
    /// Whether `given` may be passed for `wanted`; binds parameters.
    pub(super) fn accepts(&mut self, wanted: &Type, given: &Type) -> bool {
        match (wanted, given) {
            (_, Type::Dyn | Type::Param(_)) | (Type::Dyn, _) => true,
            (Type::Param(name), given) => match self.0.get(name).cloned() {
                None => {
                    self.0.insert(*name, given.clone());
                    true
                }
                Some(bound) => {
                    let fits = self.same(&bound, given);
                    if fits {
                        self.0.insert(*name, general(&bound, given));
                    }
                    fits
                }
            },
            (Type::List(wanted), Type::List(given))
            | (Type::Optional(wanted), Type::Optional(given)) => self.accepts(wanted, given),
            (Type::Map(key, value), Type::Map(given_key, given_value)) => {
                self.accepts(key, given_key) && self.accepts(value, given_value)
            }
            (wanted, Type::Null) => wanted.is_nullable(),
            (wanted, given) => wanted == given,
        }
    }

    /// Whether either may stand for the other.
    pub(super) fn same(&mut self, left: &Type, right: &Type) -> bool {
        self.accepts(left, right) || self.accepts(right, left)
    }

    /// `of` with parameters replaced; what was never bound is anything.
    pub(super) fn apply(&self, of: &Type) -> Type {
        match of {
            Type::Param(name) => self.0.get(name).cloned().unwrap_or(Type::Dyn),
            Type::List(element) => Type::list(self.apply(element)),
            Type::Optional(value) => Type::optional(self.apply(value)),
            Type::Map(key, value) => Type::map(self.apply(key), self.apply(value)),
            other => other.clone(),
        }
    }
}

/// The wider of two types that fit one another.
pub(super) fn general(left: &Type, right: &Type) -> Type {
    match (left, right) {
        (Type::Dyn, _) | (_, Type::Dyn) => Type::Dyn,
        (Type::Null, other) | (other, Type::Null) => other.clone(),
        (Type::List(left), Type::List(right)) => Type::list(general(left, right)),
        (Type::Optional(left), Type::Optional(right)) => Type::optional(general(left, right)),
        (Type::Map(key, value), Type::Map(other_key, other_value)) => {
            Type::map(general(key, other_key), general(value, other_value))
        }
        (left, _) => left.clone(),
    }
}
