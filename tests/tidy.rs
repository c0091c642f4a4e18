//! The house rules: imports go one way, each foreign library has one door, examples in the docs are true.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// What each module may import of this crate.
const IMPORTS: &[(&str, &[&str])] = &[
    ("media", &["media"]),
    ("trust", &["trust"]),
    ("interfaces", &[]),
    ("clock", &["trust"]),
    ("invite", &[]),
    ("control", &["control", "media", "trust"]),
    ("keeper", &["keeper", "audit", "clock", "config", "trust"]),
    ("audit", &["audit", "clock", "config", "trust"]),
    ("desk", &["control", "hub", "keeper", "lobby", "signal", "trust"]),
    ("config", &["config", "interfaces", "media"]),
    ("board", &["board", "config", "media"]),
    ("hub", &["hub", "media"]),
    ("camera", &["camera", "config", "hub", "media"]),
    ("signal", &["signal", "config", "keeper", "media", "trust"]),
    ("turn", &["turn", "config", "signal", "trust"]),
    ("viewer", &["viewer", "audit", "config", "hub", "interfaces", "keeper", "media", "signal", "trust", "turn"]),
    ("identity", &["config", "trust", "viewer"]),
    ("herald", &["media", "signal", "trust"]),
    ("lobby", &["lobby", "keeper", "media", "signal", "trust", "turn", "viewer"]),
    ("service", &["service", "hub", "media", "signal"]),
    ("local", &["local", "config", "signal", "trust"]),
    ("log", &[]),
    (
        "doctor",
        &["doctor", "board", "camera", "clock", "config", "hub", "identity", "media", "signal", "trust", "turn"],
    ),
    ("acl", &["board", "config", "identity", "trust"]),
    (
        "cli",
        &[
            "cli", "acl", "audit", "board", "camera", "clock", "config", "control", "doctor", "identity", "invite",
            "keeper", "trust",
        ],
    ),
];

/// Words that may stand only in certain places.
const DOORS: &[(&str, &[&str])] = &[
    ("webrtc::", &["src/viewer/rtc/"]),
    ("rtc::interceptor", &["src/viewer/rtc/"]),
    ("p256::", &["src/trust/key.rs"]),
    ("use ring::", &["src/trust/"]),
    ("rumqttc", &["src/signal/mqtt.rs", "src/signal/mqtt/", "src/signal/rights.rs", "src/log.rs"]),
    ("openh264::", &["src/camera/"]),
    ("gstreamer", &["src/camera/gst"]),
    ("rmqtt", &["src/local/", "src/log.rs", "src/signal/mqtt.rs"]),
    ("axum", &["src/local/"]),
    ("rustix", &["src/doctor/storage.rs", "src/interfaces.rs", "src/viewer/rtc/port/mod.rs"]),
    ("unsafe", &["src/camera/sys.rs", "src/camera/sys/"]),
];

/// Files longer than this have more than one reason to change.
const LINES: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {ending} below {folder}");
    found
}

/// Lines of code: without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split("//").next().unwrap_or_default())
}

#[test]
fn imports_go_one_way() {
    for (file, text) in files("src", ".rs") {
        let module = file.trim_start_matches("src/").split(['/', '.']).next().unwrap().trim_end_matches("_tests");
        if matches!(module, "lib" | "main" | "daemon") {
            continue;
        }
        let allowed = IMPORTS.iter().find(|(name, _)| *name == module).map(|(_, allowed)| allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("{file}: say in tests/tidy.rs what {module} may import"));
        for line in code(&text) {
            for path in line.split("crate::").skip(1) {
                let imported = path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                assert!(imported.is_empty() || allowed.contains(&imported), "{file} imports {imported}: {line}");
            }
        }
    }
}

#[test]
fn each_library_has_one_door() {
    for (file, text) in files("src", ".rs") {
        for (word, places) in DOORS {
            let allowed = places.iter().any(|place| file.starts_with(place));
            let found = code(&text).find(|line| line.contains(word) && !line.contains("unsafe_code"));
            assert!(allowed || found.is_none(), "{file} has no business with {word}: {}", found.unwrap());
        }
    }
}

#[test]
fn unsafe_code_says_why_it_is_sound() {
    for (file, text) in files("src", ".rs").into_iter().filter(|(_, text)| text.contains("unsafe {")) {
        let lines: Vec<_> = text.lines().collect();
        for (i, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("unsafe {")) {
            let before = lines[i.saturating_sub(6)..i].iter().any(|line| line.contains("SAFETY:"));
            assert!(before, "{file}:{}: no SAFETY line: {line}", i + 1);
        }
    }
}

#[test]
fn files_open_and_close_in_one_sitting() {
    for (file, text) in files("src", ".rs").into_iter().chain(files("web/src", ".ts")) {
        let lines = text.lines().count();
        assert!(lines <= LINES, "{file} has {lines} lines; it has more than one reason to change");
    }
}

#[test]
fn config_examples_in_the_docs_are_good() {
    let mut examples = 0;
    let readme = ("README.md".to_owned(), fs::read_to_string(root().join("README.md")).unwrap());
    for (file, text) in files("docs", ".md").into_iter().chain([readme]) {
        for example in text.split("```toml\n").skip(1) {
            let example = example.split("```").next().unwrap();
            lunette::config::Config::parse(example).unwrap_or_else(|e| panic!("{file}: {e}\n{example}"));
            examples += 1;
        }
    }
    assert!(examples >= 3, "only {examples} examples were found");
}

#[test]
fn links_between_the_docs_lead_somewhere() {
    let readme = ("README.md".to_owned(), fs::read_to_string(root().join("README.md")).unwrap());
    for (file, text) in files("docs", ".md").into_iter().chain([readme]) {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if target.is_empty() || target.contains(':') {
                continue;
            }
            let path = root().join(&file).parent().unwrap().join(target);
            assert!(path.exists(), "{file}: {target} is not there");
        }
    }
}
