//! Disks for claims: local volumes made beforehand, which honour `fsGroup` as a cloud's do and stay on their node.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};

use super::Kubernetes;
use super::plan::inside;

/// The default class; its volumes are bound when a pod that wants them is scheduled.
const CLASS: &str = "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: local
  annotations: { storageclass.kubernetes.io/is-default-class: \"true\" }
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
";

impl Kubernetes {
    /// Makes the default StorageClass and, on every node, this many volumes of 100 GiB (in name only). A cluster that
    /// was there already has a default class of its own.
    ///
    /// # Errors
    ///
    /// When the API server refuses them.
    pub fn volumes(&self, per_node: u32) -> Result<()> {
        let Some(instance) = &self.instance else { return Ok(()) };
        let mut yaml = CLASS.to_owned();
        for node in 0..instance.nodes() {
            for volume in 0..per_node {
                let name = format!("node-{node}-{volume}");
                let folder = format!("node-{node}/volumes/{volume}");
                fs::create_dir_all(instance.folder().join(&folder)).context("failed to make a volume")?;
                // Writing to a string cannot fail.
                let _ = write!(
                    yaml,
                    "---
apiVersion: v1
kind: PersistentVolume
metadata: {{ name: {name} }}
spec:
  capacity: {{ storage: 100Gi }}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: local
  local: {{ path: {} }}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [ {{ key: kubernetes.io/hostname, operator: In, values: [node-{node}] }} ]
",
                    inside(&folder).display()
                );
            }
        }
        self.apply(&yaml).map(drop)
    }
}
