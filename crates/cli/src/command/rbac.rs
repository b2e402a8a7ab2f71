//! `ephemera rbac`: who may do what, and what RBAC gives without meaning to.

use authority::{Action, Finding, Holder, Need, Question, Way};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::args::{Cluster, Power, Rbac};
use crate::client::Target;
use crate::exit::{Exit, Outcome};
use crate::printer::{Printer, shown};

/// Reads the cluster's RBAC and answers.
pub async fn run(args: &Rbac, cluster: &Cluster, printer: Printer) -> Outcome {
    let target = Target::find(cluster).await?;
    let rbac = read(&target.client).await?;
    match args {
        Rbac::WhoCan {
            what,
            direct,
            all_namespaces,
            output,
        } => {
            let mut needs = question(*what).needs();
            needs.retain(|need| !(*direct && need.indirect));
            let namespace = (!all_namespaces).then_some(target.namespace.as_str());
            let rows = rows(&rbac, &needs, namespace);
            match output {
                Some(format) => printer.value(&rows, *format)?,
                None => who_can(&rows, namespace, printer)?,
            }
        }
        Rbac::Lint { output } => {
            let findings = authority::lint(&rbac);
            match output {
                Some(format) => printer.value(&listed(&findings), *format)?,
                None => lint(&findings, printer)?,
            }
        }
    }
    Ok(Exit::Done)
}

fn question(power: Power) -> Question {
    match power {
        Power::Debug => Question::Debug,
        Power::Attach => Question::Attach,
        Power::Exec => Question::Exec,
        Power::Approve => Question::Approve,
        Power::Bypass => Question::Bypass,
    }
}

async fn read(client: &Client) -> anyhow::Result<authority::Rbac> {
    Ok(authority::Rbac {
        cluster_roles: all::<ClusterRole>(client).await?,
        roles: all::<Role>(client).await?,
        cluster_role_bindings: all::<ClusterRoleBinding>(client).await?,
        role_bindings: all::<RoleBinding>(client).await?,
    })
}

/// Everything of a kind, or an error: an answer from a part of it would be wrong without saying so.
async fn all<K>(client: &Client) -> Result<Vec<K>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let list = Api::<K>::all(client.clone());
    Ok(list.list(&ListParams::default()).await?.items)
}

/// One chain, as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    subject: String,
    right: String,
    means: String,
    indirect: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource_names: Vec<String>,
    through: Vec<String>,
    wildcard: bool,
}

fn rows(rbac: &authority::Rbac, needs: &[Need], namespace: Option<&str>) -> Vec<Row> {
    let actions: Vec<Action> = needs.iter().map(|need| need.action.clone()).collect();
    let holders = rbac.who_can(&actions, namespace);
    let of_one = |(holder, ways): (&Holder, &Vec<Way>)| -> Vec<Row> {
        let row = |way: &Way| {
            let need = needs.iter().find(|need| need.action == way.action)?;
            Some(Row {
                subject: shown(&holder.to_string()),
                right: way.action.to_string(),
                means: need.means.to_owned(),
                indirect: need.indirect,
                namespace: way.namespace.clone(),
                resource_names: way.names.clone(),
                through: through(way),
                wildcard: way.wildcard,
            })
        };
        ways.iter().filter_map(row).collect()
    };
    holders.iter().flat_map(of_one).collect()
}

fn through(way: &Way) -> Vec<String> {
    let mut chain = vec![way.binding.clone(), way.role.clone()];
    let sources = way.aggregated_from.iter();
    chain.extend(sources.map(|source| format!("ClusterRole {source} (aggregated)")));
    chain
}

fn who_can(rows: &[Row], namespace: Option<&str>, printer: Printer) -> std::io::Result<()> {
    if rows.is_empty() {
        printer.say("Nobody, by RBAC.");
    } else {
        let mut table: Vec<Vec<String>> = rows.iter().map(cells).collect();
        table.dedup();
        let headings = ["SUBJECT", "RIGHT", "NAMESPACE", "THROUGH", "WHICH MEANS"];
        printer.table(&headings, &table)?;
    }
    let place = namespace.map_or("any namespace".to_owned(), |n| format!("namespace {n}"));
    printer.say(format!(
        "In {place}. Members of system:masters may do everything besides; who is in a group only the authenticator knows."
    ));
    Ok(())
}

/// What a `*` gives is one line, however many rights were asked about.
fn cells(row: &Row) -> Vec<String> {
    let place = row.namespace.clone().unwrap_or_else(|| "*".to_owned());
    let through = row.through.join(" -> ");
    if row.wildcard {
        let (right, means) = (
            "by `*`",
            "each of the rights that were asked about, or some",
        );
        let cells = [&row.subject, right, &place, &through, means];
        return cells.map(ToOwned::to_owned).to_vec();
    }
    let mut right = row.right.clone();
    if !row.resource_names.is_empty() {
        right = format!("{right} (only {})", row.resource_names.join(", "));
    }
    let cells = [&row.subject, &right, &place, &through, &row.means];
    cells.map(ToOwned::to_owned).to_vec()
}

fn listed(findings: &[Finding]) -> Vec<serde_json::Value> {
    let value = |f: &Finding| {
        serde_json::json!({
            "severity": f.severity.to_string(), "rule": f.rule, "about": f.about, "found": f.found, "mend": f.mend,
        })
    };
    findings.iter().map(value).collect()
}

fn lint(findings: &[Finding], printer: Printer) -> std::io::Result<()> {
    if findings.is_empty() {
        printer.say("Nothing is found.");
        return Ok(());
    }
    for finding in findings {
        printer.line(format!(
            "{:<6} {} [{}]\n       {}\n       mend: {}",
            finding.severity.to_string(),
            shown(&finding.about),
            finding.rule,
            finding.found,
            finding.mend
        ))?;
    }
    let plural = if findings.len() == 1 { "" } else { "s" };
    printer.say(format!("{} finding{plural}.", findings.len()));
    Ok(())
}
