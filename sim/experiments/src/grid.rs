//! The points of an experiment: which settings are varied, and in which combinations.
//!
//! A point is a set of overrides with a short name. Points come from `--vary key=v1,v2`, in a full grid or value by value,
//! or from the scenario's `[variant.NAME]` tables. All of them are read and checked before the first one runs.

mod label;
mod values;

use std::collections::BTreeMap;
use std::path::Path;

use faas_lab_model::metrics::comparison::Axis;
use faas_lab_model::scenario::{Place, Problem, Scenario, ScenarioErrors, Source};

pub use values::read_axis;

/// Most points of one experiment: more would not fit into memory beside their labels, nor into anybody's lifetime.
pub const MOST_POINTS: usize = 1_000_000;

/// How values of several axes are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combine {
    /// Each value with each of the others; the last axis moves fastest.
    #[default]
    Grid,
    /// The k-th values of all axes together.
    Pairs,
}

/// One combination of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Short, and unique among its grid's points.
    pub label: String,
    /// Its value on each axis, as written.
    pub values: Vec<String>,
    /// What makes it out of the scenario: `KEY=VALUE` each.
    pub overrides: Vec<String>,
}

/// All points of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// What is varied; empty where the points are named variants.
    pub axes: Vec<Axis>,
    /// The points, in order. Never empty.
    pub points: Vec<Point>,
}

impl Grid {
    /// Reads each `KEY=V1,V2,…` of the command line and combines the values.
    ///
    /// # Errors
    /// Everything that is wrong with what was written, each with its place.
    pub fn read(written: &[String], combine: Combine) -> Result<Grid, ScenarioErrors> {
        let (mut axes, mut problems) = (Vec::new(), Vec::new());
        for text in written {
            match read_axis(text, combine) {
                Ok(axis) => axes.push(axis),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            problems.extend(misfits(written, &axes, combine));
        }
        match problems.is_empty() {
            true => Ok(Grid::combined(axes, combine)),
            false => Err(ScenarioErrors { name: "--vary".into(), problems }),
        }
    }

    /// Combines `axes`, which have values, keys of their own and, for pairs, equal lengths.
    fn combined(axes: Vec<Axis>, combine: Combine) -> Grid {
        let count = match combine {
            Combine::Grid => axes.iter().map(|axis| axis.values.len()).product(),
            Combine::Pairs => axes.iter().map(|axis| axis.values.len()).max().unwrap_or(1),
        };
        let choice = |point: usize| -> Vec<usize> {
            match combine {
                Combine::Pairs => vec![point; axes.len()],
                Combine::Grid => {
                    let mut rest = point;
                    let mut chosen: Vec<usize> = axes
                        .iter()
                        .rev()
                        .map(|axis| {
                            let index = rest % axis.values.len();
                            rest /= axis.values.len();
                            index
                        })
                        .collect();
                    chosen.reverse();
                    chosen
                }
            }
        };
        let labels = label::Labels::new(&axes);
        let points = (0..count).map(|point| {
            let chosen = choice(point);
            let values: Vec<String> =
                axes.iter().zip(&chosen).map(|(axis, index)| axis.values[*index].clone()).collect();
            let overrides = axes.iter().zip(&values).map(|(axis, value)| format!("{}={value}", axis.key));
            Point { label: labels.of(&chosen), overrides: overrides.collect(), values }
        });
        let points = points.collect();
        Grid { axes, points }
    }

    /// The scenario itself, as `base`, and each of its `[variant.NAME]` tables; `None` if it has no variants.
    pub fn of_variants(scenario: &Scenario) -> Option<Grid> {
        if scenario.variants.is_empty() {
            return None;
        }
        let taken = |name: &str| scenario.variants.iter().any(|variant| variant.name == name);
        let base = ["base", "the scenario", "the scenario itself"].into_iter().find(|name| !taken(name))?;
        let base = Point { label: base.to_owned(), values: Vec::new(), overrides: Vec::new() };
        let variants = scenario.variants.iter().map(|variant| Point {
            label: label::on_one_line(&variant.name),
            values: Vec::new(),
            overrides: variant.overrides.clone(),
        });
        Some(Grid { axes: Vec::new(), points: std::iter::once(base).chain(variants).collect() })
    }

    /// The scenario at each point; `own` are overrides for all of them and win.
    ///
    /// # Errors
    /// All problems of all points, each told once, with the point it was first met at where only some have it.
    pub fn load(&self, path: &Path, own: &[String]) -> Result<Vec<Scenario>, ScenarioErrors> {
        let mut scenarios = Vec::with_capacity(self.points.len());
        self.visit(path, own, |scenario| scenarios.push(scenario))?;
        Ok(scenarios)
    }

    /// Reads every point and keeps none.
    ///
    /// # Errors
    /// As [`Grid::load`].
    pub fn check(&self, path: &Path, own: &[String]) -> Result<(), ScenarioErrors> {
        self.visit(path, own, drop)
    }

    fn visit(&self, path: &Path, own: &[String], mut keep: impl FnMut(Scenario)) -> Result<(), ScenarioErrors> {
        /// Problems that are collected; whoever has so many wants to see the first.
        const ENOUGH: usize = 100;
        let mut found: BTreeMap<String, (usize, Problem, usize)> = BTreeMap::new();
        for point in &self.points {
            match point.load(path, own) {
                Ok(scenario) => keep(scenario),
                Err(errors) => {
                    for problem in errors.problems {
                        let order = found.len();
                        let told = ScenarioErrors { name: String::new(), problems: vec![problem.clone()] }.to_string();
                        found.entry(told).or_insert_with(|| (order, at_point(problem, point), 0)).2 += 1;
                    }
                }
            }
            if found.len() > ENOUGH {
                break;
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        let mut found: Vec<_> = found.into_values().collect();
        found.sort_by_key(|(order, ..)| *order);
        let problems = found.into_iter().map(|(_, problem, _)| problem).collect();
        Err(ScenarioErrors { name: path.display().to_string(), problems })
    }
}

impl Point {
    /// The scenario at this point; `own` are further overrides, and win.
    ///
    /// # Errors
    /// All problems of the file and the overrides.
    pub fn load(&self, path: &Path, own: &[String]) -> Result<Scenario, ScenarioErrors> {
        let all: Vec<String> = self.overrides.iter().chain(own).cloned().collect();
        Scenario::load(path, &all)
    }
}

/// A problem that its own text does not explain says at which point it arises.
fn at_point(mut problem: Problem, point: &Point) -> Problem {
    let in_override = problem.place.as_ref().is_some_and(|place| place.source.name().starts_with("--set "));
    if !in_override && point.overrides.len() > 1 {
        problem.message = format!("{} (at {})", problem.message, point.label);
    }
    problem
}

/// What is wrong between axes.
fn misfits(written: &[String], axes: &[Axis], combine: Combine) -> Vec<Problem> {
    let mut problems = Vec::new();
    let place = |index: usize| {
        let source = Source::new(&format!("--vary {}", written[index]), &written[index]);
        Place::new(&source, 0..written[index].find('=').unwrap_or(written[index].len()))
    };
    for (index, axis) in axes.iter().enumerate() {
        if axes[..index].iter().any(|earlier| earlier.key == axis.key) {
            let problem = Problem::at(place(index), format!("{} is varied twice", axis.key));
            problems.push(problem.help("write all its values in one --vary, such as --vary key=v1,v2,v3"));
        }
        if combine == Combine::Pairs && axis.values.len() != axes[0].values.len() {
            let problem = Problem::at(
                place(index),
                format!("{} values cannot be paired with the {} before", axis.values.len(), axes[0].values.len()),
            );
            problems.push(problem.help("give each --vary as many values, or leave out --pairs for all combinations"));
        }
    }
    let row = |k: usize| -> Vec<Option<&String>> { axes.iter().map(|axis| axis.values.get(k)).collect() };
    let rows = axes.iter().map(|axis| axis.values.len()).max().unwrap_or(0);
    let mut seen = std::collections::BTreeSet::new();
    if combine == Combine::Pairs
        && let Some(again) = (0..rows).find(|k| !seen.insert(row(*k)))
    {
        let problem = Problem::at(place(0), format!("values number {} are the same as earlier ones", again + 1));
        problems.push(problem.help("leave one of them out"));
    }
    let count = axes.iter().try_fold(1usize, |count, axis| count.checked_mul(axis.values.len()));
    if combine == Combine::Grid && count.is_none_or(|count| count > MOST_POINTS) {
        let problem = Problem::nowhere(format!("more than {MOST_POINTS} combinations"));
        problems.push(problem.help("vary less at once, or pair the values with --pairs"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(written: &[&str], combine: Combine) -> Result<Grid, String> {
        let written: Vec<String> = written.iter().map(|text| (*text).to_owned()).collect();
        Grid::read(&written, combine).map_err(|errors| errors.to_string())
    }

    fn labels(grid: &Grid) -> Vec<&str> {
        grid.points.iter().map(|point| point.label.as_str()).collect()
    }

    const TIMEOUT: &str = "function.face.watchdog.http.exec_timeout=5s,10s";
    const SCALING: &str = "function.face.scaling=fixed,capacity,hpa";

    #[test]
    fn a_grid_has_every_combination() {
        let grid = grid(&[TIMEOUT, SCALING], Combine::Grid).expect("valid");
        assert_eq!(grid.points.len(), 6);
        assert_eq!(grid.points[0].label, "exec_timeout=5s, scaling=fixed");
        assert_eq!(grid.points[5].label, "exec_timeout=10s, scaling=hpa");
        assert_eq!(grid.points[4].values, ["10s", "capacity"]);
        assert_eq!(
            grid.points[1].overrides,
            ["function.face.watchdog.http.exec_timeout=5s", "function.face.scaling=capacity"]
        );
    }

    #[test]
    fn pairs_go_together() {
        let pairs = grid(&["a.max=1,2,3", "a.min=0,1,1"], Combine::Pairs).expect("valid");
        assert_eq!(labels(&pairs), ["max=1, min=0", "max=2, min=1", "max=3, min=1"]);
        let error = grid(&["a=1,2,3", "b=0,1"], Combine::Pairs).expect_err("unequal");
        assert!(error.contains("2 values cannot be paired with the 3 before") && error.contains("help:"), "{error}");
        let error = grid(&["a=1,2,1", "b=0,1,0"], Combine::Pairs).expect_err("twice");
        assert!(error.contains("values number 3 are the same"), "{error}");
    }

    #[test]
    fn one_key_is_varied_once() {
        let error = grid(&["a.b=1", "a.b=2"], Combine::Grid).expect_err("twice");
        assert!(error.contains("a.b is varied twice"), "{error}");
    }

    #[test]
    fn too_many_combinations_are_told() {
        let wide: Vec<String> = (0..5).map(|axis| format!("k{axis}=1..1000")).collect();
        let error = Grid::read(&wide, Combine::Grid).expect_err("10^15 points").to_string();
        assert!(error.contains("more than 1000000 combinations"), "{error}");
    }

    #[test]
    fn all_errors_of_all_points_come_at_once_and_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("queue.toml");
        std::fs::write(
            &file,
            "duration = \"10s\"\n[function.f]\ndemand = \"1s\"\n[[workload]]\nfunction = \"f\"\narrivals = { poisson = \"1/s\" }\n",
        )
        .expect("written");
        let bad = grid(&["function.f.scaling=fixed,nonsense", "duration=10s,soon,20s"], Combine::Grid).expect("valid");
        let error = bad.load(&file, &[]).expect_err("two values are wrong").to_string();
        assert_eq!(error.matches("--set duration=soon:").count(), 1, "{error}");
        assert_eq!(error.matches("--set function.f.scaling=nonsense:").count(), 1, "{error}");

        let good = grid(&["function.f.replicas=1,2", "duration=10s,20s"], Combine::Grid).expect("valid");
        let scenarios = good.load(&file, &["seed=5".to_owned()]).expect("valid");
        assert_eq!(scenarios.len(), 4);
        assert_eq!((scenarios[3].functions[0].replicas.max, scenarios[3].duration.as_secs_f64()), (2, 20.0));
        assert!(scenarios.iter().all(|scenario| scenario.seed.0 == 5));
    }

    #[test]
    fn variants_stand_beside_the_scenario() {
        let mut scenario = faas_lab_model::fixtures::scenario();
        assert_eq!(Grid::of_variants(&scenario), None);
        let variant = |name: &str| faas_lab_model::scenario::Variant {
            name: name.to_owned(),
            overrides: vec!["function.f.scaling=hpa".to_owned()],
        };
        scenario.variants = vec![variant("hpa"), variant("base")];
        let grid = Grid::of_variants(&scenario).expect("variants");
        assert_eq!(labels(&grid), ["the scenario", "hpa", "base"]);
        assert_eq!((grid.points[0].overrides.len(), grid.points[1].overrides.len()), (0, 1));
    }
}
