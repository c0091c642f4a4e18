//! What no single value can tell: whether values fit each other, and whether the files they name are there.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::secret::{self, Secret};
use super::{Camera, Config, Encoder, FetchLogin, Gst, GstSource, Ice, IceLogin, Local, Low, Mqtt, Video};

/// A mistake, and where it was written.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) place: Option<Range<usize>>,
    pub(super) message: String,
}

/// Checks; the answer is what is legal but probably not meant. `place` tells where a key's value was written.
pub(super) fn check(config: &Config, place: impl Fn(&[&str]) -> Option<Range<usize>>) -> Result<Vec<String>, Problem> {
    let mut check = Check { place: &place, warnings: Vec::new() };
    if let Some(mqtt) = &config.signal.mqtt {
        check.mqtt(mqtt)?;
    }
    for (number, ice) in config.ice.iter().enumerate() {
        check.ice(&number.to_string(), ice)?;
    }
    check.local(&config.local)?;
    check.video(&config.video)?;
    check.encoder(config)?;
    if let Camera::Gst(gst) = &config.camera {
        check.gst(gst)?;
    }
    Ok(check.warnings)
}

struct Check<'a> {
    place: &'a dyn Fn(&[&str]) -> Option<Range<usize>>,
    warnings: Vec<String>,
}

const MQTT: [&str; 2] = ["signal", "mqtt"];
const LOCAL: [&str; 1] = ["local"];
const LOW: [&str; 2] = ["video", "low"];
const GST: [&str; 2] = ["camera", "gst"];

/// A shorter password can be guessed, five times a minute.
const SHORT: usize = 8;

impl Check<'_> {
    fn mqtt(&mut self, mqtt: &Mqtt) -> Result<(), Problem> {
        let Mqtt { url, user, password_file, ca_file, client_cert_file, client_key_file } = mqtt;
        self.pair(&MQTT, ("client_cert_file", client_cert_file), ("client_key_file", client_key_file))?;
        if let (Some(_), None) = (password_file, user) {
            return Err(self.problem(&MQTT, "password_file", "a password needs a user name: add `user = \"…\"`"));
        }
        for (key, file) in [("ca_file", ca_file), ("client_cert_file", client_cert_file)] {
            if file.is_some() && !url.scheme.is_tls() {
                let scheme = url.scheme.as_str();
                let message = format!("{scheme}:// has no certificates: use {scheme}s://, or remove `{key}`");
                return Err(self.problem(&MQTT, key, &message));
            }
        }
        for (key, file) in
            [("ca_file", ca_file), ("client_cert_file", client_cert_file), ("client_key_file", client_key_file)]
        {
            self.file(&MQTT, key, file.as_deref())?;
        }
        self.secret(&MQTT, "password_file", password_file.as_deref())?;
        if password_file.is_some() && !url.scheme.is_tls() && !is_this_machine(&url.host) {
            let scheme = url.scheme.as_str();
            self.warnings.push(format!(
                "[signal.mqtt] the broker's password travels unencrypted over {scheme}://; {scheme}s:// hides it"
            ));
        }
        Ok(())
    }

    /// The files that the `[[ice]]` of this number names.
    fn ice(&mut self, number: &str, ice: &Ice) -> Result<(), Problem> {
        let table = ["ice", number];
        let (secret, ca_file) = match ice {
            Ice::Servers { login, ca_file, .. } => (
                match login {
                    IceLogin::None => None,
                    IceLogin::Static { password_file, .. } => Some(("password_file", password_file)),
                    IceLogin::Rest { secret_file, .. } => Some(("secret_file", secret_file)),
                },
                ca_file,
            ),
            Ice::Fetched(fetch) => (
                match &fetch.login {
                    FetchLogin::None => None,
                    FetchLogin::Token { token_file } => Some(("token_file", token_file)),
                    FetchLogin::Basic { password_file, .. } => Some(("password_file", password_file)),
                },
                &fetch.ca_file,
            ),
            Ice::Broker { ca_file } => (None, ca_file),
        };
        self.file(&table, "ca_file", ca_file.as_deref())?;
        if let Some((key, path)) = secret {
            self.secret(&table, key, Some(path))?;
        }
        Ok(())
    }

    fn video(&mut self, video: &Video) -> Result<(), Problem> {
        let (main, Low { enabled, size, bitrate, min_bitrate }) = (video.size, &video.low);
        if let Some(size) = size.filter(|_| *enabled)
            && video.low_size(main).is_none()
        {
            let message = format!("the low stream's {size} is not smaller than the main stream's {main}");
            return Err(self.problem(&LOW, "size", &message));
        }
        if let Some(bitrate) = bitrate.filter(|bitrate| *enabled && *bitrate > video.bitrate) {
            let message = format!("the low stream's {bitrate} is more than the main stream's {}", video.bitrate);
            return Err(self.problem(&LOW, "bitrate", &message));
        }
        let bitrates = video.bitrates();
        let low = (&LOW[..], min_bitrate.filter(|_| *enabled), bitrates.low);
        for (table, least, bitrate) in [(&LOW[..1], video.min_bitrate, bitrates.main), low] {
            if let Some(least) = least.filter(|least| *least > bitrate) {
                let message = format!("a floor of {least} is above the bitrate, {bitrate}");
                return Err(self.problem(table, "min_bitrate", &message));
            }
        }
        Ok(())
    }

    /// What only software encodes.
    fn encoder(&mut self, config: &Config) -> Result<(), Problem> {
        if config.camera == Camera::TestCard && config.video.encoder == Encoder::Hardware {
            let message = "the test card is encoded by software: \"auto\" or \"software\"";
            return Err(self.problem(&["video"], "encoder", message));
        }
        Ok(())
    }

    fn local(&mut self, local: &Local) -> Result<(), Problem> {
        let Local { listen, password_file, cert_file, key_file } = local;
        self.pair(&LOCAL, ("cert_file", cert_file), ("key_file", key_file))?;
        if !local.is_loopback() && password_file.is_none() {
            let message = format!(
                "others can reach {listen}, so viewers must give a password: write one into a file and set \
                 `password_file = \"/path/to/it\"` in [local], or listen on 127.0.0.1:{}",
                listen.port()
            );
            return Err(self.problem(&LOCAL, "listen", &message));
        }
        for (key, file) in [("cert_file", cert_file), ("key_file", key_file)] {
            self.file(&LOCAL, key, file.as_deref())?;
        }
        let password = self.secret(&LOCAL, "password_file", password_file.as_deref())?;
        if !local.is_loopback() && password.is_some_and(|p| p.expose().chars().count() < SHORT) {
            self.warnings
                .push(format!("[local] others can reach {listen}, and the password is short: take {SHORT} characters"));
        }
        Ok(())
    }

    fn gst(&mut self, gst: &Gst) -> Result<(), Problem> {
        let source = gst.source().map_err(|misfit| match misfit.key {
            Some(key) => self.problem(&GST, key, &misfit.message),
            None => Problem { place: (self.place)(&GST), message: misfit.message },
        })?;
        let GstSource::Rtsp { url, password_file, .. } = source else { return Ok(()) };
        self.secret(&GST, "password_file", password_file)?;
        if password_file.is_some() && !url.is_tls() && !is_this_machine(url.host()) {
            // Digest authentication hides the password itself; the picture travels in the clear in any case.
            self.warnings
                .push("[camera.gst] the picture travels unencrypted over rtsp://; rtsps:// hides it".to_owned());
        }
        Ok(())
    }

    /// Two keys that make sense only together.
    fn pair<T>(&self, table: &[&str], a: (&str, &Option<T>), b: (&str, &Option<T>)) -> Result<(), Problem> {
        match (a.1.is_some(), b.1.is_some()) {
            (true, false) => Err(self.problem(table, a.0, &format!("`{}` needs `{}` beside it", a.0, b.0))),
            (false, true) => Err(self.problem(table, b.0, &format!("`{}` needs `{}` beside it", b.0, a.0))),
            _ => Ok(()),
        }
    }

    /// A file that must be readable.
    fn file(&mut self, table: &[&str], key: &str, path: Option<&Path>) -> Result<(), Problem> {
        let Some(path) = path else { return Ok(()) };
        if secret::is_unseen_credential(path) {
            self.unseen(table, key, path);
            return Ok(());
        }
        let path = secret::resolve(path);
        let readable = File::open(&path).and_then(|mut f| f.read(&mut [0]).map(drop));
        readable.map_err(|e| self.problem(table, key, &format!("cannot read {}: {e}", path.display())))
    }

    /// A file with a password, which must be readable, and should be readable to few. `None`: not seen from here.
    fn secret(&mut self, table: &[&str], key: &str, path: Option<&Path>) -> Result<Option<Secret>, Problem> {
        let Some(path) = path else { return Ok(None) };
        if secret::is_unseen_credential(path) {
            self.unseen(table, key, path);
            return Ok(None);
        }
        let secret = secret::read_secret_file(path).map_err(|e| self.problem(table, key, &e.to_string()))?;
        let path = secret::resolve(path);
        if std::fs::metadata(&path).is_ok_and(|m| m.permissions().mode() & 0o004 != 0) {
            let (table, path) = (table.join("."), path.display());
            self.warnings.push(format!("[{table}] everybody on this machine can read {path}: chmod o= {path}"));
        }
        Ok(Some(secret))
    }

    fn unseen(&mut self, table: &[&str], key: &str, path: &Path) {
        self.warnings.push(format!(
            "[{}] {key} = \"{}\" is not here; as a relative path it can still be a credential of the systemd unit",
            table.join("."),
            path.display()
        ));
    }

    fn problem(&self, table: &[&str], key: &str, message: &str) -> Problem {
        let path: Vec<&str> = table.iter().copied().chain([key]).collect();
        match (self.place)(&path) {
            Some(place) => Problem { place: Some(place), message: message.to_owned() },
            None => Problem { place: None, message: format!("[{}] {key}: {message}", table.join(".")) },
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}
