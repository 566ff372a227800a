//! Reference strings as files: the format of this program, and snarkjs's `.ptau`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use tapeout_prover::keys::Powers;
use tapeout_prover::srs::ptau::{self, FileHash, Ptau};
use tapeout_prover::srs::{Origin, Srs, SrsError};

use super::files;
use super::keys::origin_name;
use super::output::{Output, Status, facts};

/// Make a development reference string, for keys of several models that are to share one
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Powers of the secret in G1: at least a key's rows and its largest table of weights; `tapeout setup` says what a model needs
    #[arg(long, value_name = "NUMBER")]
    g1: usize,

    /// Powers of the secret in G2
    #[arg(long, value_name = "NUMBER", default_value_t = 1024)]
    g2: usize,

    /// File that the reference string is written to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Report {
    srs: PathBuf,
    bytes: usize,
    powers_g1: usize,
    powers_g2: usize,
    origin: &'static str,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let srs = Srs::insecure_dev(self.g1, self.g2)?;
        let bytes = srs.to_bytes();
        files::write(&self.out, &bytes)?;
        tracing::warn!("the reference string was made for development: whoever made it can forge proofs");
        let report = Report {
            srs: self.out.clone(),
            bytes: bytes.len(),
            powers_g1: self.g1,
            powers_g2: self.g2,
            origin: origin_name(srs.origin()),
        };
        output.result(&report, human)?;
        Ok(Status::Ok)
    }
}

fn human(report: &Report) -> String {
    facts(&[
        (
            "reference string",
            format!("{} ({} bytes)", report.srs.display(), report.bytes),
        ),
        (
            "powers",
            format!("{} in G1, {} in G2", report.powers_g1, report.powers_g2),
        ),
        ("origin", report.origin.to_owned()),
    ])
}

/// A reference string.
#[derive(clap::Args)]
pub(crate) struct SrsArgs {
    /// Reference string: a ceremony's .ptau file (snarkjs), or a file of this program; without it one is made here, whose maker could
    /// forge proofs
    #[arg(long, value_name = "FILE")]
    srs: Option<PathBuf>,

    /// blake2b-512 that the .ptau file must have, from whom you trust; the files that snarkjs's documentation lists are known without
    #[arg(long, value_name = "HEX", value_parser = parse_hash, requires = "srs")]
    srs_hash: Option<Box<FileHash>>,
}

/// A file with a reference string, of which nothing but the first powers is ever in memory.
pub(crate) enum SrsFile {
    Own(Srs),
    Ptau {
        file: Ptau<BufReader<File>>,
        origin: Origin,
        hash: FileHash,
    },
}

impl SrsArgs {
    pub(crate) fn open(&self) -> anyhow::Result<Option<SrsFile>> {
        let Some(path) = &self.srs else { return Ok(None) };
        let cannot = || format!("cannot use the reference string '{}'", path.display());
        if let Some(mut file) = open_ptau(path).with_context(cannot)? {
            let hash = file.hash().with_context(cannot)?;
            let origin = ptau::origin(&hash, self.srs_hash.as_deref()).with_context(cannot)?;
            return Ok(Some(SrsFile::Ptau { file, origin, hash }));
        }
        if self.srs_hash.is_some() {
            bail!("{}: --srs-hash is for .ptau files, which this is not", cannot());
        }
        let srs = Srs::from_bytes(&files::read(path)?).with_context(cannot)?;
        Ok(Some(SrsFile::Own(srs)))
    }
}

impl SrsFile {
    pub(crate) fn powers(&mut self, needed: Powers) -> Result<Srs, SrsError> {
        match self {
            Self::Own(srs) => Ok(srs.clone()),
            Self::Ptau { file, origin, .. } => file.powers(needed.g1, needed.g2, *origin),
        }
    }

    /// The hash of a `.ptau` file that nobody vouched for.
    pub(crate) fn unknown_hash(&self) -> Option<String> {
        match self {
            Self::Ptau {
                origin: Origin::InsecureDev,
                hash,
                ..
            } => Some(ptau::hex(hash)),
            _ => None,
        }
    }
}

/// The file, if its first bytes are those of a `.ptau` file.
pub(crate) fn open_ptau(path: &Path) -> anyhow::Result<Option<Ptau<BufReader<File>>>> {
    let cannot = || format!("cannot read '{}'", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    let mut magic = Vec::new();
    file.by_ref().take(4).read_to_end(&mut magic).with_context(cannot)?;
    if magic != ptau::MAGIC {
        return Ok(None);
    }
    Ok(Some(Ptau::open(BufReader::with_capacity(1 << 20, file))?))
}

fn parse_hash(text: &str) -> Result<Box<FileHash>, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let wrong = || format!("'{text}' is no blake2b-512: expected 128 hexadecimal digits");
    if digits.len() != 128 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut hash = [0; 64];
    for (byte, at) in hash.iter_mut().zip((0..128).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(Box::new(hash))
}
