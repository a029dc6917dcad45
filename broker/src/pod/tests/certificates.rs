//! Which certificate a listener has, while its Secret comes, changes, breaks and goes.

use k8s_openapi::api::core::v1::Secret;
use moat_crds::ClientAuth;
use moat_crds::compile::TlsMaterial;
use moat_crds::delivery::DeliveredTls;

use super::super::certificates::Certificates;
use super::super::error::ApiError;
use super::*;

fn secret(authority: &Authority) -> Secret {
    certificate_secret("fleet-tls", &authority.server(), &authority.pem())
}

fn revision(secret: &Secret) -> Option<Digest> {
    Some(TlsMaterial::of(secret.clone(), ClientAuth::Optional).unwrap().revision())
}

/// A listener whose Secret has this revision.
fn listener(revision: Option<Digest>) -> [DeliveredListener; 1] {
    let tls =
        DeliveredTls { secret_name: "fleet-tls".to_owned(), client_auth: ClientAuth::Optional, revision };
    [DeliveredListener { protocol: Protocol::Mqtts, tls: Some(tls), ..plain_listener("internet", 8883) }]
}

/// The revision that the listener has.
fn held(certificates: &Certificates, listeners: &[DeliveredListener]) -> Option<Digest> {
    let tls = certificates.specs(listeners).remove(0).tls.unwrap();
    tls.material.map(|material| material.revision())
}

#[test]
fn a_listener_gets_what_the_manifest_names_and_a_rotated_secret_replaces_it() {
    let authority = Authority::new();
    let mut certificates = Certificates::default();
    for secret in [secret(&authority), secret(&authority)] {
        let listeners = listener(revision(&secret));
        assert_eq!(certificates.wanted(&listeners).into_iter().collect::<Vec<_>>(), ["fleet-tls"]);
        assert!(certificates.take(&listeners, "fleet-tls", &Ok(Some(secret.clone()))));
        assert_eq!(held(&certificates, &listeners), revision(&secret));
        assert!(certificates.wanted(&listeners).is_empty() && certificates.problem_of("internet").is_none());
    }
    assert!(certificates.wanted(&[]).is_empty());
    assert!(certificates.materials().is_empty(), "nothing is kept of a listener that is gone");
}

#[test]
fn what_a_listener_has_stays_while_its_secret_is_missing_broken_or_another() {
    let authority = Authority::new();
    let (old, new, other) = (secret(&authority), secret(&authority), secret(&authority));
    let mut broken = new.clone();
    broken.string_data.as_mut().unwrap().insert("tls.key".to_owned(), "-----BEGIN NOTHING-----".to_owned());
    let mut empty = new.clone();
    empty.string_data = None;
    let mut certificates = Certificates::default();
    certificates.take(&listener(revision(&old)), "fleet-tls", &Ok(Some(old.clone())));
    let listeners = listener(revision(&new));
    let cases = [
        ("was not found", Ok(None)),
        ("cannot be read", Err(ApiError::Forbidden("no".to_owned()))),
        ("cannot be used", Ok(Some(broken))),
        ("cannot be used", Ok(Some(empty))),
        ("something else", Ok(Some(other))),
    ];
    for (words, read) in cases {
        assert!(!certificates.take(&listeners, "fleet-tls", &read));
        assert_eq!(held(&certificates, &listeners), revision(&old), "{words}");
        let problem = certificates.problem_of("internet").unwrap();
        assert!(problem.contains(words) && problem.contains("stays in use"), "{problem}");
        assert_eq!(certificates.wanted(&listeners).len(), 1, "it is read again");
    }
    let unusable = listener(None);
    assert!(certificates.wanted(&unusable).is_empty(), "there is nothing to read");
    assert_eq!(held(&certificates, &unusable), revision(&old));
    assert!(certificates.problem_of("internet").unwrap().contains("status says why"));
    assert!(certificates.take(&listeners, "fleet-tls", &Ok(Some(new.clone()))));
    assert_eq!(held(&certificates, &listeners), revision(&new));
    assert!(certificates.problem_of("internet").is_none());
}

#[test]
fn a_listener_that_has_nothing_takes_another_content_only_from_a_secret_for_listeners() {
    let authority = Authority::new();
    let (named, other) = (secret(&authority), secret(&authority));
    let listeners = listener(revision(&named));
    let mut unlabelled = other.clone();
    unlabelled.metadata.labels = None;
    let mut certificates = Certificates::default();
    assert!(!certificates.take(&listeners, "fleet-tls", &Ok(Some(unlabelled))));
    assert!(certificates.problem_of("internet").unwrap().contains("stays closed"));
    assert!(certificates.take(&listeners, "fleet-tls", &Ok(Some(other.clone()))));
    assert_eq!(held(&certificates, &listeners), revision(&other));
    assert!(certificates.problem_of("internet").unwrap().contains("had nothing before"));
    assert_eq!(certificates.wanted(&listeners).len(), 1, "what is named is still wanted");
    assert!(certificates.take(&listeners, "fleet-tls", &Ok(Some(named.clone()))));
    assert_eq!(held(&certificates, &listeners), revision(&named));
}

#[test]
fn what_the_volume_held_is_used_at_once() {
    let authority = Authority::new();
    let secret = secret(&authority);
    let listeners = listener(revision(&secret));
    let mut before = Certificates::default();
    before.take(&listeners, "fleet-tls", &Ok(Some(secret)));
    let mut certificates = Certificates::default();
    certificates.restore(before.materials());
    assert!(certificates.wanted(&listeners).is_empty());
    assert!(held(&certificates, &listeners).is_some());
}
