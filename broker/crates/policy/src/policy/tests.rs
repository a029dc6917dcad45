//! Logins and re-judgements, as stories.

use std::sync::Arc;

use super::*;
use crate::bundle::{
    Activities, AuthenticationManager, AuthorizationManager, Bundle, CertificateMatch, CredentialEntry,
    CredentialIdentity, Entry, EntryKey, PermissionEntry, PipelineEntry, QosSet, RealmEntry, RetainRule,
    RoleEntry, SharedSubscriptionRule, SubscriptionMatching,
};
use crate::secret::SecretString;

fn publish(topic_filter: &str) -> PermissionEntry {
    PermissionEntry {
        source: format!("Permission/{topic_filter}"),
        topic_filter: topic_filter.to_owned(),
        activity: Activities::PUBLISH,
        qos: QosSet::ALL,
        retain: RetainRule::Any,
        shared_subscription: SharedSubscriptionRule::Any,
        shared_group: None,
    }
}

fn role(name: &str, role_keys: &[&str], filters: &[&str]) -> Arc<Entry> {
    Arc::new(Entry::Role(RoleEntry {
        source: format!("Role/{name}"),
        role_keys: role_keys.iter().map(|key| (*key).to_owned()).collect(),
        permissions: filters.iter().map(|filter| publish(filter)).collect(),
    }))
}

fn credential(name: &str, roles: &[&str], change: impl FnOnce(&mut CredentialEntry)) -> Arc<Entry> {
    let mut credential = CredentialEntry {
        source: format!("Credential/{name}"),
        identity: CredentialIdentity::Password {
            username: format!("{name}-user"),
            verifier: Some(SecretString::from("verifier")),
        },
        authorization_key: format!("{name}-user"),
        enabled: true,
        version: 1,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        permissions: Vec::new(),
    };
    change(&mut credential);
    Arc::new(Entry::Credential(credential))
}

fn kubernetes(
    realm: &str,
    use_authorization_key: bool,
    use_authorization_role_key: bool,
) -> AuthorizationManager {
    AuthorizationManager::Kubernetes {
        realm: realm.to_owned(),
        use_authorization_key,
        use_authorization_role_key,
    }
}

fn pipeline(realm: &str, authorization: AuthorizationManager) -> Arc<Entry> {
    let authentication = AuthenticationManager::Kubernetes { realm: realm.to_owned() };
    Arc::new(Entry::Pipeline(PipelineEntry {
        source: "Pipeline/p".to_owned(),
        authentication,
        authorization,
    }))
}

/// A bundle under edit and the policy that followed it, edit by edit.
struct Fleet {
    bundle: Bundle,
    policy: Policy,
}

impl Fleet {
    /// Realm `r`, pipeline for `ALL`, role `front` with one permission, and credential `car` that holds it.
    fn new() -> Self {
        let bundle = Bundle::new();
        let mut fleet = Self { policy: Policy::load(&bundle), bundle };
        fleet.set(EntryKey::realm("r"), Arc::new(Entry::Realm(RealmEntry { enabled: true })));
        fleet.set(EntryKey::pipeline("ALL"), pipeline("r", kubernetes("r", true, true)));
        fleet.set(EntryKey::role("r", "front"), role("front", &["cn=front"], &["t/${mqtt-clientid}"]));
        fleet.set(EntryKey::credential("r", "car"), credential("car", &["front"], |_| {}));
        fleet
    }

    fn set(&mut self, key: EntryKey, entry: Arc<Entry>) {
        self.edit(|bundle| bundle.set(key, entry).unwrap());
    }

    fn remove(&mut self, key: &EntryKey) {
        self.edit(|bundle| assert!(bundle.remove(key), "{key:?}"));
    }

    fn edit(&mut self, edit: impl FnOnce(&mut Bundle)) {
        let older = self.bundle.clone();
        edit(&mut self.bundle);
        self.policy = self.policy.apply(&self.bundle, &self.bundle.diff(&older));
        assert_eq!(*self.policy.digest(), self.bundle.digest());
    }

    fn begin(&self, username: &str) -> Begin {
        self.policy.begin(&attempt(username))
    }

    /// A login whose password was verified.
    fn login(&self, username: &str) -> Result<Authorized, Refusal> {
        match self.begin(username) {
            Begin::Refused(refusal) | Begin::Verify { verifier: None, refusal, .. } => Err(refusal),
            Begin::Verify { verifier: Some(_), pending, .. } | Begin::Accepted(pending) => {
                self.policy.authorize(&pending)
            }
        }
    }

    fn ended(&self, session: &Authorized) -> Option<Ended> {
        match self.policy.rejudge(session) {
            Rejudged::Ended(ended) => Some(ended),
            Rejudged::Same | Rejudged::Changed(_) => None,
        }
    }
}

fn attempt(username: &str) -> Attempt<'_> {
    Attempt {
        listener: "internet",
        client_id: "x",
        username: Some(username),
        has_password: true,
        certificate: None,
    }
}

#[test]
fn a_user_gets_the_rights_of_its_roles_and_its_own() {
    let mut fleet = Fleet::new();
    let own =
        |credential: &mut CredentialEntry| credential.permissions = vec![publish("own/${mqtt-username}")];
    fleet.set(EntryKey::credential("r", "car"), credential("car", &["front", "nowhere", "cn=front"], own));
    let session = fleet.login("car-user").unwrap();
    assert_eq!((&*session.identity.realm, &*session.identity.key), ("r", "car-user"));
    assert_eq!((session.credential(), session.grants.rule_sets().len()), (Some("car"), 2));
    assert!(
        session.grants.may_publish("t/x", 0, false) && session.grants.may_publish("own/car-user", 0, false)
    );
    assert!(!session.grants.may_publish("t/y", 0, false));
    for (use_key, use_role_key, own, roles) in
        [(true, false, true, false), (false, true, false, true), (false, false, false, false)]
    {
        fleet.set(EntryKey::pipeline("ALL"), pipeline("r", kubernetes("r", use_key, use_role_key)));
        let grants = fleet.login("car-user").unwrap().grants;
        assert_eq!(grants.may_publish("own/car-user", 0, false), own);
        assert_eq!(grants.may_publish("t/x", 0, false), roles);
    }
}

#[test]
fn whoever_is_not_known_is_refused_after_equal_work() {
    let mut fleet = Fleet::new();
    let refusal = |fleet: &Fleet, username: &str| match fleet.begin(username) {
        Begin::Verify { verifier: None, refusal, pending, .. } => {
            assert_eq!(
                fleet.policy.authorize(&pending).unwrap_err(),
                refusal,
                "a broker that errs is still refused"
            );
            refusal
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(&fleet, "nobody"), Refusal::UnknownUser);
    assert_eq!(refusal(&fleet, "car"), Refusal::UnknownUser, "the name of the resource is no username");
    fleet.set(EntryKey::credential("r", "car"), credential("car", &[], |c| c.enabled = false));
    assert_eq!(refusal(&fleet, "car-user"), Refusal::CredentialDisabled);
    let no_verifier = |credential: &mut CredentialEntry| {
        credential.identity =
            CredentialIdentity::Password { username: "car-user".to_owned(), verifier: None };
    };
    fleet.set(EntryKey::credential("r", "car"), credential("car", &[], no_verifier));
    assert_eq!(refusal(&fleet, "car-user"), Refusal::NoVerifier);
    let nothing = Attempt { has_password: false, ..attempt("car-user") };
    assert!(matches!(fleet.policy.begin(&nothing), Begin::Refused(Refusal::NothingShown)));
}

#[test]
fn a_listener_without_a_pipeline_and_a_realm_that_is_off_refuse_everyone() {
    let mut fleet = Fleet::new();
    fleet.set(EntryKey::realm("r"), Arc::new(Entry::Realm(RealmEntry { enabled: false })));
    assert_eq!(fleet.login("car-user").unwrap_err(), Refusal::RealmDisabled);
    fleet.remove(&EntryKey::realm("r"));
    assert_eq!(fleet.login("car-user").unwrap_err(), Refusal::RealmMissing);
    fleet.remove(&EntryKey::pipeline("ALL"));
    assert_eq!(fleet.login("car-user").unwrap_err(), Refusal::NoPipeline);
    let everyone = PipelineEntry {
        source: "Pipeline/open".to_owned(),
        authentication: AuthenticationManager::AllowAll {},
        authorization: AuthorizationManager::AllowAll {},
    };
    fleet.set(EntryKey::pipeline("internet"), Arc::new(Entry::Pipeline(everyone.clone())));
    let session = fleet.login("whoever").unwrap();
    assert_eq!((&*session.identity.realm, &*session.identity.key), ("", ""));
    assert!(
        session.grants.may_publish("any/topic", 2, true) && session.grants.may_subscribe("#", Some("g"), 2)
    );
    assert!(!session.grants.may_publish("$SYS/x", 0, false));
    assert_eq!(session.grants.variables().get("mqtt-username"), None, "nobody verified the name");
    // Authorization by a realm has nothing to go by.
    let by_realm = PipelineEntry { authorization: kubernetes("r", true, true), ..everyone };
    fleet.set(EntryKey::pipeline("internet"), Arc::new(Entry::Pipeline(by_realm)));
    fleet.set(EntryKey::realm("r"), Arc::new(Entry::Realm(RealmEntry { enabled: true })));
    assert!(fleet.login("car-user").unwrap().grants.rule_sets().is_empty());
}

#[test]
fn a_listener_of_its_own_pipeline_does_not_use_that_of_all() {
    let mut fleet = Fleet::new();
    fleet.set(EntryKey::pipeline("internet"), pipeline("other", kubernetes("r", true, true)));
    assert_eq!(fleet.login("car-user").unwrap_err(), Refusal::RealmMissing);
    fleet.remove(&EntryKey::pipeline("internet"));
    assert!(fleet.login("car-user").is_ok());
}

#[test]
fn a_certificate_is_found_by_fingerprint_before_subject() {
    let mut fleet = Fleet::new();
    let by = |certificate: CertificateMatch| {
        move |credential: &mut CredentialEntry| {
            credential.identity = CredentialIdentity::Certificate(certificate)
        }
    };
    let subject = by(CertificateMatch::Subject("CN=a".to_owned()));
    fleet.set(EntryKey::credential("r", "s"), credential("s", &["front"], subject));
    let print = by(CertificateMatch::FingerprintSha256("00ff".to_owned()));
    fleet.set(EntryKey::credential("r", "f"), credential("f", &[], print));
    let show = |subject, fingerprint_sha256, username, has_password| {
        let certificate = Some(CertificateId { subject, fingerprint_sha256 });
        fleet.policy.begin(&Attempt { certificate, username, has_password, ..attempt("") })
    };
    let accepted = |begin| match begin {
        Begin::Accepted(pending) => fleet.policy.authorize(&pending).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(accepted(show("CN=a", "00ff", None, false)).credential(), Some("f"));
    let session = accepted(show("CN=a", "0000", Some("somebody-else"), false));
    assert_eq!((session.credential(), &*session.identity.key), (Some("s"), "s-user"));
    assert_eq!(
        session.grants.variables().get("mqtt-username"),
        None,
        "an unverified name becomes no variable"
    );
    assert!(session.grants.may_publish("t/x", 0, false));
    let session = accepted(show("CN=a", "0000", Some("s-user"), false));
    assert_eq!(session.grants.variables().get("mqtt-username"), Some("s-user"));
    assert!(matches!(show("CN=b", "0000", None, false), Begin::Refused(Refusal::UnknownCertificate)));
    // A password is an explicit claim, and a certificate does not make up for it.
    assert!(matches!(show("CN=a", "0000", Some("nobody"), true), Begin::Verify { verifier: None, .. }));
}

#[test]
fn roles_are_known_by_name_first_and_the_first_name_has_a_claimed_key() {
    let mut fleet = Fleet::new();
    fleet.set(EntryKey::credential("r", "car"), credential("car", &["shared"], |_| {}));
    let topics = |fleet: &Fleet| {
        let grants = fleet.login("car-user").unwrap().grants;
        ["a", "b", "c"].map(|topic| grants.may_publish(topic, 0, false))
    };
    assert_eq!(topics(&fleet), [false; 3]);
    fleet.set(EntryKey::role("r", "b-role"), role("b-role", &["shared"], &["b"]));
    fleet.set(EntryKey::role("r", "a-role"), role("a-role", &["shared"], &["a"]));
    assert_eq!(topics(&fleet), [true, false, false]);
    fleet.remove(&EntryKey::role("r", "a-role"));
    assert_eq!(topics(&fleet), [false, true, false]);
    fleet.set(EntryKey::role("r", "shared"), role("shared", &[], &["c"]));
    assert_eq!(topics(&fleet), [false, false, true]);
    fleet.remove(&EntryKey::role("r", "shared"));
    fleet.set(EntryKey::role("r", "b-role"), role("b-role", &[], &["b"]));
    assert_eq!(topics(&fleet), [false; 3]);
}

#[test]
fn another_realm_knows_the_client_by_its_authorization_key() {
    let mut fleet = Fleet::new();
    fleet.set(EntryKey::realm("rights"), Arc::new(Entry::Realm(RealmEntry { enabled: true })));
    fleet.set(EntryKey::role("rights", "front"), role("front", &[], &["from-role"]));
    fleet.set(EntryKey::role("rights", "extra"), role("extra", &[], &["from-extra"]));
    let own = |credential: &mut CredentialEntry| {
        credential.authorization_key = "car-user".to_owned();
        credential.permissions = vec![publish("own")];
    };
    fleet.set(EntryKey::credential("rights", "guest"), credential("guest", &["extra"], own));
    let allowed = |fleet: &Fleet| {
        let grants = fleet.login("car-user").unwrap().grants;
        ["from-role", "from-extra", "own", "t/x"].map(|topic| grants.may_publish(topic, 0, false))
    };
    fleet.set(EntryKey::pipeline("ALL"), pipeline("r", kubernetes("rights", true, true)));
    assert_eq!(allowed(&fleet), [true, true, true, false]);
    fleet.set(EntryKey::pipeline("ALL"), pipeline("r", kubernetes("rights", false, true)));
    assert_eq!(allowed(&fleet), [true, false, false, false]);
    fleet.set(EntryKey::pipeline("ALL"), pipeline("r", kubernetes("rights", true, false)));
    assert_eq!(allowed(&fleet), [false, false, true, false]);
    let disabled = |credential: &mut CredentialEntry| {
        own(credential);
        credential.enabled = false;
    };
    fleet.set(EntryKey::credential("rights", "guest"), credential("guest", &["extra"], disabled));
    assert_eq!(allowed(&fleet), [false; 4]);
    fleet.set(EntryKey::realm("rights"), Arc::new(Entry::Realm(RealmEntry { enabled: false })));
    assert_eq!(fleet.login("car-user").unwrap_err(), Refusal::RealmDisabled);
    fleet.remove(&EntryKey::realm("rights"));
    assert_eq!(allowed(&fleet), [false; 4]);
}

#[test]
fn a_running_session_follows_the_policy() {
    let mut fleet = Fleet::new();
    let session = fleet.login("car-user").unwrap();
    fleet.set(EntryKey::role("r", "unrelated"), role("unrelated", &[], &["u"]));
    fleet.set(EntryKey::credential("r", "bike"), credential("bike", &[], |_| {}));
    assert!(matches!(fleet.policy.rejudge(&session), Rejudged::Same));
    fleet.set(EntryKey::role("r", "front"), role("front", &[], &["other"]));
    let Rejudged::Changed(session) = fleet.policy.rejudge(&session) else { panic!("the role changed") };
    assert!(session.grants.may_publish("other", 0, false) && !session.grants.may_publish("t/x", 0, false));
    assert!(matches!(fleet.policy.rejudge(&session), Rejudged::Same));
    fleet.remove(&EntryKey::role("r", "front"));
    let Rejudged::Changed(session) = fleet.policy.rejudge(&session) else { panic!("the role went") };
    assert!(session.grants.rule_sets().is_empty());
    let settings =
        Settings { subscription_matching: SubscriptionMatching::LevelByLevel, ..Settings::default() };
    fleet.set(EntryKey::settings(), Arc::new(Entry::Settings(settings)));
    let Rejudged::Changed(session) = fleet.policy.rejudge(&session) else { panic!("the reading changed") };
    assert_eq!(session.grants.matching(), SubscriptionMatching::LevelByLevel);
    // What authenticates acts at the next connect.
    fleet.set(EntryKey::pipeline("ALL"), pipeline("elsewhere", kubernetes("r", true, true)));
    assert!(matches!(fleet.policy.rejudge(&session), Rejudged::Same));
}

#[test]
fn a_session_ends_with_what_it_rests_on() {
    let mut fleet = Fleet::new();
    let session = fleet.login("car-user").unwrap();
    let car = EntryKey::credential("r", "car");
    fleet.set(car.clone(), credential("car", &["front"], |c| c.version = 2));
    assert_eq!(fleet.ended(&session), Some(Ended::CredentialChanged));
    fleet.set(car.clone(), credential("car", &["front"], |c| c.enabled = false));
    assert_eq!(fleet.ended(&session), Some(Ended::CredentialDisabled));
    fleet.set(car.clone(), credential("car", &["front"], |c| c.authorization_key = "other".to_owned()));
    assert_eq!(fleet.ended(&session), Some(Ended::CredentialChanged));
    fleet.remove(&car);
    assert_eq!(fleet.ended(&session), Some(Ended::CredentialGone));
    fleet.set(car.clone(), credential("car", &["front"], |_| {}));
    assert_eq!(fleet.ended(&session), None);
    fleet.set(EntryKey::realm("r"), Arc::new(Entry::Realm(RealmEntry { enabled: false })));
    assert_eq!(fleet.ended(&session), Some(Ended::RealmGone));
    fleet.remove(&EntryKey::pipeline("ALL"));
    assert_eq!(fleet.ended(&session), Some(Ended::PipelineGone));
}

#[test]
fn a_login_that_straddles_a_change_is_judged_by_the_newer_policy() {
    let mut fleet = Fleet::new();
    let Begin::Verify { pending, .. } = fleet.begin("car-user") else {
        panic!("a password is to be verified")
    };
    fleet.set(EntryKey::role("r", "front"), role("front", &[], &["new"]));
    assert!(fleet.policy.authorize(&pending).unwrap().grants.may_publish("new", 0, false));
    fleet.set(EntryKey::pipeline("ALL"), pipeline("r2", kubernetes("r", true, true)));
    assert_eq!(fleet.policy.authorize(&pending).unwrap_err(), Refusal::PipelineChanged);
    fleet.set(EntryKey::pipeline("ALL"), pipeline("r", kubernetes("r", true, true)));
    fleet.set(EntryKey::credential("r", "car"), credential("car", &["front"], |c| c.version = 2));
    assert_eq!(fleet.policy.authorize(&pending).unwrap_err(), Refusal::CredentialChanged);
}

#[test]
fn the_first_credential_by_name_has_a_claimed_username() {
    let mut fleet = Fleet::new();
    let twin = |credential: &mut CredentialEntry| {
        credential.identity =
            CredentialIdentity::Password { username: "car-user".to_owned(), verifier: Some("other".into()) };
    };
    fleet.set(EntryKey::credential("r", "a-twin"), credential("a-twin", &[], twin));
    assert_eq!(fleet.login("car-user").unwrap().credential(), Some("a-twin"));
    fleet.remove(&EntryKey::credential("r", "a-twin"));
    assert_eq!(fleet.login("car-user").unwrap().credential(), Some("car"));
}
