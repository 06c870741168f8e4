//! Inputs made of others, for builds that libFuzzer cannot see into: with the JIT's engine, most of what
//! it would count is the compiler.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::Target;
use crate::input::Random;

/// Bytes of an input at most.
const LONGEST: usize = 2048;
/// How long one input may take, on a host with other work too.
const HANG: Duration = Duration::from_secs(300);
/// After so many findings it is time to look at them.
const ENOUGH: usize = 20;

/// What to do.
#[derive(Debug)]
pub struct Options {
    /// Inputs to begin with, and folders of such.
    pub folders: Vec<PathBuf>,
    /// Where what is found is written to.
    pub found: PathBuf,
    /// How long.
    pub time: Duration,
    /// Where random numbers begin.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// Inputs run.
    pub runs: u64,
    /// Files with those that found something.
    pub found: Vec<PathBuf>,
}

fn read(folders: &[PathBuf]) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = Vec::new();
    for path in folders {
        if path.is_file() {
            paths.push(path.clone());
        } else if path.is_dir() {
            for entry in std::fs::read_dir(path)? {
                paths.push(entry?.path());
            }
        }
    }
    // The order of a folder is nobody's choice.
    paths.sort();
    paths.iter().map(std::fs::read).collect()
}

fn write(folder: &Path, input: &[u8]) -> io::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    hasher.write(input);
    let path = folder.join(format!("found-{:016x}", hasher.finish()));
    std::fs::write(&path, input)?;
    Ok(path)
}

/// A place in something of this length, its end included.
fn place(random: &mut Random, len: usize) -> usize {
    random.below(len as u64 + 1) as usize
}

/// A part of an input, of 16 bytes at most.
fn part(random: &mut Random, input: &[u8]) -> Vec<u8> {
    let from = place(random, input.len());
    let to = input.len().min(from + 1 + random.below(16) as usize);
    input[from..to].to_vec()
}

fn mutate(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let pick = |random: &mut Random| corpus.get(random.below(corpus.len().max(1) as u64) as usize);
    let mut input = pick(random).cloned().unwrap_or_default();
    for _ in 0..1 + random.below(6) {
        let at = place(random, input.len());
        match random.below(8) {
            0 | 1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 | 3 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = random.next() as u8;
                }
            }
            4 => {
                let bytes = random.next().to_le_bytes();
                let count = 1 + random.below(8) as usize;
                input.splice(at..at, bytes.into_iter().take(count));
            }
            5 => {
                let to = input.len().min(at + 1 + random.below(8) as usize);
                input.drain(at..to);
            }
            6 => {
                let other = pick(random).map_or(Vec::new(), |other| part(random, other));
                let over = input.len().min(at + other.len());
                input.splice(at..over, other);
            }
            _ => {
                let copy = part(random, &input);
                input.splice(at..at, copy);
            }
        }
    }
    input.truncate(LONGEST);
    input
}

/// Runs the inputs that there are, and others for a time. What panics is written to a file; what hangs too, and ends the program.
pub fn run(target: &Target, options: &Options) -> io::Result<Report> {
    std::fs::create_dir_all(&options.found)?;
    let corpus = read(&options.folders)?;
    let mut random = Random::new(options.seed);
    let mut report = Report { runs: 0, found: Vec::new() };
    let current = Arc::new(Mutex::new((Instant::now(), Vec::new())));
    watch(current.clone(), options.found.clone());
    let start = Instant::now();
    let mut whole = corpus.iter();
    // First what there is, then what can be made of it.
    while report.found.len() < ENOUGH {
        let input = match whole.next() {
            Some(input) => input.clone(),
            None if start.elapsed() >= options.time => break,
            None => mutate(&mut random, &corpus),
        };
        *current.lock().unwrap_or_else(|e| e.into_inner()) = (Instant::now(), input.clone());
        report.runs += 1;
        if catch_unwind(AssertUnwindSafe(|| (target.1)(&input))).is_err() {
            report.found.push(write(&options.found, &input)?);
        }
    }
    Ok(report)
}

fn watch(current: Arc<Mutex<(Instant, Vec<u8>)>>, found: PathBuf) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(HANG / 4);
            let current = current.lock().unwrap_or_else(|e| e.into_inner());
            if current.0.elapsed() > HANG {
                eprintln!("an input takes longer than {HANG:?}: {:?}", write(&found, &current.1));
                std::process::abort();
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_come_of_others_and_stay_short() {
        let mut random = Random::new(7);
        let corpus = vec![vec![1; 2000], vec![2; 3], Vec::new()];
        let made: Vec<_> = (0..200).map(|_| mutate(&mut random, &corpus)).collect();
        assert!(made.iter().all(|input| input.len() <= LONGEST));
        assert!(made.iter().any(|input| input.contains(&1) && input.contains(&2)));
        assert!(mutate(&mut random, &[]).len() < 200);
    }
}
