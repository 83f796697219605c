//! Programs that are no shims, or shims that break their protocol: each with its
//! exit code.

use super::{REFERENCE, judge};
use std::process::Command;

/// A shim that passes for one until it is to connect, and then does this.
fn shim(lines: &str) -> String {
    format!(
        "read h; echo '{{\"hello\":\"stomp-conformance-shim/1\",\"name\":\"sh\",\"caps\":[\"1.2\"]}}'; \
         read c; case \"$c\" in *canary*) echo '{{\"id\":1,\"unsupported\":true}}'; \
         read c; echo '{{\"id\":2,\"ok\":true}}'; exit 0;; esac; {lines}"
    )
}

/// The exit code of a run with one case before such a shim.
fn exit_of(script: &str) -> u8 {
    judge(&["client", "--quiet", "S12-CON-012", "--", "sh", "-c", script])
}

/// As the program: the exit code, and what it says on stderr.
fn told(script: &str) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_judge");
    let args = ["client", "--quiet", "S12-CON-012", "--", "sh", "-c", script];
    let output = Command::new(program).args(args).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

#[test]
fn what_does_not_greet_is_exit_code_3() {
    let version = "read h; echo '{\"hello\":\"stomp-conformance-shim/2\"}'; read c";
    let canary = "read h; echo '{\"hello\":\"stomp-conformance-shim/1\"}'; read c; echo '{\"id\":1,\"ok\":true}'; read c";
    for (script, sentence) in [
        ("echo garbage", "is no JSON: garbage"),
        ("exit 7", "the shim ended"),
        ("echo why >&2; exit 7", "its last words: why"),
        (version, "speaks \"stomp-conformance-shim/2\""),
        (canary, "claims to do x-canary"),
    ] {
        let (exit, text) = told(script);
        assert_eq!(exit, 3, "{script}: {text}");
        assert!(text.contains(sentence), "{script}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    assert_eq!(judge(&["client", "--quiet", "--", "/nowhere/shim"]), 3);
}

#[test]
fn what_hangs_instead_of_greeting_is_exit_code_3() {
    let args = [
        "client",
        "--quiet",
        "--time-scale=0.2",
        "S12-CON-012",
        "--",
        "sleep",
        "60",
    ];
    assert_eq!(judge(&args), 3);
}

#[test]
fn what_breaks_the_protocol_in_a_case_is_exit_code_5() {
    for (lines, sentence) in [
        ("echo nonsense; sleep 5", "a line that is no JSON: nonsense"),
        (
            "echo '{\"id\":99,\"ok\":true}'; sleep 5",
            "answer to command 99, which was never given",
        ),
        (
            "echo '{\"id\":1,\"ok\":true}'; echo '{\"id\":1,\"ok\":true}'; sleep 5",
            "command 1 is answered twice",
        ),
        (
            "echo '{\"id\":1,\"ok\":true}'; echo '{\"ev\":\"closed\"}'; sleep 5",
            "closed without code",
        ),
        (
            "echo '{\"id\":1,\"maybe\":true}'; sleep 5",
            "none of ok, err and unsupported",
        ),
        (
            "echo '{\"ev\":\"hurrah\"}'; sleep 5",
            "no event is called \"hurrah\"",
        ),
    ] {
        let (exit, text) = told(&shim(lines));
        assert_eq!(exit, 5, "{lines}: {text}");
        assert!(text.contains(sentence), "{lines}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn what_dies_in_a_case_has_failed_it_and_89_says_that_it_cannot() {
    assert_eq!(exit_of(&shim("exit 101")), 1);
    assert_eq!(exit_of(&shim("exit 89")), 0);
}

#[test]
fn command_lines_without_sense() {
    assert_eq!(judge(&["client", "S12-CON-012"]), 2);
    assert_eq!(judge(&["client", "colour:red", "--", REFERENCE]), 2);
    assert_eq!(judge(&["client", "S12-NONE-*", "--", REFERENCE]), 4);
}

#[test]
fn the_check_of_a_shim_tries_every_verb() {
    assert_eq!(judge(&["shim-check", "--time-scale=3", "--", REFERENCE]), 0);
    assert_eq!(judge(&["shim-check", "--", "false"]), 3);
}

#[test]
fn the_protocol_is_part_of_the_program() {
    assert_eq!(judge(&["shim-protocol"]), 0);
    assert_eq!(judge(&["explain", "S12-ENC-001"]), 0);
    assert_eq!(judge(&["list", "--side=client", "enc"]), 0);
}
