//! The files of a volume that the API fills: path to content and mode.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeFile, DownwardAPIVolumeSource, KeyToPath,
    ProjectedVolumeSource, SecretVolumeSource, ServiceAccountTokenProjection, VolumeProjection,
};

use super::{Setup, Token, VolumeFault};
use crate::objects::ObjectError;
use crate::pod::fields;

/// Mode of files where nothing else is said.
const DEFAULT_MODE: i32 = 0o644;

/// Files by their path below the volume.
pub type Payload = BTreeMap<String, File>;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Content.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

type Data = BTreeMap<String, Vec<u8>>;

/// A `configMap` volume.
pub async fn config_map(
    setup: &Setup<'_>,
    source: &ConfigMapVolumeSource,
) -> Result<Payload, VolumeFault> {
    let data = config_map_data(setup, &source.name, source.optional == Some(true)).await?;
    let optional = source.optional == Some(true);
    keys(
        &data,
        source.items.as_ref(),
        optional,
        source.default_mode.unwrap_or(DEFAULT_MODE),
    )
}

/// A `secret` volume.
pub async fn secret(
    setup: &Setup<'_>,
    source: &SecretVolumeSource,
) -> Result<Payload, VolumeFault> {
    let optional = source.optional == Some(true);
    let data = secret_data(
        setup,
        source.secret_name.as_deref().unwrap_or_default(),
        optional,
    )
    .await?;
    keys(
        &data,
        source.items.as_ref(),
        optional,
        source.default_mode.unwrap_or(DEFAULT_MODE),
    )
}

/// A `downwardAPI` volume.
pub fn downward(
    setup: &Setup<'_>,
    source: &DownwardAPIVolumeSource,
) -> Result<Payload, VolumeFault> {
    downward_items(
        setup,
        source.items.as_ref(),
        source.default_mode.unwrap_or(DEFAULT_MODE),
    )
}

/// A `projected` volume.
pub async fn projected(
    setup: &mut Setup<'_>,
    volume: &str,
    source: &ProjectedVolumeSource,
) -> Result<Payload, VolumeFault> {
    let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
    let mut out = Payload::new();
    for projection in source.sources.iter().flatten() {
        out.extend(projection_of(setup, volume, projection, mode).await?);
    }
    Ok(out)
}

async fn projection_of(
    setup: &mut Setup<'_>,
    volume: &str,
    projection: &VolumeProjection,
    mode: i32,
) -> Result<Payload, VolumeFault> {
    if let Some(source) = &projection.config_map {
        let optional = source.optional == Some(true);
        let data = config_map_data(setup, &source.name, optional).await?;
        return keys(&data, source.items.as_ref(), optional, mode);
    }
    if let Some(source) = &projection.secret {
        let optional = source.optional == Some(true);
        let data = secret_data(setup, &source.name, optional).await?;
        return keys(&data, source.items.as_ref(), optional, mode);
    }
    if let Some(source) = &projection.downward_api {
        return downward_items(setup, source.items.as_ref(), mode);
    }
    if let Some(source) = &projection.service_account_token {
        let token = token(setup, volume, source).await?;
        return Ok(Payload::from([(
            source.path.clone(),
            file(token.into_bytes(), mode),
        )]));
    }
    Err(VolumeFault::Unsupported)
}

fn file(bytes: Vec<u8>, mode: i32) -> File {
    File {
        bytes,
        mode: u32::try_from(mode).unwrap_or(0o644) & 0o777,
    }
}

async fn config_map_data(
    setup: &Setup<'_>,
    name: &str,
    optional: bool,
) -> Result<Data, VolumeFault> {
    let namespace = setup.pod.metadata.namespace.as_deref().unwrap_or_default();
    let Some(object) = setup.objects.config_map(namespace, name).await? else {
        return absent("configmap", name, optional);
    };
    let text = object
        .data
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.into_bytes()));
    let binary = object
        .binary_data
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.0));
    Ok(text.chain(binary).collect())
}

async fn secret_data(setup: &Setup<'_>, name: &str, optional: bool) -> Result<Data, VolumeFault> {
    let namespace = setup.pod.metadata.namespace.as_deref().unwrap_or_default();
    let Some(object) = setup.objects.secret(namespace, name).await? else {
        return absent("secret", name, optional);
    };
    Ok(object
        .data
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.0))
        .collect())
}

fn absent(kind: &'static str, name: &str, optional: bool) -> Result<Data, VolumeFault> {
    if optional {
        Ok(Data::new())
    } else {
        Err(ObjectError::NotFound {
            kind,
            name: name.to_owned(),
        }
        .into())
    }
}

/// All keys, or those that `items` chooses.
fn keys(
    data: &Data,
    items: Option<&Vec<KeyToPath>>,
    optional: bool,
    mode: i32,
) -> Result<Payload, VolumeFault> {
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return Ok(data
            .iter()
            .map(|(key, bytes)| (key.clone(), file(bytes.clone(), mode)))
            .collect());
    };
    let mut out = Payload::new();
    for item in items {
        match data.get(&item.key) {
            Some(bytes) => {
                out.insert(
                    item.path.clone(),
                    file(bytes.clone(), item.mode.unwrap_or(mode)),
                );
            }
            None if optional => {}
            None => {
                let text = format!("references non-existent config key: {}", item.key);
                return Err(VolumeFault::Content(text));
            }
        }
    }
    Ok(out)
}

fn downward_items(
    setup: &Setup<'_>,
    items: Option<&Vec<DownwardAPIVolumeFile>>,
    mode: i32,
) -> Result<Payload, VolumeFault> {
    let mut out = Payload::new();
    for item in items.into_iter().flatten() {
        let value = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => {
                fields::field(setup.pod, setup.node, setup.pod_ips, &field.field_path)
            }
            (None, Some(selector)) => fields::resource(
                setup.pod,
                setup.node,
                &k8s_openapi::api::core::v1::Container::default(),
                selector,
            ),
            (None, None) => continue,
        };
        let value = value.map_err(|error| VolumeFault::Content(error.to_string()))?;
        out.insert(
            item.path.clone(),
            file(value.into_bytes(), item.mode.unwrap_or(mode)),
        );
    }
    Ok(out)
}

/// The token of the Pod's service account, bound to the Pod; asked for again when most of its life is over.
async fn token(
    setup: &mut Setup<'_>,
    volume: &str,
    source: &ServiceAccountTokenProjection,
) -> Result<String, VolumeFault> {
    let key = (volume.to_owned(), source.path.clone());
    if let Some(token) = setup
        .tokens
        .get(&key)
        .filter(|token| setup.now < token.renew_at)
    {
        return Ok(token.token.clone());
    }
    let seconds = source.expiration_seconds.unwrap_or(3600);
    let made = setup
        .objects
        .token(setup.pod, source.audience.as_deref(), seconds)
        .await?;
    let renew_at = setup.now + jiff::SignedDuration::from_secs(seconds * 4 / 5);
    setup.tokens.insert(
        key,
        Token {
            token: made.clone(),
            renew_at,
        },
    );
    Ok(made)
}
