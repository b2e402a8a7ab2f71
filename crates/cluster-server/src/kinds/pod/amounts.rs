//! What the containers of a Pod ask for together (`AggregateContainerRequests` of
//! `k8s.io/component-helpers/resource`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kinds::quantity::Quantity;

/// Amounts by resource.
pub(super) type Amounts = BTreeMap<String, Quantity>;

fn requests(container: &Value) -> Amounts {
    let map = container["resources"]["requests"].as_object();
    map.into_iter()
        .flatten()
        .filter_map(|(name, amount)| Some((name.clone(), amount.as_str()?.parse().ok()?)))
        .collect()
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        sum.entry(name.clone())
            .and_modify(|held| *held = held.plus(*amount))
            .or_insert(*amount);
    }
}

fn raise(peak: &mut Amounts, to: &Amounts) {
    for (name, amount) in to {
        let held = peak.entry(name.clone()).or_insert(*amount);
        if amount.nanos() > held.nanos() {
            *held = *amount;
        }
    }
}

fn containers<'a>(spec: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    spec[list].as_array().into_iter().flatten()
}

/// The sum of the containers that run together, or what an init container needs before them if that is more.
pub(super) fn of_containers(spec: &Value) -> Amounts {
    let mut sum = Amounts::new();
    for container in containers(spec, "containers") {
        add(&mut sum, &requests(container));
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in containers(spec, "initContainers") {
        let mut own = requests(container);
        if container["restartPolicy"] == "Always" {
            add(&mut sum, &own);
            add(&mut sidecars, &own);
            own = sidecars.clone();
        } else {
            add(&mut own, &sidecars);
        }
        raise(&mut peak, &own);
    }
    raise(&mut sum, &peak);
    sum
}
