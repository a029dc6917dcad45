//! The key of the salts, and the verifiers that are in force already.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PostParams};
use moat_crds::delivery::{Manifest, names, unpack};
use moat_policy::Bundle;
use moat_policy::bundle::Family;

use super::error::Problem;
use crate::passwords::{InForce, KEY_BYTES, SaltKey};

/// The Secret in the operator's own namespace.
const SECRET: &str = "moat-operator-key";
/// Its key.
const KEY: &str = "salt.key";

/// Reads the key, or makes it at the first start.
pub(super) async fn key(client: &kube::Client, namespace: &str) -> Result<SaltKey, Problem> {
    let api = Api::<Secret>::namespaced(client.clone(), namespace);
    let problem =
        |verb: &str, error: &kube::Error| Problem::of(format!("{verb} Secret {namespace}/{SECRET}"), error);
    if let Some(found) = api.get_opt(SECRET).await.map_err(|error| problem("read", &error))? {
        return usable(found);
    }
    let bytes: [u8; KEY_BYTES] = rand::random();
    let secret = Secret {
        metadata: ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(bytes.to_vec()))])),
        ..Secret::default()
    };
    match api.create(&PostParams::default(), &secret).await {
        Ok(made) => usable(made),
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            usable(api.get(SECRET).await.map_err(|error| problem("read", &error))?)
        }
        Err(error) => Err(problem("create", &error)),
    }
}

fn usable(secret: Secret) -> Result<SaltKey, Problem> {
    let bytes = secret.data.and_then(|mut data| data.remove(KEY)).map(|bytes| bytes.0).unwrap_or_default();
    let bytes = bytes.try_into().map_err(|_| {
        let what = format!("key {KEY} must have {KEY_BYTES} bytes; delete the Secret, and a new one is made");
        Problem::internal(&format!("use Secret {SECRET}"), &what)
    })?;
    Ok(SaltKey::new(bytes))
}

/// The verifiers of a cluster's bundle, as far as it can be read: what cannot is computed again.
pub(super) async fn in_force(client: &kube::Client, namespace: &str, cluster: &str) -> InForce {
    let manifest =
        Api::<ConfigMap>::namespaced(client.clone(), namespace).get_opt(&names::manifest(cluster)).await;
    let text = manifest.ok().flatten().and_then(|found| found.data?.remove(names::MANIFEST_KEY));
    let Some(manifest) = text.and_then(|text| Manifest::read(&text).ok()) else { return InForce::default() };
    let api = Api::<Secret>::namespaced(client.clone(), namespace);
    let mut shards = Vec::new();
    for (shard, at) in manifest.shards.iter().filter(|(shard, _)| shard.family == Family::Secret) {
        let found = api.get_opt(&names::shard(cluster, shard, at.slot)).await.ok().flatten();
        let packed = found.and_then(|found| found.data?.remove(names::SHARD_KEY));
        shards.extend(packed.and_then(|packed| unpack(&packed.0, at.digest).ok()));
    }
    let bundle = Bundle::from_shards(shards.iter().map(Vec::as_slice));
    bundle.map(|bundle| InForce::of(&bundle)).unwrap_or_default()
}
