//! Writes the files that are generated from the hardware's description.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

/// The hardware's generators.
#[derive(Parser)]
#[command(name = "tapeout-hw", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Writes rtl/gen and docs/registers.md.
    Emit {
        /// Writes nothing, and fails when a file is not what would be written.
        #[arg(long)]
        check: bool,
        /// The root of the project.
        #[arg(long, default_value = ".")]
        root: PathBuf,
    },
}

fn main() -> Result<()> {
    let Verb::Emit { check, root } = Arguments::parse().verb;
    for (path, text) in tapeout_hw::emit::files()? {
        let path = root.join(path);
        if check {
            let found = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            if found != text {
                bail!(
                    "{} is out of date: run `cargo run -p tapeout-hw -- emit`",
                    path.display()
                );
            }
        } else {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            }
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{}", path.display());
        }
    }
    Ok(())
}
