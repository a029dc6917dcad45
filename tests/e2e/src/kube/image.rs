//! The image of Moat, built by the repository's own Dockerfile.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use super::Kubernetes;
use crate::programs;

/// An image that pods can be made of.
#[derive(Clone, Debug)]
pub struct Image {
    /// Name without the tag, such as `localhost/moat`.
    pub repository: String,
    /// Tag: Moat's version.
    pub tag: String,
    /// The docker archive that holds it; none if it is to be pulled.
    pub archive: Option<PathBuf>,
    /// Size of the archive in bytes; zero if it is to be pulled.
    pub bytes: u64,
}

impl Image {
    /// Builds the image if a source has changed since, once per test program. `MOAT_E2E_IMAGE` names another one,
    /// and `MOAT_E2E_ARCHIVE` the docker archive that holds it, unless nodes can pull it.
    ///
    /// # Errors
    ///
    /// When it does not build; the message holds the compiler's words.
    pub fn build() -> Result<&'static Self> {
        static BUILT: OnceLock<Result<Image, String>> = OnceLock::new();
        let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
        built.as_ref().map_err(|error| anyhow::Error::msg(error.clone()))
    }

    fn named(name: &str) -> Result<Self> {
        let (repository, tag) = name.rsplit_once(':').context("an image has a name and a tag")?;
        Ok(Self { repository: repository.to_owned(), tag: tag.to_owned(), archive: None, bytes: 0 })
    }
}

fn build() -> Result<Image> {
    if let Ok(name) = env::var("MOAT_E2E_IMAGE") {
        let archive = env::var_os("MOAT_E2E_ARCHIVE").map(PathBuf::from);
        return Ok(Image { archive, ..Image::named(&name).context("MOAT_E2E_IMAGE")? });
    }
    programs::debian("buildah", "buildah")?;
    let output = Command::new(programs::repository().join("tests/e2e/kubernetes/image"))
        .arg(programs::cache()?.join("image"))
        .stdin(Stdio::null())
        .output()
        .context("failed to run tests/e2e/kubernetes/image")?;
    ensure!(
        output.status.success(),
        "failed to build the image of Moat:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let output = String::from_utf8(output.stdout)?;
    let [name, archive, bytes] = output.split_whitespace().collect::<Vec<_>>()[..] else {
        anyhow::bail!("tests/e2e/kubernetes/image printed {output:?}");
    };
    Ok(Image { archive: Some(PathBuf::from(archive)), bytes: bytes.parse()?, ..Image::named(name)? })
}

impl Kubernetes {
    /// Builds Moat's image and makes it known to every node, once.
    ///
    /// # Errors
    ///
    /// When it does not build, or a node does not take it.
    pub fn moat(&self) -> Result<&'static Image> {
        let image = Image::build()?;
        if let Some(archive) = &image.archive {
            let load = || self.load_image(archive).map_err(|error| format!("{error:#}"));
            self.image.get_or_init(load).clone().map_err(anyhow::Error::msg)?;
        }
        Ok(image)
    }
}
