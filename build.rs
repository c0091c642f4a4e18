//! Embeds what is known of boards, `board/*.toml`, and the viewer page, `web/dist`; where that was not built, a page that
//! says so.
//!
//! Writes nothing but `$OUT_DIR/boards.rs` and `$OUT_DIR/page.rs`: tables of names and contents.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Lunette</title>\
<p>The viewer page was not built into this Lunette. In its source folder, <code>./dev build</code> builds it, \
and then Lunette with it.</p></html>\n";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    boards()?;
    if env::var_os("CARGO_FEATURE_LOCAL").is_none() {
        return Ok(());
    }
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

/// `FILES`: the name and the content of each file in `board/`.
fn boards() -> io::Result<()> {
    let (folder, out) = (variable("CARGO_MANIFEST_DIR")?.join("board"), variable("OUT_DIR")?);
    println!("cargo::rerun-if-changed=board");
    let mut files = Vec::new();
    list(&folder, &mut files)?;
    files.retain(|file| file.extension().is_some_and(|e| e == "toml"));
    files.sort();
    let mut table = String::from("static FILES: &[(&str, &str)] = &[\n");
    for file in &files {
        table += &format!("    ({:?}, include_str!({:?})),\n", file.file_stem().unwrap_or_default(), file);
    }
    table += "];\n";
    fs::write(out.join("boards.rs"), table)
}

fn variable(name: &str) -> io::Result<PathBuf> {
    env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(name.to_owned()))
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
