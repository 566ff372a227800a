//! Every module elaborates alone and is free of Verilator's warnings.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use tapeout_sim::available;

#[test]
fn every_module_elaborates_alone_without_a_warning() {
    if !available() {
        return;
    }
    let root = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
    let parts = ["common", "field", "curve", "msm", "ntt", "shell"];
    let mut count = 0;
    for part in parts {
        for file in fs::read_dir(root.join("rtl").join(part)).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_none_or(|end| end != "sv") {
                continue;
            }
            let module = file.file_stem().unwrap().to_string_lossy().into_owned();
            let mut lint = Command::new("verilator");
            lint.current_dir(&root)
                .args(["--lint-only", "-Wall", "--no-timing", "--top-module", &module]);
            lint.args(parts.map(|part| format!("-Irtl/{part}")));
            lint.args([
                "rtl/lint/verilator.vlt",
                "rtl/gen/tapeout_pkg.sv",
                "rtl/pkg/types_pkg.sv",
            ])
            .arg(&file);
            let output = lint.output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && text.is_empty(), "{module}:\n{text}");
            count += 1;
        }
    }
    assert!(count >= 22, "only {count} modules were found");
}
