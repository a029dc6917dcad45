//! The volume of a new cluster cannot be had: the status says why, and it heals once the volume can be had.

use std::fs;

use anyhow::{Context, Result, ensure};
use moat_e2e::kube::Kubernetes;

use crate::fleet::Fleet;

#[test]
fn a_claim_that_cannot_be_bound_is_told_and_bound_once_it_can() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let Some(instance) = kubernetes.instance() else { return Ok(()) };
    let fleet = Fleet::prepare(kubernetes, "claim")?;
    // No class of this name exists.
    let class = fleet.to_string();
    fleet.apply(&Fleet::yaml(&format!("  storage: {{ storageClassName: {class} }}\n")))?;
    let message = fleet.unready("VolumeNotBound")?;
    ensure!(message.contains("pvc data-story-0"), "it says where more is said: {message}");
    ensure!(message.contains("make a StorageClass"), "the way out is told: {message}");

    // Beside a volume that is there already.
    let beside = kubernetes.get("pv", "node-0-0", "")?;
    let beside = beside["spec"]["local"]["path"].as_str().context("a volume is a folder of its node")?;
    let (volumes, _) = beside.rsplit_once('/').context("which lies in a folder")?;
    fs::create_dir_all(instance.folder().join("node-0/volumes").join(&class))?;
    kubernetes.apply(&format!(
        "apiVersion: v1
kind: PersistentVolume
metadata: {{ name: {class} }}
spec:
  capacity: {{ storage: 1Gi }}
  accessModes: [ReadWriteOnce]
  storageClassName: {class}
  local: {{ path: {volumes}/{class} }}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [ {{ key: kubernetes.io/hostname, operator: In, values: [node-0] }} ]
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{ name: {class} }}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
"
    ))?;
    fleet.ready()?;
    fleet.resident()?.lives_on()
}
