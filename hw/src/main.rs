//! Writes the files that are generated from the hardware's description.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};

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
    /// Writes rtl/gen, docs/registers.md and the tables of docs/area.md that follow from hw/area.json.
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
        put(&root.join(path), &text, check)?;
    }
    for section in tapeout_hw::tables::sections()? {
        let path = root.join(section.path);
        let page = read(&path)?;
        put(&path, &section.put_into(&page)?, check)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file that is not yet as it is to be, or checks that it is.
fn put(path: &Path, text: &str, check: bool) -> Result<()> {
    let is_right = path.exists() && read(path)? == text;
    if check && !is_right {
        bail!(
            "{} is out of date: run `cargo run -p tapeout-hw -- emit`",
            path.display()
        );
    }
    if !is_right {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
