//! Config as its users meet it: what is read, what is laid over what, and what is said when something is wrong.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lunette::config::{BrokerScheme, Camera, Config, DEFAULT_TOML, Flag, Loaded, Sources, V4l2};
use lunette::media::units::{Bitrate, Size};
use proptest::prelude::*;

/// A folder with config files in it, and a way to load them.
struct Fixture {
    dir: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
    flags: Vec<Flag>,
}

impl Fixture {
    fn new(toml: &str) -> Self {
        let it = Self { dir: tempfile::tempdir().unwrap(), variables: Vec::new(), flags: Vec::new() };
        it.write("lunette.toml", toml, 0o600);
        it
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    fn load(&self) -> Result<Loaded, String> {
        let sources = Sources {
            defaults: None,
            file: Some(self.path("lunette.toml")),
            variables: self.variables.iter().map(|(n, v)| (n.into(), v.into())).collect(),
            flags: self.flags.clone(),
        };
        // The folder's random name is taken out of errors.
        let dir = format!("{}/", self.dir.path().display());
        Config::load(&sources).map_err(|e| e.to_string().replace(&dir, ""))
    }

    fn config(&self) -> Config {
        self.load().unwrap().config
    }

    fn error(&self) -> String {
        self.load().unwrap_err()
    }
}

/// What is said about a config.
fn error(toml: &str) -> String {
    Fixture::new(toml).error()
}

#[test]
fn an_empty_file_is_the_default() {
    let config = Fixture::new("").config();
    assert_eq!(config.camera, Camera::Auto);
    assert_eq!(config.video.size, Size::new(1280, 720));
    assert_eq!(config.local.listen.to_string(), "127.0.0.1:8080");
    assert!(config.signal.mqtt.is_none());
}

#[test]
fn the_default_file_is_the_default() {
    assert_eq!(format!("{:?}", Config::parse(DEFAULT_TOML).unwrap()), format!("{:?}", Config::default()));
}

#[test]
fn every_line_that_the_default_file_offers_is_legal() {
    // `#key = value` and `#[table]` are offers, `# text` is prose.
    fn offer(line: &str) -> Option<&str> {
        line.strip_prefix('#').filter(|l| l.starts_with(|c: char| c.is_alphabetic() || c == '['))
    }
    let offered = DEFAULT_TOML.lines().filter(|l| offer(l).is_some()).count();
    assert!(offered > 15, "only {offered} offers");
    // All at once: one key alone may need another.
    let all: String = DEFAULT_TOML.lines().map(|l| format!("{}\n", offer(l).unwrap_or(l))).collect();
    let config = Config::parse(&all).unwrap();
    // Shown values are the defaults, where there is a default.
    let default = Config::default();
    assert_eq!(config.name, default.name);
    assert_eq!((config.video.size, config.video.fps), (default.video.size, default.video.fps));
    // Written out, what is derived from the main stream by default.
    assert_eq!(config.video.bitrates(), default.video.bitrates());
    assert_eq!(config.video.low_size(config.video.size), default.video.low_size(default.video.size));
    assert_eq!(config.viewers.max, default.viewers.max);
    assert_eq!(config.local.listen, default.local.listen);
}

#[test]
fn every_key_is_read() {
    let mqtt = "[signal.mqtt]\nurl = 'wss://h/x'\nuser = 'u'";
    let config = Fixture::new(&format!(
        "name = 'Front door'\n[state]\ndir = '/s'\n[camera.v4l2]\ndevice = '/dev/video2'\n\
         [video]\nsize = '640x480'\nfps = 12.5\nbitrate = '800k'\n{mqtt}\n[viewers]\nmax = 3\n[local]\nlisten = '[::1]:1'",
    ))
    .config();
    assert_eq!(config.name, "Front door");
    assert_eq!(config.camera, Camera::V4l2(V4l2 { device: "/dev/video2".into() }));
    assert_eq!(config.video.bitrate, Bitrate::kbps(800));
    assert_eq!(config.video.fps.fps(), 12.5);
    assert_eq!(config.viewers.max, 3);
    assert_eq!(config.local.listen.to_string(), "[::1]:1");
    let mqtt = config.signal.mqtt.unwrap();
    assert_eq!((mqtt.url.scheme, mqtt.url.path.as_str()), (BrokerScheme::Wss, "/x"));
}

#[test]
fn the_low_stream_follows_the_main_one() {
    let low = |toml: &str| {
        let video = Fixture::new(toml).config().video;
        (video.low_size(video.size).map(|size| size.to_string()), video.bitrates().low)
    };
    assert_eq!(low(""), (Some("640×360".into()), Bitrate::kbps(400)));
    assert_eq!(low("video.size = \"638x478\"\nvideo.bitrate = \"500k\""), (Some("320×240".into()), Bitrate::kbps(150)));
    assert_eq!(low("[video]\nbitrate = \"100k\"\nsize = \"160x120\""), (None, Bitrate::kbps(100)), "too small to see");
    assert_eq!(low("[video.low]\nsize = \"64x64\"").0, Some("64×64".into()), "but if it is asked for");
    assert_eq!(low("[video.low]\nenabled = false").0, None);
    let wrong = error("[video]\nsize = \"320x240\"\n[video.low]\nsize = \"640x480\"");
    assert!(wrong.contains("the low stream's 640×480 is not smaller than the main stream's 320×240"), "{wrong}");
    let floors = |toml: &str| {
        let floors = Fixture::new(toml).config().video.floors();
        (floors.main.as_kbps(), floors.low.as_kbps())
    };
    assert_eq!(floors(""), (200, 100));
    assert_eq!(floors("[video]\nmin_bitrate = \"1M\"\nlow.min_bitrate = \"50k\""), (1000, 50));
    assert_eq!(floors("[video]\nbitrate = \"100k\""), (100, 100));
    let wrong = error("[video]\nmin_bitrate = \"3M\"");
    assert!(wrong.starts_with("lunette.toml:2:15: a floor of 3 Mbit/s is above the bitrate, 2 Mbit/s"), "{wrong}");
    let wrong = error("[video.low]\nmin_bitrate = \"500k\"");
    assert!(wrong.starts_with("lunette.toml:2:15: a floor of 500 kbit/s is above the bitrate, 400 kbit/s"), "{wrong}");
    let wrong = error("[video.low]\nbitrate = \"3M\"");
    assert!(wrong.starts_with("lunette.toml:2:11: the low stream's 3 Mbit/s is more than"), "{wrong}");
}

#[test]
fn what_software_encodes_is_not_left_to_hardware() {
    let wrong = error("camera = \"testcard\"\n[video]\nencoder = \"hardware\"");
    assert!(wrong.starts_with("lunette.toml:3:11: the test card is encoded by software"), "{wrong}");
    assert_eq!(Fixture::new("[video]\nencoder = \"hardware\"").config().camera, Camera::Auto);
    let pipeline = "[camera.gst]\npipeline = \"videotestsrc\"\n[video]\nencoder = \"hardware\"";
    assert!(matches!(Fixture::new(pipeline).config().camera, Camera::Gst(_)));
}

#[test]
fn a_wrong_value_has_a_caret_under_it() {
    assert_eq!(
        error("# a comment\n[video]\nsize = \"wide\" # how wide?\n"),
        "lunette.toml:3:8: “wide” is not a picture size; write for example \"1280x720\" (even numbers, 64x64 to 3840x2160)\n\
         \x20 |\n\
         3 | size = \"wide\" # how wide?\n\
         \x20 |        ^^^^^^"
    );
    assert_eq!(
        error("[video]\n\tfps = 500"),
        "lunette.toml:2:8: 500 is not a frame rate; write a number of pictures per second from 1 to 120\n\
         \x20 |\n\
         2 | \tfps = 500\n\
         \x20 | \t      ^^^"
    );
    assert_eq!(
        error("[viewers]\nmax = 0"),
        "lunette.toml:2:7: 0 viewers: from 1 to 1000 may watch at once\n\
         \x20 |\n\
         2 | max = 0\n\
         \x20 |       ^"
    );
}

#[test]
fn a_wrong_key_has_a_hint() {
    assert_eq!(
        error("[video]\nsise = \"640x480\""),
        "lunette.toml:2:1: unknown key `sise`; did you mean `size`?\n\
         \x20 |\n\
         2 | sise = \"640x480\"\n\
         \x20 | ^^^^"
    );
    assert_eq!(
        error("[vidio]"),
        "lunette.toml:1:2: unknown key `vidio`; did you mean `video`?\n\
         \x20 |\n\
         1 | [vidio]\n\
         \x20 |  ^^^^^"
    );
}

#[test]
fn a_wrong_camera_has_a_caret_under_the_wrong_word() {
    assert_eq!(
        error("camera = \"v4l\""),
        "lunette.toml:1:10: unknown choice `v4l`; did you mean `v4l2`?\n\
         \x20 |\n\
         1 | camera = \"v4l\"\n\
         \x20 |          ^^^^^"
    );
    assert_eq!(
        error("[camera.v4l2]\ndevise = \"/dev/video0\""),
        "lunette.toml:2:1: unknown key `devise`; did you mean `device`?\n\
         \x20 |\n\
         2 | devise = \"/dev/video0\"\n\
         \x20 | ^^^^^^"
    );
    assert_eq!(
        error("[camera.v4l2]"),
        "lunette.toml:1:1: missing field `device`\n\
         \x20 |\n\
         1 | [camera.v4l2]\n\
         \x20 | ^^^^^^^^^^^^^"
    );
}

#[test]
fn broken_toml_is_shown() {
    assert_eq!(
        error("[video]\nsize = \n"),
        "lunette.toml:2:8: string values must be quoted, expected literal string\n\
         \x20 |\n\
         2 | size =\n\
         \x20 |        ^"
    );
    let twice = error("name = 'a'\nname = 'b'");
    assert!(twice.starts_with("lunette.toml:2:1: duplicate key"), "{twice}");
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    assert_eq!(
        error("[signal.mqtt]\nurl = \"mqtt://u:geheim@h\""),
        "lunette.toml:2:7: an address has no user name or password in it; \
         write `user = \"…\"` and `password_file = \"…\"` instead\n\
         \x20 |\n\
         2 | url = \"mqtt://u:******@h\"\n\
         \x20 |       ^^^^^^^^^^^^^^^^^^^"
    );
}

#[test]
fn keys_that_need_each_other() {
    let url = "[signal.mqtt]\nurl = \"mqtts://h\"\n";
    assert_eq!(
        error(&format!("{url}client_cert_file = \"c\"")),
        "lunette.toml:3:20: `client_cert_file` needs `client_key_file` beside it\n\
         \x20 |\n\
         3 | client_cert_file = \"c\"\n\
         \x20 |                    ^^^"
    );
    for (toml, said) in [
        (format!("{url}client_key_file = \"c\""), "`client_key_file` needs `client_cert_file` beside it"),
        ("[local]\ncert_file = 'c'".into(), "`cert_file` needs `key_file` beside it"),
        ("[local]\nkey_file = 'c'".into(), "`key_file` needs `cert_file` beside it"),
        (format!("{url}password_file = 'p'"), "a password needs a user name: add `user = \"…\"`"),
        (
            "[signal.mqtt]\nurl = 'ws://h'\nca_file = '/x'".into(),
            "ws:// has no certificates: use wss://, or remove `ca_file`",
        ),
        (
            format!("{url}ca_file = '/does/not/exist'"),
            "cannot read /does/not/exist: No such file or directory (os error 2)",
        ),
        ("[signal.mqtt]\nuser = 'u'".into(), "missing field `url`"),
    ] {
        let error = error(&toml);
        assert!(error.contains(&format!(": {said}\n")), "{toml}\n{error}");
    }
}

#[test]
fn beyond_this_machine_there_is_a_password() {
    assert_eq!(
        error("[local]\nlisten = \"0.0.0.0:8443\""),
        "lunette.toml:2:10: others can reach 0.0.0.0:8443, so viewers must give a password: write one into a file and \
         set `password_file = \"/path/to/it\"` in [local], or listen on 127.0.0.1:8443\n\
         \x20 |\n\
         2 | listen = \"0.0.0.0:8443\"\n\
         \x20 |          ^^^^^^^^^^^^^^"
    );
    let fixture = Fixture::new("").with("LUNETTE_LOCAL__LISTEN", "192.168.1.5:8443");
    assert!(fixture.error().starts_with("LUNETTE_LOCAL__LISTEN: others can reach 192.168.1.5:8443, so"));
    for mapped in ["[::ffff:127.0.0.1]:1", "127.9.9.9:1", "[::1]:1"] {
        Fixture::new("").with("LUNETTE_LOCAL__LISTEN", mapped).config();
    }
    let password = fixture.write("password", "geheim-geheim\n", 0o600);
    let good = fixture.with("LUNETTE_LOCAL__PASSWORD_FILE", password.to_str().unwrap());
    assert!(good.config().local.is_https());
    assert_eq!(good.load().unwrap().warnings, [""; 0]);
    good.write("password", "geheim\n", 0o600);
    assert!(good.load().unwrap().warnings[0].contains("short"));
}

#[test]
fn password_files_are_checked() {
    let fixture = Fixture::new("");
    let open = fixture.write("open", "geheim\n", 0o644);
    let empty = fixture.write("empty", "\n", 0o600);
    let with = |path: &Path| Fixture::new("").with("LUNETTE_LOCAL__PASSWORD_FILE", path.to_str().unwrap());
    let warnings = with(&open).load().unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("chmod o= "), "{warnings:?}");
    assert!(with(&empty).error().contains("has no password in its first line"));
    assert!(
        with(Path::new("/absent"))
            .error()
            .starts_with("LUNETTE_LOCAL__PASSWORD_FILE: cannot read the password file /absent")
    );
    // It may be a credential of the unit, which this shell does not see.
    assert!(with(Path::new("absent")).load().unwrap().warnings[0].contains("credential"));
}

#[test]
fn a_password_in_the_clear_is_worth_a_warning() {
    let mut fixture = Fixture::new("").with("LUNETTE_SIGNAL__MQTT__USER", "u");
    let password = fixture.write("password", "geheim\n", 0o600);
    fixture = fixture.with("LUNETTE_SIGNAL__MQTT__PASSWORD_FILE", password.to_str().unwrap());
    for (url, warnings) in [("mqtt://h", 1), ("mqtts://h", 0), ("mqtt://127.0.0.1", 0), ("ws://h", 1), ("wss://h", 0)] {
        fixture.write("lunette.toml", &format!("[signal.mqtt]\nurl = '{url}'"), 0o600);
        assert_eq!(fixture.load().unwrap().warnings.len(), warnings, "{url}");
    }
}

#[test]
fn files_lie_over_each_other_in_the_order_of_their_names() {
    let fixture =
        Fixture::new("name = 'a'\n[video]\nsize = '640x480'\nfps = 10\n[camera.v4l2]\ndevice = '/dev/video0'");
    fixture.write("lunette.d/20-b.toml", "name = 'c'\n[video]\nsize = '320x240'", 0o600);
    fixture.write("lunette.d/10-a.toml", "name = 'b'\ncamera = 'testcard'\n[video]\nbitrate = '1M'", 0o600);
    fixture.write("lunette.d/.30-hidden.toml", "broken", 0o600);
    fixture.write("lunette.d/README", "broken", 0o600);
    let loaded = fixture.load().unwrap();
    assert_eq!(loaded.files, ["lunette.toml", "lunette.d/10-a.toml", "lunette.d/20-b.toml"].map(|n| fixture.path(n)));
    let config = loaded.config;
    assert_eq!(config.name, "c");
    assert_eq!(config.video.size, Size::new(320, 240));
    assert_eq!(config.video.fps.fps(), 10.0);
    assert_eq!(config.video.bitrate, Bitrate::kbps(1000));
    assert_eq!(config.camera, Camera::TestCard);

    fixture.write("lunette.d/20-b.toml", "\n\n[video]\nsize = 5", 0o600);
    assert_eq!(
        fixture.error(),
        "lunette.d/20-b.toml:4:8: invalid type: integer `5`, expected a string\n\
         \x20 |\n\
         4 | size = 5\n\
         \x20 |        ^"
    );
}

#[test]
fn an_address_and_its_user_may_stand_in_two_files() {
    let fixture = Fixture::new("[signal.mqtt]\nuser = 'u'");
    fixture.write("lunette.d/a.toml", "[signal.mqtt]\nurl = 'mqtt://h'", 0o600);
    let mqtt = fixture.config().signal.mqtt.unwrap();
    assert_eq!((mqtt.user.as_deref(), mqtt.url.host.as_str()), (Some("u"), "h"));
}

#[test]
fn a_named_file_must_exist_and_the_default_need_not() {
    let fixture = Fixture::new("");
    fs::remove_file(fixture.path("lunette.toml")).unwrap();
    assert_eq!(fixture.error(), "cannot read lunette.toml: No such file or directory (os error 2)");
    if !Path::new(lunette::config::DEFAULT_FILE).exists() {
        assert!(Config::load(&Sources::default()).unwrap().files.is_empty());
    }
}

#[test]
fn files_that_are_no_config() {
    let fixture = Fixture::new("");
    fs::write(fixture.path("lunette.toml"), b"name = '\xff'").unwrap();
    assert_eq!(fixture.error(), "cannot read lunette.toml: stream did not contain valid UTF-8");
    fs::write(fixture.path("lunette.toml"), "#".repeat(1 << 21)).unwrap();
    assert_eq!(fixture.error(), "lunette.toml has more than 1048576 bytes: that is no config");
}

#[test]
fn variables_lie_over_files_and_flags_over_variables() {
    let mut fixture = Fixture::new("name = 'file'\n[video]\nsize = '640x480'\nfps = 10")
        .with("LUNETTE_NAME", "variable")
        .with("LUNETTE_VIDEO__FPS", "20")
        .with("LUNETTE_VIDEO__BITRATE", "\"1 Mbit/s\"")
        .with("LUNETTE_CAMERA__V4L2__DEVICE", "/dev/video7")
        .with("LUNETTE_LOG", "debug")
        .with("LUNETTE_CONFIG", "/elsewhere")
        .with("HOME", "/root");
    let config = fixture.config();
    assert_eq!(config.name, "variable");
    assert_eq!(config.video.size, Size::new(640, 480));
    assert_eq!(config.video.fps.fps(), 20.0);
    assert_eq!(config.video.bitrate, Bitrate::kbps(1000));
    assert_eq!(config.camera, Camera::V4l2(V4l2 { device: "/dev/video7".into() }));
    fixture.flags.push(Flag { name: "--name", path: &["name"], value: "flag".into() });
    fixture.flags.push(Flag { name: "--camera", path: &["camera"], value: "testcard".into() });
    let config = fixture.config();
    assert_eq!((config.name.as_str(), config.camera), ("flag", Camera::TestCard));
}

#[test]
fn a_variable_is_text_where_text_is_wanted() {
    let config = Fixture::new("").with("LUNETTE_NAME", "5").with("LUNETTE_VIDEO__BITRATE", "800000").config();
    assert_eq!((config.name.as_str(), config.video.bitrate), ("5", Bitrate::kbps(800)));
}

#[test]
fn wrong_variables_are_named() {
    for (name, value, said) in [
        ("LUNETTE_VIDEO__SIZE", "wide", "LUNETTE_VIDEO__SIZE: “wide” is not a picture size"),
        ("LUNETTE_VIDEO__FPS", "fast", "LUNETTE_VIDEO__FPS: invalid type: string \"fast\", expected f64"),
        ("LUNETTE_VIDEO__SISE", "1", "LUNETTE_VIDEO__SISE: unknown key `sise`; did you mean `size`?"),
        ("LUNETTE_FOO", "1", "LUNETTE_FOO: unknown key `foo`; there are "),
        ("LUNETTE_", "1", "LUNETTE_: unknown key ``; there are "),
        ("LUNETTE_NAME__X", "1", "LUNETTE_NAME__X: invalid type: map, expected a string"),
        ("LUNETTE_VIDEO", "1", "LUNETTE_VIDEO: invalid type: "),
        ("LUNETTE_NAME", " ", "LUNETTE_NAME: a name has 1 to 64 characters"),
    ] {
        let error = Fixture::new("").with(name, value).error();
        assert!(error.starts_with(said), "{name}={value}: {error}");
    }
}

/// Lines that are nearly a config.
fn nearly() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "name",
        "camera",
        "size",
        "fps",
        "bitrate",
        "url",
        "user",
        "listen",
        "max",
        "dir",
        "device",
        "password_file",
        "x",
    ]);
    let value = prop_oneof![
        "\\PC{0,8}",
        "\"\\PC{0,8}\"",
        any::<i64>().prop_map(|v| v.to_string()),
        any::<f64>().prop_map(|v| v.to_string()),
        prop::sample::select(vec![
            "[[]]",
            "{}",
            "{v4l2={device='x'}}",
            "1979-05-27",
            "true",
            "'auto'",
            "nan",
            "'''\n'''"
        ])
        .prop_map(str::to_owned),
    ];
    let table = prop::sample::select(vec![
        "[video]",
        "[camera]",
        "[camera.v4l2]",
        "[signal.mqtt]",
        "[[signal]]",
        "[local]",
        "[state]",
        "[viewers]",
        "[",
    ]);
    let line = prop_oneof![
        3 => (key, value).prop_map(|(k, v)| format!("{k} = {v}")),
        1 => table.prop_map(str::to_owned),
        1 => "\\PC{0,20}",
    ];
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn any_text_is_a_config_or_an_error_with_a_place(text in prop_oneof![nearly(), "(\\PC|\n){0,80}".boxed()]) {
        if let Err(error) = Config::parse(&text) {
            prop_assert!(error.to_string().starts_with("lunette.toml:"), "{error}");
        }
    }

    #[test]
    fn any_variable_is_config_or_an_error_that_names_it(
        name in "LUNETTE_(VIDEO|CAMERA|NAME|[A-Z_]{0,6})(__(SIZE|FPS|V4L2|[A-Z_]{0,5})){0,3}", value in "\\PC{0,20}",
    ) {
        let sources = Sources { variables: vec![(name.clone().into(), value.into())], ..Sources::default() };
        if let Err(error) = Config::load(&sources) {
            prop_assert!(error.to_string().starts_with(&format!("{name}: ")), "{error}");
        }
    }
}

#[test]
fn the_files_of_ice_servers_are_looked_at() {
    let fixture =
        Fixture::new("[[ice]]\nurls = [\"stun:s\"]\n[[ice]]\nurls = [\"turn:t\"]\nsecret_file = \"/nowhere/secret\"\n");
    let error = fixture.error();
    assert!(error.contains("lunette.toml:5:15") && error.contains("/nowhere/secret"), "{error}");
    let secret = fixture.write("secret", "geheim\n", 0o644);
    fixture.write(
        "lunette.toml",
        &format!("[[ice]]\nurls = [\"turn:t\"]\nsecret_file = \"{}\"\n", secret.display()),
        0o600,
    );
    let loaded = fixture.load().unwrap();
    assert!(loaded.warnings[0].contains("everybody on this machine can read"), "{:?}", loaded.warnings);
    let error = error_of_ice("urls = [\"turn:t\"]");
    assert!(error.contains("lunette.toml:1:1") && error.contains("secret_file"), "{error}");
    let error = error_of_ice("urls = [\"turn://t\"]");
    assert!(error.contains("lunette.toml:2:8") && error.contains("no slashes"), "{error}");
}

fn error_of_ice(toml: &str) -> String {
    error(&format!("[[ice]]\n{toml}"))
}
