//! Arbitrary bytes as a file of resources: reading never panics, stays within its bounds, says something about every file
//! that it takes for broken, and reads what it understood back from JSON as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moat_crds::file::{parse, read};

fuzz_target!(|bytes: &[u8]| {
    let reading = read("fuzz.yaml", bytes);
    assert!(!reading.broken || (reading.entries.is_empty() && !reading.findings.is_empty()));
    for finding in &reading.findings {
        assert!(finding.place.line > 0 && finding.place.column > 0, "{finding}");
        assert!(!finding.message.is_empty(), "{finding}");
    }
    let Ok(documents) = parse(bytes) else { return };
    for document in documents {
        // A key longer than YAML allows in front of its colon is valid JSON that YAML cannot hold in this form.
        if let Ok(again) = parse(document.value.to_string().as_bytes()) {
            assert_eq!(again.len(), 1);
            assert_eq!(again[0].value, document.value);
        }
    }
});
