//! `backends` and `bench`.

use serde_json::Value;

use super::{FIXTURE, json, linreg, prove, stderr, stdout, tapeout};

#[test]
fn transforms_take_no_width() {
    let output = tapeout(&["bench", "ntt", "--scalars", "i8"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--scalars"));
}

#[test]
fn backends_lists_the_default_first() {
    for arguments in [["backends", "--json"], ["--json", "backends"]] {
        let output = tapeout(&arguments);
        assert_eq!(output.status.code(), Some(0));
        let rows = json(&output);
        assert_eq!(rows[0]["name"], "cpu");
        assert_eq!(rows[0]["default"], true);
        assert!(
            rows.as_array()
                .unwrap()
                .iter()
                .any(|row| row["name"] == "reference" && row["available"] == true)
        );
    }
    let table = tapeout(&["backends"]);
    assert!(stdout(&table).contains("cpu (default)"));
}

#[test]
fn bench_gives_a_row_per_backend_and_size() {
    for (kernel, scalars) in [("msm", Value::from("i8")), ("ntt", Value::Null)] {
        let mut arguments = vec![
            "bench",
            kernel,
            "--backends",
            "cpu,reference",
            "--sizes",
            "2..3",
            "--runs",
            "1",
            "--json",
        ];
        if kernel == "msm" {
            arguments.extend(["--scalars", "i8"]);
        }
        let output = tapeout(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let rows = json(&output);
        let keys: Vec<_> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["log_n"].as_u64(), row["backend"].as_str()))
            .collect();
        assert_eq!(
            keys,
            [
                (Some(2), Some("cpu")),
                (Some(2), Some("reference")),
                (Some(3), Some("cpu")),
                (Some(3), Some("reference"))
            ]
        );
        for row in rows.as_array().unwrap() {
            assert_eq!(row["kind"], kernel);
            assert_eq!(row["scalars"], scalars);
            assert!(row["median_wall_ms"].is_f64() && row["median_cpu_ms"].is_f64() && row["cycles"].is_null());
        }
    }
}

#[test]
fn bench_as_a_table_names_what_it_measured() {
    let output = tapeout(&[
        "bench",
        "msm",
        "--backends",
        "reference",
        "--sizes",
        "1",
        "--runs",
        "1",
        "--scalars",
        "u4",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for cell in ["2^1", "reference", "u4", "host wall ms", "1.00x"] {
        assert!(stdout(&output).contains(cell), "{cell}: {}", stdout(&output));
    }
}

#[test]
fn bench_compares_whole_proofs_and_draws_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let (model, input) = (linreg("network.onnx"), linreg("input.json"));
    let arguments = |what| {
        let mut arguments = vec![
            "bench",
            what,
            "--backends",
            "cpu,portable",
            "--runs",
            "1",
            "--watts",
            "cpu=65",
            "--json",
        ];
        arguments.extend(["--model", model.to_str().unwrap(), "--input", input.to_str().unwrap()]);
        arguments.extend(["--html", page.to_str().unwrap()]);
        arguments
    };
    let output = tapeout(&arguments("proof"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows = json(&output);
    assert_eq!(
        (rows[0]["backend"].as_str(), rows[1]["backend"].as_str()),
        (Some("cpu"), Some("portable"))
    );
    assert!(rows[0]["host_ms"].as_f64() < rows[0]["median_wall_ms"].as_f64());

    let output = tapeout(&[&arguments("all")[..], &["--sizes", "3..4", "--scalars", "mixed"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = json(&output);
    for (part, rows) in [("msm", 4), ("ntt", 4), ("proof", 2)] {
        assert_eq!(report[part].as_array().unwrap().len(), rows, "{part}");
    }
    assert_eq!(report["msm"][0]["scalars"], "mixed");
    let html = std::fs::read_to_string(&page).unwrap();
    for part in [
        "<svg",
        "In short",
        "wins",
        "Multi-scalar",
        "transform",
        "Energy of a proof",
        "bottleneck",
    ] {
        assert!(html.contains(part), "{part}");
    }

    let output = tapeout(&["bench", "msm", "--sizes", "1", "--watts", "gpu=9"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no backend is named 'gpu'"));
}

/// Beyond the sizes that are simulated the performance model speaks, and says so.
#[test]
fn sizes_that_are_not_simulated_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let mut arguments = vec![
        "bench",
        "msm",
        "--backends",
        "cpu,rtl",
        "--sizes",
        "4..6",
        "--runs",
        "1",
    ];
    arguments.extend([
        "--simulate-to",
        "4",
        "--scalars",
        "i8",
        "--html",
        page.to_str().unwrap(),
        "--json",
    ]);
    let output = tapeout(&arguments);
    if stderr(&output).contains("built without Verilator") {
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows = json(&output);
    let keys: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["log_n"].as_u64(),
                row["backend"].as_str(),
                row["estimated"].as_bool(),
            )
        })
        .collect();
    let row = |log_n, backend, estimated| (Some(log_n), Some(backend), Some(estimated));
    assert_eq!(
        keys,
        [
            row(4, "cpu", false),
            row(4, "rtl", false),
            row(5, "cpu", false),
            row(5, "rtl", true),
            row(6, "cpu", false),
            row(6, "rtl", true)
        ]
    );
    assert!(rows[3]["median_wall_ms"].is_null() && rows[3]["modelled_ms"].as_f64() > Some(0.0));
    assert!(rows[1]["modelled_ms"].as_f64() < rows[5]["modelled_ms"].as_f64());
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("rtl, not simulated (model)"));
}

#[test]
fn explore_draws_designs_and_names_what_it_cannot_use() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let (model, input) = (linreg("network.onnx"), linreg("input.json"));
    let proof = ["--model", model.to_str().unwrap(), "--input", input.to_str().unwrap()];
    let output = tapeout(
        &[
            &["explore", "--clock", "300", "--html", page.to_str().unwrap()][..],
            &proof,
        ]
        .concat(),
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for part in ["Amdahl's limit", "adders", "300", "bound by"] {
        assert!(stdout(&output).contains(part), "{part}: {}", stdout(&output));
    }
    assert!(std::fs::read_to_string(&page).unwrap().contains("<svg"));

    let strange = folder.path().join("part.json");
    std::fs::write(&strange, "{\"name\": \"x\"}").unwrap();
    for (part, message) in [("u280", "expected vu9p"), (strange.to_str().unwrap(), "missing field")] {
        let output = tapeout(&[&["explore", "--part", part][..], &proof].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
    assert_eq!(tapeout(&["explore"]).status.code(), Some(2));
}

#[test]
fn a_recorded_proof_runs_again_without_the_prover() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.json");
    let record = ["--record", trace.to_str().unwrap()];
    prove(&FIXTURE.keys(), &folder.path().join("proof"), &record);
    let replay = |backends: &str| {
        tapeout(&[
            "replay",
            trace.to_str().unwrap(),
            "--backends",
            backends,
            "--runs",
            "1",
            "--json",
        ])
    };
    let output = replay("cpu,arkworks");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = json(&output);
    assert_eq!(report["recorded_on"], "cpu");
    for total in report["totals"].as_array().unwrap() {
        assert_eq!(total["unsupported_calls"], 0);
        assert!(total["whole_ms"].as_f64() > report["host_ms"].as_f64());
    }
    let calls: u64 = report["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["calls"].as_u64().unwrap())
        .sum();
    assert_eq!(calls, 2 * report["calls"].as_u64().unwrap());

    let explored = tapeout(&["explore", trace.to_str().unwrap(), "--part", "u55c", "--json"]);
    assert_eq!(explored.status.code(), Some(0), "{}", stderr(&explored));
    let explored = json(&explored);
    assert_eq!(
        (explored["part"].as_str(), explored["recorded_on"].as_str()),
        (Some("u55c"), Some("cpu"))
    );
    assert_eq!(explored["front"][0]["design"]["adders"], 0);

    let text = std::fs::read_to_string(&trace).unwrap();
    for (damaged, message) in [
        (text.replace("\"version\": 1", "\"version\": 9"), "its version is 9"),
        (text[..text.len() / 2].to_owned(), "EOF"),
        (text.replace("\"version\"", "\"edition\""), "unknown field"),
    ] {
        std::fs::write(&trace, damaged).unwrap();
        let output = replay("cpu");
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains("cannot use the trace") && stderr(&output).contains(message),
            "{}",
            stderr(&output)
        );
    }
}
