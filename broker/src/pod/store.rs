//! The last good policy on the pod's volume, to start from when the API server or the operator is away.
//!
//! ```text
//! <data>/policy/manifest.json       the manifest that was in force; written last, and by its rename the rest counts
//!               certificates.json   certificates and keys of the listeners
//!               shards/<sha256>.zst the shards, packed, by the digest of their content
//! ```
//! Files are written beside their names, synced and renamed, so that each is the old or the new one whenever the power
//! fails. Nothing that a manifest on the volume names is removed before the next manifest is there to stay.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use moat_crds::compile::TlsMaterial;
use moat_crds::delivery::{
    Manifest, ManifestError, ReportProblem, SHARD_BYTES_MAX, UnpackError, pack, unpack,
};
use moat_policy::{Bundle, BundleError, Digest, SecretString};
use serde::{Deserialize, Serialize};

const MANIFEST: &str = "manifest.json";
const CERTIFICATES: &str = "certificates.json";
const SHARDS: &str = "shards";
/// No other file is larger: an object of Kubernetes holds a mebibyte.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What was in force.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    pub(super) manifest: Manifest,
    pub(super) bundle: Bundle,
    /// By listener.
    pub(super) certificates: BTreeMap<String, TlsMaterial>,
}

/// What a volume holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The manifest that was in force, and its bundle.
    pub(super) policy: Option<(Manifest, Bundle)>,
    /// By listener.
    pub(super) certificates: BTreeMap<String, TlsMaterial>,
    /// Why something of this is not there.
    pub(super) problems: Vec<StoreError>,
}

/// Why the volume does not hold, or does not take, what was in force.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    /// The manifest is none.
    #[error("{path}: {source}")]
    Manifest { path: PathBuf, source: ManifestError },
    /// Everything is another cluster's.
    #[error("{path} belongs to the cluster with uid {found}, and this pod to {expected}")]
    Foreign { path: PathBuf, found: String, expected: String },
    /// A shard is not what its name says.
    #[error("{path}: {source}")]
    Shard { path: PathBuf, source: UnpackError },
    /// The shards are no policy.
    #[error("the shards in {path} are no policy: {source}")]
    Bundle { path: PathBuf, source: BundleError },
    /// The shards are another policy than the manifest names.
    #[error("the shards in {path} are not the policy that the manifest names")]
    Mismatch { path: PathBuf },
    /// The certificates cannot be read as such. What exactly is wrong is not said: it might quote a key.
    #[error("{path} is no file of certificates, from its line {line} and column {column} on")]
    Certificates { path: PathBuf, line: usize, column: usize },
    /// A file cannot be written.
    #[error(
        "{path} cannot be written: {source}; the policy is enforced, but a restart without the API server would fall back: \
         give the volume room and let user 65532 write to it"
    )]
    Unwritable { path: PathBuf, source: io::Error },
}

impl StoreError {
    /// For the report.
    pub(super) fn to_problem(&self) -> ReportProblem {
        ReportProblem { reason: "VolumeUnwritable".to_owned(), message: self.to_string() }
    }
}

/// A listener's certificate in its file.
#[derive(Serialize, Deserialize)]
struct CertificateFile<S> {
    #[serde(rename = "tls.crt")]
    chain: S,
    #[serde(rename = "tls.key")]
    key: S,
    #[serde(rename = "ca.crt", skip_serializing_if = "Option::is_none")]
    client_ca: Option<S>,
}

/// The folder on the volume.
pub(super) struct Store {
    dir: PathBuf,
    /// Shards that are there and whole.
    shards: HashSet<Digest>,
    /// What the file of certificates holds; none if that is not known.
    certificates: Option<BTreeMap<String, TlsMaterial>>,
}

impl Store {
    /// The store on the volume that is mounted at `data`.
    pub(super) fn new(data: &Path) -> Self {
        Self { dir: data.join("policy"), shards: HashSet::new(), certificates: None }
    }

    /// Reads what was in force, of the cluster with `uid` if that is known. What cannot be used is named.
    pub(super) fn read(&mut self, uid: Option<&str>) -> Found {
        let mut found = Found::default();
        let manifest = match self.read_manifest(uid) {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return found,
            Err(error) => {
                found.problems.push(error);
                return found;
            }
        };
        match self.read_bundle(&manifest) {
            Ok(bundle) => found.policy = Some((manifest, bundle)),
            Err(error) => found.problems.push(error),
        }
        match self.read_certificates() {
            Ok(certificates) => {
                found.certificates.clone_from(&certificates);
                self.certificates = Some(certificates);
            }
            Err(error) => found.problems.push(error),
        }
        found
    }

    fn read_manifest(&self, uid: Option<&str>) -> Result<Option<Manifest>, StoreError> {
        let path = self.dir.join(MANIFEST);
        let Some(json) = read_if_there(&path, FILE_BYTES_MAX)? else { return Ok(None) };
        let json = String::from_utf8_lossy(&json);
        let manifest =
            Manifest::read(&json).map_err(|source| StoreError::Manifest { path: path.clone(), source })?;
        match uid {
            Some(expected) if manifest.cluster != expected => {
                Err(StoreError::Foreign { path, found: manifest.cluster, expected: expected.to_owned() })
            }
            _ => Ok(Some(manifest)),
        }
    }

    fn read_bundle(&mut self, manifest: &Manifest) -> Result<Bundle, StoreError> {
        let mut contents = Vec::with_capacity(manifest.shards.len());
        for shard in manifest.shards.values() {
            let path = self.shard_path(shard.digest);
            let packed = read(&path, SHARD_BYTES_MAX as u64 + 1)?;
            let json = unpack(&packed, shard.digest).map_err(|source| StoreError::Shard { path, source })?;
            self.shards.insert(shard.digest);
            contents.push(json);
        }
        let path = || self.dir.join(SHARDS);
        let bundle = Bundle::from_shards(contents.iter().map(Vec::as_slice))
            .map_err(|source| StoreError::Bundle { path: path(), source })?;
        if bundle.digest() != manifest.digest {
            return Err(StoreError::Mismatch { path: path() });
        }
        Ok(bundle)
    }

    fn read_certificates(&self) -> Result<BTreeMap<String, TlsMaterial>, StoreError> {
        let path = self.dir.join(CERTIFICATES);
        let Some(json) = read_if_there(&path, FILE_BYTES_MAX)? else { return Ok(BTreeMap::new()) };
        let files: BTreeMap<String, CertificateFile<String>> = serde_json::from_slice(&json)
            .map_err(|error| StoreError::Certificates { path, line: error.line(), column: error.column() })?;
        let material = |file: CertificateFile<String>| TlsMaterial {
            certificate_chain: SecretString::new(file.chain),
            private_key: SecretString::new(file.key),
            client_ca: file.client_ca.map(SecretString::new),
        };
        Ok(files.into_iter().map(|(listener, file)| (listener, material(file))).collect())
    }

    /// Writes what is in force, and removes what was before.
    ///
    /// # Errors
    /// When the volume does not take it; what it held stays whole.
    pub(super) fn write(&mut self, saved: &Saved) -> Result<(), StoreError> {
        let shards = self.dir.join(SHARDS);
        make_folder(&self.dir)?;
        make_folder(&shards)?;
        let mut added = false;
        for shard in saved.bundle.shards() {
            let digest = shard.digest();
            if self.shards.contains(&digest) {
                continue;
            }
            let path = self.shard_path(digest);
            let packed = pack(&shard.to_json())
                .map_err(|source| StoreError::Unwritable { path: path.clone(), source })?;
            replace(&path, &packed)?;
            self.shards.insert(digest);
            added = true;
        }
        if added {
            sync_folder(&shards)?;
        }
        if self.certificates.as_ref() != Some(&saved.certificates) {
            self.certificates = None;
            replace(&self.dir.join(CERTIFICATES), &certificates_json(&saved.certificates))?;
            sync_folder(&self.dir)?;
            self.certificates = Some(saved.certificates.clone());
        }
        replace(&self.dir.join(MANIFEST), saved.manifest.to_json().as_bytes())?;
        sync_folder(&self.dir)?;
        self.sweep(&saved.manifest);
        Ok(())
    }

    /// Removes the shards that a manifest does not name, and files that were never finished. What cannot be removed now
    /// is tried again after the next write.
    fn sweep(&mut self, manifest: &Manifest) {
        let kept: HashSet<Digest> = manifest.shards.values().map(|shard| shard.digest).collect();
        let names: HashSet<String> = kept.iter().map(|digest| shard_file(*digest)).collect();
        let Ok(entries) = fs::read_dir(self.dir.join(SHARDS)) else { return };
        for entry in entries.flatten() {
            if !entry.file_name().to_str().is_some_and(|name| names.contains(name)) {
                let _ = fs::remove_file(entry.path());
            }
        }
        self.shards.retain(|digest| kept.contains(digest));
    }

    fn shard_path(&self, digest: Digest) -> PathBuf {
        self.dir.join(SHARDS).join(shard_file(digest))
    }
}

fn shard_file(digest: Digest) -> String {
    format!("{}.zst", digest.to_string().trim_start_matches("sha256:"))
}

fn certificates_json(certificates: &BTreeMap<String, TlsMaterial>) -> Vec<u8> {
    let files: BTreeMap<&str, CertificateFile<&str>> = certificates
        .iter()
        .map(|(listener, material)| {
            let file = CertificateFile {
                chain: material.certificate_chain.expose(),
                key: material.private_key.expose(),
                client_ca: material.client_ca.as_ref().map(SecretString::expose),
            };
            (listener.as_str(), file)
        })
        .collect();
    // Texts by texts: cannot fail.
    serde_json::to_vec(&files).unwrap_or_default()
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max).read_to_end(&mut bytes))
        .map_err(|source| StoreError::Unreadable { path: path.to_owned(), source })?;
    Ok(bytes)
}

fn read_if_there(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, StoreError> {
    match read(path, bytes_max) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StoreError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a folder that only this user may enter.
fn make_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| StoreError::Unwritable { path: path.to_owned(), source })
}

/// Gives `path` a new content at once, or leaves the old one.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let beside = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| {
        // On a full volume the half-written file must not take the room that is left.
        let _ = fs::remove_file(&beside);
        StoreError::Unwritable { path: path.to_owned(), source }
    })
}

/// Makes the names in a folder last.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| StoreError::Unwritable { path: path.to_owned(), source })
}
