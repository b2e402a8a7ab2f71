//! Types, as the checker knows them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A type of CEL. Its text is cel-go's, as error messages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Anything: checked when it is evaluated.
    Dyn,
    /// `null`.
    Null,
    /// A boolean.
    Bool,
    /// A 64-bit signed integer.
    Int,
    /// A 64-bit unsigned integer.
    Uint,
    /// A 64-bit float.
    Double,
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// A span of time.
    Duration,
    /// A point in time.
    Timestamp,
    /// A type as a value.
    Type,
    /// Elements of one type.
    List(Box<Type>),
    /// Keys and values of one type each.
    Map(Box<Type>, Box<Type>),
    /// Perhaps a value.
    Optional(Box<Type>),
    /// An object with declared fields.
    Object(Arc<ObjectType>),
    /// A type of a library, known by name (`kubernetes.Quantity`, `net.IP`).
    Opaque(&'static str),
    /// The type parameter of an overload.
    Param(char),
}

/// An object type: a name for messages and the fields that may be selected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectType {
    /// For messages, for example `Object.spec`.
    pub name: String,
    /// Fields under the names by which expressions select them.
    pub fields: BTreeMap<String, Type>,
}

impl Type {
    /// A list of `element`.
    pub fn list(element: Type) -> Self {
        Self::List(Box::new(element))
    }

    /// A map of `key` to `value`.
    pub fn map(key: Type, value: Type) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    /// An optional of `value`.
    pub fn optional(value: Type) -> Self {
        Self::Optional(Box::new(value))
    }

    /// An object of that name with those fields.
    pub fn object(
        name: impl Into<String>,
        fields: impl IntoIterator<Item = (String, Type)>,
    ) -> Self {
        Self::Object(Arc::new(ObjectType {
            name: name.into(),
            fields: fields.into_iter().collect(),
        }))
    }

    /// Whether `null` may stand where this is wanted.
    pub(crate) fn is_nullable(&self) -> bool {
        matches!(
            self,
            Self::Null
                | Self::Dyn
                | Self::Object(_)
                | Self::Opaque(_)
                | Self::Duration
                | Self::Timestamp
                | Self::Optional(_)
        )
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dyn => "dyn",
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Duration => "duration",
            Self::Timestamp => "timestamp",
            Self::Type => "type",
            Self::List(element) => return write!(f, "list({element})"),
            Self::Map(key, value) => return write!(f, "map({key}, {value})"),
            Self::Optional(value) => return write!(f, "optional_type({value})"),
            Self::Object(object) => &object.name,
            Self::Opaque(name) => name,
            Self::Param(name) => return write!(f, "{name}"),
        })
    }
}
