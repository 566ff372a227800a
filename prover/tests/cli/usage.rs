//! Help, and what happens when the command is wrong.

use super::{stderr, stdout, tapeout};

#[test]
fn help_shows_the_whole_way() {
    let help = tapeout(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for line in [
        "tapeout setup model.onnx",
        "tapeout prove model.onnx",
        "tapeout verify proof",
        "Exit codes:",
    ] {
        assert!(stdout(&help).contains(line), "{line}");
    }
}

#[test]
fn bad_use_exits_with_2_and_prints_nothing_on_stdout() {
    let cases: &[&[&str]] = &[
        &[],
        &["fly"],
        &["backends", "--loud"],
        &["bench", "msm", "--sizes", "9..3"],
        &["bench", "fft"],
    ];
    for arguments in cases {
        let output = tapeout(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert!(
            stderr(&output).contains("Usage:") || stderr(&output).contains("--help"),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_wrong_flag_suggests_the_right_one() {
    for (arguments, right) in [
        (&["bench", "msm", "--backend", "cpu"][..], "--backends"),
        (&["bench", "msm", "--backends", "cpy"], "'cpu'"),
        (&["backend"], "'backends'"),
        (&["backends", "--jsn"], "--json"),
    ] {
        let output = tapeout(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let tip = stderr(&output)
            .lines()
            .find(|line| line.contains("tip:"))
            .unwrap_or_default();
        assert!(tip.contains(right), "{arguments:?}: {}", stderr(&output));
    }
}
