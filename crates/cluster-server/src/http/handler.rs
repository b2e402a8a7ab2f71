//! One request from its headers to its answer.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use super::listen::Peer;
use super::negotiate::takes_gzip;
use super::query::Query;
use super::respond::{Answer, BoxBody};
use super::route::{self, Route};
use super::{audit, collection, single, subresource};
use crate::api::{Api, Context, FieldSelector, Target, Warnings};
use crate::audit::{Auditor, Trail};
use crate::authn::oidc;
use crate::discovery::Discovery;
use crate::error::ApiError;
use crate::identity::{Attributes, User};
use crate::{aggregation, authz};

/// Answers the requests of one server.
pub struct Handler {
    pub(super) api: Arc<Api>,
    pub(super) discovery: Discovery,
    /// Writes audit events, if there is a policy.
    auditor: Option<Arc<Auditor>>,
    /// Cancelled when the server stops: watches end then.
    pub(super) stopping: CancellationToken,
}

/// A request that is known to be allowed, apart from its body.
pub(super) struct Call {
    pub(super) context: Context,
    pub(super) target: Target,
    pub(super) query: Query,
    pub(super) attributes: Attributes,
}

impl Handler {
    /// A handler for `api` that ends its streams when `stopping` is cancelled.
    pub fn new(api: Arc<Api>, auditor: Option<Arc<Auditor>>, stopping: CancellationToken) -> Self {
        let discovery = Discovery::new(Arc::clone(&api.kinds), Arc::clone(&api.aggregation));
        Self {
            api,
            discovery,
            auditor,
            stopping,
        }
    }

    /// Answers one request that came from `peer`.
    pub async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> Result<Response<BoxBody>, Infallible> {
        let warnings = Warnings::default();
        let gzip = takes_gzip(request.headers());
        let head = request.method() == Method::HEAD;
        let audit_id = audit::audit_id(request.headers());
        let mut trail = Trail::default();
        let answer = self.answer(request, &peer, &audit_id, &warnings, &mut trail);
        let response = match AssertUnwindSafe(answer).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                if error.code >= 500 {
                    tracing::error!(code = error.code, message = %error.message, "request failed");
                }
                Answer::from(error).into_response(&warnings, gzip)
            }
            Err(panic) => {
                trail.panicked(panic_text(panic.as_ref()));
                let text =
                    "This request caused apiserver to panic. Look in the logs for details.\n";
                Answer::Text(500, text.to_owned()).into_response(&warnings, false)
            }
        };
        let response = audit::answered(response, trail, audit_id);
        Ok(if head {
            response.map(|_| super::empty())
        } else {
            response
        })
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        audit_id: &HeaderValue,
        warnings: &Warnings,
        trail: &mut Trail,
    ) -> Result<Response<BoxBody>, ApiError> {
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let selected = selected_name(&query);
        let route = route::parse(
            request.method(),
            request.uri().path(),
            query.flag("watch"),
            selected.as_deref(),
        );
        let received = self.auditor.as_ref().map(|auditor| {
            (
                auditor,
                audit::received(&request, audit_id, peer, &self.api.clock),
            )
        });
        let user = self
            .api
            .authenticator
            .authenticate(request.headers(), peer.certificate.as_ref())
            .await;
        if let Some((auditor, received)) = received {
            *trail = Trail::begin(auditor, &received, user.as_ref().ok(), &route.attributes);
        }
        let user = user?;
        if !trail.received() {
            return Err(ApiError::internal("failed to store audit event"));
        }
        let user = self.permit(user, request.headers(), &route.attributes, trail)?;
        let context = Context {
            user,
            warnings: warnings.clone(),
            annotations: trail.annotations(),
            trail: trail.clone(),
            manager: program(request.headers()),
            ..Context::default()
        };
        if let Some(remote) = self.api.aggregation.remote_of(request.uri().path()) {
            return Ok(aggregation::forward(&self.api, &remote, &context.user, request).await);
        }
        let path = request.uri().path();
        if let Some(answer) = oidc::answer(&self.api.authenticator, path, request.headers()) {
            return Ok(answer.into_response(warnings, takes_gzip(request.headers())));
        }
        if !route.is_resource {
            return self
                .discovery
                .answer(&request)
                .map(|answer| answer.into_response(warnings, takes_gzip(request.headers())));
        }
        let target = self.target(&route)?;
        let call = Call {
            context,
            target,
            query,
            attributes: route.attributes,
        };
        self.dispatch(call, request).await
    }

    /// Who the request acts as, if that and what it asks for are allowed.
    fn permit(
        &self,
        user: User,
        headers: &HeaderMap,
        attributes: &Attributes,
        trail: &Trail,
    ) -> Result<User, ApiError> {
        let authorizer = &self.api.authorizer;
        let user = authz::impersonate(authorizer, user, headers, attributes)?;
        if headers.contains_key("impersonate-user") {
            trail.impersonated(&user, "");
        }
        let decision = authorizer.authorize(&user, attributes);
        let word = if decision.allowed { "allow" } else { "forbid" };
        let annotations = trail.annotations();
        annotations.insert("authorization.k8s.io/decision", word);
        annotations.insert("authorization.k8s.io/reason", decision.reason.as_str());
        if decision.allowed {
            Ok(user)
        } else {
            Err(authz::forbidden(&user, attributes, &decision.reason))
        }
    }

    /// What the path names.
    fn target(&self, route: &Route) -> Result<Target, ApiError> {
        let a = &route.attributes;
        let resource = self
            .api
            .kinds
            .resolve(&a.group, &a.version, &a.resource)
            .ok_or_else(ApiError::unknown_path)?;
        let namespaces = resource.key() == "namespaces";
        let namespace = if namespaces {
            String::new()
        } else {
            a.namespace.clone()
        };
        if !namespace.is_empty() && !resource.namespaced {
            return Err(ApiError::unknown_path());
        }
        Ok(Target {
            resource,
            namespace,
            name: a.name.clone(),
            subresource: a.subresource.clone(),
        })
    }

    async fn dispatch(
        &self,
        call: Call,
        request: Request<Incoming>,
    ) -> Result<Response<BoxBody>, ApiError> {
        if !call.target.subresource.is_empty() {
            if call.target.resource.namespaced && call.target.namespace.is_empty() {
                return Err(ApiError::unknown_path());
            }
            return subresource::serve(self, call, request).await;
        }
        match call.attributes.verb.as_str() {
            "list" | "watch" | "deletecollection" => collection::serve(self, call, request).await,
            "create" if call.target.name.is_empty() => collection::serve(self, call, request).await,
            "get" | "update" | "patch" | "delete" => {
                if call.target.resource.namespaced && call.target.namespace.is_empty() {
                    return Err(ApiError::unknown_path());
                }
                single::serve(self, call, request).await
            }
            _ => Err(ApiError::method_not_allowed()),
        }
    }
}

/// What a panic says.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// The name of `?fieldSelector=metadata.name=…`.
fn selected_name(query: &Query) -> Option<String> {
    let text = query.get("fieldSelector")?;
    FieldSelector::named(text)
}

/// The program's name of the `User-Agent`, as a field manager (`prefixFromUserAgent`).
fn program(headers: &http::HeaderMap) -> String {
    const MAX: usize = 128;
    let agent = headers.get(http::header::USER_AGENT);
    let agent = agent.map(|value| String::from_utf8_lossy(value.as_bytes()));
    let name = agent.as_deref().and_then(|agent| agent.split('/').next());
    let mut out = String::new();
    for c in name.unwrap_or_default().chars().filter(|c| !c.is_control()) {
        if out.len() + c.len_utf8() > MAX {
            break;
        }
        out.push(c);
    }
    out
}
