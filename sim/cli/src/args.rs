//! What can be written on the command line. Help texts are the doc comments.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use faas_lab_http::go::parse_duration;
use faas_lab_model::time::Span;

/// What happens to requests when a serverless cluster scales: simulated, and held against theory.
///
/// Exit codes: 0 done; 1 ran, but missed a stated objective or theory; 2 could not run; 3 ran, but was ended early.
#[derive(Debug, Parser)]
#[command(name = "faas-lab", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Play a scenario, print a summary, and write result.json, timeline.csv and report.html
    Simulate(SimulateArguments),
    /// Compare settings of a scenario, or results: one report, and a gate for regressions
    Compare(CompareArguments),
    /// Play a scenario at many points, a row each in CSV and Parquet; resumable, and sharded over machines
    Sweep(SweepArguments),
    /// Find the best setting of a scenario under constraints, and say how sure that is
    Optimize(OptimizeArguments),
    /// Hold the model against a live gateway, or against what others have measured
    Validate(Box<ValidateArguments>),
    /// Learn a scenario from request logs, or a machine's profile from reference programs
    Calibrate(Box<CalibrateArguments>),
    /// Read scenario files and say what is wrong with them
    Check(CheckArguments),
    /// Write a commented scenario to start from
    Init(InitArguments),
    /// List the machines and price lists that a scenario can name
    Profiles,
    /// List the policies that a scenario can name
    Policies,
    /// Print the JSON Schema of scenarios or results
    Schema(SchemaArguments),
    /// Render the HTML report of a result or a comparison again
    Report(ReportArguments),
    /// Serve a page on which settings move and the curves follow
    Serve(ServeArguments),
    /// Start a gateway and functions on this machine
    Up(UpArguments),
    /// Drive a live gateway with a scenario's arrivals, and measure so that the numbers can be trusted
    Loadtest(Box<LoadtestArguments>),
    /// Join what the parts of a shared load test have measured
    Merge(crate::loadtest::MergeArguments),
    /// Ask a gateway who it is, and check that the timeouts on the way to functions agree
    Ping(crate::ping::PingArguments),
    /// Print completions for a shell
    Completions(CompletionsArguments),
    /// Print the manual page, or write all of them into a folder
    Man(ManArguments),
}

/// Play a scenario, print a summary, and write result.json, timeline.csv and report.html
///
/// Replications run in parallel; their number of threads changes no number. Ctrl-C ends the run with what is done so
/// far, marked as partial; a second Ctrl-C ends it at once.
#[derive(Args, Debug)]
pub(crate) struct SimulateArguments {
    /// The scenario file
    pub(crate) scenario: PathBuf,

    /// Seed of the first replication, instead of the scenario's
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    pub(crate) seed: Option<u64>,

    /// Independent replications, instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) replications: Option<u32>,

    /// Add replications until the 95 % intervals of the mean and p95 response time are this narrow
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, value_parser = relative)]
    pub(crate) precision: Option<f64>,

    /// Give up on --precision after so many replications
    #[arg(long, value_name = "N", default_value_t = 500, requires = "precision", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub(crate) max_replications: u32,

    /// Compare with queueing theory, if the scenario is a queue with a known solution
    #[arg(long)]
    pub(crate) check: bool,

    /// Override a value of the scenario, such as gateway.upstream_timeout=5s; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<String>,

    /// Play a variant that the scenario names, under [variant.NAME]
    #[arg(long, value_name = "NAME")]
    pub(crate) variant: Option<String>,

    /// Folder for the results, replaced as a whole [default: faas-lab-results/NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Replications that run at once [default: the number of cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Also write requests.csv: each request of the first replication
    #[arg(long)]
    pub(crate) requests: bool,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

/// Compare settings of a scenario, or results: one report, and a gate for regressions
///
/// With a scenario, every combination of the values given with --vary is played, or each [variant.NAME] beside the
/// scenario itself. All have the same seeds, so that their differences are paired. With results (files or folders,
/// simulated or measured; NAME=PATH gives one a name), those are compared. Differences count as real if they are so with
/// 95 % confidence for all of them together.
#[derive(Args, Debug)]
pub(crate) struct CompareArguments {
    /// A scenario file; or several results: result.json files or the folders they are in
    #[arg(required = true, value_name = "SCENARIO|RESULT")]
    pub(crate) inputs: Vec<PathBuf>,

    /// Vary a setting: KEY=V1,V2,…; quote values with commas; 1..12 and 0.5s..2s:4 are ranges; may be repeated
    #[arg(long, value_name = "KEY=VALUES")]
    pub(crate) vary: Vec<String>,

    /// Take the k-th values of all --vary together, instead of every combination
    #[arg(long, requires = "vary")]
    pub(crate) pairs: bool,

    /// What the others are held against, by its label [default: the first]
    #[arg(long, value_name = "LABEL")]
    pub(crate) baseline: Option<String>,

    /// Exit with 1 if this is so: METRIC worse|better|higher|lower by AMOUNT, such as 'p95 worse by 5%'; may be repeated
    #[arg(long, value_name = "RULE")]
    pub(crate) fail_if: Vec<String>,

    /// Write what the rules of --fail-if found as JUnit XML
    #[arg(long, value_name = "FILE", requires = "fail_if")]
    pub(crate) junit: Option<PathBuf>,

    /// Seed of the first replications, instead of the scenario's
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    pub(crate) seed: Option<u64>,

    /// Independent replications of each point, instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) replications: Option<u32>,

    /// Override a value of the scenario for all points; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<String>,

    /// Folder for the results, replaced as a whole [default: faas-lab-results/NAME-comparison]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Runs at once [default: the number of cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

/// Play a scenario at many points, a row each in CSV and Parquet; resumable, and sharded over machines
///
/// A sweep that was ended goes on where it was when the same command is given again. Over several machines, each plays
/// the shard that --shard names, or the task number of its Slurm job array or Kubernetes Indexed Job; --merge then joins
/// the rows.
#[derive(Args, Debug)]
pub(crate) struct SweepArguments {
    /// The scenario file; with --merge, folders of sweeps
    #[arg(required = true, value_name = "SCENARIO|DIR")]
    pub(crate) inputs: Vec<PathBuf>,

    /// Vary a setting: KEY=V1,V2,…; quote values with commas; 1..12 and 0.5s..2s:4 are ranges; may be repeated
    #[arg(long, value_name = "KEY=VALUES")]
    pub(crate) vary: Vec<String>,

    /// Take the k-th values of all --vary together, instead of every combination
    #[arg(long, requires = "vary")]
    pub(crate) pairs: bool,

    /// Folder of the sweep; the same command goes on with what is in it [default: faas-lab-results/NAME-sweep]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Play only part i of N (i from 0), into DIR/shard-i-of-N
    #[arg(long, value_name = "i/N", value_parser = crate::sweep::Shard::parse)]
    pub(crate) shard: Option<crate::sweep::Shard>,

    /// Join the rows of shards, or of one folder that holds them
    #[arg(long, conflicts_with_all = ["vary", "pairs", "shard", "seed", "replications", "set", "emit", "threads"])]
    pub(crate) merge: bool,

    /// Print a job file that spreads this sweep over machines, and play nothing
    #[arg(long, value_name = "SCHEDULER")]
    pub(crate) emit: Option<Scheduler>,

    /// Tasks of that job
    #[arg(long, value_name = "N", default_value_t = 8, requires = "emit", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) shards: u32,

    /// Seed of the first replications, instead of the scenario's
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    pub(crate) seed: Option<u64>,

    /// Independent replications of each point, instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) replications: Option<u32>,

    /// Override a value of the scenario for all points; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<String>,

    /// Runs at once [default: the number of cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Scheduler {
    /// A job array, for sbatch
    Slurm,
    /// An Indexed Job, for kubectl
    Kubernetes,
}

/// Find the best setting of a scenario under constraints, and say how sure that is
///
/// All settings are played with the same seeds, replication by replication, and dropped as soon as it is clear that they
/// break a constraint or that a better one keeps them all (a race with repeated confidence intervals: Jennison and
/// Turnbull 1999). Writes best.toml, a table, and a report of the best few.
#[derive(Args, Debug)]
pub(crate) struct OptimizeArguments {
    /// The scenario file
    pub(crate) scenario: PathBuf,

    /// Metric to make small, such as cost, p95, replicas or energy
    #[arg(long, value_name = "METRIC", required_unless_present = "maximize", conflicts_with = "maximize")]
    pub(crate) minimize: Option<String>,

    /// Metric to make large, such as goodput
    #[arg(long, value_name = "METRIC")]
    pub(crate) maximize: Option<String>,

    /// A bound to keep: METRIC<BOUND, such as 'p95<2s' or 'errors<1%'; may be repeated [default: the scenario's objective]
    #[arg(long, value_name = "BOUND")]
    pub(crate) subject_to: Vec<String>,

    /// Settings to choose from: KEY=V1,V2,…; 1..12 and 0.5s..2s:4 are ranges; all combinations if repeated
    #[arg(long, value_name = "KEY=VALUES", required = true)]
    pub(crate) over: Vec<String>,

    /// Take the k-th values of all --over together, instead of every combination
    #[arg(long)]
    pub(crate) pairs: bool,

    /// How sure the choice has to be
    #[arg(long, value_name = "PERCENT", default_value = "95%", allow_negative_numbers = true, value_parser = relative)]
    pub(crate) confidence: f64,

    /// Differences of the objective, and distances from a bound, that do not matter
    #[arg(long, value_name = "PERCENT", default_value = "2%", allow_negative_numbers = true, value_parser = relative)]
    pub(crate) indifference: f64,

    /// Replications of each setting before any is dropped
    #[arg(long, value_name = "N", default_value_t = 10, allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(5..=1000))]
    pub(crate) first: u32,

    /// Give up after so many runs, and say what is undecided [default: 100 for each setting]
    #[arg(long, value_name = "RUNS", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) budget: Option<u64>,

    /// Seed of the first replications, instead of the scenario's
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    pub(crate) seed: Option<u64>,

    /// Override a value of the scenario for all settings; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<String>,

    /// Folder for the results, replaced as a whole [default: faas-lab-results/NAME-optimum]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Runs at once [default: the number of cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

/// Hold the model against a live gateway, or against what others have measured
///
/// With a scenario: the same arrivals are simulated and sent to the gateway, whose functions must be deployed as the
/// scenario has them, and a page lays the one over the other. A function that takes its time from the request, such as
/// sleep, can be asked for the very times that are simulated: --data '{wait}'. Exit code 3: a measurement is invalid.
///
/// One table: case, quantity, what was published, what is simulated, by how much they differ, its bound,
/// and whether it is kept. The exit code is 1 if one is not.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("against").args(["scenario", "published", "raw"]).multiple(true).required(true))]
pub(crate) struct ValidateArguments {
    /// The scenario to play and to measure
    pub(crate) scenario: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) target: crate::target::TargetArguments,

    #[command(flatten)]
    pub(crate) call: crate::loadtest::groups::CallArguments,

    #[command(flatten)]
    pub(crate) probe: crate::loadtest::groups::ProbeArguments,

    /// Measure so many times, and judge medians
    #[arg(long, value_name = "N", default_value_t = 1, requires = "scenario", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) repeat: u32,

    /// How far off a quantity may be, such as 15% for all or p95=15% for one; may be repeated
    #[arg(long, value_name = "[NAME=]SHARE", requires = "scenario", value_parser = crate::validate::Tolerance::parse)]
    pub(crate) tolerance: Vec<crate::validate::Tolerance>,

    /// Override a value of the scenario; may be repeated
    #[arg(long, value_name = "KEY=VALUE", requires = "scenario", value_parser = assignment)]
    pub(crate) set: Vec<String>,

    /// Seed of the arrivals, instead of the scenario's
    #[arg(long, requires = "scenario", allow_negative_numbers = true, value_parser = seed)]
    pub(crate) seed: Option<u64>,

    /// Folder for the results of the scenario [default: faas-lab-results/NAME-validation]
    #[arg(long, value_name = "DIR", requires = "scenario")]
    pub(crate) results: Option<PathBuf>,

    /// Play every published case that comes with faas-lab
    #[arg(long)]
    pub(crate) published: bool,

    /// Also predict raw measurements of others: a folder with openfaas-k3s-2022 in it, or FAAS_LAB_DATA
    #[arg(long, value_name = "DIR", env = "FAAS_LAB_DATA")]
    pub(crate) raw: Option<PathBuf>,

    /// Write the table as a page to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Put the table into its place in this Markdown file, which is written if there is none
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,

    /// Runs at once [default: the number of cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Print the table as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

/// Learn a scenario from a live gateway or from request logs, or a machine's profile from reference programs
///
/// --gateway runs an experiment on a live function: connections, pings, single warm calls, several at once, bodies of
/// several sizes, starts from zero. It takes its time budget at the most and puts the number of replicas back. What is
/// written is a scenario, which simulate plays and validate holds against the gateway; every third warm call and cold
/// start, and the steps between one call and the most, are kept back and predicted.
///
/// --requests takes our own requests.csv, request logs with instance identity, the output of hey, oha or k6, and
/// Prometheus histograms; all of one function on one platform. What is written is a scenario, which simulate plays: laws
/// with intervals, and the error on data held back. Of several logs every other one is kept back in turn and predicted;
/// of one log its end is.
///
/// --reference runs programs that have been measured on a Raspberry Pi 4 too: one thread on one core, CPU time, the low
/// decile of many runs. What they need on a Pi over what they need here is the factor of a class of work. Factors that
/// cannot be measured here are carried over, with a wider spread, and say so.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").args(["gateway", "requests", "reference"]).required(true))]
pub(crate) struct CalibrateArguments {
    /// The logs
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub(crate) requests: Vec<PathBuf>,

    /// Run the reference programs and derive a Raspberry Pi 4's factors against this machine
    #[arg(long)]
    pub(crate) reference: bool,

    /// Where to write the scenario [default: calibrated.toml] or the profile [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) target: crate::target::TargetArguments,

    /// The function to measure, may be repeated [default: the only one]; of logs, what to call it [default: measured]
    #[arg(long, value_name = "NAME", conflicts_with = "reference")]
    pub(crate) function: Vec<String>,

    /// Body of the live function's calls, such as 20ms for the function sleep
    #[arg(long, value_name = "TEXT", requires = "gateway")]
    pub(crate) data: Option<String>,

    /// Service time that these calls ask for, where the body decides it: what a function takes beyond that is overhead, and
    /// stays if its demand is changed
    #[arg(long, value_name = "SPAN", requires = "gateway", value_parser = timeout)]
    pub(crate) service_time: Option<Duration>,

    /// Longest time that the experiment on one live function may take
    #[arg(long, value_name = "SPAN", default_value = "2m", requires = "gateway", value_parser = crate::calibrate::budget)]
    pub(crate) budget: Duration,

    /// Leave the live function's replicas alone: no starts from zero
    #[arg(long, requires = "gateway")]
    pub(crate) no_cold: bool,

    /// Also keep each log back alone
    #[arg(long, conflicts_with = "reference")]
    pub(crate) leave_one_out: bool,

    /// Leave out tests and intervals
    #[arg(long, conflicts_with = "reference")]
    pub(crate) quick: bool,

    /// Seed of the draws behind tests and intervals
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "reference")]
    pub(crate) seed: u64,

    /// Runs of each reference program
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true, conflicts_with = "requests",
          value_parser = clap::value_parser!(u32).range(20..=1000))]
    pub(crate) runs: u32,

    /// Core to run them on
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "requests")]
    pub(crate) core: usize,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArguments {
    /// The scenario files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct InitArguments {
    /// Where to write it; - for standard output
    #[arg(default_value = "scenario.toml")]
    pub(crate) file: PathBuf,

    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct SchemaArguments {
    /// Of what
    #[arg(value_enum, default_value_t = SchemaOf::Scenario)]
    pub(crate) of: SchemaOf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SchemaOf {
    /// Scenario files
    Scenario,
    /// result.json
    Result,
}

#[derive(Args, Debug)]
pub(crate) struct ReportArguments {
    /// A result.json or comparison.json, or the folder it is in
    pub(crate) result: PathBuf,

    /// Where to write the page; - for standard output [default: report.html beside the result]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Serve a page on which settings move and the curves follow
///
/// The page opens scenarios that come with faas-lab, those in ./scenarios and beside SCENARIO, and what is pasted or
/// uploaded. It reads no other files, and listens on this machine only unless told otherwise.
#[derive(Args, Debug)]
pub(crate) struct ServeArguments {
    /// The scenario that the page opens with
    pub(crate) scenario: Option<PathBuf>,

    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 8642)]
    pub(crate) port: u16,

    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) listen: IpAddr,

    /// Replications that run at once [default: the number of cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Start a gateway and functions on this machine
///
/// An OpenFaaS-compatible platform without Kubernetes: faas-cli, curl and Prometheus use it as they would use OpenFaaS.
/// It stays until Ctrl-C, which lets calls under way end first; a second Ctrl-C ends it at once. Functions, secrets and
/// accepted asynchronous invocations are kept in the state folder and are there again at the next start.
#[derive(Args, Debug)]
pub(crate) struct UpArguments {
    /// Functions to deploy, with commas between: built-in ones, folders with a function.toml, stack files
    /// [default: all built-in ones at the first start, then what is in the state folder]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) functions: Option<Vec<String>>,

    /// Port of the gateway; 0 for any free one
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,

    /// Port of its metrics, for Prometheus; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = 8082)]
    pub(crate) metrics_port: u16,

    /// Address to listen on; 0.0.0.0 for all
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) listen: IpAddr,

    /// Hold functions to the speed of another machine: raspberry-pi-4
    #[arg(long, value_name = "MACHINE")]
    pub(crate) emulate: Option<String>,

    /// Leave asynchronous invocations to a NATS server with JetStream, such as nats://127.0.0.1:4222
    #[arg(long, value_name = "URL")]
    pub(crate) nats: Option<String>,

    #[command(flatten)]
    pub(crate) timeouts: GatewayTimeouts,

    /// File for what the scaling policies see and decide, as lines of JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) record_decisions: Option<PathBuf>,

    /// Folder for what outlives the platform [default: $XDG_STATE_HOME/faas-lab or ~/.local/state/faas-lab]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// Those that are set; the others follow from the functions'.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct GatewayTimeouts {
    /// How long the gateway waits for a function, such as 10s or 1m30s, before it answers 502; 0 for ever
    /// [default: longer than any watchdog lets its function run, at least 1m]
    #[arg(long, value_name = "SPAN", value_parser = timeout)]
    pub(crate) upstream_timeout: Option<Duration>,

    /// How long an answer may take before the gateway closes the connection [default: 5s more than for the function]
    #[arg(long, value_name = "SPAN", value_parser = timeout)]
    pub(crate) write_timeout: Option<Duration>,

    /// How long a request may take to come [default: as long as its answer]
    #[arg(long, value_name = "SPAN", value_parser = timeout)]
    pub(crate) read_timeout: Option<Duration>,
}

/// Below the flags: what one types first, and what others call it.
const LOADTEST_EXAMPLES: &str = "\
Examples:
  faas-lab loadtest --function hello --rate 50 --duration 30s --objective 'p95<100ms'
  faas-lab loadtest --function hello --users 10 --think 1s
  faas-lab loadtest --platform http --gateway https://example.org --function any --path /page --rate 5
  faas-lab loadtest scenarios/local-face.toml --gateway http://127.0.0.1:8080

As others call it:
  hey -z 30s -c 50 URL, wrk -c 50, k6 --vus 50     --users 50 (they wait for answers)
  hey -q, wrk2 -R, oha -q, constant-arrival-rate   --rate 1000 --constant (nobody waits)
  -d, -D, -H, -m                                   --data, --data-binary @FILE, --header, --method";

/// Drive a live gateway with a scenario's arrivals, and measure so that the numbers can be trusted
///
/// Requests are sent when the schedule says, whatever the answers do, and response times count from then. The same scenario
/// and seed give the same arrivals as in the simulator, and the result has the same form. Without a scenario, --function
/// with --rate or --users makes one. Ctrl-C ends the run with what is done; a second Ctrl-C ends it at once.
///
/// Exit codes: 0 done, every objective met; 1 an objective was missed; 2 could not run; 3 ended early, or the measurement
/// cannot be trusted: the reasons are in the report.
#[derive(Args, Debug)]
#[command(after_long_help = LOADTEST_EXAMPLES)]
pub(crate) struct LoadtestArguments {
    /// The scenario file
    pub(crate) scenario: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) target: crate::target::TargetArguments,

    /// Function to call, without a scenario
    #[arg(long, value_name = "NAME", conflicts_with = "scenario")]
    pub(crate) function: Option<String>,

    /// Requests per second, instead of the scenario's arrivals: Poisson, unless --constant
    #[arg(long, value_name = "RATE", conflicts_with = "users", value_parser = arrival_rate)]
    pub(crate) rate: Option<f64>,

    /// Equal gaps between requests
    #[arg(long, requires = "rate")]
    pub(crate) constant: bool,

    /// Users who wait for their answers, instead of the scenario's arrivals
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) users: Option<u32>,

    /// Time that each user thinks between an answer and the next request, such as 1s
    #[arg(long, value_name = "SPAN", requires = "users", default_value = "0s")]
    pub(crate) think: String,

    /// How long requests are sent, such as 2m [default: the scenario's, or 30s]
    #[arg(long, value_name = "SPAN", value_parser = written_span)]
    pub(crate) duration: Option<String>,

    /// What is left out of statistics at the start [default: the scenario's, or nothing]
    #[arg(long, value_name = "SPAN", value_parser = written_span)]
    pub(crate) warm_up: Option<String>,

    /// After how long a request is given up [default: the scenario's, or 65s]
    #[arg(long, value_name = "SPAN", value_parser = written_span)]
    pub(crate) timeout: Option<String>,

    /// A bound that decides the exit code: METRIC<BOUND, such as 'p95<500ms' or 'errors<1%'; may be repeated
    #[arg(long, value_name = "BOUND")]
    pub(crate) objective: Vec<String>,

    #[command(flatten)]
    pub(crate) call: crate::loadtest::groups::CallArguments,

    /// Most requests in flight at once [default: enough for a target that stalls for five seconds, at most 4096]
    #[arg(long, value_name = "N", value_parser = in_flight)]
    pub(crate) in_flight: Option<usize>,

    /// Keep one core awake for requests and answers, rather than sleep until the next: for machines that wake sleepers late,
    /// as virtual ones do
    #[arg(long)]
    pub(crate) busy_poll: bool,

    #[command(flatten)]
    pub(crate) probe: crate::loadtest::groups::ProbeArguments,

    #[command(flatten)]
    pub(crate) callbacks: crate::loadtest::groups::CallbackArguments,

    #[command(flatten)]
    pub(crate) share: crate::loadtest::groups::ShardArguments,

    /// Seed of the schedule, instead of the scenario's
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    pub(crate) seed: Option<u64>,

    /// Override a value of the scenario; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<String>,

    /// Folder for the results, replaced as a whole [default: faas-lab-results/NAME-live]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Also write requests.csv: each call with its instants
    #[arg(long)]
    pub(crate) requests: bool,

    /// Goose's own report too: .html (which loads scripts from the network when it is opened), .md or .json
    #[arg(long, value_name = "FILE")]
    pub(crate) goose_report: Option<PathBuf>,

    /// Goose's live dashboard on this machine, at this port
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "5118")]
    pub(crate) dashboard: Option<u16>,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub(crate) struct ManArguments {
    /// Folder for one page per command
    pub(crate) dir: Option<PathBuf>,
}

/// `2%` or `0.02`, between 0 and 1.
fn relative(text: &str) -> Result<f64, String> {
    let (digits, unit) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits.trim_end(), 100.0));
    let value = digits.parse::<f64>().map_err(|_| "write a percentage, such as 2%".to_owned())? / unit;
    match value {
        value if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("write a percentage above 0% and below 100%, such as 2%".to_owned()),
    }
}

/// As the gateway's environment has them: Go's durations, or seconds.
fn timeout(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a span such as 500ms, 10s or 1m30s".to_owned())
}

/// Any number of 64 bits.
fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("write a whole number from 0 to {}", u64::MAX))
}

/// `100`, `100/s` or `6/m`, in requests per second.
fn arrival_rate(text: &str) -> Result<f64, String> {
    let (number, per) = match text.split_once('/') {
        None | Some((_, "s")) => (text.trim_end_matches("/s"), 1.0),
        Some((number, "m" | "min")) => (number, 60.0),
        Some((number, "h")) => (number, 3600.0),
        Some(_) => (text, 1.0),
    };
    match number.trim().parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e7 => Ok(rate / per),
        _ => Err("write requests per second, such as 100, 100/s or 6/m".to_owned()),
    }
}

/// A time as scenarios have it, and as it is written.
fn written_span(text: &str) -> Result<String, String> {
    match text.parse::<Span>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{}: {}", error.problem, error.instead)),
    }
}

/// From 1 to 1,000,000.
fn in_flight(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=1_000_000).contains(number));
    number.ok_or_else(|| "write a number from 1 to 1000000".to_owned())
}

/// From 1 to 1024.
fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse::<NonZeroUsize>().ok().filter(|number| number.get() <= 1024);
    number.ok_or_else(|| "write a number from 1 to 1024, or leave it out to use every core".to_owned())
}

/// Something before and after an equals sign.
fn assignment(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if !key.trim().is_empty() => Ok(text.to_owned()),
        _ => Err("write key=value, such as gateway.upstream_timeout=5s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_precision_is_a_share() {
        assert_eq!(relative("2%"), Ok(0.02));
        assert_eq!(relative("0.5 %"), Ok(0.005));
        assert_eq!(relative("0.02"), Ok(0.02));
        for wrong in ["0%", "100%", "-1%", "two", "NaN"] {
            assert!(relative(wrong).is_err(), "{wrong}");
        }
    }
}
