//! Type checking, in cel-go's words.

mod overloads;
mod unify;

use crate::environment::Issue;
use crate::syntax::{Entry, Fold, Kind, Macro, Node};
use crate::types::Type;
use overloads::overloads;
use unify::Substitution;

/// Whether there is a function of that name, name space included.
pub(crate) fn is_function(name: &str) -> bool {
    !overloads(name).is_empty()
}

/// The type of the whole, or all faults.
pub(crate) fn check(node: &Node, variables: &[(String, Type)]) -> Result<Type, Vec<Issue>> {
    let mut checker = Checker {
        scope: variables.to_vec(),
        issues: Vec::new(),
    };
    let result = checker.node(node);
    if checker.issues.is_empty() {
        Ok(result)
    } else {
        Err(checker.issues)
    }
}

/// Whether `variable` is named anywhere in the tree.
pub(crate) fn mentions(node: &Node, variable: &str) -> bool {
    let any = |nodes: &[Node]| nodes.iter().any(|node| mentions(node, variable));
    match &node.kind {
        Kind::Literal(_) | Kind::Struct(_) => false,
        Kind::Ident(name) => name == variable,
        Kind::Select { operand, .. } | Kind::Has { operand, .. } => mentions(operand, variable),
        Kind::Index { operand, index, .. } => {
            mentions(operand, variable) || mentions(index, variable)
        }
        Kind::Call { target, args, .. } => {
            any(args)
                || target
                    .as_ref()
                    .is_some_and(|target| mentions(target, variable))
        }
        Kind::And(terms) | Kind::Or(terms) => any(terms),
        Kind::Conditional(parts) => any(parts.as_slice()),
        Kind::List(elements) => elements.iter().any(|(node, _)| mentions(node, variable)),
        Kind::Map(entries) => entries
            .iter()
            .any(|entry| mentions(&entry.key, variable) || mentions(&entry.value, variable)),
        Kind::Fold(fold) => {
            let hidden = fold.variable == variable || fold.second.as_deref() == Some(variable);
            let inside = || {
                mentions(&fold.body, variable)
                    || fold.filter.as_ref().is_some_and(|f| mentions(f, variable))
            };
            mentions(&fold.range, variable) || (!hidden && inside())
        }
    }
}

struct Checker {
    scope: Vec<(String, Type)>,
    issues: Vec<Issue>,
}

/// The names of types, which are values, too.
const TYPES: [&str; 14] = [
    "bool",
    "bytes",
    "double",
    "duration",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "optional_type",
];

impl Checker {
    fn report(&mut self, at: usize, message: String) -> Type {
        self.issues.push(Issue { at, message });
        Type::Dyn
    }

    fn node(&mut self, node: &Node) -> Type {
        match &node.kind {
            Kind::Literal(value) => crate::value::type_of(value),
            Kind::Ident(name) => self.identifier(node.at, name),
            Kind::Select {
                operand,
                field,
                optional,
            } => self.select(node, operand, field, *optional),
            Kind::Has { operand, field } => {
                let of = self.node(operand);
                self.field(node.at, &of, field);
                Type::Bool
            }
            Kind::Index {
                operand,
                index,
                optional,
            } => self.index(node.at, operand, index, *optional),
            Kind::Call {
                function,
                target,
                args,
            } => self.call(node.at, function, target.as_deref(), args),
            Kind::And(terms) => self.logical("_&&_", node.at, terms),
            Kind::Or(terms) => self.logical("_||_", node.at, terms),
            Kind::Conditional(parts) => self.conditional(node.at, parts),
            Kind::List(elements) => self.list(elements),
            Kind::Map(entries) => self.map(entries),
            Kind::Struct(name) => self.report(
                node.at,
                format!("undeclared reference to '{name}' (in container '')"),
            ),
            Kind::Fold(fold) => self.fold(fold),
        }
    }

    fn identifier(&mut self, at: usize, name: &str) -> Type {
        if let Some((_, of)) = self.scope.iter().rev().find(|(known, _)| known == name) {
            return of.clone();
        }
        if TYPES.contains(&name) {
            return Type::Type;
        }
        self.report(
            at,
            format!("undeclared reference to '{name}' (in container '')"),
        )
    }

    fn select(&mut self, node: &Node, operand: &Node, field: &str, optional: bool) -> Type {
        if matches!(&operand.kind, Kind::Select { field: inner, operand: root, .. }
            if inner == "protobuf" && matches!(&root.kind, Kind::Ident(name) if name == "google"))
        {
            return Type::Type;
        }
        if let Some(found) = self.qualified(operand, field) {
            return found;
        }
        let of = self.node(operand);
        let (of, wrapped) = match of {
            Type::Optional(inner) => (*inner, true),
            other => (other, false),
        };
        let found = self.field(node.at, &of, field);
        match found {
            Type::Optional(_) => found,
            found if wrapped || optional => Type::optional(found),
            found => found,
        }
    }

    /// A variable whose declared name has a dot in it (`authorizer.requestResource`).
    fn qualified(&self, operand: &Node, field: &str) -> Option<Type> {
        let Kind::Ident(name) = &operand.kind else {
            return None;
        };
        let qualified = format!("{name}.{field}");
        let (_, of) = self
            .scope
            .iter()
            .rev()
            .find(|(known, _)| *known == qualified)?;
        Some(of.clone())
    }

    fn field(&mut self, at: usize, of: &Type, field: &str) -> Type {
        match of {
            Type::Dyn | Type::Param(_) => Type::Dyn,
            Type::Map(_, value) => (**value).clone(),
            Type::Object(object) => match object.fields.get(field) {
                Some(found) => found.clone(),
                None => self.report(at, format!("undefined field '{field}'")),
            },
            Type::Optional(inner) => {
                let inner = (**inner).clone();
                self.field(at, &inner, field)
            }
            other => self.report(
                at,
                format!("type '{other}' does not support field selection"),
            ),
        }
    }

    fn index(&mut self, at: usize, operand: &Node, index: &Node, optional: bool) -> Type {
        let of = self.node(operand);
        let by = self.node(index);
        let (inner, wrapped) = match &of {
            Type::Optional(inner) => ((**inner).clone(), true),
            other => (other.clone(), false),
        };
        let mut types = Substitution::default();
        let found = match &inner {
            Type::Dyn | Type::Param(_) => Some(Type::Dyn),
            Type::List(element) => types.accepts(&Type::Int, &by).then(|| (**element).clone()),
            Type::Map(key, value) => types.accepts(key, &by).then(|| (**value).clone()),
            _ => None,
        };
        match found {
            Some(found) if wrapped || optional => Type::optional(found),
            Some(found) => found,
            None => self.no_overload(at, "_[_]", None, &[of, by]),
        }
    }

    fn no_overload(
        &mut self,
        at: usize,
        function: &str,
        target: Option<&Type>,
        args: &[Type],
    ) -> Type {
        let shown: Vec<String> = args.iter().map(Type::to_string).collect();
        let shown = shown.join(", ");
        let applied = match target {
            Some(target) => format!("{target}.({shown})"),
            None => format!("({shown})"),
        };
        self.report(
            at,
            format!("found no matching overload for '{function}' applied to '{applied}'"),
        )
    }

    fn call(&mut self, at: usize, function: &str, target: Option<&Node>, args: &[Node]) -> Type {
        let candidates = overloads(function);
        if candidates.is_empty() {
            for node in target.into_iter().chain(args) {
                self.node(node);
            }
            return self.report(
                at,
                format!("undeclared reference to '{function}' (in container '')"),
            );
        }
        let target_type = target.map(|node| self.node(node));
        let given: Vec<Type> = args.iter().map(|node| self.node(node)).collect();
        let all: Vec<Type> = target_type.iter().chain(&given).cloned().collect();
        let mut results = Vec::new();
        for overload in candidates {
            let mut types = Substitution::default();
            let fits = overload.method == target.is_some()
                && overload.arguments.len() == all.len()
                && overload
                    .arguments
                    .iter()
                    .zip(&all)
                    .all(|(wanted, given)| types.accepts(wanted, given));
            if fits {
                results.push(types.apply(&overload.result));
            }
        }
        match results.as_slice() {
            [] => self.no_overload(at, function, target_type.as_ref(), &given),
            [first, rest @ ..] if rest.iter().all(|other| other == first) => first.clone(),
            _ => Type::Dyn,
        }
    }

    fn logical(&mut self, function: &str, at: usize, terms: &[Node]) -> Type {
        let types: Vec<Type> = terms.iter().map(|term| self.node(term)).collect();
        if types
            .iter()
            .any(|of| !matches!(of, Type::Bool | Type::Dyn | Type::Param(_)))
        {
            self.no_overload(at, function, None, &types);
        }
        Type::Bool
    }

    fn conditional(&mut self, at: usize, [condition, yes, no]: &[Node; 3]) -> Type {
        let condition = self.node(condition);
        let (yes, no) = (self.node(yes), self.node(no));
        let mut types = Substitution::default();
        if !matches!(condition, Type::Bool | Type::Dyn) || !types.same(&yes, &no) {
            return self.no_overload(at, "_?_:_", None, &[condition, yes, no]);
        }
        unify::general(&yes, &no)
    }

    /// The type of all elements: of one kind, as Kubernetes asks of literals.
    fn element(&mut self, known: Option<Type>, next: Type, at: usize) -> Type {
        let Some(known) = known else { return next };
        if Substitution::default().same(&known, &next) {
            return unify::general(&known, &next);
        }
        self.report(at, format!("expected type '{known}' but found '{next}'"))
    }

    fn list(&mut self, elements: &[(Node, bool)]) -> Type {
        let mut known = None;
        for (node, optional) in elements {
            let of = self.node(node);
            let of = self.entry_value(node.at, of, *optional);
            known = Some(self.element(known, of, node.at));
        }
        Type::list(known.unwrap_or(Type::Dyn))
    }

    fn entry_value(&mut self, at: usize, of: Type, optional: bool) -> Type {
        match of {
            Type::Optional(inner) if optional => *inner,
            Type::Dyn => Type::Dyn,
            of if optional => {
                let message = format!(
                    "expected type '{}' but found '{of}'",
                    Type::optional(of.clone())
                );
                self.report(at, message)
            }
            of => of,
        }
    }

    fn map(&mut self, entries: &[Entry]) -> Type {
        let (mut keys, mut values) = (None, None);
        for entry in entries {
            let key = self.node(&entry.key);
            keys = Some(self.element(keys, key, entry.key.at));
            let value = self.node(&entry.value);
            let value = self.entry_value(entry.value.at, value, entry.optional);
            values = Some(self.element(values, value, entry.value.at));
        }
        Type::map(keys.unwrap_or(Type::Dyn), values.unwrap_or(Type::Dyn))
    }

    fn fold(&mut self, fold: &Fold) -> Type {
        let range = self.node(&fold.range);
        let bound = self.bound(fold, &range);
        let depth = self.scope.len();
        self.scope.push((fold.variable.clone(), bound.0));
        if let Some(second) = &fold.second {
            self.scope.push((second.clone(), bound.1));
        }
        if let Some(filter) = &fold.filter {
            let of = self.node(filter);
            self.want_bool(filter.at, &of);
        }
        let body = self.node(&fold.body);
        let result = match fold.which {
            Macro::All | Macro::Exists | Macro::ExistsOne => {
                self.want_bool(fold.body.at, &body);
                Type::Bool
            }
            Macro::Filter => {
                self.want_bool(fold.body.at, &body);
                Type::list(self.scope[depth].1.clone())
            }
            Macro::Map | Macro::TransformList => Type::list(body),
            Macro::SortBy => Type::list(self.scope[depth].1.clone()),
            Macro::TransformMap => Type::map(self.scope[depth].1.clone(), body),
            Macro::TransformMapEntry if matches!(body, Type::Map(..)) => body,
            Macro::TransformMapEntry => Type::Dyn,
            Macro::OptMap => Type::optional(body),
            Macro::Bind | Macro::OptFlatMap => body,
        };
        self.scope.truncate(depth);
        result
    }

    /// What the variables of a macro are bound to, from what is ranged over.
    fn bound(&mut self, fold: &Fold, range: &Type) -> (Type, Type) {
        let dynamic = (Type::Dyn, Type::Dyn);
        match (fold.which, range) {
            (Macro::Bind, of) => (of.clone(), Type::Dyn),
            (_, Type::Dyn | Type::Param(_)) => dynamic,
            (Macro::OptMap | Macro::OptFlatMap, Type::Optional(inner)) => {
                ((**inner).clone(), Type::Dyn)
            }
            (Macro::OptMap | Macro::OptFlatMap, other) => {
                let args = [other.clone()];
                self.no_overload(fold.range.at, "hasValue", Some(&args[0]), &[]);
                dynamic
            }
            (_, Type::List(element)) if fold.second.is_some() => (Type::Int, (**element).clone()),
            (_, Type::List(element)) => ((**element).clone(), Type::Dyn),
            (_, Type::Map(key, value)) => ((**key).clone(), (**value).clone()),
            (_, other) => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.report(fold.range.at, message);
                dynamic
            }
        }
    }

    fn want_bool(&mut self, at: usize, of: &Type) {
        if !matches!(of, Type::Bool | Type::Dyn | Type::Param(_)) {
            self.report(at, format!("expected type 'bool' but found '{of}'"));
        }
    }
}
