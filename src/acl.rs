//! `lunette acl`: the access rules of docs/sealing.md's topics, as brokers want them written. Pure, apart from
//! [`Acl::run`], which asks who this camera is.
//!
//! Sealed signaling does not rest on them: who breaks them sees that somebody talks, and can be in the way.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::board;
use crate::config::{Config, Flag, Sources};
use crate::identity::Identity;
use crate::trust::{CameraId, ViewerId};

/// Shown by `lunette acl --help`.
pub const EXAMPLES: &str = "\
Examples:
  sudo -u lunette lunette acl mosquitto            for this camera; viewers log in with their viewer id as user name
  lunette acl mosquitto --camera ID --camera ID    for several
  lunette acl mosquitto --shared viewer            all viewers have one login: they see each other's sealed answers
  lunette acl rabbitmq --camera ID --viewer ID | sh
  lunette acl aws --camera ID --viewer ID

What is printed says how to load it. `lunette doctor` tries the camera's part.";

/// What a camera publishes, below `lunette/1/<camera>/`; and `res/<viewer>`.
const CAMERA_WRITES: [&str; 2] = ["status", "challenge"];
/// What it reads. `ice` is read where the config says so.
const CAMERA_READS: [&str; 4] = ["req", "status", "challenge", "ice"];
/// What every viewer reads; and its own `res/<viewer>`. It publishes `req`.
const VIEWER_READS: [&str; 2] = ["status", "challenge"];

/// Client ids that are no camera's, in a pattern of RabbitMQ.
const PAGES: &str = "(?!lunette-).*";

/// A broker whose rules are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Broker {
    /// An acl_file of mosquitto 2
    Mosquitto,
    /// An acl.conf of EMQX 5
    Emqx,
    /// A shell script of rabbitmqctl commands, for RabbitMQ with its MQTT plugin
    Rabbitmq,
    /// Policies of AWS IoT Core, as JSON
    Aws,
}

/// `lunette acl`
#[derive(Args, Clone, Debug)]
pub struct Acl {
    /// Which broker
    #[arg(value_enum)]
    pub broker: Broker,
    /// A camera's id; may be repeated [default: this camera]
    #[arg(long = "camera", value_name = "ID")]
    pub cameras: Vec<CameraId>,
    /// A viewer's id, which is its user name too; may be repeated [default: rules for any viewer]
    #[arg(long = "viewer", value_name = "ID")]
    pub viewers: Vec<ViewerId>,
    /// One user name for all viewers; they may read each other's sealed answers
    #[arg(long, value_name = "USER", value_parser = user_name, conflicts_with = "viewers")]
    pub shared: Option<String>,
    /// The user name of what publishes servers on `ice`
    #[arg(long, value_name = "USER", value_parser = user_name)]
    pub fleet: Option<String>,
    /// The config file, for this camera's user name and state folder
    #[arg(short, long, value_name = "FILE", env = "LUNETTE_CONFIG")]
    pub config: Option<PathBuf>,
    /// The folder for identity and certificates
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// Who the rules are for.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Cameras, each with its user name.
    pub cameras: Vec<(CameraId, String)>,
    /// Viewers; none: any.
    pub viewers: Vec<ViewerId>,
    /// The user name of all viewers.
    pub shared: Option<String>,
    /// The user name of the fleet.
    pub fleet: Option<String>,
}

/// A user name goes into files and scripts of four languages: only what means nothing in any of them.
fn user_name(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@');
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-') {
        return Ok(text.to_owned());
    }
    Err("a user name here is 1 to 64 letters, digits and - _ . @".to_owned())
}

impl Acl {
    /// The rules, and what to say beside them where their format has no comments.
    ///
    /// # Errors
    /// When no camera was named, and this one's id cannot be found.
    pub fn run(&self) -> anyhow::Result<(String, String)> {
        let mut cameras: Vec<_> = self.cameras.iter().map(|id| (*id, id.to_string())).collect();
        if cameras.is_empty() {
            cameras.push(self.this_camera()?);
        }
        let (viewers, shared, fleet) = (self.viewers.clone(), self.shared.clone(), self.fleet.clone());
        Ok(Rules { cameras, viewers, shared, fleet }.write(self.broker))
    }

    /// Its id, and the user name that the config has for it.
    fn this_camera(&self) -> anyhow::Result<(CameraId, String)> {
        let state = self.state.as_ref().map(|p| p.display().to_string());
        let flags = state.map(|value| Flag { name: "--state", path: &["state", "dir"], value });
        let config = Config::load(&Sources {
            defaults: Some(board::this().defaults()),
            file: self.config.clone(),
            variables: std::env::vars_os().collect(),
            flags: flags.into_iter().collect(),
        })?
        .config;
        let folder = config.state.path()?;
        let camera = Identity::look(&folder)?.ok_or_else(|| {
            anyhow::anyhow!("{} has no camera id yet: start lunette once, or name one with --camera", folder.display())
        })?;
        let user = config.signal.mqtt.and_then(|mqtt| mqtt.user);
        let user =
            user.map(|user| user_name(&user)).transpose().map_err(|e| anyhow::anyhow!("[signal.mqtt] user: {e}"))?;
        Ok((camera, user.unwrap_or_else(|| camera.to_string())))
    }
}

impl Rules {
    /// As that broker wants them; and what to say beside them.
    pub fn write(&self, broker: Broker) -> (String, String) {
        match broker {
            Broker::Mosquitto => (self.mosquitto(), String::new()),
            Broker::Emqx => (self.emqx(), String::new()),
            Broker::Rabbitmq => (self.rabbitmq(), String::new()),
            Broker::Aws => (self.aws(), AWS_HELP.to_owned()),
        }
    }

    fn mosquitto(&self) -> String {
        let mut text = MOSQUITTO_HELP.to_owned();
        let mut line = |line: String| text.push_str(&(line + "\n"));
        for (camera, user) in &self.cameras {
            line(format!("\nuser {user}"));
            CAMERA_READS.iter().for_each(|rest| line(format!("topic read lunette/1/{camera}/{rest}")));
            CAMERA_WRITES.iter().for_each(|rest| line(format!("topic write lunette/1/{camera}/{rest}")));
            line(format!("topic write lunette/1/{camera}/res/+"));
        }
        let named = self.viewers.iter().map(|id| (id.to_string(), id.to_string()));
        for (user, res) in named.chain(self.shared.iter().map(|user| (user.clone(), "+".to_owned()))) {
            line(format!("\nuser {user}"));
            for (camera, _) in &self.cameras {
                line(format!("topic write lunette/1/{camera}/req"));
                VIEWER_READS.iter().for_each(|rest| line(format!("topic read lunette/1/{camera}/{rest}")));
                line(format!("topic read lunette/1/{camera}/res/{res}"));
            }
        }
        if let Some(fleet) = &self.fleet {
            line(format!("\nuser {fleet}"));
            self.cameras.iter().for_each(|(camera, _)| line(format!("topic write lunette/1/{camera}/ice")));
        }
        if self.viewers.is_empty() && self.shared.is_none() {
            line("\n# Every login: a viewer's user name is its viewer id.".to_owned());
            for (camera, _) in &self.cameras {
                line(format!("pattern write lunette/1/{camera}/req"));
                VIEWER_READS.iter().for_each(|rest| line(format!("pattern read lunette/1/{camera}/{rest}")));
                line(format!("pattern read lunette/1/{camera}/res/%u"));
            }
        }
        text
    }

    fn emqx(&self) -> String {
        let mut text = EMQX_HELP.to_owned();
        let mut rule = |who: &str, what: &str, topics: Vec<String>| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{{allow, {who}, {what}, [{}]}}.", topics.join(", "));
        };
        let keeps = |retain: &str| format!("{{publish, [{{qos, [0, 1]}}, {{retain, {retain}}}]}}");
        for (camera, user) in &self.cameras {
            let who = format!("{{username, \"{user}\"}}");
            let topics = |rests: &[&str]| rests.iter().map(|rest| format!("\"lunette/1/{camera}/{rest}\"")).collect();
            rule(&who, "subscribe", topics(&CAMERA_READS));
            rule(&who, &keeps("all"), topics(&CAMERA_WRITES));
            rule(&who, &keeps("false"), topics(&["res/+"]));
        }
        let each = |rests: &dyn Fn(&str) -> Vec<String>| {
            self.cameras.iter().flat_map(|(camera, _)| rests(camera.as_str())).collect::<Vec<_>>()
        };
        let mut viewer = |who: &str, res: &str| {
            rule(who, &keeps("false"), each(&|camera| vec![format!("\"lunette/1/{camera}/req\"")]));
            let reads = |camera: &str| {
                let mut topics: Vec<_> =
                    VIEWER_READS.iter().map(|rest| format!("\"lunette/1/{camera}/{rest}\"")).collect();
                topics.push(format!("\"lunette/1/{camera}/res/{res}\""));
                topics
            };
            rule(who, "subscribe", each(&reads));
        };
        self.viewers.iter().for_each(|id| viewer(&format!("{{username, \"{id}\"}}"), id.as_str()));
        match &self.shared {
            Some(user) => viewer(&format!("{{username, \"{user}\"}}"), "+"),
            None if self.viewers.is_empty() => viewer("all", "${username}"),
            None => {}
        }
        if let Some(fleet) = &self.fleet {
            let topics = each(&|camera| vec![format!("\"lunette/1/{camera}/ice\"")]);
            rule(&format!("{{username, \"{fleet}\"}}"), &keeps("all"), topics);
        }
        text + "{deny, all}.\n"
    }

    fn rabbitmq(&self) -> String {
        let mut text = RABBITMQ_HELP.to_owned();
        // Writing to a string cannot fail. A `/` of MQTT is a `.` here, and `{` begins a variable.
        let all = self.cameras.iter().map(|(camera, _)| camera.as_str()).collect::<Vec<_>>().join("|");
        for (camera, user) in &self.cameras {
            let writes = format!(r"^lunette\.1\.{camera}\.({}|res\.[a-z2-7]+)$", CAMERA_WRITES.join("|"));
            let reads = format!(r"^lunette\.1\.{camera}\.({})$", CAMERA_READS.join("|"));
            let _ = writeln!(text, "allow '{user}' 'lunette-{camera}.*' '{writes}' '{reads}'");
        }
        let reads = |res: &str| format!(r"^lunette\.1\.({all})\.({}|res\.{res})$", VIEWER_READS.join("|"));
        let writes = format!(r"^lunette\.1\.({all})\.req$");
        for id in &self.viewers {
            let _ = writeln!(text, "allow '{id}' '{id}-.*' '{writes}' '{}'", reads(id.as_str()));
        }
        match &self.shared {
            // Their filter is that of each one's own answers; `*` is MQTT's `+`, and stays forbidden.
            Some(user) => {
                let _ = writeln!(text, "allow '{user}' '{PAGES}' '{writes}' '{}'", reads("[a-z2-7]+"));
            }
            None if self.viewers.is_empty() => {
                let _ = writeln!(text, "# Viewers: their ids, as arguments of this script.");
                let _ = writeln!(
                    text,
                    "for viewer in \"$@\"; do allow \"$viewer\" \"$viewer-.*\" '{writes}' '{}'; done",
                    reads("{username}")
                );
            }
            None => {}
        }
        if let Some(fleet) = &self.fleet {
            let _ = writeln!(text, r"allow '{fleet}' '{PAGES}' '^lunette\.1\.({all})\.ice$' '^$'");
        }
        text
    }

    fn aws(&self) -> String {
        let arn = |kind: &str, rest: String| format!("arn:aws:iot:*:*:{kind}/{rest}");
        let topics = |kind: &str, camera: &CameraId, rests: &[String]| {
            rests.iter().map(|rest| arn(kind, format!("lunette/1/{camera}/{rest}"))).collect::<Vec<_>>()
        };
        let allow = |action: &str, on: Vec<String>| json!({"Effect": "Allow", "Action": action, "Resource": on});
        let policy = |statements: Vec<Value>| json!({"Version": "2012-10-17", "Statement": statements});
        let strings = |rests: &[&str]| rests.iter().map(|&rest| rest.to_owned()).collect::<Vec<_>>();
        let mut policies = serde_json::Map::new();
        for (camera, _) in &self.cameras {
            let (reads, keeps) = (strings(&CAMERA_READS), strings(&CAMERA_WRITES));
            let writes = [&keeps[..], &["res/*".to_owned()]].concat();
            let clients = ["", "-doctor"].map(|end| arn("client", format!("lunette-{camera}{end}")));
            let statements = vec![
                allow("iot:Connect", clients.into()),
                allow("iot:Publish", topics("topic", camera, &writes)),
                allow("iot:RetainPublish", topics("topic", camera, &keeps)),
                allow("iot:Subscribe", topics("topicfilter", camera, &reads)),
                allow("iot:Receive", topics("topic", camera, &reads)),
            ];
            policies.insert(format!("camera-{camera}"), policy(statements));
        }
        let mut viewer = |name: String, client: &str, res: &str| {
            let reads = [&strings(&VIEWER_READS)[..], &[format!("res/{res}")]].concat();
            let each = |kind: &str, rests: &[String]| {
                self.cameras.iter().flat_map(|(camera, _)| topics(kind, camera, rests)).collect()
            };
            let statements = vec![
                allow("iot:Connect", vec![arn("client", client.to_owned())]),
                allow("iot:Publish", each("topic", &strings(&["req"]))),
                allow("iot:Subscribe", each("topicfilter", &reads)),
                allow("iot:Receive", each("topic", &reads)),
            ];
            policies.insert(name, policy(statements));
        };
        // The page's client ids begin with the viewer's id, and end as they like.
        self.viewers.iter().for_each(|id| viewer(format!("viewer-{id}"), &format!("{id}-*"), id.as_str()));
        match &self.shared {
            Some(user) => viewer(format!("viewer-{user}"), "*", "*"),
            None if self.viewers.is_empty() => viewer("viewer".to_owned(), "${iot:ClientId}", "${iot:ClientId}"),
            None => {}
        }
        if let Some(fleet) = &self.fleet {
            let ice = self
                .cameras
                .iter()
                .map(|(camera, _)| arn("topic", format!("lunette/1/{camera}/ice")))
                .collect::<Vec<_>>();
            let statements = vec![
                allow("iot:Connect", vec![arn("client", fleet.clone())]),
                allow("iot:Publish", ice.clone()),
                allow("iot:RetainPublish", ice),
            ];
            policies.insert(format!("fleet-{fleet}"), policy(statements));
        }
        format!("{:#}\n", Value::Object(policies))
    }
}

const MOSQUITTO_HELP: &str = "\
# Lunette's topics, for mosquitto 2: who may publish and read what.
#
#   lunette acl mosquitto > /etc/mosquitto/lunette.acl
#
# In mosquitto.conf:
#
#   allow_anonymous false
#   password_file /etc/mosquitto/passwords
#   acl_file /etc/mosquitto/lunette.acl
#
# A login for each camera and viewer: mosquitto_passwd /etc/mosquitto/passwords USER
# Then: systemctl reload mosquitto
#
# mosquitto says yes to any subscription, and then hands out only what may be read.
";

const EMQX_HELP: &str = "\
%% Lunette's topics, for EMQX 5.1 or newer: who may publish and read what.
%%
%%   lunette acl emqx > /etc/emqx/acl.conf
%%
%% In emqx.conf:
%%
%%   authorization.no_match = deny
%%   authorization.sources = [{type = file, enable = true, path = \"/etc/emqx/acl.conf\"}]
%%
%% A login for each camera and viewer, in an authenticator; a viewer's user name is its viewer id.

";

const RABBITMQ_HELP: &str = "\
#!/bin/sh
# Lunette's topics, for RabbitMQ with rabbitmq_mqtt (for cameras 3.13 or newer: they speak MQTT 5).
#
#   lunette acl rabbitmq | sudo sh -s -- VIEWER…
#
# First a login for each: rabbitmqctl add_user USER
# A user that has no topic permission at all may do everything: no viewer's login without this.
# A camera's client id is lunette-ID, a page's begins with its viewer id; nobody gets at what is kept for another's. But whoever
# connects with another's ends its connection.
set -eu

# allow USER CLIENT WRITE READ
allow() {
    queues=\"^mqtt-subscription-$2\\$\"
    with_topics=\"^(mqtt-subscription-$2|amq\\\\.topic)\\$\"
    rabbitmqctl set_permissions -p / \"$1\" \"$queues\" \"$with_topics\" \"$with_topics\"
    rabbitmqctl set_topic_permissions -p / \"$1\" amq.topic \"$3\" \"$4\"
}

";

const AWS_HELP: &str = "\
Policies for AWS IoT Core, one under each name. To load one:

  lunette acl aws --camera ID > lunette-acl.json
  jq '.\"camera-ID\"' lunette-acl.json > camera.json
  aws iot create-policy --policy-name lunette-camera-ID --policy-document file://camera.json
  aws iot attach-policy --policy-name lunette-camera-ID --target CERTIFICATE_ARN

A camera connects with its certificate (client_cert_file, client_key_file), and as client lunette-ID. Browsers come by a
custom authorizer, which checks user name and password and answers with the policy of that viewer: `--viewer ID`. The
policy without a name is for programs that have their viewer id as client id; the page adds to it.
";

#[cfg(test)]
#[path = "acl_tests.rs"]
mod tests;
