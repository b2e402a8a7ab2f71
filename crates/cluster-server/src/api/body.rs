//! A request's body on its way to an object: its kind is checked, unknown and repeated fields are met
//! as `fieldValidation` says.

use serde_json::Value;

use super::{Context, FieldValidation, Target};
use crate::error::ApiError;

/// A parsed body.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// What it says.
    pub value: Value,
    /// Paths of fields that it says more than once (the last one counts).
    pub duplicates: Vec<String>,
    /// The key that a YAML body repeats, as `line 3: key "name" already set in map`.
    pub repeated: Option<String>,
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self {
            value,
            duplicates: Vec::new(),
            repeated: None,
        }
    }
}

impl Body {
    /// Parses JSON.
    ///
    /// # Errors
    /// What is wrong with it, in the words of Go's parser as far as they are known.
    pub fn parse(bytes: &[u8]) -> Result<Self, crate::patch::SyntaxError> {
        let (value, duplicates) = crate::patch::parse_json(bytes)?;
        Ok(Self {
            value,
            duplicates,
            repeated: None,
        })
    }

    /// A YAML body, and the key that it repeats.
    pub fn from_yaml(value: Value, repeated: Option<String>) -> Self {
        Self {
            repeated,
            ..Self::from(value)
        }
    }
}

/// Meets what was found in a body, and fields that its kind does not have, as the request's `fieldValidation` says; the
/// error is the text of the refusal.
pub(super) fn meet(ctx: &Context, found: &[String], unknown: &[String]) -> Result<(), String> {
    let mut problems = found.to_vec();
    problems.extend(unknown.iter().map(|path| format!("unknown field {path:?}")));
    problems.dedup();
    match ctx.field_validation {
        FieldValidation::Strict if !problems.is_empty() => {
            Err(format!("strict decoding error: {}", problems.join(", ")))
        }
        FieldValidation::Warn | FieldValidation::Unset => {
            for text in problems {
                ctx.warnings
                    .add(text.strip_prefix(REPEATED).unwrap_or(&text));
            }
            Ok(())
        }
        FieldValidation::Strict | FieldValidation::Ignore => Ok(()),
    }
}

/// What comes before the line of a repeated key; warnings do without (`parseYAMLWarnings`).
const REPEATED: &str = "yaml: unmarshal errors:\n  ";

/// Meets a key that an apply patch repeats as the request's `fieldValidation` says.
pub(super) fn meet_repeated(ctx: &Context, repeated: Option<&str>) -> Result<(), ApiError> {
    let Some(line) = repeated else {
        return Ok(());
    };
    match ctx.field_validation {
        FieldValidation::Strict => Err(ApiError::bad_request(format!(
            "error strict decoding patch: error converting YAML to JSON: {REPEATED}{line}"
        ))),
        FieldValidation::Warn | FieldValidation::Unset => {
            ctx.warnings.add(line);
            Ok(())
        }
        FieldValidation::Ignore => Ok(()),
    }
}

/// The body as an object of the target's kind.
pub(super) fn decode(ctx: &Context, target: &Target, body: Body) -> Result<Value, ApiError> {
    let resource = &target.resource;
    let Body {
        mut value,
        duplicates,
        repeated,
    } = body;
    check_kind(target, &mut value)?;
    let decoded = (resource.decode)(value)?;
    let mut found: Vec<String> = { repeated.iter() }
        .map(|line| format!("{REPEATED}{line}"))
        .collect();
    found.extend({ duplicates.iter() }.map(|path| format!("duplicate field {path:?}")));
    meet(ctx, &found, &decoded.unknown)
        .map_err(|text| cannot_be_handled(target, &resource.kind, &resource.version, &text))?;
    Ok(typed(target, decoded.object))
}

/// The object with `kind` and `apiVersion` of the resource first.
pub(super) fn typed(target: &Target, object: Value) -> Value {
    let mut out = serde_json::Map::new();
    out.insert("kind".into(), target.resource.kind.clone().into());
    out.insert("apiVersion".into(), target.resource.api_version().into());
    if let Value::Object(fields) = object {
        out.extend(
            fields
                .into_iter()
                .filter(|(key, _)| key != "kind" && key != "apiVersion"),
        );
    }
    Value::Object(out)
}

fn check_kind(target: &Target, value: &mut Value) -> Result<(), ApiError> {
    let resource = &target.resource;
    let wanted = &resource.kind;
    let Some(fields) = value.as_object_mut() else {
        let found = match value {
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) => "bool",
            Value::Null | Value::Object(_) => "null",
        };
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {wanted}): couldn't get version/kind; json parse error: json: \
             cannot unmarshal {found} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; \
             Kind string \"json:\\\"kind,omitempty\\\"\" }} ({})",
            hex::encode(value.to_string())
        )));
    };
    let text = |field: &str| {
        fields
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (kind, version) = (text("kind"), text("apiVersion"));
    // What is left out is what the path says (`schema.GroupVersionKind` defaulting).
    let kind = if kind.is_empty() {
        wanted.clone()
    } else {
        kind
    };
    let version = if version.is_empty() {
        resource.api_version()
    } else {
        version
    };
    if kind == *wanted && version == resource.api_version() {
        return Ok(());
    }
    let (group, short) = version.rsplit_once('/').unwrap_or(("", &version));
    let why = if is_builtin(group, short, &kind) {
        format!(
            "converting ({short}.{kind}) to ({}.{wanted}): unknown conversion",
            internal_package(&resource.group)
        )
    } else {
        format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
        )
    };
    Err(cannot_be_handled(target, &kind, short, &why))
}

fn cannot_be_handled(target: &Target, kind: &str, version: &str, why: &str) -> ApiError {
    let wanted = &target.resource.kind;
    ApiError::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {wanted}: {why}"
    ))
}

fn is_builtin(group: &str, version: &str, kind: &str) -> bool {
    crate::kinds::BUILTIN
        .iter()
        .any(|k| k.group == group && k.version == version && k.kind == kind)
}

/// The Go package of a group's internal types.
fn internal_package(group: &str) -> &str {
    if group.is_empty() {
        "core"
    } else {
        group.split('.').next().unwrap_or(group)
    }
}

/// Tells the audit event what the request carries: defaulted, and nothing more, as Kubernetes' decoder leaves it.
pub(super) fn note(ctx: &Context, target: &Target, object: &Value) {
    if ctx.trail.wants_object() {
        let mut object = object.clone();
        target.resource.strategy.default(&mut object);
        ctx.trail.request_object(&object);
    } else {
        ctx.trail.request_object(object);
    }
}
