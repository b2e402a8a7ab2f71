//! A Pod's spec as the API server's internal Go structs print it: every field, in declaration order,
//! under its Go name. Messages about forbidden changes show a diff of this form.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

/// One struct a line: `Name: Field kind, …`. A field's JSON name is its Go name with the first letter
/// lowered, unless it is given after `=`. Kinds: `s` string, `b` boolean, `i` integer, `q` quantity (plain
/// values, printed even when zero), `?` pointer to a scalar, map, or list of scalars (`null` when absent),
/// `T` struct, `*T` pointer to a struct, `[T` list of structs. `^T` takes the fields of `T` in.
const TABLE: &str = "
PodSpec: Volumes [Volume, InitContainers [Container, Containers [Container, EphemeralContainers [EphemeralContainer, RestartPolicy s, TerminationGracePeriodSeconds ?, ActiveDeadlineSeconds ?, DNSPolicy=dnsPolicy s, NodeSelector ?, ServiceAccountName s, AutomountServiceAccountToken ?, NodeName s, SecurityContext *PodSecurityContext, ImagePullSecrets [LocalObjectReference, Hostname s, Subdomain s, SetHostnameAsFQDN ?, Affinity *Affinity, SchedulerName s, Tolerations [Toleration, HostAliases [HostAlias, PriorityClassName s, Priority ?, PreemptionPolicy ?, DNSConfig=dnsConfig *PodDNSConfig, ReadinessGates [PodReadinessGate, RuntimeClassName ?, Overhead ?, EnableServiceLinks ?, TopologySpreadConstraints [TopologySpreadConstraint, OS=os *PodOS, SchedulingGates [PodSchedulingGate, ResourceClaims [PodResourceClaim, Resources *ResourceRequirements, HostnameOverride ?, SchedulingGroup *PodSchedulingGroup
Container: Name s, Image s, Command ?, Args ?, WorkingDir s, Ports [ContainerPort, EnvFrom [EnvFromSource, Env [EnvVar, Resources ResourceRequirements, ResizePolicy [ContainerResizePolicy, RestartPolicy ?, RestartPolicyRules [ContainerRestartRule, VolumeMounts [VolumeMount, VolumeDevices [VolumeDevice, LivenessProbe *Probe, ReadinessProbe *Probe, StartupProbe *Probe, Lifecycle *Lifecycle, TerminationMessagePath s, TerminationMessagePolicy s, ImagePullPolicy s, SecurityContext *SecurityContext, Stdin b, StdinOnce b, TTY=tty b
EphemeralContainer: ^Container, TargetContainerName s
ContainerPort: Name s, HostPort i, ContainerPort i, Protocol s, HostIP s
EnvFromSource: Prefix s, ConfigMapRef *OptionalReference, SecretRef *OptionalReference
OptionalReference: Name s, Optional ?
EnvVar: Name s, Value s, ValueFrom *EnvVarSource
EnvVarSource: FieldRef *ObjectFieldSelector, ResourceFieldRef *ResourceFieldSelector, ConfigMapKeyRef *KeySelector, SecretKeyRef *KeySelector, FileKeyRef *FileKeySelector
ObjectFieldSelector: APIVersion=apiVersion s, FieldPath s
ResourceFieldSelector: ContainerName s, Resource s, Divisor q
KeySelector: Name s, Key s, Optional ?
FileKeySelector: VolumeName s, Path s, Key s, Optional ?
ResourceRequirements: Limits ?, Requests ?, Claims [ResourceClaim
ResourceClaim: Name s, Request s
ContainerResizePolicy: ResourceName s, RestartPolicy s
ContainerRestartRule: Action s, ExitCodes *ExitCodes
ExitCodes: Operator s, Values ?
VolumeMount: Name s, ReadOnly b, RecursiveReadOnly ?, MountPath s, SubPath s, MountPropagation ?, SubPathExpr s
VolumeDevice: Name s, DevicePath s
ProbeHandler: Exec *ExecAction, HTTPGet=httpGet *HTTPGetAction, TCPSocket=tcpSocket *TCPSocketAction, GRPC=grpc *GRPCAction
Probe: ^ProbeHandler, InitialDelaySeconds i, TimeoutSeconds i, PeriodSeconds i, SuccessThreshold i, FailureThreshold i, TerminationGracePeriodSeconds ?
ExecAction: Command ?
HTTPGetAction: Path s, Port ?, Host s, Scheme s, HTTPHeaders=httpHeaders [HTTPHeader
HTTPHeader: Name s, Value s
TCPSocketAction: Port ?, Host s
GRPCAction: Port i, Service ?
Lifecycle: PostStart *LifecycleHandler, PreStop *LifecycleHandler, StopSignal ?
LifecycleHandler: Exec *ExecAction, HTTPGet=httpGet *HTTPGetAction, TCPSocket=tcpSocket *TCPSocketAction, Sleep *SleepAction
SleepAction: Seconds i
SecurityContext: Capabilities *Capabilities, Privileged ?, SELinuxOptions=seLinuxOptions *SELinuxOptions, WindowsOptions *WindowsOptions, RunAsUser ?, RunAsGroup ?, RunAsNonRoot ?, ReadOnlyRootFilesystem ?, AllowPrivilegeEscalation ?, ProcMount ?, SeccompProfile *Profile, AppArmorProfile *Profile
Capabilities: Add ?, Drop ?
SELinuxOptions: User s, Role s, Type s, Level s
WindowsOptions: GMSACredentialSpecName=gmsaCredentialSpecName ?, GMSACredentialSpec=gmsaCredentialSpec ?, RunAsUserName ?, HostProcess ?
Profile: Type s, LocalhostProfile ?
PodSecurityContext: HostNetwork b, HostPID b, HostIPC b, ShareProcessNamespace ?, HostUsers ?, SELinuxOptions=seLinuxOptions *SELinuxOptions, WindowsOptions *WindowsOptions, RunAsUser ?, RunAsGroup ?, RunAsNonRoot ?, SupplementalGroups ?, SupplementalGroupsPolicy ?, FSGroup=fsGroup ?, FSGroupChangePolicy=fsGroupChangePolicy ?, Sysctls [Sysctl, SeccompProfile *Profile, AppArmorProfile *Profile, SELinuxChangePolicy=seLinuxChangePolicy ?
Sysctl: Name s, Value s
LocalObjectReference: Name s
Affinity: NodeAffinity *NodeAffinity, PodAffinity *PodAffinity, PodAntiAffinity *PodAffinity
NodeAffinity: RequiredDuringSchedulingIgnoredDuringExecution *NodeSelector, PreferredDuringSchedulingIgnoredDuringExecution [PreferredSchedulingTerm
NodeSelector: NodeSelectorTerms [NodeSelectorTerm
NodeSelectorTerm: MatchExpressions [NodeSelectorRequirement, MatchFields [NodeSelectorRequirement
NodeSelectorRequirement: Key s, Operator s, Values ?
PreferredSchedulingTerm: Weight i, Preference NodeSelectorTerm
PodAffinity: RequiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm, PreferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm
PodAffinityTerm: LabelSelector ?, Namespaces ?, TopologyKey s, NamespaceSelector ?, MatchLabelKeys ?, MismatchLabelKeys ?
WeightedPodAffinityTerm: Weight i, PodAffinityTerm PodAffinityTerm
Toleration: Key s, Operator s, Value s, Effect s, TolerationSeconds ?
HostAlias: IP=ip s, Hostnames ?
PodDNSConfig: Nameservers ?, Searches ?, Options [DNSOption
DNSOption: Name s, Value ?
PodReadinessGate: ConditionType s
TopologySpreadConstraint: MaxSkew i, TopologyKey s, WhenUnsatisfiable s, LabelSelector ?, MinDomains ?, NodeAffinityPolicy ?, NodeTaintsPolicy ?, MatchLabelKeys ?
PodOS: Name s
PodSchedulingGate: Name s
PodResourceClaim: Name s, ResourceClaimName ?, ResourceClaimTemplateName ?
PodSchedulingGroup: PodGroupName ?
Volume: Name s, HostPath *HostPath, EmptyDir *EmptyDir, GCEPersistentDisk=gcePersistentDisk *GCE, AWSElasticBlockStore=awsElasticBlockStore *AWS, GitRepo *GitRepo, Secret *SecretVolume, NFS=nfs *NFS, ISCSI=iscsi *ISCSI, Glusterfs *Glusterfs, PersistentVolumeClaim *Claim, RBD=rbd *RBD, Quobyte *Quobyte, FlexVolume *Flex, Cinder *Cinder, CephFS=cephfs *CephFS, Flocker *Flocker, DownwardAPI *DownwardVolume, FC=fc *FC, AzureFile *AzureFile, ConfigMap *ConfigMapVolume, VsphereVolume *Vsphere, AzureDisk *AzureDisk, PhotonPersistentDisk *Photon, Projected *Projected, PortworxVolume *Portworx, ScaleIO *ScaleIO, StorageOS=storageos *StorageOS, CSI=csi *CSI, Ephemeral *Ephemeral, Image *ImageVolume
HostPath: Path s, Type ?
EmptyDir: Medium s, SizeLimit ?
GCE: PDName=pdName s, FSType=fsType s, Partition i, ReadOnly b
AWS: VolumeID s, FSType=fsType s, Partition i, ReadOnly b
GitRepo: Repository s, Revision s, Directory s
KeyToPath: Key s, Path s, Mode ?
SecretVolume: SecretName s, Items [KeyToPath, DefaultMode ?, Optional ?
NFS: Server s, Path s, ReadOnly b
ISCSI: TargetPortal s, IQN=iqn s, Lun i, ISCSIInterface=iscsiInterface s, FSType=fsType s, ReadOnly b, Portals ?, DiscoveryCHAPAuth=chapAuthDiscovery b, SessionCHAPAuth=chapAuthSession b, SecretRef *LocalObjectReference, InitiatorName ?
Glusterfs: EndpointsName=endpoints s, Path s, ReadOnly b
Claim: ClaimName s, ReadOnly b
RBD: CephMonitors=monitors ?, RBDImage=image s, FSType=fsType s, RBDPool=pool s, RadosUser=user s, Keyring s, SecretRef *LocalObjectReference, ReadOnly b
Quobyte: Registry s, Volume s, ReadOnly b, User s, Group s, Tenant s
Flex: Driver s, FSType=fsType s, SecretRef *LocalObjectReference, ReadOnly b, Options ?
Cinder: VolumeID s, FSType=fsType s, ReadOnly b, SecretRef *LocalObjectReference
CephFS: Monitors ?, Path s, User s, SecretFile s, SecretRef *LocalObjectReference, ReadOnly b
Flocker: DatasetName s, DatasetUUID s
DownwardFile: Path s, FieldRef *ObjectFieldSelector, ResourceFieldRef *ResourceFieldSelector, Mode ?
DownwardVolume: Items [DownwardFile, DefaultMode ?
FC: TargetWWNs ?, Lun ?, FSType=fsType s, ReadOnly b, WWIDs=wwids ?
AzureFile: SecretName s, ShareName s, ReadOnly b
ConfigMapVolume: Name s, Items [KeyToPath, DefaultMode ?, Optional ?
Vsphere: VolumePath s, FSType=fsType s, StoragePolicyName s, StoragePolicyID s
AzureDisk: DiskName s, DataDiskURI=diskURI s, CachingMode ?, FSType=fsType ?, ReadOnly ?, Kind ?
Photon: PdID s, FSType=fsType s
Projected: Sources [Projection, DefaultMode ?
Projection: Secret *ProjectedItems, DownwardAPI *DownwardItems, ConfigMap *ProjectedItems, ServiceAccountToken *TokenProjection, ClusterTrustBundle *BundleProjection, PodCertificate *CertificateProjection
ProjectedItems: Name s, Items [KeyToPath, Optional ?
DownwardItems: Items [DownwardFile
TokenProjection: Audience s, ExpirationSeconds i, Path s
BundleProjection: Name ?, SignerName ?, LabelSelector ?, Optional ?, Path s
CertificateProjection: SignerName s, KeyType s, MaxExpirationSeconds ?, CredentialBundlePath s, KeyPath s, CertificateChainPath s, UserAnnotations ?
Portworx: VolumeID s, FSType=fsType s, ReadOnly b
ScaleIO: Gateway s, System s, SecretRef *LocalObjectReference, SSLEnabled=sslEnabled b, ProtectionDomain s, StoragePool s, StorageMode s, VolumeName s, FSType=fsType s, ReadOnly b
StorageOS: VolumeName s, VolumeNamespace s, FSType=fsType s, ReadOnly b, SecretRef *LocalObjectReference
CSI: Driver s, ReadOnly ?, FSType=fsType ?, VolumeAttributes ?, NodePublishSecretRef *LocalObjectReference
Ephemeral: VolumeClaimTemplate ?
ImageVolume: Reference s, PullPolicy s
";

/// What a field holds.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bool,
    Integer,
    Quantity,
    Raw,
    Struct(&'static str),
    Pointer(&'static str),
    List(&'static str),
    Inline(&'static str),
}

struct Field {
    go: &'static str,
    json: String,
    kind: Kind,
}

static STRUCTS: LazyLock<HashMap<&'static str, Vec<Field>>> = LazyLock::new(|| {
    let line = |line: &'static str| {
        let (name, fields) = line.split_once(": ")?;
        Some((name, fields.split(", ").filter_map(field).collect()))
    };
    TABLE.lines().filter_map(line).collect()
});

fn field(text: &'static str) -> Option<Field> {
    if let Some(of) = text.strip_prefix('^') {
        return Some(Field {
            go: "",
            json: String::new(),
            kind: Kind::Inline(of),
        });
    }
    let (names, kind) = text.split_once(' ')?;
    let (go, json) = match names.split_once('=') {
        Some((go, json)) => (go, json.to_owned()),
        None => (
            names,
            format!("{}{}", names[..1].to_lowercase(), &names[1..]),
        ),
    };
    let kind = match kind {
        "s" => Kind::Text,
        "b" => Kind::Bool,
        "i" => Kind::Integer,
        "q" => Kind::Quantity,
        "?" => Kind::Raw,
        other => match other.split_at(1) {
            ("*", of) => Kind::Pointer(of),
            ("[", of) => Kind::List(of),
            _ => Kind::Struct(other),
        },
    };
    Some(Field { go, json, kind })
}

/// The struct `name` filled from `value`, on one line: `{"Capabilities":null,…}`.
pub(super) fn compact(name: &'static str, value: &Value) -> Value {
    structure(name, value)
}

/// A whole Pod spec, indented.
pub(super) fn pod_spec(spec: &Value) -> String {
    // The internal type keeps the host namespaces in the security context.
    let mut spec = spec.clone();
    let moved: Vec<(&str, Option<Value>)> = [
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "shareProcessNamespace",
        "hostUsers",
    ]
    .into_iter()
    .map(|field| (field, spec.get(field).cloned()))
    .collect();
    if let Some(context) = spec
        .get_mut("securityContext")
        .and_then(Value::as_object_mut)
    {
        for (field, value) in moved {
            if let Some(value) = value {
                context.insert(field.to_owned(), value);
            }
        }
    }
    print(&structure("PodSpec", &spec))
}

/// One ephemeral container, indented.
pub(super) fn ephemeral_container(container: &Value) -> String {
    print(&structure("EphemeralContainer", container))
}

fn structure(name: &'static str, value: &Value) -> Value {
    let mut out = serde_json::Map::new();
    fields(name, value, &mut out);
    Value::Object(out)
}

fn fields(name: &'static str, value: &Value, out: &mut serde_json::Map<String, Value>) {
    for field in STRUCTS.get(name).into_iter().flatten() {
        let held = &value[field.json.as_str()];
        let printed = match field.kind {
            Kind::Inline(of) => {
                fields(of, value, out);
                continue;
            }
            Kind::Text if held.is_null() => "".into(),
            Kind::Bool if held.is_null() => false.into(),
            Kind::Integer if held.is_null() => 0.into(),
            Kind::Quantity if held.is_null() => "0".into(),
            Kind::Text | Kind::Bool | Kind::Integer | Kind::Quantity | Kind::Raw => held.clone(),
            Kind::Pointer(_) | Kind::List(_) if held.is_null() => Value::Null,
            Kind::Pointer(of) | Kind::Struct(of) => structure(of, held),
            Kind::List(of) => held
                .as_array()
                .into_iter()
                .flatten()
                .map(|item| structure(of, item))
                .collect(),
        };
        out.insert(field.go.to_owned(), printed);
    }
}

/// `json.MarshalIndent(value, "", " ")`.
fn print(value: &Value) -> String {
    use serde::Serialize as _;
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // Writing a value to memory cannot fail.
    if value.serialize(&mut serializer).is_err() {
        return String::new();
    }
    let text = String::from_utf8(out).unwrap_or_default();
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_struct_that_the_table_names_is_in_it() {
        for (name, fields) in STRUCTS.iter() {
            for field in fields {
                if let Kind::Inline(of) | Kind::List(of) | Kind::Pointer(of) | Kind::Struct(of) =
                    field.kind
                {
                    assert!(STRUCTS.contains_key(of), "{name}.{}: {of}", field.go);
                }
            }
        }
    }

    #[test]
    fn a_security_context_is_printed_under_its_go_names() {
        let value = serde_json::json!({"privileged": true, "allowPrivilegeEscalation": false});
        assert_eq!(
            compact("SecurityContext", &value).to_string(),
            "{\"Capabilities\":null,\"Privileged\":true,\"SELinuxOptions\":null,\"WindowsOptions\":null,\"RunAsUser\":null,\
             \"RunAsGroup\":null,\"RunAsNonRoot\":null,\"ReadOnlyRootFilesystem\":null,\"AllowPrivilegeEscalation\":false,\
             \"ProcMount\":null,\"SeccompProfile\":null,\"AppArmorProfile\":null}"
        );
    }
}
