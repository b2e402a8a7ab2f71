//! Which webhooks a request concerns: rules, selectors, match conditions.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::super::conditions::{self, Compiled, Undecided};
use super::super::{Chain, Request, rules};
use super::Hook;
use crate::error::ApiError;
use expression::Type;

/// The version of the resource about which the webhook is to be asked, if it is to be asked. An error refuses the
/// request: it cannot be known whether to ask.
pub(super) fn applies(
    chain: &Chain,
    hook: &Hook,
    request: &Request,
) -> Result<Option<String>, ApiError> {
    if rules::is_exempt(request) {
        return Ok(None);
    }
    let value = &hook.value;
    let Some(version) = rules::matched_version(
        &chain.kinds,
        &value["rules"],
        &value["matchPolicy"],
        request,
    ) else {
        return Ok(None);
    };
    let asked = rules::namespace_matches(&chain.store, &value["namespaceSelector"], request)?
        && rules::object_matches(&value["objectSelector"], request)
        && conditions_match(chain, hook, request)?;
    Ok(asked.then_some(version))
}

/// All conditions must hold. One that is false decides, else one that cannot be evaluated is an error, unless the
/// webhook's failures are to be ignored.
fn conditions_match(chain: &Chain, hook: &Hook, request: &Request) -> Result<bool, ApiError> {
    let conditions = hook.value["matchConditions"].as_array();
    let conditions = conditions.map(Vec::as_slice).unwrap_or_default();
    if conditions.is_empty() {
        return Ok(true);
    }
    let compiled: Vec<Arc<Compiled>> = conditions
        .iter()
        .map(|condition| compiled(condition["expression"].as_str().unwrap_or_default()))
        .collect();
    let bindings = conditions::bindings(request, &chain.authorizer);
    match conditions::hold(compiled.iter().map(Arc::as_ref), &bindings) {
        Ok(holds) => Ok(holds),
        Err(_) if hook.fails_open() => Ok(false),
        Err(Undecided(why)) => Err(request.forbidden(&why)),
    }
}

/// Compiled once and remembered; configurations change rarely and expressions repeat.
fn compiled(expression: &str) -> Arc<Compiled> {
    static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Compiled>>>> =
        LazyLock::new(Mutex::default);
    const REMEMBERED: usize = 1024;
    let mut remembered = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = remembered.get(expression) {
        return Arc::clone(found);
    }
    let environment = conditions::environment(false, true);
    let compiled = Arc::new(conditions::compile(&environment, expression, &[Type::Bool]));
    if remembered.len() >= REMEMBERED {
        remembered.clear();
    }
    remembered.insert(expression.to_owned(), Arc::clone(&compiled));
    compiled
}
