//! The link by which somebody is invited, and its QR code. Pure.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// What a link says after its `#`. It never reaches the page's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    /// The camera's id.
    pub camera: &'a str,
    /// The secret of a pairing, base64url; absent: for those who are known already.
    pub secret: Option<&'a str>,
    /// The camera's name.
    pub name: &'a str,
    /// The broker, for the page; absent: the page knows it.
    pub broker: Option<&'a str>,
}

impl Link<'_> {
    /// From the `#` on.
    pub fn fragment(&self) -> String {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        pairs.append_pair("c", self.camera);
        pairs.extend_pairs(self.secret.map(|secret| ("p", secret)));
        pairs.append_pair("n", self.name);
        pairs.extend_pairs(self.broker.map(|broker| ("b", broker)));
        // What reads it takes both, but a `+` is hard to read aloud.
        format!("#{}", pairs.finish().replace('+', "%20"))
    }
}

/// The text as a QR code of half blocks, each line indented; `None`: it is too long for one. `color`: dark on light whatever
/// the terminal's colors are; else for a terminal that writes light on dark.
pub fn qr(text: &str, color: bool) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let mut image = code.render::<Dense1x2>();
    if !color {
        image.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
    }
    let line = |line: &str| match color {
        // 16 colors are what every terminal has: black on bright white.
        true => format!("  \x1b[30;107m{line}\x1b[0m\n"),
        false => format!("  {line}\n"),
    };
    Some(image.build().lines().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_what_is_needed_and_nothing_else() {
        let link = Link { camera: "abc", secret: Some("s_-"), name: "Front & back", broker: Some("wss://b:1/mqtt") };
        assert_eq!(link.fragment(), "#c=abc&p=s_-&n=Front%20%26%20back&b=wss%3A%2F%2Fb%3A1%2Fmqtt");
        let plain = Link { secret: None, broker: None, ..link };
        assert_eq!(plain.fragment(), "#c=abc&n=Front%20%26%20back");
    }

    #[test]
    fn a_code_has_the_size_that_it_says() {
        let link = format!("https://page.example.net/#c={}&p={}&n=Front", "a".repeat(26), "b".repeat(22));
        for color in [false, true] {
            let text = qr(&link, color).expect("short enough");
            let widths: Vec<_> = text.lines().map(|l| l.chars().filter(|c| " █▀▄".contains(*c)).count()).collect();
            assert!(widths.len() < 30 && widths.iter().all(|w| *w == widths[0] && *w < 60), "{text}");
        }
        assert_eq!(qr(&"x".repeat(5000), false), None);
    }
}
