//! Clients that prove who they are by a certificate, over TLS, with a client that no one here wrote.

use anyhow::Result;
use moat_e2e::certificates::{Authority, Identity};
use moat_e2e::clients::{Event, Login, Paho, Tls, Version};
use moat_e2e::{Broker, Folder, free_port, resources};
use rcgen::DnType;

struct Story {
    broker: Broker,
    folder: Folder,
    port: u16,
    authority: Authority,
}

/// A broker that asks every client for a certificate, and knows `car-17` by its subject.
fn story() -> Result<Story> {
    let port = free_port()?;
    let folder = Folder::new()?;
    let authority = Authority::new("fleet authority")?;
    let server = authority.server()?;
    let tls = "tls: { secretName: tls, clientAuth: required }";
    let listener = format!("{{ name: cars, protocol: mqtts, port: {port}, {tls} }}");
    let certificate = "certificate: { subject: \"CN=car-17,O=fleet\" }";
    let credential = format!("{{ realmRef: {{ name: {} }}, {certificate}, roles: [car] }}", resources::REALM);
    let text = [
        resources::cluster(&[listener], ""),
        resources::realm(resources::REALM),
        resources::pipeline("cars", "cars", resources::REALM),
        resources::secret(
            "tls",
            "listener",
            &[
                ("tls.crt", &server.certificate),
                ("tls.key", &server.key),
                ("ca.crt", &authority.certificate()),
            ],
        ),
        resources::role(
            "car",
            &["{ topicFilter: \"cars/${authorization-key}/#\", activity: [publish, subscribe] }"],
        ),
        resources::document("Credential", "car-17", &credential),
    ];
    folder.write("all.yaml", &text.concat())?;
    std::fs::write(folder.beside("ca.crt"), authority.certificate())?;
    Ok(Story { broker: Broker::start(&folder)?, folder, port, authority })
}

impl Story {
    fn login(&self, version: Version, name: &str, identity: Option<&Identity>) -> Result<Login> {
        let files = identity.map(|identity| identity.write(&self.folder.beside(""), name)).transpose()?;
        let (certificate, key) = files.unzip();
        let mut login = Login::new(version, self.port, name, None);
        login.tls = Some(Tls { ca: self.folder.beside("ca.crt"), certificate, key });
        Ok(login)
    }
}

/// The parts of a subject, in the order of the certificate; RFC 4514 writes the last one first.
fn subject(common_name: &str) -> [(DnType, &str); 2] {
    [(DnType::OrganizationName, "fleet"), (DnType::CommonName, common_name)]
}

#[test]
fn a_certificate_is_as_good_as_a_password() -> Result<()> {
    let story = story()?;
    let identity = story.authority.client(&subject("car-17"))?;
    for version in [Version::V311, Version::V5] {
        let mut car = Paho::connect(&story.login(version, "car", Some(&identity))?)?;
        assert_eq!(car.subscribe("cars/car-17/#", 1)?, 1);
        car.publish("cars/car-17/speed", "fast", 1)?;
        assert_eq!(car.message()?, ("cars/car-17/speed".to_owned(), "fast".to_owned()));
    }
    Ok(())
}

#[test]
fn certificates_of_others_of_the_past_and_of_nobody_are_refused() -> Result<()> {
    let story = story()?;
    let other = Authority::new("another authority")?.client(&subject("car-17"))?;
    let expired = story.authority.expired_client(&subject("car-17"))?;
    for (name, identity) in [("other", Some(&other)), ("expired", Some(&expired)), ("none", None)] {
        let answer = Paho::start(&story.login(Version::V5, name, identity)?)?.connack()?;
        assert!(!matches!(answer, Event::Connected { .. }), "{name} got as far as MQTT: {answer:?}");
    }
    let unknown = story.authority.client(&subject("car-18"))?;
    let answer = Paho::start(&story.login(Version::V5, "unknown", Some(&unknown))?)?.connack()?;
    assert!(matches!(answer, Event::Connected { reason: 0x86 | 0x87, .. }), "{answer:?}");
    assert_eq!(story.broker.get("/readyz")?.status, 200);
    Ok(())
}
