//! Field paths and field errors, printed as `k8s.io/apimachinery/pkg/util/validation/field` prints them.

use std::fmt;

use serde_json::{Value, json};

/// Where in an object something is: `spec.containers[0].name`, `metadata.annotations[a/b]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(String);

impl Path {
    /// A path of one name.
    pub fn new(root: &str) -> Self {
        Self(root.to_owned())
    }

    /// The field `name` below this one (`name` may be several, joined by dots).
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() {
            Self(name.to_owned())
        } else {
            Self(format!("{}.{name}", self.0))
        }
    }

    /// The element `index` of the list at this path.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The entry `key` of the map at this path.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a field (`field.ErrorType`).
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// `FieldValueRequired`: it is absent and must not be.
    Required,
    /// `FieldValueInvalid`: this value does not hold.
    Invalid(Value),
    /// `FieldValueInvalid`, of a value that is better not shown.
    InvalidOmitted,
    /// `FieldValueDuplicate`: this value is there twice.
    Duplicate(Value),
    /// `FieldValueDuplicate`, of a value that is better not shown.
    DuplicateOmitted,
    /// `InternalError`: the server cannot tell whether it holds.
    Internal,
    /// `FieldValueForbidden`: it must not be set here, or not by this request.
    Forbidden,
    /// `FieldValueNotFound`: what it refers to is not there.
    NotFound(Value),
    /// `FieldValueNotSupported`: this value is none of those listed.
    NotSupported(Value, Vec<String>),
    /// `FieldValueTooLong`: longer than this many bytes.
    TooLong(usize),
    /// `FieldValueTooMany`: this many, of at most that many.
    TooMany(usize, usize),
    /// `FieldValueTypeInvalid`: another JSON type was wanted.
    TypeInvalid(Value),
}

/// One field that does not hold, with why.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// Where.
    pub field: Path,
    /// In which way.
    pub fault: Fault,
    /// The detail a person reads; may be empty.
    pub detail: String,
}

impl FieldError {
    /// An error at `field`.
    pub fn new(field: &Path, fault: Fault, detail: impl Into<String>) -> Self {
        Self {
            field: field.clone(),
            fault,
            detail: detail.into(),
        }
    }

    /// `Required value`.
    pub fn required(field: &Path, detail: impl Into<String>) -> Self {
        Self::new(field, Fault::Required, detail)
    }

    /// `Invalid value`.
    pub fn invalid(field: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(field, Fault::Invalid(value.into()), detail)
    }

    /// `Forbidden`.
    pub fn forbidden(field: &Path, detail: impl Into<String>) -> Self {
        Self::new(field, Fault::Forbidden, detail)
    }

    /// `Duplicate value`.
    pub fn duplicate(field: &Path, value: impl Into<Value>) -> Self {
        Self::new(field, Fault::Duplicate(value.into()), "")
    }

    /// `Not found`.
    pub fn not_found(field: &Path, value: impl Into<Value>) -> Self {
        Self::new(field, Fault::NotFound(value.into()), "")
    }

    /// `Unsupported value`, with the values that are.
    pub fn not_supported(field: &Path, value: impl Into<Value>, supported: &[&str]) -> Self {
        let supported = supported.iter().map(|&s| s.to_owned()).collect();
        Self::new(field, Fault::NotSupported(value.into(), supported), "")
    }

    /// The text without the field: `Invalid value: "x": why`.
    pub fn body(&self) -> String {
        let head = match &self.fault {
            Fault::Required => "Required value".to_owned(),
            Fault::Forbidden => "Forbidden".to_owned(),
            Fault::InvalidOmitted => "Invalid value".to_owned(),
            Fault::DuplicateOmitted => "Duplicate value".to_owned(),
            Fault::Internal => "Internal error".to_owned(),
            Fault::Invalid(value) | Fault::TypeInvalid(value) => {
                format!("Invalid value: {}", printed(value))
            }
            Fault::Duplicate(value) => format!("Duplicate value: {}", printed(value)),
            Fault::NotFound(value) => format!("Not found: {}", printed(value)),
            Fault::NotSupported(value, supported) => {
                let list: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
                let mut text = format!("Unsupported value: {}", printed(value));
                if !list.is_empty() {
                    text = format!("{text}: supported values: {}", list.join(", "));
                }
                text
            }
            Fault::TooLong(max) => format!("Too long: may not be more than {max} bytes"),
            Fault::TooMany(actual, max) => {
                format!("Too many: {actual}: must have at most {max} items")
            }
        };
        if self.detail.is_empty() {
            head
        } else {
            format!("{head}: {}", self.detail)
        }
    }

    /// The `metav1.StatusCause` of this error.
    pub fn cause(&self) -> Value {
        json!({"reason": self.reason(), "message": self.body(), "field": self.field.to_string()})
    }

    fn reason(&self) -> &'static str {
        match self.fault {
            Fault::Required => "FieldValueRequired",
            Fault::Invalid(_) | Fault::InvalidOmitted => "FieldValueInvalid",
            Fault::Duplicate(_) | Fault::DuplicateOmitted => "FieldValueDuplicate",
            Fault::Internal => "InternalError",
            Fault::Forbidden => "FieldValueForbidden",
            Fault::NotFound(_) => "FieldValueNotFound",
            Fault::NotSupported(..) => "FieldValueNotSupported",
            Fault::TooLong(_) => "FieldValueTooLong",
            Fault::TooMany(..) => "FieldValueTooMany",
            Fault::TypeInvalid(_) => "FieldValueTypeInvalid",
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// A bad value as `field.Error` prints it: strings quoted, everything else as JSON, which Go makes safe for HTML.
fn printed(value: &Value) -> String {
    let text = value.to_string();
    if value.is_string() {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    out
}
