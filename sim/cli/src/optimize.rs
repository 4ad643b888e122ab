//! `faas-lab optimize`: the best setting under constraints, and how sure that is.

mod table;

use std::path::Path;

use faas_lab_experiments::comparison::{Material, juxtapose};
use faas_lab_experiments::grid::{Combine, Grid};
use faas_lab_experiments::optimize::{Constraint, search};
use faas_lab_experiments::select::{Choice, Fate, Wanted};
use faas_lab_experiments::{Crew, contest, metrics};
use faas_lab_model::metrics::comparison::{Comparison, Entry};
use faas_lab_model::metrics::result::{self, Estimate, MetricInfo};
use faas_lab_model::scenario::{Objective, Scenario, ScenarioErrors};
use faas_lab_reports::format;
use serde::Serialize;

use crate::args::OptimizeArguments;
use crate::compare::{json, overrides, threads, wrapped};
use crate::failure::{Failure, Outcome};
use crate::output::{BEST, COMPARISON, REPORT, SETTINGS, Staging};
use crate::progress::ProgressLine;
use crate::simulate::{RESULTS, quoted};
use crate::{interrupt, terminal};

/// Settings that a search can hold: each is played several times at least.
const MOST_SETTINGS: usize = 10_000;

/// Settings that the report shows.
const SHOWN: usize = 6;

/// What is asked.
struct Question {
    objective: &'static MetricInfo,
    direction: f64,
    constraints: Vec<Constraint>,
    grid: Grid,
    scenarios: Vec<Scenario>,
}

pub(crate) fn run(arguments: &OptimizeArguments) -> Result<Outcome, Failure> {
    let question = ask(arguments)?;
    let name = question.scenarios[0].name.clone();
    let folder = arguments.out.clone().unwrap_or_else(|| Path::new(RESULTS).join(format!("{name}-optimum")));
    let staging = Staging::new(&folder)?;
    let line = ProgressLine::new(arguments.quiet);
    let crew = Crew {
        threads: threads(arguments.threads),
        stop: interrupt::flag(),
        progress: &|progress| line.show(progress),
    };
    let wanted = Wanted {
        direction: question.direction,
        bounds: question.constraints.iter().map(|constraint| constraint.bound(arguments.indifference)).collect(),
        confidence: arguments.confidence,
        indifference: arguments.indifference,
        first: arguments.first,
        budget: arguments.budget.unwrap_or(100 * question.scenarios.len() as u64),
    };
    let keys: Vec<&str> = std::iter::once(question.objective.key)
        .chain(question.constraints.iter().map(|constraint| constraint.metric.key))
        .collect();
    let choice = search(&question.scenarios, &keys, &wanted, &crew);
    line.clear();
    if choice.settings.iter().all(|seen| seen.objective.is_none()) {
        return Err(unseen(&question, &choice));
    }

    staging.write(SETTINGS, &table::csv(&question, &choice)?)?;
    if let Some(best) = choice.best {
        staging.write(BEST, question.scenarios[best].record.toml.as_bytes())?;
        if let Some(comparison) = finalists(arguments, &question, &choice, best, &crew) {
            staging.write(COMPARISON, &json(&comparison))?;
            staging.write(REPORT, faas_lab_reports::compare(&comparison)?.as_bytes())?;
        }
    }
    let folder = staging.target().to_owned();
    staging.publish()?;
    let outcome = match (choice.best, choice.decided) {
        (Some(_), true) => Outcome::Done,
        (None, true) => Outcome::Missed,
        (_, false) => Outcome::Undecided,
    };
    if arguments.json {
        let summary = Summary::new(&question, &choice, arguments, &folder, outcome);
        let text = serde_json::to_string_pretty(&summary).expect("a summary has string keys");
        terminal::print(&format!("{text}\n"))?;
    } else if !arguments.quiet {
        terminal::print(&text(&question, &choice, arguments, &folder))?;
    }
    Ok(outcome)
}

fn ask(arguments: &OptimizeArguments) -> Result<Question, Failure> {
    let (word, direction) = match (&arguments.minimize, &arguments.maximize) {
        (Some(word), _) => (word, 1.0),
        (None, Some(word)) => (word, -1.0),
        (None, None) => return Err(Failure::new("nothing is to be optimised").help("add --minimize cost")),
    };
    let objective =
        metrics::named(word).map_err(|help| Failure::new(format!("there is no metric {word:?}")).help(help))?;
    let (mut constraints, mut problems) = (Vec::new(), Vec::new());
    for text in &arguments.subject_to {
        match Constraint::parse(text) {
            Ok(constraint) => constraints.push(constraint),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(ScenarioErrors { name: "--subject-to".into(), problems }.into());
    }
    // The grid knows its values by the flag that compare and sweep have for them.
    let grid = Grid::read(&arguments.over, if arguments.pairs { Combine::Pairs } else { Combine::Grid })
        .map_err(|errors| Failure::new(errors.to_string().replace("--vary", "--over")))?;
    if grid.points.len() > MOST_SETTINGS {
        let message =
            format!("{} settings are more than the {MOST_SETTINGS} that a search can hold", grid.points.len());
        return Err(Failure::new(message).help("choose among fewer, or look at all with `faas-lab sweep`"));
    }
    let own = overrides(&arguments.set, arguments.seed, None);
    let scenarios = grid.load(&arguments.scenario, &own)?;
    if constraints.is_empty() {
        let objectives = scenarios[0].objectives.iter();
        constraints = objectives
            .filter_map(|bound| {
                let metric = result::metric(&bound.metric)?;
                Some(Constraint {
                    text: bound.text.clone(),
                    metric,
                    direction: 1.0,
                    value: bound.at_most,
                    strict: false,
                })
            })
            .collect();
    }
    Ok(Question { objective, direction, constraints, grid, scenarios })
}

/// Why there is nothing to choose by.
fn unseen(question: &Question, choice: &Choice) -> Failure {
    if choice.runs == 0 {
        return Failure::new("ended before anything was seen; nothing is written");
    }
    let help = match question.objective.key {
        result::COST | result::COST_PER_MILLION => "give the scenario [prices], and machines or a cloud's price list",
        result::ENERGY => "give the scenario machines: [[node]]",
        _ => "choose another metric of result.json",
    };
    Failure::new(format!("no setting has a {}", question.objective.key)).help(help)
}

/// The chosen setting beside the nearest others, as a comparison.
fn finalists(
    arguments: &OptimizeArguments,
    question: &Question,
    choice: &Choice,
    best: usize,
    crew: &Crew<'_>,
) -> Option<Comparison> {
    let worth = |index: &usize| {
        let seen = &choice.settings[*index];
        let group = match seen.fate {
            Fate::Best => 0,
            _ if *index == best => 0,
            Fate::Undecided => 1,
            Fate::NoBetter => 2,
            Fate::Beaten(_) => 3,
            Fate::Infeasible(_) => 4,
            Fate::Unseen => 5,
        };
        let mean = seen.objective.map_or(f64::INFINITY, |found| found.mean * question.direction);
        (group, mean)
    };
    let mut order: Vec<usize> = (0..choice.settings.len()).collect();
    order.sort_by(|a, b| {
        let ((a, mean_a), (b, mean_b)) = (worth(a), worth(b));
        a.cmp(&b).then(mean_a.total_cmp(&mean_b))
    });
    // Of the settings that break a bound, the nearest shows what the bound costs.
    order.truncate(SHOWN);
    let played = choice.settings[best].objective.map_or(arguments.first, |found| found.n).clamp(5, 30);
    let scenarios: Vec<Scenario> =
        order.iter().map(|index| as_asked(&question.scenarios[*index], &question.constraints, played)).collect();
    let commands: Vec<String> = order
        .iter()
        .map(|index| {
            let sets = question.scenarios[*index].record.overrides.iter().map(|set| quoted(&format!("--set={set}")));
            let words = ["faas-lab simulate".to_owned(), quoted(&arguments.scenario.display().to_string())].into_iter();
            let words: Vec<String> = words.chain(sets).chain([format!("--replications={played}")]).collect();
            words.join(" ")
        })
        .collect();
    let results = contest(&scenarios, &commands, crew).results;
    // The search has given the order, and it may have judged by something else than a comparison would.
    let entries: Vec<Entry> = order
        .iter()
        .zip(results)
        .filter_map(|(index, result)| {
            let point = &question.grid.points[*index];
            Some(Entry { label: point.label.clone(), values: point.values.clone(), result: result? })
        })
        .collect();
    let baseline = 0;
    (!entries.is_empty()).then(|| {
        let comparison = juxtapose(Material {
            name: format!("{}: the best settings", question.scenarios[best].name),
            command: command(arguments),
            axes: question.grid.axes.clone(),
            entries,
            baseline,
            warnings: Vec::new(),
        });
        Comparison {
            answer: format!("{} {}", answer(question, choice), certainty(question, choice, arguments)),
            ranking: (0..comparison.entries.len()).collect(),
            ranked_by: format!(
                "what the search found: the choice, what was not told apart from it, what it beats, what breaks a bound, each by {}",
                question.objective.key
            ),
            ..comparison
        }
    })
}

/// The scenario with what was asked for as its objectives, as far as they can say it: they are upper bounds.
fn as_asked(scenario: &Scenario, constraints: &[Constraint], replications: u32) -> Scenario {
    let objective = |constraint: &Constraint| Objective {
        text: constraint.text.clone(),
        metric: constraint.metric.key.to_owned(),
        at_most: constraint.value,
    };
    let upper = constraints.iter().filter(|constraint| constraint.direction > 0.0);
    Scenario { replications, objectives: upper.map(objective).collect(), ..scenario.clone() }
}

/// The command that makes the same choice again.
fn command(arguments: &OptimizeArguments) -> String {
    let mut words = vec!["faas-lab".to_owned(), "optimize".to_owned(), arguments.scenario.display().to_string()];
    words.extend(arguments.minimize.iter().map(|metric| format!("--minimize={metric}")));
    words.extend(arguments.maximize.iter().map(|metric| format!("--maximize={metric}")));
    words.extend(arguments.subject_to.iter().map(|bound| format!("--subject-to={bound}")));
    words.extend(arguments.over.iter().map(|over| format!("--over={over}")));
    words.extend(arguments.pairs.then(|| "--pairs".to_owned()));
    words.push(format!("--confidence={}", arguments.confidence));
    words.push(format!("--indifference={}", arguments.indifference));
    words.push(format!("--first={}", arguments.first));
    words.extend(arguments.budget.map(|budget| format!("--budget={budget}")));
    words.extend(arguments.seed.map(|seed| format!("--seed={seed}")));
    words.extend(arguments.set.iter().map(|assignment| format!("--set={assignment}")));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// How sure the choice is, in words.
fn certainty(question: &Question, choice: &Choice, arguments: &OptimizeArguments) -> String {
    let currency = &question.scenarios[0].prices.currency;
    let indifference = match question.objective.unit {
        "currency" => format::money(choice.indifference, currency),
        unit => format::quantity(choice.indifference, unit),
    };
    let percent = |share: f64| format::share(share);
    if choice.decided {
        let (keeps, others) = match question.constraints.is_empty() {
            true => (String::new(), ""),
            false => (format!("it keeps all bounds to within {} and ", percent(arguments.indifference)), " that does"),
        };
        return format!(
            "With a probability of at least {} {keeps}no other{others} is better by more than {indifference}, after {} runs.",
            percent(arguments.confidence),
            choice.runs
        );
    }
    let open = choice.settings.iter().filter(|seen| seen.fate == Fate::Undecided).count();
    match choice.probability {
        0.0 => format!("The {} runs do not tell: {open} settings are undecided.", choice.runs),
        probability => format!(
            "After {} runs {open} settings are undecided; that this one is right has a probability of about {} at least.",
            choice.runs,
            percent(probability)
        ),
    }
}

fn answer(question: &Question, choice: &Choice) -> String {
    let words: Vec<&str> = question.constraints.iter().map(|constraint| constraint.text.as_str()).collect();
    let bounds = if words.is_empty() { String::new() } else { format!(" with {}", words.join(" and ")) };
    let aim = if question.direction > 0.0 { "lowest" } else { "highest" };
    let Some(best) = choice.best else {
        return match choice.decided {
            true => {
                let none = format!("None of the {} settings keeps {}.", choice.settings.len(), words.join(" and "));
                nearest(question, choice).map_or(none.clone(), |nearest| format!("{none} {nearest}"))
            }
            false => "No setting is known to keep the bounds.".to_owned(),
        };
    };
    let currency = &question.scenarios[0].prices.currency;
    let found = choice.settings[best].objective;
    let value = found.map_or_else(String::new, |found| {
        format!(": {}", format::estimate_in(&found, question.objective.unit, currency))
    });
    let label = &question.grid.points[best].label;
    let surely = if choice.decided { "has" } else { "seems to have" };
    format!("{label} {surely} the {aim} {}{bounds}{value}.", question.objective.key)
}

/// Where no setting keeps all bounds: the one that breaks the worst of them by least, and what it has of those.
fn nearest(question: &Question, choice: &Choice) -> Option<String> {
    let over = |constraint: &Constraint, found: &Estimate| match constraint.direction > 0.0 {
        true => found.mean / constraint.value,
        false => constraint.value / found.mean,
    };
    let settings = choice.settings.iter().enumerate().filter_map(|(index, seen)| {
        let found: Vec<Estimate> = seen.bounded.iter().copied().collect::<Option<_>>()?;
        let overs = question.constraints.iter().zip(&found).map(|(constraint, found)| over(constraint, found));
        let worst = overs.fold(0.0, f64::max);
        worst.is_finite().then_some((index, found, worst))
    });
    let (index, found, _) = settings.min_by(|a, b| a.2.total_cmp(&b.2))?;
    let currency = &question.scenarios[0].prices.currency;
    let broken = question.constraints.iter().zip(&found).filter(|(constraint, found)| over(constraint, found) >= 1.0);
    let broken: Vec<String> = broken
        .map(|(constraint, found)| {
            format!("{} {}", constraint.metric.key, format::estimate_in(found, constraint.metric.unit, currency))
        })
        .collect();
    let label = &question.grid.points[index].label;
    (!broken.is_empty()).then(|| format!("Nearest is {label}, with {}.", broken.join(" and ")))
}

fn text(question: &Question, choice: &Choice, arguments: &OptimizeArguments, folder: &Path) -> String {
    let width = terminal::options().width.max(60);
    let mut out = format!("{}\n", wrapped(&answer(question, choice), "", width));
    if choice.best.is_some() || !choice.decided {
        out.push_str(&format!("{}\n", wrapped(&certainty(question, choice, arguments), "", width)));
    }
    let count = |wanted: fn(&Fate) -> bool| choice.settings.iter().filter(|seen| wanted(&seen.fate)).count();
    let became = [
        (count(|fate| matches!(fate, Fate::Beaten(_))), "beaten"),
        (count(|fate| matches!(fate, Fate::NoBetter)), "as good within the indifference"),
        (count(|fate| matches!(fate, Fate::Infeasible(_))), "break a bound"),
        (count(|fate| matches!(fate, Fate::Undecided)), "undecided"),
        (count(|fate| matches!(fate, Fate::Unseen)), "without a value"),
    ];
    let became: Vec<String> =
        became.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if !became.is_empty() {
        out.push_str(&format!("\nOf {} settings: {}\n", choice.settings.len(), became.join(", ")));
    }
    if let Some(best) = choice.best {
        out.push_str(&format!("\nScenario: {}\n", folder.join(BEST).display()));
        let record = &question.scenarios[best].record;
        let own_files = record.profiles.keys().any(|name| !is_built_in(name)) || !record.traces.is_empty();
        if own_files {
            let beside = arguments.scenario.display();
            let told = format!("It names files of yours that lie beside {beside}: put it there to run it.");
            out.push_str(&format!("{}\n", wrapped(&told, "  ", width)));
        }
        if folder.join(REPORT).is_file() {
            out.push_str(&format!("Report: {}\n", folder.join(REPORT).display()));
        }
    }
    out.push_str(&format!("Table: {}\n", folder.join(SETTINGS).display()));
    out
}

fn is_built_in(name: &str) -> bool {
    let profiles = faas_lab_model::scenario::profiles();
    let prices = faas_lab_model::scenario::price_lists();
    profiles.iter().chain(&prices).any(|(known, _)| *known == name)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    answer: String,
    certainty: String,
    best: Option<&'a str>,
    overrides: Option<&'a [String]>,
    decided: bool,
    probability: f64,
    indifference: f64,
    runs: u64,
    undecided: Vec<&'a str>,
    folder: String,
    exit_code: u8,
}

impl<'a> Summary<'a> {
    fn new(
        question: &'a Question,
        choice: &Choice,
        arguments: &OptimizeArguments,
        folder: &Path,
        outcome: Outcome,
    ) -> Summary<'a> {
        let label = |index: usize| question.grid.points[index].label.as_str();
        let undecided = (0..choice.settings.len()).filter(|index| choice.settings[*index].fate == Fate::Undecided);
        Summary {
            answer: answer(question, choice),
            certainty: certainty(question, choice, arguments),
            best: choice.best.map(label),
            overrides: choice.best.map(|best| question.grid.points[best].overrides.as_slice()),
            decided: choice.decided,
            probability: choice.probability,
            indifference: choice.indifference,
            runs: choice.runs,
            undecided: undecided.map(label).collect(),
            folder: folder.display().to_string(),
            exit_code: outcome.code(),
        }
    }
}
