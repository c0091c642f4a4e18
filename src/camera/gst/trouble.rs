//! What GStreamer says is wrong → one line for people. Pure.

use std::net::IpAddr;

use crate::config::hide_passwords;

/// The most of it that is shown.
const LONGEST: usize = 300;

/// An error of a running pipeline. `debug` is a source line and, below it, sometimes the reason itself.
pub fn tell(element: Option<&str>, message: &str, debug: Option<&str>) -> String {
    let reason: Vec<&str> = debug.unwrap_or_default().lines().skip(1).map(trim).filter(|l| !l.is_empty()).collect();
    let mut text = match element {
        Some(element) => format!("{element}: {}", trim(message)),
        None => trim(message).to_owned(),
    };
    for line in reason {
        text.push_str(": ");
        text.push_str(line);
    }
    if text.contains("not-negotiated") {
        text.push_str("; the element after it does not take what it gives");
    }
    fit_for_a_log(&text)
}

/// One line, without passwords and addresses, not too long.
pub fn fit_for_a_log(text: &str) -> String {
    let text = without_addresses(&hide_passwords(text));
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn trim(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}

/// IP addresses become `(address)`.
fn without_addresses(text: &str) -> String {
    let part = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(part) {
        let end = rest[start..].find(|c| !part(c)).map_or(rest.len(), |n| start + n);
        let word = rest[start..end].trim_end_matches(['.', ':']);
        let host = word.rsplit_once(':').map_or(word, |(host, _)| host);
        // Both may be an address: with a port behind it, and without.
        let address = [word, host].into_iter().find(|text| text.parse::<IpAddr>().is_ok());
        out.push_str(&rest[..start]);
        match address {
            Some(address) => {
                out.push_str("(address)");
                out.push_str(&rest[start + address.len()..end]);
            }
            None => out.push_str(&rest[start..end]),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// The part of a pipeline's text that a parser's error is about.
pub fn near(message: &str) -> Option<&str> {
    let quoted: Vec<&str> = message.split('"').skip(1).step_by(2).collect();
    let wrong = if message.starts_with("could not set property") { quoted.last() } else { quoted.first() };
    wrong.copied().filter(|text| !text.is_empty() && *text != "(null)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_error_is_its_element_its_message_and_its_reason() {
        for (element, message, debug, says) in [
            (
                Some("v4l2src"),
                "Cannot identify device '/dev/video9'.",
                "../sys/v4l2/v4l2_calls.c(608): gst_v4l2_open (): /GstPipeline:p/GstV4l2Src:v4l2src0:\n\
                 system error: No such file or directory",
                "v4l2src: Cannot identify device '/dev/video9': system error: No such file or directory",
            ),
            (
                Some("identity"),
                "Failed after iterations as requested.",
                "../plugins/elements/gstidentity.c(847): gst_identity_transform_ip (): /GstPipeline:p/GstIdentity:i",
                "identity: Failed after iterations as requested",
            ),
            (
                Some("videotestsrc"),
                "Internal data stream error.",
                "gstbasesrc.c(3132): gst_base_src_loop (): /GstPipeline:p/GstVideoTestSrc:v:\n\
                 streaming stopped, reason not-negotiated (-4)",
                "videotestsrc: Internal data stream error: streaming stopped, reason not-negotiated (-4); \
                 the element after it does not take what it gives",
            ),
            (None, "What.", "", "What"),
        ] {
            assert_eq!(tell(element, message, Some(debug)), says);
        }
        assert!(tell(None, &"x".repeat(1000), None).chars().count() <= LONGEST + 1);
    }

    #[test]
    fn no_address_and_no_password_is_told() {
        for (text, says) in [
            ("Failed to connect to 192.0.2.7:554: refused", "Failed to connect to (address):554: refused"),
            ("host '::1' is down.", "host '(address)' is down."),
            ("host 2001:db8::7, port 5", "host (address), port 5"),
            ("at 12:30:05 of 1.22.0", "at 12:30:05 of 1.22.0"),
            ("location=rtsp://u:geheim@h/x", "location=rtsp://u:******@h/x"),
        ] {
            assert_eq!(fit_for_a_log(text), says);
        }
    }

    #[test]
    fn the_wrong_word_is_found() {
        for (message, word) in [
            (r#"no element "x264encx""#, Some("x264encx")),
            (r#"no property "patern" in element "videotestsrc""#, Some("patern")),
            (r#"could not set property "pattern" in element "videotestsrc" to "bal""#, Some("bal")),
            (r#"could not parse caps "video/x-raw,foo=""#, Some("video/x-raw,foo=")),
            ("syntax error", None),
            (r#"No sink-element named "(null)" - omitting link"#, None),
        ] {
            assert_eq!(near(message), word);
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_told(message in "\\PC{0,60}", debug in "(\\PC|\n){0,60}") {
            let text = tell(Some("x"), &message, Some(&debug));
            prop_assert!(!text.contains('\n') && text.len() < 4 * (LONGEST + 2));
            let _ = near(&message);
        }
    }
}
