//! Results as one HTML page that needs nothing else.

pub(crate) mod chart;

use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:800px;margin:2em auto;padding:0 1em;color:#222}\
h1,h2{font-weight:600}pre{overflow-x:auto;background:#f6f6f6;padding:1em;font-size:12px}svg{max-width:100%;height:auto}\
figure{margin:1.5em 0}";

/// The page; `intro` and `body` are HTML.
pub(crate) fn html(title: &str, intro: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tapeout: {title}</title><style>{STYLE}</style>\
         <h1>{title}</h1><p>tapeout {}. {intro}</p>{body}</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Adds a chart and the text under it to a page's body.
pub(crate) fn figure(body: &mut String, title: &str, svg: &str, text: &str) {
    // writing to a string cannot fail
    let _ = write!(
        body,
        "<h2>{}</h2><figure>{svg}</figure><pre>{}</pre>",
        escape(title),
        escape(text)
    );
}

/// Text as HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
