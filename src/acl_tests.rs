use super::*;

const CAM: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
const ME: &str = "mmmmmmmmmmmmmmmmmmmmmmmmmm";

fn rules() -> Rules {
    Rules { cameras: vec![(CAM.parse().unwrap(), "camera".to_owned())], ..Rules::default() }
}

/// Every way in which rules can be asked for.
fn all() -> Vec<Rules> {
    let named = Rules { viewers: vec![ME.parse().unwrap()], ..rules() };
    let shared = Rules { shared: Some("viewer".to_owned()), ..rules() };
    let fleet = Rules { fleet: Some("fleet".to_owned()), ..rules() };
    vec![rules(), named, shared, fleet]
}

#[test]
fn mosquitto() {
    let text = rules().mosquitto();
    let lines: Vec<_> = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    let expected = format!(
        "user camera\ntopic read lunette/1/{CAM}/req\ntopic read lunette/1/{CAM}/status\n\
         topic read lunette/1/{CAM}/challenge\ntopic read lunette/1/{CAM}/ice\n\
         topic write lunette/1/{CAM}/status\ntopic write lunette/1/{CAM}/challenge\n\
         topic write lunette/1/{CAM}/res/+\n\
         pattern write lunette/1/{CAM}/req\npattern read lunette/1/{CAM}/status\n\
         pattern read lunette/1/{CAM}/challenge\npattern read lunette/1/{CAM}/res/%u"
    );
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn emqx() {
    let text = Rules { fleet: Some("fleet".to_owned()), ..rules() }.emqx();
    let lines: Vec<_> = text.lines().filter(|l| l.starts_with('{')).collect();
    let topic = |rest: &str| format!("\"lunette/1/{CAM}/{rest}\"");
    let [req, status, challenge, ice] = ["req", "status", "challenge", "ice"].map(topic);
    assert_eq!(
        lines,
        [
            format!("{{allow, {{username, \"camera\"}}, subscribe, [{req}, {status}, {challenge}, {ice}]}}."),
            format!(
                "{{allow, {{username, \"camera\"}}, {{publish, [{{qos, [0, 1]}}, {{retain, all}}]}}, [{status}, {challenge}]}}."
            ),
            format!(
                "{{allow, {{username, \"camera\"}}, {{publish, [{{qos, [0, 1]}}, {{retain, false}}]}}, [{}]}}.",
                topic("res/+")
            ),
            format!("{{allow, all, {{publish, [{{qos, [0, 1]}}, {{retain, false}}]}}, [{req}]}}."),
            format!("{{allow, all, subscribe, [{status}, {challenge}, {}]}}.", topic("res/${username}")),
            format!("{{allow, {{username, \"fleet\"}}, {{publish, [{{qos, [0, 1]}}, {{retain, all}}]}}, [{ice}]}}."),
            "{deny, all}.".to_owned(),
        ]
    );
}

#[test]
fn aws() {
    let policies: Value = serde_json::from_str(&Rules { viewers: vec![ME.parse().unwrap()], ..rules() }.aws()).unwrap();
    let names: Vec<_> = policies.as_object().unwrap().keys().collect();
    assert_eq!(names, [&format!("camera-{CAM}"), &format!("viewer-{ME}")]);
    let of = |name: &str, action: &str| {
        let statements = policies[name]["Statement"].as_array().unwrap();
        let found = statements.iter().find(|s| s["Action"] == action);
        found.map_or(vec![], |s| s["Resource"].as_array().unwrap().iter().map(|r| r.as_str().unwrap()).collect())
    };
    let viewer = format!("viewer-{ME}");
    assert_eq!(of(&viewer, "iot:Publish"), [format!("arn:aws:iot:*:*:topic/lunette/1/{CAM}/req")]);
    assert_eq!(of(&viewer, "iot:RetainPublish"), [""; 0]);
    assert_eq!(of(&viewer, "iot:Connect"), [format!("arn:aws:iot:*:*:client/{ME}-*")]);
    assert_eq!(
        of(&viewer, "iot:Subscribe"),
        ["status", "challenge", &format!("res/{ME}")]
            .map(|r| format!("arn:aws:iot:*:*:topicfilter/lunette/1/{CAM}/{r}"))
    );
    assert_eq!(of(&format!("camera-{CAM}"), "iot:RetainPublish").len(), 2);
}

/// No rule that a viewer gets reaches beyond its topics, and none is for another camera.
#[test]
fn nothing_is_given_to_all_topics() {
    for rules in all() {
        for broker in Broker::value_variants() {
            let (text, _) = rules.write(*broker);
            for line in text.lines().filter(|l| l.contains("lunette/1/") || l.contains(r"lunette\.1\.")) {
                assert!(line.contains(CAM), "{broker:?}: {line}");
                assert!(!line.contains('#'), "{broker:?}: {line}");
            }
        }
    }
}

#[test]
fn a_user_name_is_no_code() {
    for good in ["camera", "cam-7", "a.b_c@example"] {
        assert_eq!(user_name(good).as_deref(), Ok(good));
    }
    for bad in ["", "a b", "a'b", "a\"b", "a\nuser b", "#", "+", "a/b", "$(x)", "-e", "{username}", &"x".repeat(65)] {
        assert!(user_name(bad).is_err(), "{bad:?}");
    }
}
