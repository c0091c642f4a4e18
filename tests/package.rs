//! What makes packages: files that no compiler reads, but for these tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn workflows() -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(root().join(".github/workflows")).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The keys of `cross`'s config file that we use (its docs/config_file.md). It passes over unknown ones with a warning.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cross {
    target: BTreeMap<String, Target>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    dockerfile: Dockerfile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Dockerfile {
    file: PathBuf,
    build_args: BTreeMap<String, String>,
}

#[test]
fn cross_toml_is_one_that_cross_reads() {
    let cross: Cross = toml::from_str(&read("cross.toml")).unwrap();
    let targets: Vec<_> = cross.target.keys().map(String::as_str).collect();
    assert_eq!(targets, ["aarch64-unknown-linux-gnu", "armv7-unknown-linux-gnueabihf"]);
    for (triple, target) in cross.target {
        let dockerfile = fs::read_to_string(root().join(&target.dockerfile.file)).unwrap();
        for argument in target.dockerfile.build_args.keys() {
            assert!(
                dockerfile.contains(&format!("ARG {argument}\n")),
                "{triple}: the Dockerfile does not take {argument}"
            );
        }
        // The linker that the image names for this target is of the compiler that it installs.
        let upper = triple.to_uppercase().replace('-', "_");
        let linker = format!("CARGO_TARGET_{upper}_LINKER={}-gcc ", target.dockerfile.build_args["GNU"]);
        assert!(dockerfile.contains(&linker), "{triple}: the Dockerfile lacks {linker}");
    }
}

/// Lower-case cross.toml is ignored unless CROSS_CONFIG names it.
#[test]
fn whatever_calls_cross_names_its_config() {
    let mut calls = 0;
    for (path, text) in
        ["scripts/cross.sh", "docs/building.md"].map(|path| (path.into(), read(path))).into_iter().chain(workflows())
    {
        if text.contains("cross build") || text.contains(" container\n") {
            assert!(text.contains("CROSS_CONFIG"), "{}: calls cross without CROSS_CONFIG", path.display());
            calls += 1;
        }
    }
    assert!(calls >= 3, "only {calls} places were found");
}

#[test]
fn actions_are_pinned_and_may_read_only() {
    for (path, text) in workflows() {
        let path = path.display();
        assert!(text.contains("\npermissions:\n  contents: read\n"), "{path}: says not what it may");
        for action in text.lines().filter_map(|line| line.split("uses: ").nth(1)) {
            let tag = action.split_once("@v").map(|(_, tag)| tag);
            let exact = tag.is_some_and(|tag| tag.split('.').filter(|n| n.parse::<u32>().is_ok()).count() == 3);
            assert!(exact || action.starts_with("./"), "{path}: {action} is not of one version");
        }
    }
}

#[test]
fn what_is_packaged_is_there() {
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let deb = &manifest["package"]["metadata"]["deb"];
    let assets = deb["assets"].as_array().unwrap();
    assert!(assets.len() > 10);
    for asset in assets {
        let source = asset[0].as_str().unwrap();
        if !source.starts_with("target/") {
            let source = source.split('*').next().unwrap();
            assert!(root().join(source).exists(), "{source} is packaged, and is not there");
        }
    }
    for script in ["postinst", "prerm", "postrm"] {
        assert!(read(&format!("debian/{script}")).contains("#DEBHELPER#"), "{script} leaves cargo-deb's part no place");
    }
}
