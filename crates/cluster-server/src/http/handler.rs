//! One request from its headers to its answer.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use super::limits::{self, Places};
use super::listen::Peer;
use super::metrics::Metrics;
use super::negotiate::Wire;
use super::query::Query;
use super::respond::{Answer, BoxBody};
use super::route::{self, Route};
use super::{audit, collection, single, subresource};
use crate::api::{Api, Context, FieldSelector, Target, Warnings};
use crate::audit::{Auditor, Trail};
use crate::authn::oidc;
use crate::discovery::{self, Discovery, Facts};
use crate::error::ApiError;
use crate::identity::{Attributes, User};
use crate::{aggregation, authz};

/// Answers the requests of one server.
pub struct Handler {
    pub(super) api: Arc<Api>,
    pub(super) discovery: Discovery,
    /// Writes audit events, if there is a policy.
    auditor: Option<Arc<Auditor>>,
    metrics: Metrics,
    places: Places,
    /// Cancelled when the server stops: watches end then.
    pub(super) stopping: CancellationToken,
}

/// What a request's first line and headers ask for.
struct Asked {
    query: Query,
    route: Route,
    wire: Wire,
}

impl Asked {
    fn parse(request: &Request<Incoming>) -> Self {
        let text = request.uri().query().unwrap_or_default();
        let query = Query::parse(text);
        let selected = selected_name(&query);
        let route = route::parse(
            request.method(),
            request.uri().path(),
            query.flag("watch"),
            selected.as_deref(),
        );
        Self {
            query,
            route,
            wire: Wire::of(request.headers(), text),
        }
    }
}

/// A request that is known to be allowed, apart from its body.
pub(super) struct Call {
    pub(super) context: Context,
    pub(super) target: Target,
    pub(super) query: Query,
    pub(super) attributes: Attributes,
    pub(super) wire: Wire,
}

impl Handler {
    /// A handler for `api` that ends its streams when `stopping` is cancelled.
    ///
    /// # Errors
    /// The names of the metrics do not hold.
    pub fn new(
        api: Arc<Api>,
        auditor: Option<Arc<Auditor>>,
        stopping: CancellationToken,
    ) -> Result<Self, prometheus::Error> {
        let discovery = Discovery::new(Arc::clone(&api.kinds), Arc::clone(&api.aggregation));
        Ok(Self {
            api,
            discovery,
            auditor,
            metrics: Metrics::new()?,
            places: Places::default(),
            stopping,
        })
    }

    /// Answers one request that came from `peer`.
    pub async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> Result<Response<BoxBody>, Infallible> {
        let started = Instant::now();
        let warnings = Warnings::default();
        let asked = Asked::parse(&request);
        let wire = asked.wire;
        let head = request.method() == Method::HEAD;
        let audit_id = audit::audit_id(request.headers());
        let mut trail = Trail::default();
        let answer = self.timely(request, &asked, &peer, &audit_id, &warnings, &mut trail);
        let response = match AssertUnwindSafe(answer).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                if error.code >= 500 {
                    tracing::error!(code = error.code, message = %error.message, "request failed");
                }
                Answer::from(error).into_response(&warnings, wire)
            }
            Err(panic) => {
                trail.panicked(panic_text(panic.as_ref()));
                let text =
                    "This request caused apiserver to panic. Look in the logs for details.\n";
                Answer::Text(500, text.to_owned()).into_response(&warnings, Wire::default())
            }
        };
        let code = response.status().as_u16();
        let attributes = &asked.route.attributes;
        let served =
            self.api
                .kinds
                .resolve(&attributes.group, &attributes.version, &attributes.resource);
        self.metrics
            .count(attributes, served.is_some(), code, started.elapsed());
        let response = audit::answered(response, trail, audit_id);
        Ok(if head {
            response.map(|_| super::empty())
        } else {
            response
        })
    }

    /// Answers within the time that a request has.
    async fn timely(
        &self,
        request: Request<Incoming>,
        asked: &Asked,
        peer: &Peer,
        audit_id: &HeaderValue,
        warnings: &Warnings,
        trail: &mut Trail,
    ) -> Result<Response<BoxBody>, ApiError> {
        let attributes = &asked.route.attributes;
        let deadline = match limits::deadline(&asked.query, attributes) {
            Ok(deadline) => deadline,
            Err(error) => {
                // Refused before anybody knows who asks (`withFailedRequestAudit`).
                if let Some(auditor) = &self.auditor {
                    let received = audit::received(&request, audit_id, peer, &self.api.clock);
                    *trail = Trail::begin(auditor, &received, None, attributes);
                }
                return Err(error);
            }
        };
        let answer = self.answer(request, asked, peer, audit_id, warnings, trail);
        match deadline {
            None => answer.await,
            Some(deadline) => tokio::time::timeout(deadline, answer)
                .await
                .unwrap_or_else(|_| Err(limits::too_slow())),
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        asked: &Asked,
        peer: &Peer,
        audit_id: &HeaderValue,
        warnings: &Warnings,
        trail: &mut Trail,
    ) -> Result<Response<BoxBody>, ApiError> {
        let route = &asked.route;
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
        let Ok(_place) = self.places.take(&route.attributes) else {
            return Ok(busy(warnings));
        };
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
            let caller = aggregation::Caller {
                user: &context.user,
                address: peer.address.ip(),
                audit_id,
                trail: &context.trail,
            };
            return Ok(aggregation::forward(&self.api, &remote, caller, request).await);
        }
        if !route.is_resource {
            let answer = self.not_a_resource(&request)?;
            return Ok(answer.into_response(warnings, asked.wire));
        }
        let Some(target) = self.target(route)? else {
            return Ok(discovery::not_found().into_response(warnings, asked.wire));
        };
        let call = Call {
            context,
            target,
            query: asked.query.clone(),
            attributes: route.attributes.clone(),
            wire: asked.wire,
        };
        self.dispatch(call, request).await
    }

    fn not_a_resource(&self, request: &Request<Incoming>) -> Result<Answer, ApiError> {
        let path = request.uri().path();
        if let Some(answer) = oidc::answer(&self.api.authenticator, path, request.headers()) {
            return Ok(answer);
        }
        if path == "/metrics" {
            let text = self.metrics.text(&self.api.store, self.places.taken());
            return Ok(Answer::Text(200, text));
        }
        let facts = Facts {
            store_open: self.api.store.is_open(),
            stopping: self.stopping.is_cancelled(),
        };
        self.discovery.answer(request, facts)
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
        let user = match authz::impersonate(authorizer, &user, headers, attributes)? {
            None => user,
            Some(wanted) => {
                trail.impersonated(&wanted.user, &wanted.constraint);
                wanted.user
            }
        };
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

    /// What the path names; `None`: nothing at all is served in its group and version by this server itself.
    fn target(&self, route: &Route) -> Result<Option<Target>, ApiError> {
        let a = &route.attributes;
        let kinds = &self.api.kinds;
        let Some(resource) = kinds.resolve(&a.group, &a.version, &a.resource) else {
            let served = kinds
                .all()
                .iter()
                .any(|other| !other.custom && other.group == a.group && other.version == a.version);
            return if served {
                Err(ApiError::unknown_path())
            } else {
                Ok(None)
            };
        };
        if route.is_deeper {
            return Err(ApiError::unknown_path());
        }
        let namespaces = resource.key() == "namespaces";
        let namespace = if namespaces {
            String::new()
        } else {
            a.namespace.clone()
        };
        if !namespace.is_empty() && !resource.namespaced {
            if resource.custom {
                return Ok(None);
            }
            return Err(ApiError::unknown_path());
        }
        Ok(Some(Target {
            resource,
            namespace,
            name: a.name.clone(),
            subresource: a.subresource.clone(),
        }))
    }

    async fn dispatch(
        &self,
        call: Call,
        request: Request<Incoming>,
    ) -> Result<Response<BoxBody>, ApiError> {
        if matches!(*request.method(), Method::HEAD | Method::OPTIONS) {
            return Err(ApiError::method_not_allowed());
        }
        if !call.target.subresource.is_empty() {
            if call.target.resource.namespaced && call.target.namespace.is_empty() {
                return Err(ApiError::unknown_path());
            }
            return subresource::serve(self, call, request).await;
        }
        match call.attributes.verb.as_str() {
            "list" | "watch" | "deletecollection" => collection::serve(self, call, request).await,
            "create" if call.target.name.is_empty() => collection::serve(self, call, request).await,
            "update" | "patch" if call.target.name.is_empty() => {
                Err(if call.target.resource.custom {
                    ApiError::bad_request("name must be provided")
                } else {
                    ApiError::method_not_allowed()
                })
            }
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

/// 429: as many are served as may be.
fn busy(warnings: &Warnings) -> Response<BoxBody> {
    let text = "Too many requests, please try again later.\n".to_owned();
    let mut response = Answer::Text(429, text).into_response(warnings, Wire::default());
    let soon = HeaderValue::from_static("1");
    response
        .headers_mut()
        .insert(http::header::RETRY_AFTER, soon);
    response
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
