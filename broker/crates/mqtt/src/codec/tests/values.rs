//! Values of every field that a packet may hold, for the property tests.

use core::num::{NonZeroU16, NonZeroU32};

use proptest::option::of;
use proptest::prelude::*;

use super::super::*;

pub(super) fn version() -> impl Strategy<Value = Version> {
    prop::sample::select(vec![Version::V31, Version::V311, Version::V5])
}

pub(super) fn qos() -> impl Strategy<Value = QoS> {
    prop::sample::select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

pub(super) fn packet_id() -> impl Strategy<Value = u16> {
    any::<NonZeroU16>().prop_map(NonZeroU16::get)
}

/// Text with characters of every length, without U+0000.
pub(super) fn text() -> impl Strategy<Value = String> {
    "[a-z0-9 /+#$\u{1}é漢😀\u{feff}]{0,20}"
}

pub(super) fn name() -> impl Strategy<Value = String> {
    "[a-z0-9/$é漢😀]{1,24}"
}

pub(super) fn filter() -> impl Strategy<Value = String> {
    let level = prop_oneof![3 => "[a-zé]{0,3}", 1 => Just("+".to_owned())];
    let levels = (prop::collection::vec(level, 1..4), any::<bool>());
    levels.prop_map(|(mut levels, multi)| {
        if multi {
            levels.push("#".to_owned());
        }
        let filter = levels.join("/");
        if filter.is_empty() { "/".to_owned() } else { filter }
    })
}

pub(super) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => prop::collection::vec(any::<u8>(), 0..40), 1 => prop::collection::vec(any::<u8>(), 100..20_000)]
}

pub(super) fn identifier() -> impl Strategy<Value = NonZeroU32> {
    prop_oneof![1..=0x7fu32, 1..=0x3fffu32, 1..=268_435_455u32]
        .prop_map(|id| NonZeroU32::new(id).unwrap_or(NonZeroU32::MIN))
}

/// User properties, encoded.
pub(super) fn user() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec((text(), text()), 0..4).prop_map(|pairs| {
        let mut raw = Vec::new();
        for (name, value) in pairs {
            append_user_property(&mut raw, &name, &value).expect("short");
        }
        raw
    })
}

/// Properties of a message that travel with it, encoded.
pub(super) fn message() -> impl Strategy<Value = Vec<u8>> {
    (user(), of(any::<bool>()), of(text()), of(name()), of(bytes())).prop_map(
        |(mut raw, format, content, response, correlation)| {
            let properties = [
                format.map(Property::PayloadFormat),
                content.as_deref().map(Property::ContentType),
                response.as_deref().map(Property::ResponseTopic),
                correlation.as_deref().map(Property::CorrelationData),
            ];
            for property in properties.into_iter().flatten() {
                property.write(&mut raw).expect("short");
            }
            raw
        },
    )
}

prop_compose! {
    pub(super) fn connect_properties()(
        session_expiry in any::<u32>(),
        receive_maximum in packet_id(),
        max_packet_size in of(any::<NonZeroU32>()),
        topic_alias_max in any::<u16>(),
        request_response_info in any::<bool>(),
        request_problem_info in any::<bool>(),
    ) -> ConnectProperties<'static> {
        ConnectProperties {
            session_expiry,
            receive_maximum,
            max_packet_size,
            topic_alias_max,
            request_response_info,
            request_problem_info,
            ..ConnectProperties::default()
        }
    }
}

prop_compose! {
    pub(super) fn granted()(
        session_expiry in of(any::<u32>()),
        receive_maximum in packet_id(),
        maximum_qos in qos(),
        flags in any::<[bool; 4]>(),
        max_packet_size in of(any::<NonZeroU32>()),
        topic_alias_max in any::<u16>(),
        server_keep_alive in of(any::<u16>()),
    ) -> ConnAckProperties<'static> {
        let [retain_available, wildcard_available, identifiers_available, shared_available] = flags;
        ConnAckProperties {
            session_expiry,
            receive_maximum,
            maximum_qos,
            retain_available,
            max_packet_size,
            topic_alias_max,
            wildcard_available,
            identifiers_available,
            shared_available,
            server_keep_alive,
            ..ConnAckProperties::default()
        }
    }
}

prop_compose! {
    pub(super) fn options(version: Version)(qos in qos(), flags in any::<[bool; 2]>(), handling in 0..3) -> SubscriptionOptions {
        if !version.is_v5() {
            return SubscriptionOptions::new(qos);
        }
        let retain_handling =
            [RetainHandling::Always, RetainHandling::IfNew, RetainHandling::Never][handling as usize];
        SubscriptionOptions { qos, no_local: flags[0], retain_as_published: flags[1], retain_handling }
    }
}
