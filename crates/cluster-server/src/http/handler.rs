//! One request from its headers to its answer.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use rustls_pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;

use super::negotiate::takes_gzip;
use super::query::Query;
use super::respond::{Answer, BoxBody};
use super::route::{self, Route};
use super::{collection, single, subresource};
use crate::api::{Api, Context, FieldSelector, Target, Warnings};
use crate::authz;
use crate::discovery::Discovery;
use crate::error::ApiError;
use crate::identity::Attributes;

/// Answers the requests of one server.
pub struct Handler {
    pub(super) api: Arc<Api>,
    pub(super) discovery: Discovery,
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
    pub fn new(api: Arc<Api>, stopping: CancellationToken) -> Self {
        let discovery = Discovery::new(Arc::clone(&api.kinds));
        Self {
            api,
            discovery,
            stopping,
        }
    }

    /// Answers one request that came over a connection with this client certificate.
    pub async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        certificate: Option<CertificateDer<'static>>,
    ) -> Result<Response<BoxBody>, Infallible> {
        let warnings = Warnings::default();
        let gzip = takes_gzip(request.headers());
        let head = request.method() == Method::HEAD;
        let response = match self.answer(request, certificate.as_ref(), &warnings).await {
            Ok(response) => response,
            Err(error) => {
                if error.code >= 500 {
                    tracing::error!(code = error.code, message = %error.message, "request failed");
                }
                Answer::from(error).into_response(&warnings, gzip)
            }
        };
        Ok(if head {
            response.map(|_| super::empty())
        } else {
            response
        })
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        certificate: Option<&CertificateDer<'_>>,
        warnings: &Warnings,
    ) -> Result<Response<BoxBody>, ApiError> {
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let selected = selected_name(&query);
        let route = route::parse(
            request.method(),
            request.uri().path(),
            query.flag("watch"),
            selected.as_deref(),
        );
        let user = self
            .api
            .authenticator
            .authenticate(request.headers(), certificate)
            .await?;
        let user = authz::impersonate(
            &self.api.authorizer,
            user,
            request.headers(),
            &route.attributes,
        )?;
        self.api.authorizer.require(&user, &route.attributes)?;
        let context = Context {
            user,
            warnings: warnings.clone(),
            ..Context::default()
        };
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
        mut call: Call,
        request: Request<Incoming>,
    ) -> Result<Response<BoxBody>, ApiError> {
        if !call.target.subresource.is_empty() {
            if call.target.resource.namespaced && call.target.namespace.is_empty() {
                return Err(ApiError::unknown_path());
            }
            return subresource::serve(self, call, request).await;
        }
        match call.attributes.verb.as_str() {
            "list" | "watch" | "deletecollection" => {
                // The name of a field selector is for authorization only.
                call.target.name.clear();
                collection::serve(self, call, request).await
            }
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

/// The name of `?fieldSelector=metadata.name=…`.
fn selected_name(query: &Query) -> Option<String> {
    let text = query.get("fieldSelector")?;
    FieldSelector::named(text)
}
