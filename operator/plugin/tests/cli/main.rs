//! The plugin as a user runs it: output, exit codes, bad input.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod run;

mod can_i;
mod cluster;
mod hash_password;
mod validate;

use run::moat;

#[test]
fn help_names_the_commands_and_each_has_examples() {
    let help = moat(&["--help"]);
    assert_eq!(help.code, 0);
    for command in [&["validate"][..], &["can-i"], &["hash-password"], &["status"], &["bundle", "show"]] {
        assert!(help.out.contains(command[0]), "{}", help.out);
        let own = moat(&[command, &["--help"]].concat());
        assert_eq!(own.code, 0);
        assert!(own.out.contains(&format!("kubectl moat {} ", command.join(" "))), "{}", own.out);
        assert!(own.out.contains("Examples:"), "{}", own.out);
    }
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &[][..],
        &["unknown"],
        &["validate"],
        &["can-i", "-f", "x", "user", "destroy", "topic"],
        &["can-i", "-f", "x", "user", "publish", "topic", "--qos", "3"],
        &["can-i", "user", "publish", "topic"],
        &["can-i", "-f", "x", "user", "publish", "topic", "--var", "string-a"],
        &["hash-password", "--iterations", "many"],
        &["hash-password", "--namespace", "iot"],
        &["status", "fleet", "plant"],
        &["status", "fleet", "-A"],
        &["status", "-n", "iot", "-A"],
        &["status", "-o", "yaml"],
        &["status", "--as-group", "viewers"],
        &["bundle"],
        &["bundle", "show", "-A"],
    ] {
        let run = moat(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}{}", run.out, run.err);
        assert!(run.out.is_empty() && !run.err.is_empty(), "{arguments:?}");
    }
}
