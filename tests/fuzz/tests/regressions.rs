//! Replays what is kept: seeds, and inputs that once found something.

use std::path::Path;

#[test]
fn nothing_that_was_found_once_comes_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, run) in aero_fuzz::TARGETS {
        for kind in ["seeds", "regressions"] {
            let Ok(files) = std::fs::read_dir(root.join(kind).join(target)) else { continue };
            for file in files {
                let file = file.expect("the folder can be listed").path();
                println!("{}", file.display());
                run(&std::fs::read(&file).expect("the file can be read"));
            }
        }
    }
}
