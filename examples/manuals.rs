//! Manual pages and shell completions from the arguments' own definition: `cargo run --example manuals -- FOLDER`.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use lunette::cli::Cli;
use lunette::config::DEFAULT_TOML;

const SOURCE: &str = concat!("Lunette ", env!("CARGO_PKG_VERSION"));

fn main() -> io::Result<()> {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("into which folder?"));
    };
    fs::create_dir_all(&folder)?;
    let mut command = Cli::command();
    command.build();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "lunette", &folder)?;
    }
    manual(&folder, &command, "lunette")?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        manual(&folder, sub, &format!("lunette-{}", sub.get_name()))?;
    }
    fs::write(folder.join("lunette.toml.5"), config())
}

/// The page of one command.
fn manual(folder: &Path, command: &Command, name: &str) -> io::Result<()> {
    let leaked: &'static str = name.to_owned().leak();
    let page = Man::new(command.clone().name(leaked).display_name(leaked))
        .title(name)
        .section("1")
        .source(SOURCE)
        .manual("Lunette");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    text.extend(extra(&after).to_roff().into_bytes());
    fs::write(folder.join(format!("{name}.1")), text)
}

/// What stands below the options in `--help`: paragraphs, the examples as they are.
fn extra(text: &str) -> Roff {
    let mut page = Roff::default();
    for paragraph in text.split("\n\n") {
        if let Some(examples) = paragraph.strip_prefix("Examples:\n") {
            page.control("SH", ["EXAMPLES"]).control("EX", []);
            for line in examples.lines() {
                page.text([roman(line.trim_start())]);
            }
            page.control("EE", []);
        } else if let Some(codes) = paragraph.strip_prefix("Exit codes: ") {
            page.control("SH", ["EXIT STATUS"]).text([roman(codes)]);
        } else if !paragraph.is_empty() {
            page.control("SH", ["NOTES"]).text([roman(paragraph)]);
        }
    }
    page.control("SH", ["SEE ALSO"]).text([roman("lunette(1), lunette.toml(5)")]);
    page
}

/// lunette.toml(5): how the config is put together, and the commented default itself.
fn config() -> String {
    let mut page = Roff::default();
    page.control("TH", ["lunette.toml", "5", "", SOURCE, "Lunette"]);
    page.control("SH", ["NAME"]).text([roman("lunette.toml - the config of the camera daemon lunette(1)")]);
    page.control("SH", ["SYNOPSIS"]);
    for file in ["/etc/lunette/lunette.toml", "/etc/lunette/lunette.d/*.toml"] {
        page.text([italic(file)]).control("br", []);
    }
    page.control("SH", ["DESCRIPTION"]).text([
        roman("Written in TOML. Later ones win: the defaults, the file, the files in "),
        italic("lunette.d"),
        roman(" beside it in the order of their names, variables ("),
        bold("LUNETTE_VIDEO__SIZE=640x480"),
        roman(" is "),
        bold("size"),
        roman(" in "),
        bold("[video]"),
        roman("), and flags. An unknown key is an error; "),
        bold("lunette check"),
        roman(" says what is wrong, and where."),
    ]);
    page.control("SH", ["THE DEFAULT"]).control("EX", []);
    for line in DEFAULT_TOML.lines() {
        page.text([roman(line)]);
    }
    page.control("EE", []).control("SH", ["SEE ALSO"]).text([roman("lunette(1), lunette-check(1)")]);
    page.render()
}
