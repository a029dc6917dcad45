//! The encoded form of a list of role keys, `{{a}}{{b}}`, as ESE writes it into `authorization-role-key`.

/// Encodes and decodes lists of role keys.
#[derive(Debug, Clone, Copy)]
pub struct RoleKeys;

impl RoleKeys {
    /// Writes a list; `None` when a key holds `}}`, which the form cannot represent.
    pub fn encode<'a>(keys: impl IntoIterator<Item = &'a str>) -> Option<String> {
        let mut encoded = String::new();
        for key in keys {
            if key.contains("}}") {
                return None;
            }
            encoded.extend(["{{", key, "}}"]);
        }
        Some(encoded)
    }

    /// Reads a list. Empty text is the empty list; text that is not enclosed in `{{` and `}}` is one key, because old
    /// configurations wrote a bare role name.
    #[must_use]
    pub fn decode(encoded: &str) -> Vec<&str> {
        if encoded.is_empty() {
            return Vec::new();
        }
        match encoded.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
            Some(keys) => keys.split("}}{{").collect(),
            None => vec![encoded],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_decode_as_documented() {
        assert_eq!(RoleKeys::decode("{{a}}{{b}}"), ["a", "b"]);
        assert_eq!(RoleKeys::decode(""), [""; 0]);
        assert_eq!(RoleKeys::decode("a"), ["a"]);
        assert_eq!(RoleKeys::decode("cn=a,ou=b"), ["cn=a,ou=b"]);
        assert_eq!(RoleKeys::decode("{{a"), ["{{a"]);
        assert_eq!(RoleKeys::encode(["a", "b"]).as_deref(), Some("{{a}}{{b}}"));
        assert_eq!(RoleKeys::encode([]).as_deref(), Some(""));
        assert_eq!(RoleKeys::encode(["a}}b"]), None);
    }

    proptest! {
        #[test]
        fn whatever_encodes_decodes_to_itself(keys in prop::collection::vec("[{}a, ]{0,5}", 0..5)) {
            if let Some(encoded) = RoleKeys::encode(keys.iter().map(String::as_str)) {
                prop_assert_eq!(RoleKeys::decode(&encoded), keys);
            } else {
                prop_assert!(keys.iter().any(|key| key.contains("}}")));
            }
        }
    }
}
