//! Embeds the viewer page, `web/dist`; where it was not built, a page that says so.
//!
//! Writes nothing but `$OUT_DIR/page.rs`: a table of paths and contents.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Lunette</title>\
<p>The viewer page was not built into this Lunette. In its source folder, <code>./dev build</code> builds it, \
and then Lunette with it.</p></html>\n";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_LOCAL").is_none() {
        return Ok(());
    }
    let variable = |name| env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(name));
    let (source, out) = (variable("CARGO_MANIFEST_DIR")?, variable("OUT_DIR")?);
    let dist = source.join("web/dist");

    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        println!("cargo::rerun-if-changed=web/dist");
        list(&dist, &mut files)?;
        files.sort();
    } else if source.join("web").is_dir() {
        // Watching what is absent has cargo look again each time.
        println!("cargo::rerun-if-changed=web/dist");
        println!("cargo::warning=the viewer page is not built; ./dev build builds it");
    }

    let mut table = String::from("static FILES: &[(&str, &[u8])] = &[\n");
    for file in &files {
        let path = file.strip_prefix(&dist).map_err(io::Error::other)?;
        table += &format!("    ({:?}, include_bytes!({:?})),\n", path, file);
    }
    if files.is_empty() {
        table += &format!("    (\"index.html\", {NOT_BUILT:?}.as_bytes()),\n");
    }
    table += "];\n";
    fs::write(out.join("page.rs"), table)
}

/// All files in a folder and those below.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
