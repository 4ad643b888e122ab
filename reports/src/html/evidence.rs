//! What the answer rests on: costs, theory, every figure, every parameter, and how to run it again.

use faas_lab_model::metrics::result::{self, METRICS, OutcomeKind, RunResult, Source};
use maud::{Markup, html};

use crate::format;
use crate::words;

/// What the window cost, item by item, and what each machine did.
pub(super) fn cost_and_energy(result: &RunResult) -> Markup {
    let currency = &result.cost.currency;
    let run = words::run_words(result.source);
    html! {
        h2 #cost-head { "Cost and energy" }
        @if result.cost.items.is_empty() && result.nodes.is_empty() && result.source == Source::Measured {
            p .quiet { "Neither cost nor energy was measured, nor what single machines did." }
        } @else if result.cost.items.is_empty() {
            p .quiet { "Nothing in this scenario has a price." }
        } @else {
            div .scroll tabindex="0" role="region" aria-label="Cost" {
                table {
                    caption { "Cost of the measured window, per " (run) }
                    thead { tr { th scope="col" { "item" } th scope="col" { "basis" } th .n scope="col" { "amount" } } }
                    tbody {
                        @for item in &result.cost.items {
                            tr {
                                th scope="row" { (item.name) }
                                td .words { (item.basis) }
                                td .n { (format::estimate_in(&item.amount, "currency", currency)) }
                            }
                        }
                    }
                    @if let Some(total) = &result.cost.total {
                        tfoot { tr { th scope="row" colspan="2" { "total" } td .n { (format::estimate_in(total, "currency", currency)) } } }
                    }
                }
            }
        }
        @if result.nodes.is_empty() && result.source == Source::Simulated {
            p .quiet { "The result knows nothing of single machines." }
        } @else if !result.nodes.is_empty() {
            div .scroll tabindex="0" role="region" aria-label="Nodes" {
                table {
                    caption { "Machines in the measured window, per " (run) }
                    thead {
                        tr {
                            th scope="col" { "node" }
                            th .n scope="col" { "cores" }
                            th .n scope="col" { "busy" }
                            th .n scope="col" { "power" }
                            th .n scope="col" { "energy" }
                        }
                    }
                    tbody {
                        @for node in &result.nodes {
                            tr {
                                th scope="row" { (node.name) }
                                td .n { (node.cores) }
                                td .n { (format::estimate(&node.utilization, "share")) }
                                td .n { (format::estimate(&node.watts, "W")) }
                                td .n { (format::estimate(&node.energy_joules, "J")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Simulation beside closed forms.
pub(super) fn theory(result: &RunResult) -> Markup {
    let far = result.checks.iter().filter(|check| check.z.abs() > 3.0).count();
    html! {
        h2 #theory-head { "Beside theory" }
        p {
            @if far == 0 {
                "Every figure lies within three standard errors of what theory says."
            } @else {
                (far) " of " (words::plural(result.checks.len() as u64, "figure"))
                " lie more than three standard errors from what theory says, which chance alone does once in 370."
            }
        }
        div .scroll tabindex="0" role="region" aria-label="Theory checks" {
            table {
                caption { "z is the difference in standard errors" }
                thead {
                    tr {
                        th scope="col" { "queue" }
                        th scope="col" { "quantity" }
                        th .n scope="col" { "theory" }
                        th .n scope="col" { "simulated" }
                        th .n scope="col" { "z" }
                        th scope="col" { "formula" }
                    }
                }
                tbody {
                    @for check in &result.checks {
                        tr {
                            th scope="row" { (check.model) }
                            td { (check.quantity) }
                            td .n { (format::quantity(check.theory, &check.unit)) }
                            td .n { (format::estimate(&check.simulated, &check.unit)) }
                            td .n { (format::significant(check.z, 2)) }
                            td .words { (check.source) }
                        }
                    }
                }
            }
        }
    }
}

/// Every metric that the run has, with what it means.
pub(super) fn all_figures(result: &RunResult) -> Markup {
    let several = result.functions.len() > 1;
    let run = words::run_words(result.source);
    let has = |key: &str| {
        result.summary.contains_key(key) || result.functions.iter().any(|function| function.summary.contains_key(key))
    };
    let cell = |summary, key: &str| {
        words::metric_text(summary, key, &result.cost.currency).unwrap_or_else(|| format::NONE.to_owned())
    };
    html! {
        h2 #figures-head { "All figures" }
        @if !METRICS.iter().any(|metric| has(metric.key)) {
            p .quiet { "The result has no summary." }
        } @else {
            div .scroll tabindex="0" role="region" aria-label="All figures" {
                table {
                    caption {
                        @if result.replications.len() == 1 { "Figures of a single " (run) ", without intervals over runs" }
                        @else { "Means over " (run) "s with 95 % intervals" }
                    }
                    thead {
                        tr {
                            th scope="col" { "figure" }
                            th .n scope="col" { @if several { "all functions" } @else { "value" } }
                            @if several { @for function in &result.functions { th .n scope="col" { (function.name) } } }
                        }
                    }
                    tbody {
                        @for metric in METRICS.iter().filter(|metric| has(metric.key)) {
                            tr {
                                th scope="row" {
                                    @if metric.key == result::OFFERED { "requests per " (run) } @else { (words::metric_words(metric.key)) }
                                    small { (metric.about) }
                                }
                                td .n { (cell(&result.summary, metric.key)) }
                                @if several {
                                    @for function in &result.functions { td .n { (cell(&function.summary, metric.key)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Each parameter with its source; those without a good one stand out.
pub(super) fn provenance(result: &RunResult) -> Markup {
    html! {
        h2 #provenance-head { "Where the parameters come from" }
        @if result.provenance.is_empty() {
            p .quiet {
                @match result.source {
                    Source::Simulated => "The result names no parameters.",
                    Source::Measured => "What was measured rests on no parameter of a model.",
                }
            }
        } @else {
            @if result.source == Source::Measured {
                p { "The scenario's parameters: those of its workload made what was sent, the others describe its simulation." }
            }
            @let weak = result.provenance.iter().filter(|known| is_weak(known.basis)).count();
            p {
                @if weak == 0 {
                    "No parameter is assumed or taken over from elsewhere."
                } @else {
                    (words::plural(weak as u64, "parameter")) " of " (result.provenance.len())
                    @if weak == 1 { " is" } @else { " are" } " assumed or transferred from another machine; what depends on them is no better than they are."
                }
            }
            div .scroll tabindex="0" role="region" aria-label="Provenance" {
                table {
                    caption { "Parameters with their sources" }
                    thead {
                        tr { th scope="col" { "parameter" } th scope="col" { "value" } th scope="col" { "basis" } th scope="col" { "source" } }
                    }
                    tbody {
                        @for known in &result.provenance {
                            tr {
                                th scope="row" { code { (known.parameter) } }
                                td { (known.value) }
                                td class={ "basis " (words::basis_words(known.basis)) } { (words::basis_words(known.basis)) }
                                td .words { @if known.source.is_empty() { (format::NONE) } @else { (known.source) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn is_weak(basis: result::Basis) -> bool {
    matches!(basis, result::Basis::Assumed | result::Basis::Transferred)
}

/// All it takes to make the result again.
pub(super) fn again(result: &RunResult) -> Markup {
    let window = &result.window;
    let seeds: Vec<String> = result.replications.iter().map(|replication| replication.seed.to_string()).collect();
    let unfinished: u64 = result
        .functions
        .iter()
        .flat_map(|function| &function.outcomes)
        .filter(|outcome| outcome.outcome == OutcomeKind::Unfinished)
        .map(|outcome| outcome.count)
        .sum();
    html! {
        h2 #again-head { "Run it again" }
        pre .command tabindex="0" { code { (result.command) } }
        p {
            "Statistics cover " (words::window_words(result)) ". Requests in flight were followed for up to "
            (format::time(window.drain_seconds)) " after that"
            @if unfinished > 0 { "; " (words::plural(unfinished, "request")) " had not ended by then" }
            "."
        }
        @if !seeds.is_empty() {
            p .quiet {
                @match result.source {
                    Source::Simulated => "Seeds of the replications: ",
                    Source::Measured => "What was sent follows from the scenario and these seeds: ",
                }
                (seeds.join(", ")) "."
            }
        }
        @if !result.scenario.overrides.is_empty() {
            p { "Changed on the command line: " @for change in &result.scenario.overrides { code { (change) } " " } }
        }
        @if !result.scenario.toml.is_empty() {
            details {
                summary { "The scenario, " (result.scenario.path) }
                pre tabindex="0" { code { (result.scenario.toml) } }
            }
        }
        @for (name, text) in &result.scenario.profiles {
            details { summary { "Profile " (name) } pre tabindex="0" { code { (text) } } }
        }
        @if !result.scenario.traces.is_empty() {
            p { "Traces:" @for (path, digest) in &result.scenario.traces { " " (path) " (" code { (digest) } ")" } }
        }
    }
}
