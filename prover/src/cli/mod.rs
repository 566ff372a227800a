//! The command line: reads arguments and files, calls the library, prints results.
//!
//! Results go to standard output, as tables or, with `--json`, as one JSON value; progress and logs go to standard error. What a
//! verb does stands in the module of its name, how it is printed in [`output`].

mod backends;
mod bench;
mod calibrate;
mod certificate;
mod commit;
mod context;
mod device;
mod evm;
mod explore;
mod files;
mod hash;
mod inspect;
mod keys;
mod memory;
mod meter;
mod opening;
mod ops;
mod output;
mod page;
mod precision;
mod progress;
mod prove;
mod replay;
mod reveal;
mod run;
mod segments;
mod setup;
mod sim;
mod srs;
mod verify;
mod weights;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};

use output::{Output, Status};

const EXAMPLES: &str = "\
Examples:
  tapeout setup model.onnx --calibrate samples.json --out keys
  tapeout prove model.onnx --input input.json --keys keys --out proof
  tapeout verify proof --vk keys/model.vk --insecure-dev
  tapeout bench msm --backends cpu,reference --sizes 8..10
  tapeout explore --model model.onnx --input input.json --part u55c --html card.html

Inputs are JSON, {\"input_data\": [[...]]}, or NumPy's .npy.

Exit codes: 0 all is well; 1 a proof does not verify; 2 bad use, or something cannot be read or done.";

/// Zero-knowledge proofs that a neural network was run as stated, with MSM and NTT on interchangeable backends.
#[derive(Parser)]
#[command(name = "tapeout", version, after_help = EXAMPLES, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,

    /// Print one JSON value on standard output instead of tables
    #[arg(long, global = true)]
    json: bool,

    /// Log more to standard error; repeat for still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Verb {
    Setup(setup::Args),
    Srs(srs::Args),
    Commit(commit::Args),
    Hash(hash::Args),
    Prove(prove::Args),
    Verify(verify::Args),
    VerifyWeights(certificate::Args),
    Reveal(reveal::Args),
    VerifyReveal(reveal::VerifyArgs),
    Evm(evm::Args),
    Run(run::Args),
    Inspect(inspect::Args),
    Calibrate(calibrate::Args),
    Ops(ops::Args),
    Backends(backends::Args),
    Bench(bench::Args),
    Replay(replay::Args),
    Sim(sim::Args),
    Explore(explore::Args),
}

/// Parses the arguments, runs the verb and gives the exit code.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.verbose);
    let output = Output { json: cli.json };
    let status = match cli.verb {
        Verb::Setup(args) => args.run(&output),
        Verb::Srs(args) => args.run(&output),
        Verb::Commit(args) => args.run(&output),
        Verb::Hash(args) => args.run(&output),
        Verb::Prove(args) => args.run(&output),
        Verb::Verify(args) => args.run(&output),
        Verb::VerifyWeights(args) => args.run(&output),
        Verb::Reveal(args) => args.run(&output),
        Verb::VerifyReveal(args) => args.run(&output),
        Verb::Evm(args) => args.run(&output),
        Verb::Run(args) => args.run(&output),
        Verb::Inspect(args) => args.run(&output),
        Verb::Calibrate(args) => args.run(&output),
        Verb::Ops(args) => args.run(&output),
        Verb::Backends(args) => args.run(&output),
        Verb::Bench(args) => args.run(&output),
        Verb::Replay(args) => args.run(&output),
        Verb::Sim(args) => args.run(&output),
        Verb::Explore(args) => args.run(&output),
    };
    let status = status.unwrap_or_else(|error| {
        output.error(&error);
        Status::Failed
    });
    status.into()
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        2 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .with_target(false)
        .init();
}
