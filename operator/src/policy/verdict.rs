//! What there is to say about one resource: what its status is made of.

use std::sync::Arc;

use moat_crds::compile::{Kind, Problem, Reason, ResourceKey, Severity, State, Version};

/// Messages longer than this are not lengthened by further findings, which are counted instead.
const ENOUGH: usize = 800;

/// What there is to say about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which version of it this is about.
    pub version: Version,
    /// Whether it can be used, with all that it names.
    pub accepted: Accepted,
    /// What works, but probably not as its author meant; `None` when there is nothing of the kind.
    pub warning: Option<String>,
    /// Whose policy it is in.
    pub serving: Serving,
}

/// Whether a resource can be used, with all that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It can.
    Yes,
    /// It cannot, or a part of it cannot.
    No {
        /// The weightiest reason.
        reason: Reason,
        /// What is wrong, and what to do about it.
        message: String,
        /// Whether it must be changed; else it heals when what it names appears.
        terminal: bool,
    },
}

/// Whose policy a resource is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serving {
    /// That of these clusters; at least one.
    Clusters(Vec<Arc<str>>),
    /// Nobody's, because nothing lists it, which is no mistake: a Permission.
    Unused,
    /// Nobody's, because what it belongs to is not there or not in force; the text says what to do.
    Nobody(String),
    /// That of these clusters; but its password is being hashed, and until then it lets no one in.
    Hashing(Vec<Arc<str>>),
}

impl Verdict {
    pub(super) fn of(key: &ResourceKey, state: State<'_>) -> Self {
        let State { version, problems, clusters, is_named, is_wanted } = state;
        let (errors, warnings): (Vec<_>, Vec<_>) =
            problems.iter().partition(|problem| problem.severity == Severity::Error);
        let clusters: Vec<_> = clusters.into_iter().map(|cluster| cluster.name).collect();
        let serving = match key.kind {
            _ if is_wanted => Serving::Hashing(clusters),
            _ if !clusters.is_empty() => Serving::Clusters(clusters),
            Kind::Permission if !is_named => Serving::Unused,
            kind => Serving::Nobody(nobody(kind)),
        };
        Self {
            version: version.clone(),
            accepted: accepted(&errors),
            warning: (!warnings.is_empty()).then(|| told(&warnings)),
            serving,
        }
    }

    /// The clusters whose policy it is in.
    #[must_use]
    pub fn clusters(&self) -> &[Arc<str>] {
        match &self.serving {
            Serving::Clusters(clusters) | Serving::Hashing(clusters) => clusters,
            Serving::Unused | Serving::Nobody(_) => &[],
        }
    }
}

fn accepted(errors: &[&Problem]) -> Accepted {
    let Some(first) = errors.iter().find(|error| is_terminal(error.reason)).or(errors.first()) else {
        return Accepted::Yes;
    };
    let terminal = is_terminal(first.reason);
    // What must be changed is said first: what is missing may come by itself.
    let mut errors = errors.to_vec();
    errors.sort_by_key(|error| error.reason != first.reason);
    Accepted::No { reason: first.reason, message: told(&errors), terminal }
}

/// Whether a resource with this problem must be changed, or what it clashes with.
const fn is_terminal(reason: Reason) -> bool {
    match reason {
        Reason::Invalid | Reason::TooLarge | Reason::Conflict | Reason::SecretInvalid => true,
        Reason::RefNotFound
        | Reason::ListenerNotFound
        | Reason::RealmDisabled
        | Reason::NoPipeline
        | Reason::SecretNotFound
        | Reason::SecretNotLabelled
        | Reason::SecretSuspicious
        | Reason::ClusterNotFound => false,
    }
}

/// Several findings as one message.
fn told(problems: &[&Problem]) -> String {
    let mut message = String::new();
    for (i, problem) in problems.iter().enumerate() {
        if message.len() > ENOUGH {
            message.push_str(&format!("; and {} more", problems.len() - i));
            break;
        }
        if i > 0 {
            message.push_str("; ");
        }
        // The messages of broken rules begin with the field, as the API server writes them.
        if !problem.field.is_empty() && !problem.message.starts_with(&problem.field) {
            message.push_str(&problem.field);
            message.push_str(": ");
        }
        message.push_str(&problem.message);
    }
    message
}

fn nobody(kind: Kind) -> String {
    let text = match kind {
        Kind::Role | Kind::Credential => {
            "the Realm that it names belongs to no MqttCluster in force: see what that Realm says"
        }
        Kind::Permission => "none of the Roles and Credentials that list it is in force: see what they say",
        Kind::MqttCluster | Kind::Realm | Kind::Pipeline | Kind::Secret => "it is not in force",
    };
    text.to_owned()
}
