//! The CEL rules and patterns of the six kinds, one function each, so that a rule which several types share is written
//! once. A message says what to do, not only what is wrong. No I/O.

use kube::core::Rule;

/// A DNS-1123 label.
pub(crate) const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// A DNS-1123 subdomain: what most objects of Kubernetes may be called.
pub(crate) const DNS_SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A listener's name, or the word for all of them.
pub(crate) const LISTENER_SCOPE: &str = "^(ALL|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$";
/// What an image registry takes for a tag.
pub(crate) const IMAGE_TAG: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$";
/// A whole number of bytes with a unit, small enough for any arithmetic with it.
pub(crate) const VOLUME_SIZE: &str = "^[1-9][0-9]{0,5}(M|G|T|Mi|Gi|Ti)$";
/// A StorageClass's name, or nothing: no class.
pub(crate) const STORAGE_CLASS: &str =
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$";

fn rule(expression: &str, message: &str) -> Rule {
    Rule::new(expression).message(message)
}

/// The name becomes part of the names of Services and pods, which are shorter than names of resources may be.
pub(crate) fn cluster_name() -> Rule {
    rule(
        "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,46}[a-z0-9])?$')",
        "the name becomes part of names of Services and pods: use at most 48 of lower-case letters, digits and '-', \
         beginning with a letter and not ending with '-'",
    )
}

/// Each listener has a Service, named after the cluster and the listener.
pub(crate) fn service_names() -> Rule {
    rule(
        "self.spec.listeners.all(listener, size(self.metadata.name) + size(listener.name) <= 62)",
        "the names of the cluster and of a listener together become the name of a Service: use at most 62 characters \
         for both, for example a shorter name of the listener",
    )
}

/// The pod's health and admin ports, and room for more.
pub(crate) fn port_not_reserved() -> Rule {
    rule(
        "self < 9400 || self > 9409",
        "ports 9400 to 9409 are the broker's own, for health and administration: use another port",
    )
}

/// A claim's template cannot change, and its size only where the StorageClass can grow volumes.
pub(crate) fn storage_is_fixed() -> Rule {
    rule(
        "self == oldSelf",
        "storage cannot change while the cluster exists: keep what it was, or delete the MqttCluster and its claims \
         (kubectl delete pvc -l moat.dev/cluster=NAME) and apply it again",
    )
}

/// Until sessions are replicated.
pub(crate) fn one_replica() -> Rule {
    rule(
        "self == 1",
        "replicas must be 1: sessions live in the memory of one pod until clustering exists; leave the field out or \
         write 1",
    )
}

/// Two listeners cannot have one port.
pub(crate) fn unique_ports() -> Rule {
    rule(
        "self.all(a, self.exists_one(b, a.port == b.port))",
        "every listener needs a port of its own: change the port of all but one of those that share it",
    )
}

/// TLS needs a certificate.
pub(crate) fn mqtts_needs_tls() -> Rule {
    rule(
        "self.protocol != 'mqtts' || has(self.tls)",
        "a listener with protocol mqtts needs a certificate: add tls.secretName, or use protocol mqtt",
    )
}

/// A certificate on a plain port is a mistake about what is protected.
pub(crate) fn mqtt_has_no_tls() -> Rule {
    rule(
        "self.protocol != 'mqtt' || !has(self.tls)",
        "a listener with protocol mqtt is not encrypted: use protocol mqtts, or remove tls",
    )
}

/// A realm has one type.
pub(crate) fn one_realm_type() -> Rule {
    rule("has(self.kubernetes)", "exactly one realm type must be given: add 'kubernetes: {}'")
}

/// An authentication stage has one manager.
pub(crate) fn one_authentication_manager() -> Rule {
    rule(
        "[has(self.kubernetes), has(self.allowAll)].exists_one(given, given)",
        "exactly one authentication manager must be given: keep one of kubernetes and allowAll",
    )
}

/// An authorization stage has one manager.
pub(crate) fn one_authorization_manager() -> Rule {
    rule(
        "[has(self.kubernetes), has(self.allowAll)].exists_one(given, given)",
        "exactly one authorization manager must be given: keep one of kubernetes and allowAll",
    )
}

/// `+` and `#` stand alone in their level, `#` in the last one [MQTT-4.7.1-1] [MQTT-4.7.1-2]; no NUL [MQTT-4.7.3-2].
pub(crate) fn filter_wildcards() -> Rule {
    rule(
        r"self.matches(r'^(([^/+#\x00]*|[+])/)*([^/+#\x00]*|[+]|#)$')",
        "not a topic filter: '+' and '#' must fill a whole level, '#' only the last one, and NUL is not allowed; for \
         example a/+/c or a/#",
    )
}

/// Sharing has fields of its own.
pub(crate) fn filter_not_shared() -> Rule {
    rule(
        "!self.matches('^[$]share(/|$)')",
        "write the topic filter without $share/<group>/, and use sharedSubscription and sharedGroup instead",
    )
}

/// What a permission costs grows with its levels; real filters have few.
pub(crate) fn filter_levels() -> Rule {
    rule(
        "!self.matches('^([^/]*/){128}')",
        "a topic filter has at most 128 levels: end it earlier, with '#' if need be",
    )
}

/// Which `$` topics a filter covers must not depend on who asks.
pub(crate) fn filter_dollar() -> Rule {
    rule(
        "!self.matches('^[$]([^{/][^/]*)?[$][{]')",
        "a first level that begins with '$' is spelled out: remove its placeholder, or move it to a further level",
    )
}

/// Every `${` begins a placeholder that exists.
pub(crate) fn placeholders(field: &str) -> Rule {
    rule(
        // Its length counts in the API server's budget for a Role of many permissions.
        "self.matches('^([^$]|[$]+([^${]|[{](mqtt-(clientid|username)|auth(entication|orization)-key\
         |string-[a-z0-9-]+)}))*[$]*$')",
        &format!(
            "{field} has an unknown placeholder: there are ${{mqtt-clientid}}, ${{mqtt-username}}, \
             ${{authentication-key}}, ${{authorization-key}} and ${{string-<a-z, 0-9 and ->}}"
        ),
    )
}

/// A group is one level [MQTT-4.8.2-2].
pub(crate) fn shared_group() -> Rule {
    rule(
        r"self == '#' || self.matches(r'^[^/+#\x00]*$')",
        "a shared group has no '/', '+', '#' or NUL inside: write its name alone, or '#' for any group",
    )
}

/// A group without shared subscriptions would grant nothing and look as if it did.
pub(crate) fn shared_group_needs_shared() -> Rule {
    rule(
        "!has(self.sharedGroup) || self.sharedSubscription != 'never'",
        "sharedGroup grants nothing without shared subscriptions: add sharedSubscription: any or only, or remove \
         sharedGroup",
    )
}

/// The same where the default is not filled in by the schema.
pub(crate) fn inline_shared_group_needs_shared() -> Rule {
    rule(
        "!has(self.sharedGroup) || (has(self.sharedSubscription) && self.sharedSubscription != 'never')",
        "sharedGroup grants nothing without shared subscriptions: add sharedSubscription: any or only, or remove \
         sharedGroup",
    )
}

/// An item is a reference or a permission in place.
pub(crate) fn one_permission_form() -> Rule {
    rule(
        "has(self.ref) != has(self.topicFilter)",
        "a permission is either the name of a Permission or one in place: keep exactly one of ref and topicFilter",
    )
}

/// What a reference means is written in one place.
pub(crate) fn reference_stands_alone() -> Rule {
    rule(
        "!has(self.ref) || !(has(self.activity) || has(self.qos) || has(self.retain) || has(self.sharedSubscription) \
         || has(self.sharedGroup))",
        "a ref cannot be narrowed in place: remove the fields beside it, or copy the Permission's topicFilter here",
    )
}

/// Without an activity nothing is allowed.
pub(crate) fn inline_needs_activity() -> Rule {
    rule(
        "!has(self.topicFilter) || has(self.activity)",
        "a topicFilter needs an activity: add activity: [publish], [subscribe] or both",
    )
}

/// Either of two proofs would let in with the weaker one.
pub(crate) fn one_proof() -> Rule {
    rule(
        "!(has(self.passwordSecretRef) && has(self.certificate))",
        "a credential has one proof of identity: keep passwordSecretRef or certificate, and make a second Credential \
         for the other",
    )
}

/// Something must identify the client.
pub(crate) fn username_or_certificate() -> Rule {
    rule(
        "has(self.username) || has(self.certificate)",
        "a credential needs a name to be found by: add username, or certificate",
    )
}

/// A certificate is meant by its subject or by itself.
pub(crate) fn one_certificate_match() -> Rule {
    rule(
        "has(self.subject) != has(self.fingerprintSha256)",
        "exactly one of subject and fingerprintSha256 must be given: remove or add one",
    )
}

/// RFC 4514 section 3, strictly: a space after a comma is what other tools print, and would never match.
pub(crate) fn subject() -> Rule {
    let escaped = r##"\\([ "#+,;<=>\\]|[0-9A-Fa-f]{2})"##;
    let first = format!(r##"([^ #,+"<>;\\\x00]|{escaped})"##);
    let inner = format!(r##"([^,+"<>;\\\x00]|{escaped})"##);
    let last = format!(r##"([^ ,+"<>;\\\x00]|{escaped})"##);
    let value = format!("(#([0-9A-Fa-f]{{2}})+|{first}({inner}*{last})?)?");
    let attribute = format!("([A-Za-z][A-Za-z0-9-]*|[0-9]+([.][0-9]+)*)={value}");
    rule(
        &format!("self.matches(r'^{attribute}([,+]{attribute})*$')"),
        "not a subject as RFC 4514 writes it, such as CN=car-17,O=Example: copy what 'openssl x509 -noout -subject \
         -nameopt RFC2253' prints after 'subject='",
    )
}

/// 32 bytes in hexadecimal.
pub(crate) fn fingerprint() -> Rule {
    rule(
        "self.matches('^([0-9A-Fa-f]{64}|([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})$')",
        "not a SHA-256 fingerprint: write 64 hexadecimal digits, or 32 pairs with colons, as 'openssl x509 -noout \
         -fingerprint -sha256' prints them",
    )
}
