//! Verilates `rtl/` into C++, wraps every model in a thin C interface, and compiles both with the `cc` crate.
//!
//! The Makefile that Verilator writes is not used: it appends `-Os`, which costs half of the speed. Without Verilator
//! 5 nothing is built, and the crate says so at run time.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{env, fs, thread};

/// Oldest Verilator whose scheduling is that of version 5.
const OLDEST: u32 = 5;

/// A module that is simulated: its name here, its top module, whether the adder and the butterflies are the host's,
/// and its parameters.
type Entry = (&'static str, &'static str, Fidelity, &'static [&'static str]);

const MODELS: &[Entry] = &[
    (
        "delay_line_3",
        "delay_line",
        Fidelity::Exact,
        &["-GWidth=70", "-GCycles=3"],
    ),
    (
        "delay_line_8",
        "delay_line",
        Fidelity::Exact,
        &["-GWidth=70", "-GCycles=8"],
    ),
    (
        "delay_line_22",
        "delay_line",
        Fidelity::Exact,
        &["-GWidth=70", "-GCycles=22"],
    ),
    ("clock_gate", "clock_gate", Fidelity::Exact, &["-GHold=5"]),
    ("fifo", "fifo", Fidelity::Exact, &["-GWidth=40", "-GDepth=8"]),
    ("ram_1r1w", "ram_1r1w", Fidelity::Exact, &["-GWidth=80"]),
    ("mul_limb", "mul_limb", Fidelity::Exact, &[]),
    ("carry_chain", "carry_chain", Fidelity::Exact, &[]),
    ("mont_mul", "mont_mul", Fidelity::Exact, &[]),
    ("mont_mul_fr", "mont_mul", Fidelity::Exact, &["-GFr=1"]),
    ("reduce_small", "reduce_small", Fidelity::Exact, &[]),
    ("point_add", "point_add", Fidelity::Exact, &[]),
    ("point_add_fast", "point_add", Fidelity::Fast, &[]),
    ("digit_unit", "digit_unit", Fidelity::Exact, &[]),
    ("touched_map", "touched_map", Fidelity::Exact, &["-GSlotBits=10"]),
    ("group_scan", "group_scan", Fidelity::Exact, &[]),
    ("reduce_rounds", "reduce_rounds", Fidelity::Exact, &[]),
    ("bucket_bank", "bucket_bank", Fidelity::Exact, &["-GSlotBits=10"]),
    ("bucket_unit", "bucket_unit", Fidelity::Exact, &[]),
    ("reducer", "reducer", Fidelity::Exact, &[]),
    ("base_fetch", "base_fetch", Fidelity::Exact, &[]),
    ("perf_counters", "perf_counters", Fidelity::Exact, &[]),
    ("ntt_memory", "ntt_memory", Fidelity::Exact, &["-GMaxLog=8"]),
    ("ntt_twiddles", "ntt_twiddles", Fidelity::Exact, &["-GMaxLog=8"]),
    ("ntt_output", "ntt_output", Fidelity::Exact, &["-GMaxLog=8"]),
    ("ntt_butterfly", "ntt_butterfly", Fidelity::Exact, &[]),
    ("ntt_butterfly_fast", "ntt_butterfly", Fidelity::Fast, &[]),
    ("ntt_engine", "ntt_engine", Fidelity::Exact, &[]),
    ("ntt_engine_fast", "ntt_engine", Fidelity::Fast, &[]),
    (
        "ntt_engine_two_lanes",
        "ntt_engine",
        Fidelity::Fast,
        &["-GLogLanes=1", "-GMaxLog=12"],
    ),
    (
        "ntt_engine_eight_lanes",
        "ntt_engine",
        Fidelity::Fast,
        &["-GLogLanes=3", "-GMaxLog=12"],
    ),
    ("ntt_engine_largest", "ntt_engine", Fidelity::Fast, &["-GMaxLog=18"]),
    ("card", "card", Fidelity::Exact, &[]),
    ("card_fast", "card", Fidelity::Fast, &[]),
];

#[derive(Clone, Copy, PartialEq)]
enum Fidelity {
    /// Every gate of `rtl/`.
    Exact,
    /// Point additions and butterflies are computed on the host, with the same latency.
    Fast,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    println!("cargo::rustc-check-cfg=cfg(verilator)");
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=cpp");
    println!("cargo::rerun-if-changed=fast");
    for part in fs::read_dir("../rtl")?.flatten() {
        for file in fs::read_dir(part.path()).into_iter().flatten().flatten() {
            // what the models are made of, not what is written about it
            if file
                .path()
                .extension()
                .is_some_and(|end| end == "sv" || end == "svh" || end == "vlt")
            {
                println!("cargo::rerun-if-changed={}", file.path().display());
            }
        }
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let models = match verilator() {
        Some(root) => {
            println!("cargo::rustc-cfg=verilator");
            // Clippy links nothing, and has an output folder of its own, for which every model would be compiled once more.
            let wrapper = env::var_os("RUSTC_WORKSPACE_WRAPPER").unwrap_or_default();
            if !wrapper.to_string_lossy().contains("clippy-driver") {
                build(&out, &root)?;
            }
            MODELS
        }
        None => &[],
    };
    fs::write(out.join("models.rs"), bindings(models)?)?;
    Ok(())
}

/// The folder with Verilator's run-time sources, where a recent enough Verilator is installed.
fn verilator() -> Option<PathBuf> {
    let ask = |argument: &[&str]| {
        let output = Command::new("verilator").args(argument).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let version = ask(&["--version"])?;
    let major: u32 = version.strip_prefix("Verilator ")?.split('.').next()?.parse().ok()?;
    (major >= OLDEST).then_some(())?;
    Some(PathBuf::from(ask(&["--getenv", "VERILATOR_ROOT"])?).join("include"))
}

fn build(out: &Path, runtime: &Path) -> Result<()> {
    let rtl = fs::canonicalize("../rtl")?;
    let waves = env::var_os("CARGO_FEATURE_WAVES").is_some();
    let random = env::var_os("CARGO_FEATURE_RANDOM_START").is_some();
    let mut base = cc::Build::new();
    base.cpp(true)
        .std("c++17")
        .debug(false)
        .warnings(false)
        .extra_warnings(false)
        .cargo_metadata(false)
        // GCC's choice for the clearing of wide temporaries, `rep stos`, takes longer than the rest of small functions
        .flag_if_supported("-mmemset-strategy=unrolled_loop:256:noalign,libcall:-1:noalign")
        .define("VL_USER_STOP", None)
        .define("VM_TRACE", if waves { "1" } else { "0" })
        .include(runtime)
        .include(runtime.join("vltstd"));
    println!("cargo::rustc-link-search=native={}", out.display());
    let model = |entry: &Entry| -> Result<()> {
        let &(name, ..) = entry;
        let folder = out.join(name);
        let fresh = out.join(format!("{name}.fresh"));
        verilate(&rtl, &fresh, entry, (waves, random))?;
        leave_unset(&fresh)?;
        let header = fs::read_to_string(fresh.join(format!("V{name}.h")))?;
        fs::write(
            fresh.join(format!("shim_{name}.cpp")),
            wrapper(name, &ports(&header), waves, random),
        )?;
        // a model whose C++ is the same as last time is not compiled again
        let library = out.join(format!("libtapeout_{name}.a"));
        if !library.exists() || sources(&folder)? != sources(&fresh)? {
            let _ = fs::remove_file(&library);
            let _ = fs::remove_dir_all(&folder);
            fs::rename(&fresh, &folder)?;
            compile(&base, &folder, name)?;
        }
        println!("cargo::rustc-link-lib=static=tapeout_{name}");
        Ok(())
    };
    let jobs = env::var("NUM_JOBS")?.parse()?;
    // the largest are the last, and are begun with
    let next = AtomicUsize::new(MODELS.len());
    let work = || -> std::result::Result<(), String> {
        let take = || next.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).ok();
        while let Some(left) = take() {
            model(&MODELS[left - 1]).map_err(|error| format!("{}: {error}", MODELS[left - 1].0))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or(Err("a thread panicked".into())))
    })?;
    let mut run_time = base.clone();
    run_time
        .opt_level(3)
        .file("cpp/stop.cpp")
        .file(runtime.join("verilated.cpp"))
        .file(runtime.join("verilated_dpi.cpp"))
        .file(runtime.join("verilated_threads.cpp"));
    if waves {
        run_time.file(runtime.join("verilated_fst_c.cpp"));
    }
    run_time.compile("tapeout_runtime");
    println!("cargo::rustc-link-lib=static=tapeout_runtime");
    if waves {
        println!("cargo::rustc-link-lib=z");
    }
    println!("cargo::rustc-link-lib=stdc++");
    Ok(())
}

/// The generated C++ in a folder: names and contents.
fn sources(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let paths: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let wanted = |path: &PathBuf| path.extension().is_some_and(|end| end == "cpp" || end == "h");
    let read = |path: &PathBuf| Ok((path.strip_prefix(folder)?.to_owned(), fs::read(path)?));
    let mut found: Vec<_> = paths
        .iter()
        .filter(|path| wanted(path))
        .map(read)
        .collect::<Result<_>>()?;
    found.sort();
    Ok(found)
}

/// Takes out of the generated C++ that every cycle zeroes what memories may come to hold at its end: Verilator reads these values
/// only where it has set them before. Among points of 768 bits that is a tenth of the simulation's time.
fn leave_unset(folder: &Path) -> Result<()> {
    for (file, text) in sources(folder)? {
        let text = String::from_utf8(text)?;
        let needless = |line: &str| line.trim_start().starts_with("VL_ZERO_W(") && line.contains(" __Vdlyvval__");
        if text.lines().any(needless) {
            let kept: Vec<_> = text.lines().filter(|line| !needless(line)).collect();
            fs::write(folder.join(file), kept.join("\n"))?;
        }
    }
    Ok(())
}

/// Compiles a model into a static library of its own, in two translation units: Verilator's files are many, most of
/// them small, and each would go through the same headers.
fn compile(base: &cc::Build, folder: &Path, name: &str) -> Result<()> {
    let (mut hot, mut cold) = (String::new(), String::new());
    for (file, _) in sources(folder)? {
        if file.extension().is_some_and(|end| end == "cpp") {
            let half = if file.to_string_lossy().contains("Slow") {
                &mut cold
            } else {
                &mut hot
            };
            writeln!(half, "#include \"{}\"", file.display())?;
        }
    }
    let unit = |half: &str, text: String, level| -> Result<cc::Build> {
        let file = folder.with_extension(format!("{half}.cpp"));
        fs::write(&file, text)?;
        let mut build = base.clone();
        build.include(folder).opt_level(level).file(file);
        Ok(build)
    };
    // what runs once, at the start, is not worth the compiler's time
    let (mut hot, cold) = (unit("hot", hot, 3)?, unit("cold", cold, 0)?);
    for object in cold.try_compile_intermediates()? {
        hot.object(object);
    }
    hot.try_compile(&format!("tapeout_{name}"))?;
    Ok(())
}

fn verilate(
    rtl: &Path,
    folder: &Path,
    &(name, top, fidelity, parameters): &Entry,
    (waves, random): (bool, bool),
) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    let mut command = Command::new("verilator");
    let unknown = if random { "unique" } else { "fast" };
    command
        .args(["--cc", "--no-timing", "-O3", "--assert", "-Wno-fatal"])
        .args(["--x-assign", unknown, "--x-initial", unknown])
        .args(["--prefix", &format!("V{name}"), "--top-module", top])
        .arg("--Mdir")
        .arg(folder);
    command.args(parameters);
    if waves {
        command.arg("--trace-fst");
    }
    // a module of the same name that stands before takes the place of the one in rtl/field
    if fidelity == Fidelity::Fast {
        command.arg(format!("-I{}", fs::canonicalize("fast")?.display()));
    }
    for part in ["common", "field", "curve", "msm", "ntt", "shell"] {
        command.arg(format!("-I{}", rtl.join(part).display()));
    }
    command
        .arg(rtl.join("lint/verilator.vlt"))
        .args(["gen/tapeout_pkg.sv", "pkg/types_pkg.sv"].map(|package| rtl.join(package)));
    let own = Path::new("fast").join(format!("{top}.sv"));
    let file = if fidelity == Fidelity::Fast && own.exists() {
        fs::canonicalize(own)?
    } else {
        find(rtl, top)?
    };
    let output = command.arg(file).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(())
}

/// The file of a module: files are named after their modules.
fn find(rtl: &Path, module: &str) -> Result<PathBuf> {
    for part in fs::read_dir(rtl)? {
        let file = part?.path().join(format!("{module}.sv"));
        if file.exists() {
            return Ok(file);
        }
    }
    Err(format!("no {module}.sv under {}", rtl.display()).into())
}

/// The names of the ports that Verilator's header declares, as `VL_IN8(&clk_i,0,0);`, `VL_OUTW(&y_o,255,0,8);` or, for an array,
/// `VL_IN8((&log_i)[2],3,0);`.
///
/// With each, whether it is an input.
fn ports(header: &str) -> Vec<(String, bool)> {
    let declared = |line: &str| {
        let line = line.trim();
        let input = line.starts_with("VL_IN");
        let rest = line.strip_prefix("VL_IN").or_else(|| line.strip_prefix("VL_OUT"))?;
        let name = rest.split_once("(&")?.1.split([',', ')']).next()?;
        Some((name.trim().to_owned(), input))
    };
    header.lines().filter_map(declared).collect()
}

/// The C interface of a model.
fn wrapper(name: &str, ports: &[(String, bool)], waves: bool, random: bool) -> String {
    let (mut rows, mut clear) = (String::new(), String::new());
    for (port, input) in ports {
        if *input {
            let _ = write!(clear, " std::memset(&m->top.{port}, 0, sizeof(m->top.{port}));");
        }
        let _ = writeln!(
            rows,
            "    out[n++] = {{\"{port}\", &m->top.{port}, sizeof(m->top.{port})}};"
        );
    }
    let (include, open, dump, close) = if waves {
        (
            "#include \"verilated_fst_c.h\"\n",
            "m->context.traceEverOn(true); m->trace = new VerilatedFstC; m->top.trace(m->trace, 99); m->trace->open(path); return 1;",
            "if (m->trace) m->trace->dump(time);",
            "if (m->trace) { m->trace->close(); delete m->trace; }",
        )
    } else {
        ("", "(void)m; (void)path; return 0;", "(void)m; (void)time;", "")
    };
    // The runtime finds a model's context by thread, also when it ends. One thread: more would have nothing to do.
    // Registers start from bits that the environment variable seeds.
    let start = if random {
        "(Verilated::threadContextp(&context), context.threads(1), context.randReset(2), context.randSeed(std::getenv(\"TAPEOUT_SEED\") ? std::atoi(std::getenv(\"TAPEOUT_SEED\")) : 1), &context)"
    } else {
        "(Verilated::threadContextp(&context), context.threads(1), &context)"
    };
    let member = if waves {
        "    VerilatedFstC* trace = nullptr;\n"
    } else {
        ""
    };
    format!(
        "#include \"V{name}.h\"\n{include}#include <cstdint>\n#include <cstdlib>\n#include <cstring>\n\
         namespace {{\nstruct Model {{\n    VerilatedContext context;\n    V{name} top{{{start}}};\n{member}}};\n\
         struct Port {{ const char* name; void* data; size_t bytes; }};\n}}\n\
         extern \"C\" {{\n\
         void* tapeout_{name}_new() {{ auto m = new Model;{clear} return m; }}\n\
         void tapeout_{name}_free(void* p) {{ auto m = static_cast<Model*>(p); Verilated::threadContextp(&m->context); {close} m->top.final(); delete m; }}\n\
         void tapeout_{name}_eval(void* p) {{ auto m = static_cast<Model*>(p); Verilated::threadContextp(&m->context); m->top.eval(); }}\n\
         int tapeout_{name}_stopped(void* p) {{ return static_cast<Model*>(p)->context.gotFinish(); }}\n\
         int tapeout_{name}_trace(void* p, const char* path) {{ auto m = static_cast<Model*>(p); {open} }}\n\
         void tapeout_{name}_dump(void* p, uint64_t time) {{ auto m = static_cast<Model*>(p); {dump} }}\n\
         size_t tapeout_{name}_ports(void* p, Port* out) {{\n    auto m = static_cast<Model*>(p);\n    size_t n = 0;\n    (void)out;\n{rows}    return n;\n}}\n}}\n"
    )
}

/// The Rust side of the interface: one row per model.
fn bindings(models: &[Entry]) -> Result<String> {
    let mut out =
        String::from("pub(crate) const MAX_PORTS: usize = 128;\n#[allow(improper_ctypes)]\nunsafe extern \"C\" {\n");
    for (name, ..) in models {
        writeln!(out, "    fn tapeout_{name}_new() -> *mut c_void;")?;
        writeln!(out, "    fn tapeout_{name}_free(model: *mut c_void);")?;
        writeln!(out, "    fn tapeout_{name}_eval(model: *mut c_void);")?;
        writeln!(out, "    fn tapeout_{name}_stopped(model: *mut c_void) -> c_int;")?;
        writeln!(
            out,
            "    fn tapeout_{name}_trace(model: *mut c_void, path: *const c_char) -> c_int;"
        )?;
        writeln!(out, "    fn tapeout_{name}_dump(model: *mut c_void, time: u64);")?;
        writeln!(
            out,
            "    fn tapeout_{name}_ports(model: *mut c_void, ports: *mut RawPort) -> usize;"
        )?;
    }
    out.push_str("}\n/// Every model of this build.\npub(crate) static MODELS: &[Functions] = &[\n");
    for (name, ..) in models {
        writeln!(
            out,
            "    Functions {{ name: \"{name}\", new: tapeout_{name}_new, free: tapeout_{name}_free,"
        )?;
        writeln!(
            out,
            "        eval: tapeout_{name}_eval, stopped: tapeout_{name}_stopped, trace: tapeout_{name}_trace,"
        )?;
        writeln!(
            out,
            "        dump: tapeout_{name}_dump, ports: tapeout_{name}_ports }},"
        )?;
    }
    out.push_str("];\n");
    Ok(out)
}
