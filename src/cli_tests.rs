use super::*;

fn parsed(args: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(["lunette"].iter().chain(args))
}

#[test]
fn the_definition_is_sound() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

#[test]
fn flags_become_config() {
    let cli = parsed(&[
        "run",
        "--local",
        "--listen",
        "127.0.0.1:8081",
        "--camera",
        "/dev/video3",
        "--name",
        "Front door",
        "--state",
        "/s",
    ])
    .unwrap();
    let Command::Run(run) = cli.command else { panic!("not run") };
    let sources = Sources { defaults: None, file: None, variables: Vec::new(), ..run.sources() };
    let config = Config::load(&sources).unwrap().config;
    assert_eq!(config.local.listen, SocketAddr::from(([127, 0, 0, 1], 8081)));
    assert_eq!(config.camera, Camera::V4l2(config::V4l2 { device: "/dev/video3".into() }));
    assert_eq!(config.name, "Front door");
    assert_eq!(config.state.dir, Some("/s".into()));
}

#[test]
fn wrong_flags_name_themselves() {
    let cli = parsed(&["run", "--camera", "testcrad"]).unwrap();
    let Command::Run(run) = cli.command else { panic!("not run") };
    let error = run.load().unwrap_err().to_string();
    assert_eq!(error, "--camera: unknown choice `testcrad`; did you mean `testcard`?");
    for wrong in [&["run", "--listen", "127.0.0.1:1"][..], &["run", "--local", "--listen", "x"], &["fly"], &[]] {
        assert_eq!(parsed(wrong).unwrap_err().exit_code(), i32::from(EXIT_USAGE), "{wrong:?}");
    }
    assert_eq!(parsed(&["--version"]).unwrap_err().exit_code(), 0);
}

#[test]
fn the_log_filter_follows_the_flags() {
    assert_eq!(parsed(&["probe"]).unwrap().log_filter(), "lunette=info,warn");
    assert_eq!(parsed(&["probe", "-v"]).unwrap().log_filter(), "lunette=debug,warn");
    assert_eq!(parsed(&["--log", "x=trace", "probe"]).unwrap().log_filter(), "x=trace");
}
