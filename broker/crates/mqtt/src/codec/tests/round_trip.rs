//! Whatever a sender can say, the receiver hears: encode, decode, compare, for every packet and version.

use proptest::option::of;
use proptest::prelude::*;

use super::super::*;
use super::values::*;

/// Encodes with `write`, checks the frame's length, and decodes it into a packet for `check`.
fn through(
    version: Version,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    check: impl FnOnce(Packet<'_>),
) {
    let mut out = Vec::new();
    write(&mut out).expect("the packet has an encoding");
    assert_eq!(frame_len(&out, u32::MAX), Ok(Some(out.len())));
    check(decode(&out, version).expect("what was encoded"));
}

proptest! {
    #[test]
    fn connect_comes_back(
        version in version(),
        properties in connect_properties(),
        (id, clean_start, keep_alive) in (name(), any::<bool>(), any::<u16>()),
        will in of((name(), bytes(), qos(), any::<bool>(), (message(), any::<u32>(), of(any::<u32>())))),
        username in of(text()),
        password in of(bytes()),
        (user, auth) in (user(), of((text(), of(bytes())))),
    ) {
        let v5 = version.is_v5();
        let mut properties = properties;
        properties.user_properties = UserProperties::new(&user);
        properties.auth_method = auth.as_ref().map(|(method, _)| method.as_str());
        properties.auth_data = auth.as_ref().and_then(|(_, data)| data.as_deref());
        if !v5 {
            let session_expiry = if clean_start { 0 } else { u32::MAX };
            properties = ConnectProperties { session_expiry, ..Default::default() };
        }
        let will = will.as_ref().map(|(topic, payload, qos, retain, (raw, delay, expiry))| Will {
            topic,
            payload,
            qos: *qos,
            retain: *retain,
            properties: if v5 {
                WillProperties { raw, delay: *delay, message_expiry: *expiry }
            } else {
                WillProperties::default()
            },
        });
        let connect = Connect {
            version,
            client_id: &id,
            clean_start,
            keep_alive,
            will,
            username: username.as_deref(),
            password: password.as_deref().filter(|_| v5 || username.is_some()),
            properties,
        };
        // The version of a CONNECT stands in it, whatever the caller thinks.
        through(Version::V311, |out| encode_connect(out, &connect), |packet| {
            assert_eq!(packet, Packet::Connect(Box::new(connect.clone())));
        });
    }

    #[test]
    fn connack_comes_back(
        version in version(),
        properties in granted(),
        present in any::<bool>(),
        texts in prop::collection::vec(of(text()), 5),
        (user, data) in (user(), of(bytes())),
        refused in prop::sample::select(vec![0, 0x80, 0x81, 0x84, 0x87, 0x8c, 0x95, 0x9f]),
    ) {
        let mut connack = ConnAck { session_present: present, ..ConnAck::default() };
        if version.is_v5() {
            connack.properties = ConnAckProperties {
                user_properties: UserProperties::new(&user),
                assigned_client_id: texts[0].as_deref(),
                reason_string: texts[1].as_deref(),
                response_info: texts[2].as_deref(),
                server_reference: texts[3].as_deref(),
                auth_method: texts[4].as_deref(),
                auth_data: data.as_deref().filter(|_| texts[4].is_some()),
                ..properties
            };
            connack.reason = refused;
        } else {
            connack.reason = refused & 5;
        }
        connack.session_present &= connack.reason == 0 && version != Version::V31;
        through(version, |out| encode_connack(out, version, &connack), |packet| {
            assert_eq!(packet, Packet::ConnAck(Box::new(connack)));
        });
    }

    #[test]
    fn publish_comes_back(
        version in version(),
        (qos, dup, retain, id) in (qos(), any::<bool>(), any::<bool>(), packet_id()),
        (topic, payload, raw) in (name(), bytes(), message()),
        (expiry, alias) in (of(any::<u32>()), of(packet_id())),
        identifiers in prop::collection::vec(identifier(), 0..4),
        by_alias in any::<bool>(),
    ) {
        let v5 = version.is_v5();
        let topic = if by_alias && v5 && alias.is_some() { "" } else { &topic };
        let publish = PublishOut {
            dup,
            qos,
            retain,
            packet_id: id,
            properties: &raw,
            message_expiry: expiry,
            topic_alias: alias,
            subscription_identifiers: &identifiers,
            ..PublishOut::new(topic, &payload)
        };
        let length = publish.encoded_len(version);
        through(version, |out| {
            let at = encode_publish(out, version, &publish)?;
            assert_eq!(at.is_some(), qos != QoS::AtMostOnce);
            assert_eq!(out.len(), length);
            Ok(())
        }, |packet| {
            let Packet::Publish(found) = packet else { panic!("a publish") };
            let quality = qos != QoS::AtMostOnce;
            assert_eq!((found.dup, found.qos, found.retain), (dup && quality, qos, retain));
            assert_eq!((found.topic, found.payload), (topic, &payload[..]));
            assert_eq!(found.packet_id, if quality { id } else { 0 });
            let properties = found.properties;
            assert_eq!(properties.message_expiry, expiry.filter(|_| v5));
            assert_eq!(properties.topic_alias, alias.filter(|_| v5));
            let sent = if v5 { &identifiers[..] } else { &[] };
            let received: Vec<_> = properties.iter().filter_map(|property| match property {
                Property::SubscriptionIdentifier(id) => Some(id),
                _ => None,
            }).collect();
            assert_eq!(received, sent);
            let mut forwarded = Vec::new();
            properties.append_forwardable(&mut forwarded);
            assert_eq!(forwarded, if v5 { &raw[..] } else { &[] });
        });
    }

    #[test]
    fn acknowledgements_come_back(
        version in version(),
        kind in prop::sample::select(vec![AckKind::PubAck, AckKind::PubRec, AckKind::PubRel, AckKind::PubComp]),
        (id, failed) in (packet_id(), any::<bool>()),
        (reason_string, user) in (of(text()), user()),
    ) {
        let mut ack = Ack::new(id, 0);
        if version.is_v5() {
            let failure = if matches!(kind, AckKind::PubAck | AckKind::PubRec) { 0x97 } else { 0x92 };
            ack.reason = if failed { failure } else { 0 };
            ack.reason_string = reason_string.as_deref();
            ack.user_properties = UserProperties::new(&user);
        }
        let expected = match kind {
            AckKind::PubAck => Packet::PubAck(ack),
            AckKind::PubRec => Packet::PubRec(ack),
            AckKind::PubRel => Packet::PubRel(ack),
            AckKind::PubComp => Packet::PubComp(ack),
        };
        through(version, |out| encode_ack_full(out, kind, version, &ack), |packet| assert_eq!(packet, expected));
    }

    #[test]
    fn subscribe_comes_back(
        (version, filters) in version().prop_flat_map(|version| {
            let shared = of("[a-z]{1,4}");
            (Just(version), prop::collection::vec((filter(), shared, options(version)), 1..6))
        }),
        (id, identifier, user) in (packet_id(), of(identifier()), user()),
    ) {
        let full: Vec<_> = filters.iter().map(|(filter, share, options)| match share {
            Some(share) => (format!("$share/{share}/{filter}"), SubscriptionOptions { no_local: false, ..*options }),
            None => (filter.clone(), *options),
        }).collect();
        let full: Vec<_> = full.iter().map(|(filter, options)| (filter.as_str(), *options)).collect();
        let v5 = version.is_v5();
        let subscribe = SubscribeOut {
            packet_id: id,
            subscription_identifier: identifier,
            user_properties: UserProperties::new(&user),
            filters: &full,
        };
        through(version, |out| encode_subscribe(out, version, &subscribe), |packet| {
            let Packet::Subscribe(found) = packet else { panic!("a subscribe") };
            assert_eq!(found.packet_id, id);
            assert_eq!(found.subscription_identifier, identifier.filter(|_| v5));
            let user = if v5 { UserProperties::new(&user) } else { UserProperties::EMPTY };
            assert_eq!(found.user_properties, user);
            assert_eq!(found.filter_count(), full.len());
            let received: Vec<_> = found.filters().map(|each| (each.full, each.options)).collect();
            assert_eq!(received, full);
            for (each, (filter, share, _)) in found.filters().zip(&filters) {
                assert_eq!((each.share, each.filter), (share.as_deref(), filter.as_str()));
            }
        });
    }

    #[test]
    fn unsubscribe_comes_back(
        version in version(),
        filters in prop::collection::vec(filter(), 1..6),
        (id, user) in (packet_id(), user()),
    ) {
        let filters: Vec<_> = filters.iter().map(String::as_str).collect();
        let user = if version.is_v5() { UserProperties::new(&user) } else { UserProperties::EMPTY };
        let unsubscribe = UnsubscribeOut { packet_id: id, user_properties: user, filters: &filters };
        through(version, |out| encode_unsubscribe(out, version, &unsubscribe), |packet| {
            let Packet::Unsubscribe(found) = packet else { panic!("an unsubscribe") };
            assert_eq!((found.packet_id, found.user_properties, found.filter_count()), (id, user, filters.len()));
            assert_eq!(found.filters().collect::<Vec<_>>(), filters);
        });
    }

    #[test]
    fn suback_and_unsuback_come_back(
        version in version(),
        codes in prop::collection::vec(prop::sample::select(vec![0, 0x80, 0x83, 0x87, 0x8f]), 1..6),
        (id, reason_string, user) in (packet_id(), of(text()), user()),
    ) {
        let v5 = version.is_v5();
        let older: Vec<_> = codes.iter().map(|code| code & 0x80).collect();
        let mut suback = SubAck::new(id, if v5 { &codes } else { &older });
        let mut unsuback = UnsubAck::new(id, if v5 { &codes } else { &[] });
        if v5 {
            (suback.reason_string, unsuback.reason_string) = (reason_string.as_deref(), reason_string.as_deref());
            suback.user_properties = UserProperties::new(&user);
            unsuback.user_properties = UserProperties::new(&user);
        }
        through(version, |out| encode_suback(out, version, &suback), |packet| {
            assert_eq!(packet, Packet::SubAck(suback));
        });
        through(version, |out| encode_unsuback(out, version, &unsuback), |packet| {
            assert_eq!(packet, Packet::UnsubAck(unsuback));
        });
    }

    #[test]
    fn disconnect_and_auth_come_back(
        version in version(),
        reason in prop::sample::select(vec![0, 4, 0x81, 0x8b, 0x8e, 0x9d]),
        step in prop::sample::select(vec![0, 0x18, 0x19]),
        (session_expiry, reason_string, server_reference) in (of(any::<u32>()), of(text()), of(text())),
        (method, data, user) in (text(), of(bytes()), user()),
    ) {
        let mut disconnect = Disconnect::new(0);
        if version.is_v5() {
            disconnect = Disconnect {
                reason,
                session_expiry,
                reason_string: reason_string.as_deref(),
                server_reference: server_reference.as_deref(),
                user_properties: UserProperties::new(&user),
            };
        }
        through(version, |out| encode_disconnect(out, version, &disconnect), |packet| {
            assert_eq!(packet, Packet::Disconnect(disconnect));
        });
        let auth = Auth {
            reason: step,
            method: Some(&method),
            data: data.as_deref(),
            reason_string: reason_string.as_deref(),
            user_properties: UserProperties::new(&user),
        };
        through(Version::V5, |out| encode_auth(out, Version::V5, &auth), |packet| {
            assert_eq!(packet, Packet::Auth(auth));
        });
    }
}
