//! What the API server's refusals mean, and what to do about them.

use kube::core::Status;

/// A write or read that did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What kind of refusal it is.
    pub(crate) cause: Cause,
    /// What was tried, such as `apply Secret iot/fleet-pods`.
    pub(crate) action: String,
    /// What the API server said.
    pub(crate) detail: String,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// An object of ours' name belongs to someone else.
    NameConflict,
    /// A quota of the namespace is used up.
    QuotaExceeded,
    /// The operator's ClusterRole does not allow it.
    Forbidden,
    /// The API server finds the object invalid, or a policy of the cluster refuses it.
    Refused,
    /// The namespace is being deleted, or is gone.
    NamespaceTerminating,
    /// Someone else wrote first.
    Outdated,
    /// The API server cannot be reached or is overloaded.
    ApiUnreachable,
    /// Certificates or packed content could not be made.
    Internal,
}

impl Cause {
    /// A stable word for conditions, events and metrics.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::NameConflict => "NameConflict",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::Forbidden => "Forbidden",
            Self::Refused => "Refused",
            Self::NamespaceTerminating => "NamespaceTerminating",
            Self::Outdated => "Outdated",
            Self::ApiUnreachable => "ApiUnreachable",
            Self::Internal => "Internal",
        }
    }

    /// Whether a person has to do something before it can work.
    pub(crate) const fn needs_a_person(self) -> bool {
        matches!(self, Self::NameConflict | Self::QuotaExceeded | Self::Forbidden | Self::Refused)
    }
}

impl Problem {
    /// What a call to the API server came to.
    pub(crate) fn of(action: impl Into<String>, error: &kube::Error) -> Self {
        let (cause, detail) = match error {
            kube::Error::Api(status) => (cause_of(status), status.message.clone()),
            other => (Cause::ApiUnreachable, other.to_string()),
        };
        Self { cause, action: action.into(), detail }
    }

    /// An object that is not ours has a name that we need.
    pub(crate) fn name_conflict(kind: &str, name: &str) -> Self {
        Self {
            cause: Cause::NameConflict,
            action: format!("use the name of {kind} {name}"),
            detail: "an object of this name exists that does not belong to this MqttCluster".to_owned(),
        }
    }

    /// Something that has nothing to do with the API server.
    pub(crate) fn internal(action: &str, error: &dyn std::fmt::Display) -> Self {
        Self { cause: Cause::Internal, action: action.to_owned(), detail: error.to_string() }
    }

    /// For a person: what happened, and what to do about it.
    pub(crate) fn message(&self) -> String {
        let way_out = match self.cause {
            Cause::NameConflict => {
                "it is never taken over: delete or rename it, or give the MqttCluster another name"
            }
            Cause::QuotaExceeded => "raise the namespace's ResourceQuota, or delete what is not needed",
            Cause::Forbidden => {
                "the operator lacks this right: apply its ClusterRole and ClusterRoleBinding again (helm upgrade)"
            }
            Cause::Refused => "see what refuses it; the rest goes on",
            Cause::NamespaceTerminating => "the namespace is being deleted",
            Cause::Outdated => "someone else wrote first; it is tried again",
            Cause::ApiUnreachable => "it is tried again; what is in force stays in force",
            Cause::Internal => "it is tried again",
        };
        format!("failed to {}: {}; {way_out}", self.action, self.detail)
    }
}

fn cause_of(status: &Status) -> Cause {
    let says = |text: &str| status.message.contains(text);
    match status.code {
        403 | 404 if says("being terminated") || status.has_cause("NamespaceTerminating") => {
            Cause::NamespaceTerminating
        }
        404 if says("namespaces ") => Cause::NamespaceTerminating,
        403 if says("exceeded quota") => Cause::QuotaExceeded,
        // Admission refuses with the same code; RBAC's words are its own.
        403 if says(" cannot ") || says("attempting to grant RBAC permissions") => Cause::Forbidden,
        401 => Cause::Forbidden,
        400 | 403 | 405 | 406 | 413 | 415 | 422 => Cause::Refused,
        409 => Cause::Outdated,
        _ => Cause::ApiUnreachable,
    }
}

trait HasCause {
    fn has_cause(&self, reason: &str) -> bool;
}

impl HasCause for Status {
    fn has_cause(&self, reason: &str) -> bool {
        self.details.as_ref().is_some_and(|details| details.causes.iter().any(|cause| cause.reason == reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, message: &str) -> Cause {
        cause_of(&Status::failure(message, "").with_code(code))
    }

    #[test]
    fn refusals_are_told_apart() {
        let quota = "secrets \"x\" is forbidden: exceeded quota: small, requested: secrets=1";
        assert_eq!(status(403, quota), Cause::QuotaExceeded);
        let rbac =
            "secrets \"x\" is forbidden: User \"u\" cannot patch resource \"secrets\" in API group \"\"";
        assert_eq!(status(403, rbac), Cause::Forbidden);
        let gone = "configmaps \"x\" is forbidden: unable to create new content in namespace n because it is being terminated";
        assert_eq!(status(403, gone), Cause::NamespaceTerminating);
        assert_eq!(status(404, "namespaces \"n\" not found"), Cause::NamespaceTerminating);
        let policy = "admission webhook \"policy\" denied the request: no";
        assert_eq!(status(403, policy), Cause::Refused);
        assert_eq!(status(409, "the object has been modified"), Cause::Outdated);
        assert_eq!(status(503, "no endpoints"), Cause::ApiUnreachable);
    }
}
