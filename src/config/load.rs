//! Files, variables and flags → [`Config`].

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::error::ConfigError;
use super::layer::Layers;
use super::{Config, DEFAULT_FILE, check, tree};

/// A config of this size is a mistake.
const MAX_FILE: u64 = 1 << 20;

/// Variables `LUNETTE_…` begin so.
const PREFIX: &str = "LUNETTE_";

/// Variables that begin with `LUNETTE_` and are not config: the log filter, the config file, and the build's cache.
pub const RESERVED_VARIABLES: [&str; 3] = ["LUNETTE_LOG", "LUNETTE_CONFIG", "LUNETTE_CACHE"];

/// Where a config comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// What lies under everything else.
    pub defaults: Option<Defaults>,
    /// The file; `None`: [`DEFAULT_FILE`], which may be absent.
    pub file: Option<PathBuf>,
    /// The environment. What does not begin with `LUNETTE_`, and [`RESERVED_VARIABLES`], is skipped.
    pub variables: Vec<(OsString, OsString)>,
    /// What flags say; they come last.
    pub flags: Vec<Flag>,
}

/// Defaults that come from elsewhere than [`Config::default`].
#[derive(Clone, Debug)]
pub struct Defaults {
    /// What they are called in errors: `board defaults (Raspberry Pi 4)`.
    pub name: String,
    /// A config, as TOML.
    pub text: String,
}

/// One value that a flag gives.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The flag, for errors: `--listen`.
    pub name: &'static str,
    /// Keys from the top: `["local", "listen"]`.
    pub path: &'static [&'static str],
    /// The value, as text.
    pub value: String,
}

/// A config, and what is worth saying about it.
#[derive(Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
    /// What is legal but probably not meant; a line each.
    pub warnings: Vec<String>,
    layers: Layers,
}

impl Loaded {
    /// A mistake that others than this module see, with the place of the key's value; of the part of it that says `near`,
    /// where it does.
    pub fn wrong(&self, key: &[&str], near: Option<&str>, message: &str) -> ConfigError {
        let place = self.layers.merged().ok().and_then(|tree| tree::place(&tree, key));
        let place = place.map(|span| near.and_then(|near| self.layers.within(&span, near)).unwrap_or(span));
        self.layers.wrong(place, message)
    }
}

impl Config {
    /// Reads all sources, and checks what can be checked before anything starts.
    ///
    /// # Errors
    /// With the file, line and column, or the variable or flag, that is wrong.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
        let mut layers = Layers::default();
        if let Some(defaults) = &sources.defaults {
            layers.push_defaults(defaults.name.clone(), defaults.text.clone());
        }
        let files = read_files(sources.file.as_deref(), &mut layers)?;
        read_variables(&sources.variables, &mut layers)?;
        for flag in &sources.flags {
            let path = flag.path.iter().map(|&key| key.to_owned()).collect();
            layers.push_value(flag.name.to_owned(), path, flag.value.clone(), true);
        }
        let config = deserialize(&mut layers)?;
        let tree = layers.merged()?;
        let warnings = check::check(&config, |path| tree::place(&tree, path))
            .map_err(|problem| layers.wrong(problem.place, &problem.message))?;
        drop(tree);
        Ok(Loaded { config, files, warnings, layers })
    }

    /// Reads one text as if it were the only file; for tests and fuzzing. Looks at no file that it names.
    ///
    /// # Errors
    /// As [`Config::load`]; the file is called `lunette.toml`.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        layers.push_file("lunette.toml".into(), text.to_owned());
        deserialize(&mut layers)
    }
}

fn deserialize(layers: &mut Layers) -> Result<Config, ConfigError> {
    // Each turn makes one more variable plain text, so this ends.
    loop {
        let root = Spanned::new(0..0, DeValue::Table(layers.merged()?));
        let error = match Config::deserialize(ValueDeserializer::from(root)) {
            Ok(config) => return Ok(config),
            Err(error) => error,
        };
        if !layers.reread_as_text(error.span().as_ref()) {
            return Err(layers.wrong(error.span(), error.message()));
        }
    }
}

fn read_files(file: Option<&Path>, layers: &mut Layers) -> Result<Vec<PathBuf>, ConfigError> {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    let mut files = Vec::new();
    match read_file(path) {
        Ok(text) => {
            layers.push_file(path.to_owned(), text);
            files.push(path.to_owned());
        }
        Err(ConfigError::Read { error, .. }) if file.is_none() && error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    for path in drop_ins(&path.with_extension("d"))? {
        layers.push_file(path.clone(), read_file(&path)?);
        files.push(path);
    }
    Ok(files)
}

/// The `*.toml` in a folder, in the order of their names; none when it is absent.
fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let failed = |error| ConfigError::Read { path: folder.to_owned(), error };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|e| e == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let failed = |error| ConfigError::Read { path: path.to_owned(), error };
    let mut text = String::new();
    File::open(path).map_err(failed)?.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(ConfigError::TooLarge { path: path.to_owned(), max: MAX_FILE });
    }
    Ok(text)
}

fn read_variables(variables: &[(OsString, OsString)], layers: &mut Layers) -> Result<(), ConfigError> {
    let mut ours = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|n| n.starts_with(PREFIX) && !RESERVED_VARIABLES.contains(n)) else {
            continue;
        };
        let value = value.to_str().ok_or_else(|| ConfigError::NotText(name.to_owned()))?;
        ours.push((name, value));
    }
    ours.sort();
    for (name, value) in ours {
        let path = name[PREFIX.len()..].to_ascii_lowercase().split("__").map(str::to_owned).collect();
        layers.push_value(name.to_owned(), path, value.to_owned(), false);
    }
    Ok(())
}
