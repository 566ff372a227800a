//! Files: read with an error that names them, written whole or not at all.

use std::fs::{self, Permissions};
use std::io::Write;
use std::path::Path;

use anyhow::Context;

/// All bytes of a file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read '{}'", path.display()))
}

/// Writes a file beside its place and renames it, so that a reader sees all of it or nothing, and so that what was there stays
/// there when writing fails.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    // As for any new file: what the umask leaves.
    write_beside(path, bytes, 0o666).with_context(|| format!("cannot write '{}'", path.display()))
}

/// As [`write()`], readable for the owner alone.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_beside(path, bytes, 0o600).with_context(|| format!("cannot write '{}'", path.display()))
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg_attr(not(unix), expect(unused_variables, reason = "only there do files have modes"))]
fn write_beside(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tapeout-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(Permissions::from_mode(mode));
    }
    let mut file = builder.tempfile_in(folder_of(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Makes a folder for output where there is none.
pub(crate) fn create_folder(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make the folder '{}'", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read;

    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        // A folder cannot be replaced by a file.
        let place = folder.path().join("place");
        fs::create_dir(&place).unwrap();
        assert!(write(&place, b"new").unwrap_err().to_string().contains("place"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        write(&place, b"for all").unwrap();
        write_secret(&place, b"for one").unwrap();
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn whoever_reads_meanwhile_sees_the_old_file_whole() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        write(&place, b"longer than the next").unwrap();
        let mut reader = fs::File::open(&place).unwrap();
        write(&place, b"short").unwrap();
        let mut old = Vec::new();
        reader.read_to_end(&mut old).unwrap();
        assert_eq!(old, b"longer than the next");
        assert_eq!(read(&place).unwrap(), b"short");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
