//! The files of cases: those that came up once are kept and run again.
//!
//! A line is a case, as [`crate::text`] writes it; empty lines and those that begin with `#` mean
//! nothing. Each case found by a run becomes a file of its own, `found-<hash>.txt`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::case::Input;
use crate::text;

/// What is said of a case that was found.
pub struct Found<'a> {
    /// The backend that differed from the host.
    pub backend: &'a str,
    /// The instruction.
    pub instruction: &'a str,
    /// What differed.
    pub differences: &'a str,
}

/// The folder of the cases that are kept.
pub fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// Writes a case that was found, and returns the file.
pub fn write(folder: &Path, found: &Found<'_>, line: &str) -> io::Result<PathBuf> {
    // FNV-1a: the same case gets the same name.
    let hash = line.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("found-{hash:016x}.txt"));
    let Found { backend, instruction, differences } = found;
    fs::write(&path, format!("# {instruction}\n# host/{backend}:{differences}\n{line}\n"))?;
    Ok(path)
}

/// All cases in a folder's files, with the file and the line of each. No folder, no cases.
pub fn read(folder: &Path) -> Result<Vec<(String, Input)>, String> {
    let mut cases = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(cases) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content = fs::read_to_string(&path).map_err(|e| format!("{name}: {e}"))?;
        for line in content.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let input = text::read(line).map_err(|e| format!("{name}: {e}: {line}"))?;
            cases.push((format!("{name}: {line}"), input));
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_read_again() {
        let folder = std::env::temp_dir().join(format!("aero-found-{}", std::process::id()));
        let line = "bits=64 rip=10000100 code=90 rax=1";
        let found = Found { backend: "one", instruction: "nop", differences: " rax 1/2" };
        let path = write(&folder, &found, line).unwrap();
        assert_eq!(path, write(&folder, &found, line).unwrap());
        let cases = read(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let [(name, input)] = &cases[..] else { panic!("{} cases", cases.len()) };
        assert!(name.starts_with("found-") && name.ends_with(line));
        assert_eq!(text::write(input), line);
        assert!(read(&folder).unwrap().is_empty());
    }
}
