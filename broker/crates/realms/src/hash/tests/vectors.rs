//! Known answers: seventeen published ones and nine that were computed with the verified procedures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

enum Salt {
    None,
    Text(&'static str),
    Base64(&'static str),
    Counting,
}

struct Vector(&'static str, &'static str, Salt, u32, &'static str);

const PUBLISHED: [Vector; 17] = [
    Vector(
        "SHA512",
        "backendpassword",
        Salt::Base64("Nv6NU9XY7tvHdSGaKmNTOw=="),
        100,
        "wtUo2dri+ttHGHRpngg9uG21piWLiKSX7IaNSnU/BfN9pt+ZOLQByG/3JlPPQ7t/pl8S3tjR2+Um/DPBdAQULg==",
    ),
    Vector(
        "SHA512",
        "clientpassword",
        Salt::Base64("JhpW27QU9WfIaG6FJT5MkQ=="),
        100,
        "ZHg/rNJel1BHOYMEvc40ekCRUE5vVLcsPF6mk9GPDcdEmX3stm50MplaqjGb8Lxhy6rNFQZSQRSbOxmFZ8ps1Q==",
    ),
    Vector(
        "SHA512",
        "supersecurepassword",
        Salt::Base64("wxw+3diCV4bWXQHb6LLniA=="),
        100,
        "nOgr9xVnkt51Lr68KS/rAKm/LqxAt8oEki7vCerRod3qDbyMFfDBGT8obnkw+AGygxCQDWdaA2sQnXXoAbVK6Q==",
    ),
    Vector(
        "SHA512",
        "supersecurepassword",
        Salt::Base64("zVNbX85CCPAKu9vYt+/8xA=="),
        100,
        "KyyZdrKHNaZxY3VwwYEKj6X52JoHFNWkVg9Nleg9MoTE5fTN64pKb5SSrSr7U7DbOmAW3CpRg2mXOc8CW0pLNg==",
    ),
    Vector(
        "SHA512",
        "password",
        Salt::Base64("6iWJ0lp4w2e/D0YyAyXw9w=="),
        100,
        "DR9yesp2mEBmNalk5uTj5byyOf5Cs/cz4zzbN8T/61UTwlMHa9isHqGmwiIMmcrcsnSs1YCct5X+ql9OmPnQdw==",
    ),
    Vector(
        "PKCS5S2",
        "my-password",
        Salt::Text("my-salt"),
        10,
        "iYwiemNkYxaa5mVEMl36hRjBG5IeXuy652uehvL9lJM=",
    ),
    Vector(
        "PKCS5S2",
        "mqtt-password-2",
        Salt::Text("mqtt-password-2-salt"),
        10,
        "aDGGvi/kW+ba1ZlQxObGZT7kNK7Vg4qkFR7HvHapCGk=",
    ),
    Vector(
        "PKCS5S2",
        "cc-password-2",
        Salt::Text("cc-password-2-salt"),
        10,
        "XW5ESC/iKdtYWIDpcgeFOIXhjA9reoCBzNcFm/SQhWk=",
    ),
    Vector(
        "PKCS5S2",
        "rest-api-password-2",
        Salt::Text("rest-api-password-2-salt"),
        10,
        "apukEACJ+UeyE+onxnseWRZi/QgWOeSTtFwxHJTswxc=",
    ),
    Vector("PLAIN", "password", Salt::None, 0, "cGFzc3dvcmQ="),
    Vector("MD5", "password", Salt::Text("salt"), 10, "FEZXLgoeDSdbbR7FHWHVsQ=="),
    Vector(
        "SHA512",
        "password",
        Salt::Text("salt"),
        10,
        "Oat8l5/qDJ/1u1iw1gCaGVlIkpEOwry8N+rLgD9guzFUa3/4+MszZLCN3tu7fvCKpGmI4WVkMvCj0l6M06WtWA==",
    ),
    Vector("PKCS5S2", "password", Salt::Text("salt"), 10, "3tX9NqzigBkQgHCstazJ24kusEIw9x7Np3wNv5fjio0="),
    Vector("BCRYPT", "password", Salt::Text("salt"), 10, "9QWSrHiFIROKU05wpfM66ejEgCqhDNTw"),
    Vector(
        "ARGON2ID_47104KB",
        "password",
        Salt::Text("salt"),
        1,
        "thTADJvVyfkjgiOW37TAJemBbXUaXj6/B3Zm8qI4Ytw=",
    ),
    Vector(
        "ARGON2ID_19456KB",
        "password",
        Salt::Text("salt"),
        2,
        "9QyfT5o7Sa27GSMOCN2GzdqaNwYMX8RmDMyUUqwHjfY=",
    ),
    Vector(
        "ARGON2ID_7168KB",
        "password",
        Salt::Text("salt"),
        5,
        "JzWNLXOlID8L2wYniJNhEwcBjP2JWcy4/0LkxDdLAGI=",
    ),
];

const COMPUTED: [Vector; 9] = [
    Vector("MD5", "password", Salt::None, 1, "X03MO1qnZdYdgyfeuILPmQ=="),
    Vector(
        "SHA512",
        "password",
        Salt::None,
        1,
        "sQnzu7wkTrgkQZF+0G1hi5AI3Qmzvv0bXgc5THBqi7mAsdd4Xll27ASbRt9fEyavWi6m0QP9B8lThf+rDKy8hg==",
    ),
    Vector(
        "SHA512",
        "pässwörd",
        Salt::Text("salt"),
        10,
        "O9P4yZB/qN1LOeY0cT1UAMfDEGKsG3GBZtaXiKMnAZ2+GtY7T3XkkXiwuGPf9oB4ZZGzbo1zq+MyT6m+xC1hmQ==",
    ),
    Vector("PKCS5S2", "password", Salt::None, 1, "rhbObf1KagwgQh/4DrO6SswTvR3qRfi7A0t1PkzyAy8="),
    Vector(
        "PKCS5S2",
        "supersecurepassword",
        Salt::Base64("wxw+3diCV4bWXQHb6LLniA=="),
        100,
        "8QfrzZYLvEyheJysZz4i/IoygvB/VMlEyk10HPAPRus=",
    ),
    Vector(
        "PKCS5S2",
        "password",
        Salt::Base64("nNctCFrfwfZXW4oNi81AUQ=="),
        10,
        "UoYTr+/nKgemViP3wV7sp9fKKfjHcHc5+bvmzJlFqQA=",
    ),
    Vector("BCRYPT", "password", Salt::None, 4, "iRQTAPHGeYfiFHG+bmeSXtgG/wBmI7sY"),
    Vector("BCRYPT", "E2eTestP@ss123", Salt::Counting, 12, "Zs3Oxvr9Ke/ALtY/A+4+vh8PmNum3yHF"),
    Vector("BCRYPT", "nul-38", Salt::Text("salt"), 4, "5PDMwwF3YcCvJuWKaupI2RlcT3HWXt8s"),
];

fn check(vector: &Vector) {
    let Vector(algorithm, password, salt, iterations, expected) = vector;
    let salt = match salt {
        Salt::None => Vec::new(),
        Salt::Text(text) => text.as_bytes().to_vec(),
        Salt::Base64(text) => STANDARD.decode(text).unwrap(),
        Salt::Counting => (0..16).collect(),
    };
    let text = format!("ese:{algorithm}:{iterations}:{}:{expected}", STANDARD.encode(&salt));
    let stored = parsed(&text);
    assert!(verifies(&stored, password.as_bytes()), "{text}");
    let wrong = format!("{password}!");
    assert!(!verifies(&stored, wrong.as_bytes()), "{text}");
    let options = NewHash {
        algorithm: Some((*algorithm).to_owned()),
        iterations: Some(*iterations),
        memory_kib: None,
        salt: Some(salt),
    };
    assert_eq!(*options.make(password.as_bytes(), &Limits::default()).unwrap(), text);
}

#[test]
fn every_published_vector_verifies_and_is_made_again() {
    PUBLISHED.iter().for_each(check);
}

#[test]
fn every_computed_vector_verifies_and_is_made_again() {
    COMPUTED.iter().for_each(check);
}

#[test]
fn iterations_of_zero_and_one_mean_the_same_for_plain_digests() {
    for algorithm in ["MD5", "SHA512"] {
        let with = |iterations| {
            NewHash {
                algorithm: Some(algorithm.to_owned()),
                iterations: Some(iterations),
                memory_kib: None,
                salt: Some(b"salt".to_vec()),
            }
            .make(b"password", &Limits::default())
            .unwrap()
        };
        let digest = |text: &str| text.rsplit(':').next().unwrap().to_owned();
        assert_eq!(digest(&with(0)), digest(&with(1)));
        assert_ne!(digest(&with(1)), digest(&with(2)));
    }
}

#[test]
fn a_phc_string_of_the_reference_implementation_verifies() {
    // From the reference implementation's own test suite (2^16 KiB, two passes, "password", "somesalt").
    let stored =
        parsed("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
    assert!(verifies(&stored, b"password"));
    assert!(!verifies(&stored, b"Password"));
}
