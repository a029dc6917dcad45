//! Roles and Credentials, the members of realms: what one says, and a form of it that takes little memory.
//!
//! There are tens of thousands of them, and between two edits nobody looks at what they say: written out as a CRD's
//! types, a Role of ten permissions takes two kilobytes in thirty pieces, packed half of one in one piece.

use super::permission::{Body, Form, form};
use super::resource::Spec;
use crate::{Activity, CertificateMatch, CredentialSpec, LocalRef, PermissionItem, Qos, RoleSpec, Tristate};

/// What a Role or Credential says.
#[derive(Default)]
pub(super) struct Member<'a> {
    /// The realm's name.
    pub(super) realm: &'a str,
    /// A Role's role keys, a Credential's roles.
    pub(super) keys: Vec<&'a str>,
    /// What it grants by itself.
    pub(super) permissions: Vec<Form<'a>>,
    /// Who it is; `None` for a Role.
    pub(super) identity: Option<Identity<'a>>,
}

/// Who a Credential is.
#[derive(Clone, Copy)]
pub(super) struct Identity<'a> {
    pub(super) username: Option<&'a str>,
    /// The Secret's name.
    pub(super) secret: Option<&'a str>,
    pub(super) certificate: Option<Certificate<'a>>,
    pub(super) enabled: bool,
}

/// Which client certificate, as it was written.
#[derive(Clone, Copy)]
pub(super) enum Certificate<'a> {
    Subject(&'a str),
    Fingerprint(&'a str),
}

impl<'a> From<&'a RoleSpec> for Member<'a> {
    fn from(spec: &'a RoleSpec) -> Self {
        let RoleSpec { realm_ref, role_keys, permissions } = spec;
        Self {
            realm: &realm_ref.name,
            keys: role_keys.iter().map(String::as_str).collect(),
            permissions: permissions.iter().filter_map(form).collect(),
            identity: None,
        }
    }
}

impl<'a> From<&'a CredentialSpec> for Member<'a> {
    fn from(spec: &'a CredentialSpec) -> Self {
        let CredentialSpec {
            realm_ref,
            username,
            certificate,
            password_secret_ref,
            enabled,
            roles,
            permissions,
        } = spec;
        let certificate =
            certificate.as_ref().and_then(|CertificateMatch { subject, fingerprint_sha256 }| {
                let fingerprint = fingerprint_sha256.as_deref().map(Certificate::Fingerprint);
                subject.as_deref().map(Certificate::Subject).or(fingerprint)
            });
        Self {
            realm: &realm_ref.name,
            keys: roles.iter().map(String::as_str).collect(),
            permissions: permissions.iter().filter_map(form).collect(),
            identity: Some(Identity {
                username: username.as_deref(),
                secret: password_secret_ref.as_ref().map(|secret| &*secret.name),
                certificate,
                enabled: *enabled,
            }),
        }
    }
}

impl Member<'_> {
    /// The same as a spec; what was left out there and has a default is written out.
    pub(super) fn to_spec(&self) -> Spec {
        let realm_ref = LocalRef { name: self.realm.to_owned() };
        let keys = self.keys.iter().copied().map(str::to_owned).collect();
        let permissions = self.permissions.iter().map(to_item).collect();
        let Some(identity) = self.identity else {
            return Spec::Role(RoleSpec { realm_ref, role_keys: keys, permissions });
        };
        let certificate = identity.certificate.map(|certificate| match certificate {
            Certificate::Subject(subject) => {
                CertificateMatch { subject: Some(subject.to_owned()), fingerprint_sha256: None }
            }
            Certificate::Fingerprint(digits) => {
                CertificateMatch { subject: None, fingerprint_sha256: Some(digits.to_owned()) }
            }
        });
        Spec::Credential(CredentialSpec {
            realm_ref,
            username: identity.username.map(str::to_owned),
            certificate,
            password_secret_ref: identity.secret.map(|name| LocalRef { name: name.to_owned() }),
            enabled: identity.enabled,
            roles: keys,
            permissions,
        })
    }
}

fn to_item(form: &Form<'_>) -> PermissionItem {
    match form {
        Form::Reference(name) => {
            PermissionItem { reference: Some((*name).to_owned()), ..PermissionItem::default() }
        }
        Form::Inline(body) => PermissionItem {
            reference: None,
            topic_filter: Some(body.topic_filter.to_owned()),
            activity: Some(body.activity.to_vec()),
            qos: Some(body.qos.to_vec()),
            retain: Some(body.retain),
            shared_subscription: Some(body.shared_subscription),
            shared_group: body.shared_group.map(str::to_owned),
        },
    }
}

/// A member in one piece of memory: numbers as LEB128, texts with their length before them. Lists that are sets lose
/// their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed(Box<[u8]>);

/// What stands before an identity: whether there is one, and what it has.
const IS_CREDENTIAL: usize = 1;
const IS_ENABLED: usize = 2;
const HAS_USERNAME: usize = 4;
const HAS_SECRET: usize = 8;
const HAS_SUBJECT: usize = 16;
const HAS_FINGERPRINT: usize = 32;

/// What stands before a permission: whether it is one in place, then three bits of qualities of service, two of
/// activities, two each of how it is with retained messages and shared subscriptions, one of whether a group follows.
const IS_INLINE: usize = 1;
const HAS_GROUP: usize = 1 << 10;

const EVERY_QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
/// By their bits.
const QOS: [&[Qos]; 8] = [
    &[],
    &[Qos::AtMostOnce],
    &[Qos::AtLeastOnce],
    &[Qos::AtMostOnce, Qos::AtLeastOnce],
    &[Qos::ExactlyOnce],
    &[Qos::AtMostOnce, Qos::ExactlyOnce],
    &[Qos::AtLeastOnce, Qos::ExactlyOnce],
    &EVERY_QOS,
];
/// By their bits.
const ACTIVITIES: [&[Activity]; 4] =
    [&[], &[Activity::Publish], &[Activity::Subscribe], &[Activity::Publish, Activity::Subscribe]];
const TRISTATES: [Tristate; 3] = [Tristate::Never, Tristate::Any, Tristate::Only];

fn bits<T: PartialEq>(all: &[T], of: &[T]) -> usize {
    all.iter().enumerate().filter(|(_, one)| of.contains(one)).map(|(i, _)| 1 << i).sum()
}

fn place(of: Tristate) -> usize {
    TRISTATES.iter().position(|one| *one == of).unwrap_or_default()
}

impl Packed {
    pub(super) fn new(member: &Member<'_>) -> Self {
        let Member { realm, keys, permissions, identity } = member;
        let mut out = Vec::new();
        identity_to(&mut out, identity.as_ref());
        text_to(&mut out, realm);
        number_to(&mut out, keys.len());
        keys.iter().for_each(|key| text_to(&mut out, key));
        number_to(&mut out, permissions.len());
        permissions.iter().for_each(|form| form_to(&mut out, form));
        Self(out.into())
    }

    /// What was packed.
    pub(super) fn member(&self) -> Member<'_> {
        // What `new` wrote can be read; if it could not, it would belong to no realm and grant nothing.
        Reader(&self.0).member().unwrap_or_default()
    }
}

fn number_to(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn text_to(out: &mut Vec<u8>, text: &str) {
    number_to(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn identity_to(out: &mut Vec<u8>, identity: Option<&Identity<'_>>) {
    let Some(Identity { username, secret, certificate, enabled }) = identity else {
        return number_to(out, 0);
    };
    let (subject, fingerprint) = match certificate {
        Some(Certificate::Subject(subject)) => (Some(*subject), None),
        Some(Certificate::Fingerprint(digits)) => (None, Some(*digits)),
        None => (None, None),
    };
    let texts = [
        (HAS_USERNAME, *username),
        (HAS_SECRET, *secret),
        (HAS_SUBJECT, subject),
        (HAS_FINGERPRINT, fingerprint),
    ];
    let has: usize = texts.iter().filter(|(_, text)| text.is_some()).map(|(flag, _)| flag).sum();
    number_to(out, IS_CREDENTIAL + has + if *enabled { IS_ENABLED } else { 0 });
    texts.iter().filter_map(|(_, text)| *text).for_each(|text| text_to(out, text));
}

fn form_to(out: &mut Vec<u8>, form: &Form<'_>) {
    let body = match form {
        Form::Reference(name) => {
            number_to(out, 0);
            return text_to(out, name);
        }
        Form::Inline(body) => body,
    };
    let group = if body.shared_group.is_some() { HAS_GROUP } else { 0 };
    let flags = IS_INLINE
        | bits(&EVERY_QOS, body.qos) << 1
        | bits(ACTIVITIES[3], body.activity) << 4
        | place(body.retain) << 6
        | place(body.shared_subscription) << 8
        | group;
    number_to(out, flags);
    text_to(out, body.topic_filter);
    if let Some(group) = body.shared_group {
        text_to(out, group);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.number()?;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn text_if(&mut self, is_there: bool) -> Option<Option<&'a str>> {
        if is_there { self.text().map(Some) } else { Some(None) }
    }

    fn member(&mut self) -> Option<Member<'a>> {
        let identity = self.identity()?;
        let realm = self.text()?;
        let keys = (0..self.number()?).map(|_| self.text()).collect::<Option<_>>()?;
        let permissions = (0..self.number()?).map(|_| self.form()).collect::<Option<_>>()?;
        Some(Member { realm, keys, permissions, identity })
    }

    fn identity(&mut self) -> Option<Option<Identity<'a>>> {
        let flags = self.number()?;
        if flags & IS_CREDENTIAL == 0 {
            return Some(None);
        }
        let username = self.text_if(flags & HAS_USERNAME != 0)?;
        let secret = self.text_if(flags & HAS_SECRET != 0)?;
        let subject = self.text_if(flags & HAS_SUBJECT != 0)?.map(Certificate::Subject);
        let fingerprint = self.text_if(flags & HAS_FINGERPRINT != 0)?.map(Certificate::Fingerprint);
        let enabled = flags & IS_ENABLED != 0;
        Some(Some(Identity { username, secret, certificate: subject.or(fingerprint), enabled }))
    }

    fn form(&mut self) -> Option<Form<'a>> {
        let flags = self.number()?;
        let text = self.text()?;
        if flags & IS_INLINE == 0 {
            return Some(Form::Reference(text));
        }
        Some(Form::Inline(Body {
            topic_filter: text,
            activity: ACTIVITIES[flags >> 4 & 3],
            qos: QOS[flags >> 1 & 7],
            retain: *TRISTATES.get(flags >> 6 & 3)?,
            shared_subscription: *TRISTATES.get(flags >> 8 & 3)?,
            shared_group: self.text_if(flags & HAS_GROUP != 0)?,
        }))
    }
}
