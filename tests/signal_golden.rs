//! The golden messages of tests/data/signal/, which the page's tests read too.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;

use lunette::media::stream::StreamId;
use lunette::signal::message::{
    Candidate, EndReason, IceServer, Limits, Listed, Refusal, RefusedReason, Request, Response, Status, parse,
};
use lunette::trust::{Asking, BootId, SessionId, ViewerId};
use lunette::viewer::control::{self, FromViewer, Stats, StreamName, ToViewer};
use serde_json::{Value, from_str, from_value};

fn golden(folder: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/signal").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 3);
    files.iter().map(|f| (f.file_stem().unwrap().to_string_lossy().into(), fs::read_to_string(f).unwrap())).collect()
}

#[test]
fn what_viewers_send_is_read_and_would_be_written_the_same() {
    for (name, text) in golden("viewer") {
        if name.starts_with("pair") {
            // It has an envelope of its own.
            let asking: Asking = from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            let golden: Value = from_str(&text).unwrap();
            assert_eq!(golden["secret"], asking.secret.text().as_str(), "{name}");
            assert_eq!(golden["label"], asking.label.as_str(), "{name}");
            assert_eq!(golden["grant"].as_str(), asking.grant.as_deref(), "{name}");
            continue;
        }
        let request: Request = parse(text.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let written: Value = serde_json::from_slice(&request.to_json()).unwrap();
        assert_eq!(written, from_str::<Value>(&text).unwrap(), "{name}");
    }
}

#[test]
fn what_is_refused_is_refused_by_name() {
    for (name, text) in golden("refused") {
        let case: Value = from_str(&text).unwrap();
        let raw = case["raw"].as_str().unwrap();
        let reason = parse(raw.as_bytes()).unwrap_err().reason;
        assert_eq!(serde_json::to_value(reason).unwrap(), case["reason"], "{name}");
    }
}

/// Each message of a camera, made here from the golden file's own values, is written as that file.
#[test]
fn what_cameras_send_is_written_as_documented() {
    for (name, text) in golden("camera") {
        let golden: Value = from_str(&text).unwrap();
        let response = rebuild(&golden).unwrap_or_else(|| panic!("{name} is of a new kind: add it here"));
        let written: Value = serde_json::from_slice(&response.to_json()).unwrap();
        assert_eq!(written, golden, "{name}");
    }
}

fn field<T: serde::de::DeserializeOwned>(message: &Value, name: &str) -> T {
    from_value(message[name].clone()).unwrap_or_else(|e| panic!("{name}: {e}: {message}"))
}

fn rebuild(message: &Value) -> Option<Response> {
    let session = || field::<SessionId>(message, "session");
    Some(match message["type"].as_str()? {
        "status" => Response::Status(from_value::<Status>(message.clone()).unwrap()),
        "welcome" => Response::Welcome {
            boot: field::<BootId>(message, "boot"),
            ice: field::<Vec<IceServer>>(message, "ice"),
            ttl: field(message, "ttl"),
            limits: field::<Limits>(message, "limits"),
            name: field(message, "name"),
            role: field(message, "role"),
            label: field(message, "label"),
            key: field(message, "key"),
        },
        "paired" => Response::Paired {
            role: field(message, "role"),
            label: field(message, "label"),
            name: field(message, "name"),
        },
        "viewers" => Response::Viewers {
            viewers: message["viewers"].as_array().unwrap().iter().map(listed).collect(),
            more: field(message, "more"),
        },
        "done" => Response::Done { re: field(message, "re") },
        "ice" => Response::Ice { session: session(), ice: field(message, "ice"), ttl: field(message, "ttl") },
        "answer" => Response::Answer {
            session: session(),
            restart: field::<Option<u32>>(message, "restart").unwrap_or_default(),
            sdp: field(message, "sdp"),
            note: field(message, "note"),
        },
        "restart" => Response::Restart { session: session(), text: field(message, "text") },
        "candidate" => {
            Response::Candidate { session: session(), candidate: field::<Option<Candidate>>(message, "candidate") }
        }
        "end" => Response::End {
            session: session(),
            reason: field::<EndReason>(message, "reason"),
            text: field(message, "text"),
        },
        "refused" => Response::Refused(Refusal {
            re: field(message, "re"),
            session: field(message, "session"),
            reason: field::<RefusedReason>(message, "reason"),
            text: field(message, "text"),
        }),
        _ => return None,
    })
}

fn listed(viewer: &Value) -> Listed {
    Listed {
        viewer: field(viewer, "viewer"),
        words: field(viewer, "words"),
        label: field(viewer, "label"),
        role: field(viewer, "role"),
        since: field(viewer, "since"),
        seen: field(viewer, "seen"),
        until: field(viewer, "until"),
        watching: field(viewer, "watching"),
        by: field(viewer, "by"),
    }
}

#[test]
fn what_viewers_send_by_the_data_channel_is_read() {
    for (name, text) in golden("control-viewer") {
        if name == "bind" {
            let golden: Value = from_str(&text).unwrap();
            assert_eq!(control::parse_bind(text.as_bytes()).as_deref(), golden["mac"].as_str());
            continue;
        }
        let expected = match name.as_str() {
            "ping" => FromViewer::Ping { id: 7, t: 1234.5 },
            "key" => FromViewer::Key,
            "stream" => FromViewer::Stream { id: StreamName(StreamId::Low) },
            "bye" => FromViewer::Bye,
            _ => panic!("{name} is of a new kind: add it here"),
        };
        assert_eq!(control::parse(text.as_bytes()), Some(expected), "{name}");
    }
}

#[test]
fn what_cameras_send_by_the_data_channel_is_written_as_documented() {
    for (name, text) in golden("control-camera") {
        let golden: Value = from_str(&text).unwrap();
        let m = &golden;
        let message = match m["type"].as_str().unwrap() {
            "pong" => ToViewer::Pong { id: field(m, "id"), t: field(m, "t"), wall: field(m, "wall") },
            "bind" => ToViewer::Bind { mac: field(m, "mac") },
            "camera" => ToViewer::Camera { state: field(m, "state"), text: field(m, "text") },
            "restart" => ToViewer::Restart { text: field(m, "text") },
            "stream" => ToViewer::Stream { id: field(m, "id"), text: field(m, "text") },
            "stats" => ToViewer::Stats(Box::new(Stats {
                rtp: field(m, "rtp"),
                wall: field(m, "wall"),
                fps: field(m, "fps"),
                kbps: field(m, "kbps"),
                dropped: field(m, "dropped"),
                viewers: field(m, "viewers"),
                stream: field(m, "stream"),
                width: field(m, "width"),
                height: field(m, "height"),
                profile: field(m, "profile"),
                encoder: field(m, "encoder"),
                source: field(m, "source"),
                path: field(m, "path"),
                note: field(m, "note"),
                estimate: field(m, "estimate"),
                queue: field(m, "queue"),
                loss: field(m, "loss"),
                network: field(m, "network"),
            })),
            _ => panic!("{name} is of a new kind: add it here"),
        };
        assert_eq!(from_str::<Value>(&message.to_json()).unwrap(), golden, "{name}");
    }
}

/// The examples in docs/signaling.md are messages, too.
#[test]
fn the_examples_in_the_docs_are_json() {
    let docs = include_str!("../docs/signaling.md");
    let examples: Vec<_> = docs.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 10, "{} examples", examples.len());
    for example in examples {
        let messages = serde_json::Deserializer::from_str(example).into_iter::<Value>();
        for message in messages {
            let message = message.unwrap_or_else(|e| panic!("{e}: {example}"));
            assert!(message["type"].is_string(), "{example}");
        }
    }
}

#[test]
fn a_viewer_id_is_the_hash_of_its_key() {
    // The page computes the same (web/test).
    let mut point = [4; 65];
    point[64] = 7;
    assert_eq!(ViewerId::of_key(&point).as_str().len(), 26);
    assert_ne!(ViewerId::of_key(&point), ViewerId::of_key(&[4; 65]));
}

proptest::proptest! {
    #[test]
    fn no_payload_makes_the_parser_panic(payload in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = parse(&payload);
    }

    #[test]
    fn no_json_makes_the_parser_panic(v in ".{0,8}", kind in ".{0,12}", session in ".{0,30}", rest in ".{0,60}") {
        let message = serde_json::json!({
            "v": v, "type": kind, "session": session, "sdp": rest, "candidate": rest,
        });
        let refusal = parse(message.to_string().as_bytes()).unwrap_err();
        proptest::prop_assert_eq!(refusal.reason, RefusedReason::Version);
        proptest::prop_assert!(refusal.text.chars().count() <= 200);
    }
}
