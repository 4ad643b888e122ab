//! The page of `faas-lab serve`: a frame with controls, into which the server's answers are put. Style and script are
//! files of their own, so that the page may forbid everything else.

use maud::{DOCTYPE, html};

use crate::{compare, page};

const STYLE: &str = include_str!("../templates/serve.css");
const SCRIPT: &str = include_str!("../templates/serve.js");

/// The page.
pub fn page() -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/serve.css";
                title { "faas-lab" }
                script src="/serve.js" defer {}
            }
            body .lab {
                header .bar {
                    h1 { "faas-lab" }
                    label { "Scenario " select #scenario {} }
                    label #variants hidden { "Variant " select #variant {} }
                    button #open type="button" aria-expanded="false" aria-controls="paste" { "Paste or upload…" }
                    span .grow {}
                    button #pin type="button" disabled { "Pin this run" }
                    label .button tabindex="0" { "Overlay a result…" input #result type="file" accept=".json,application/json" hidden; }
                    button #save type="button" disabled { "Save scenario" }
                    button #report type="button" disabled { "Save report" }
                }
                section #paste hidden aria-label="A scenario of your own" {
                    label { "File " input #file type="file" accept=".toml"; }
                    label for="text" { "or its text" }
                    textarea #text rows="14" spellcheck="false" {}
                    button #read type="button" { "Open" }
                }
                div .desk {
                    aside #controls aria-label="Settings" {
                        details { summary { "About this scenario" } p #about .quiet {} }
                        div #pins {}
                        div #knobs {}
                        button #reset type="button" hidden { "Take all changes back" }
                    }
                    main .comparison {
                        p #status role="status" .quiet { "Loading…" }
                        pre #wrong role="alert" hidden {}
                        div #charts {}
                    }
                }
                noscript { p .answer { "This page moves settings with a script; without one, use faas-lab simulate and compare." } }
            }
        }
    };
    page.into_string()
}

/// Its style: that of reports, and of the controls.
pub fn style() -> String {
    [page::STYLE, compare::STYLE, STYLE].concat()
}

/// Its script: values on hover as in reports, and the controls.
pub fn script() -> String {
    [page::SCRIPT, SCRIPT].concat()
}
