//! The container that arrives, as raw JSON.

use serde_json::Value;

use crate::Handle;

/// A `v1.EphemeralContainer` exactly as it was written.
///
/// It is never a typed struct: a field that a struct does not know would vanish from what an approver
/// says yes to, and come back in what runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Container(Value);

/// A value that cannot be a container.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAContainer {
    /// It is no JSON object.
    #[error("a container is a JSON object with at least an `image`")]
    NotAnObject,
    /// It has no image.
    #[error("the container has no `image`: name the one to run")]
    NoImage,
}

impl Container {
    /// Takes a JSON object that names an image.
    pub fn new(raw: Value) -> Result<Self, NotAContainer> {
        if !raw.is_object() {
            return Err(NotAContainer::NotAnObject);
        }
        match raw.get("image").and_then(Value::as_str) {
            Some(image) if !image.is_empty() => Ok(Self(raw)),
            _ => Err(NotAContainer::NoImage),
        }
    }

    /// The raw object.
    pub fn raw(&self) -> &Value {
        &self.0
    }

    /// Its name; empty before it has one.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// Its image reference.
    pub fn image(&self) -> &str {
        self.text("image")
    }

    /// The container whose PID namespace it joins, if it names one.
    pub fn target(&self) -> Option<&str> {
        Some(self.text("targetContainerName")).filter(|name| !name.is_empty())
    }

    /// The same container under the visit's handle.
    #[must_use]
    pub fn named(&self, handle: &Handle) -> Self {
        let mut raw = self.0.clone();
        raw["name"] = handle.as_str().into();
        Self(raw)
    }

    fn text(&self, field: &str) -> &str {
        self.0
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}
