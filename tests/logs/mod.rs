//! What is logged while tests run, also in files, which scripts/logs.sh searches for what may not be there.
#![allow(dead_code)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::fmt::TestWriter;
use tracing_subscriber::fmt::writer::MakeWriterExt;

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("logs");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Of this process: what the log would say is shown when a test fails, and kept.
pub fn keep(filter: &str) {
    let program = std::env::current_exe().unwrap();
    let name = format!("{}-{}.log", program.file_stem().unwrap().display(), std::process::id());
    let file = File::options().create(true).append(true).open(folder().join(name)).unwrap();
    let writer = TestWriter::default().and(Mutex::new(file));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_target(false).with_writer(writer);
    // Another test of this process was first.
    let _ = log.try_init();
}

/// Of a program that the test ran.
pub fn keep_file(log: &Path, name: &str) {
    let name = format!("{name}-{}-{:?}.log", std::process::id(), std::thread::current().id());
    let _ = fs::copy(log, folder().join(name));
}
