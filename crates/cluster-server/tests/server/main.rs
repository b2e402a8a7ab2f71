//! The server as a whole, spoken to through its API without HTTP: admission webhooks that listen on loopback, service
//! accounts and their tokens, custom resources.

#![expect(
    clippy::expect_used,
    reason = "a test ends where its cluster does not work"
)]

mod admission_policy;
mod aggregation;
mod credentials;
mod custom_resources;
mod disruption;
mod identity;
mod impersonation;
mod ownership;
mod pods;
mod policy_visits;
mod rbac;
mod recorded;
mod services;
mod stub;
mod webhook_answers;
mod webhooks;
mod wire;
mod writes;

use std::net::Ipv4Addr;
use std::sync::Arc;

use cluster_server::api::{Context, Target};
use cluster_server::audit::AuditConfig;
use cluster_server::clock::Clock;
use cluster_server::error::ApiError;
use cluster_server::identity::User;
use cluster_server::store::Object;
use cluster_server::{Config, Server};
use serde_json::{Value, json};

/// A server in a directory that goes away with it.
struct Cluster {
    server: Server,
    data_dir: tempfile::TempDir,
}

impl Cluster {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    async fn start_with(audit: Option<AuditConfig>) -> Self {
        let data_dir = tempfile::tempdir().expect("a directory");
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        let config = Config {
            data_dir: data_dir.path().to_owned(),
            listen,
            bare: true,
            clock: Clock::system(),
            audit,
        };
        let cluster = Self {
            server: Server::start(config).await.expect("a server"),
            data_dir,
        };
        cluster
            .ensure(
                "",
                "v1",
                "namespaces",
                "",
                json!({"metadata": {"name": "n"}}),
            )
            .await;
        cluster
            .ensure(
                "",
                "v1",
                "serviceaccounts",
                "n",
                json!({"metadata": {"name": "default"}}),
            )
            .await;
        cluster
    }

    fn target(
        &self,
        group: &str,
        version: &str,
        plural: &str,
        namespace: &str,
        name: &str,
    ) -> Target {
        let resource = self
            .server
            .api()
            .kinds
            .resolve(group, version, plural)
            .expect("a served resource");
        Target::object(&resource, namespace, name)
    }

    /// Creates what may be there already.
    async fn ensure(
        &self,
        group: &str,
        version: &str,
        plural: &str,
        namespace: &str,
        object: Value,
    ) {
        match self.create(group, version, plural, namespace, object).await {
            Err(error) if error.reason != "AlreadyExists" => panic!("{error}"),
            _ => {}
        }
    }

    async fn create(
        &self,
        group: &str,
        version: &str,
        plural: &str,
        namespace: &str,
        object: Value,
    ) -> Result<Arc<Object>, ApiError> {
        self.create_as(
            &Context::system("test"),
            group,
            version,
            plural,
            namespace,
            object,
        )
        .await
    }

    async fn create_as(
        &self,
        ctx: &Context,
        group: &str,
        version: &str,
        plural: &str,
        namespace: &str,
        mut object: Value,
    ) -> Result<Arc<Object>, ApiError> {
        let target = self.target(group, version, plural, namespace, "");
        object["apiVersion"] = target.resource.api_version().into();
        object["kind"] = target.resource.kind.clone().into();
        self.server.api().create(ctx, &target, object).await
    }

    async fn create_pod(&self, name: &str) -> Result<Arc<Object>, ApiError> {
        self.create("", "v1", "pods", "n", pod(name)).await
    }

    /// The bearer token of one of the four people.
    fn token_of(&self, person: &str) -> String {
        let users = std::fs::read(self.data_dir.path().join("users.json")).expect("users");
        let users: Value = serde_json::from_slice(&users).expect("JSON");
        users[person].as_str().expect("a token").to_owned()
    }

    async fn stop(self) {
        self.server.stop().await;
    }
}

fn pod(name: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "app", "image": "registry.example/app:1"}]},
    })
}

fn user(name: &str, groups: &[&str]) -> User {
    let groups = groups
        .iter()
        .chain(&["system:authenticated"])
        .map(|&group| group.to_owned())
        .collect();
    User {
        name: name.to_owned(),
        groups,
        ..User::default()
    }
}

fn context(user: User) -> Context {
    Context {
        user,
        ..Context::default()
    }
}
