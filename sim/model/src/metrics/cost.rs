//! What a run costs: energy and write-off of own machines, and a cloud's bill for the same calls.
//!
//! A cloud's free tier and price tiers are monthly, a run is shorter. The window is therefore taken as a typical piece
//! of a month of 730 h: its usage is scaled up to that month, the price list applied, and the bill scaled back. So a
//! short run gets its proper part of the free tier rather than all of it or none.
//!
//! Left out: data transfer, storage, provisioned concurrency, taxes. A run counts calls in whole milliseconds, not one
//! by one; a list that bills in longer steps is charged half a step more per call, which is the mean of rounding up
//! when steps are short beside calls.

use crate::scenario::{CloudPrices, Function, PriceTier, Scenario};
use crate::time::Span;

use super::record::{RunRecord, Usage};

/// The month of cloud price lists: 730 h.
pub const MONTH: Span = Span::from_secs(730 * 3600);

const JOULES_PER_KWH: f64 = 3.6e6;
const BYTES_PER_GB: f64 = (1u64 << 30) as f64;

/// One item of what a replication cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Charge {
    /// `electricity`, `hardware`, `requests`, `compute` or `vcpu`.
    pub name: &'static str,
    /// How it is computed, in words and prices.
    pub basis: String,
    /// Amount in the scenario's currency.
    pub amount: f64,
}

/// What the measured window of `record` costs; empty where nothing has a price.
pub fn charges(scenario: &Scenario, record: &RunRecord) -> Vec<Charge> {
    let window = record.window.1.since(record.window.0);
    let mut charges = Vec::new();
    charges.extend(electricity(scenario, record));
    charges.extend(hardware(scenario, window));
    if let Some(prices) = &scenario.prices.cloud {
        charges.extend(cloud(prices, &scenario.functions, record, window));
    }
    charges
}

fn electricity(scenario: &Scenario, record: &RunRecord) -> Option<Charge> {
    let prices = &scenario.prices;
    let joules: f64 = record.nodes.iter().map(|node| node.energy_joules).sum();
    (prices.per_kwh > 0.0 && !record.nodes.is_empty()).then(|| Charge {
        name: "electricity",
        basis: format!("energy of all nodes at {} {} per kWh", prices.per_kwh, prices.currency),
        amount: joules / JOULES_PER_KWH * prices.per_kwh,
    })
}

fn hardware(scenario: &Scenario, window: Span) -> Option<Charge> {
    let prices = &scenario.prices;
    let price: f64 = scenario.nodes.iter().map(|group| f64::from(group.count) * group.price).sum();
    (price > 0.0 && !prices.amortisation.is_zero()).then(|| Charge {
        name: "hardware",
        basis: format!("machines for {price} {} written off over {}", prices.currency, prices.amortisation),
        amount: price * window.as_secs_f64() / prices.amortisation.as_secs_f64(),
    })
}

fn cloud(prices: &CloudPrices, functions: &[Function], record: &RunRecord, window: Span) -> Vec<Charge> {
    let window_secs = window.as_secs_f64();
    if window_secs == 0.0 {
        return Vec::new();
    }
    let mut billed = Billed::default();
    for (function, seen) in functions.iter().zip(&record.functions) {
        billed.add(prices, function, &seen.usage);
    }
    let months = window_secs / MONTH.as_secs_f64();
    prices
        .monthly_bill(&billed.times(1.0 / months))
        .into_iter()
        .map(|charge| Charge { amount: charge.amount * months, ..charge })
        .collect()
}

/// Usage after rounding, summed over functions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Billed {
    /// Requests.
    pub requests: f64,
    /// Gigabyte-seconds (of 2³⁰ bytes).
    pub gb_seconds: f64,
    /// vCPU-seconds.
    pub vcpu_seconds: f64,
}

impl Billed {
    /// Adds what `usage` of `function` counts for under `prices`.
    ///
    /// A list with a vCPU price bills a replica while it has at least one call (Cloud Run); one without bills each call
    /// (Lambda, Azure Functions).
    pub fn add(&mut self, prices: &CloudPrices, function: &Function, usage: &Usage) {
        let calls = usage.calls as f64;
        let init_secs = if prices.bills_init { usage.init_secs } else { 0.0 };
        let busy_secs = if prices.per_vcpu_second > 0.0 { usage.busy_replica_secs } else { usage.call_secs };
        // Call times come rounded up to whole milliseconds already.
        let longer_step = prices.time_step.saturating_sub(Span::from_millis(1)).as_secs_f64();
        let least = calls * prices.time_minimum.as_secs_f64().max(prices.time_step.as_secs_f64());
        let rounded = busy_secs + calls * longer_step / 2.0;
        let secs = if prices.per_vcpu_second > 0.0 { rounded } else { rounded.max(least) } + init_secs;

        let step = prices.memory_step.0.max(1);
        let memory = function.memory.0.div_ceil(step).max(1) * step;
        self.requests += calls;
        self.gb_seconds += secs * memory as f64 / BYTES_PER_GB;
        self.vcpu_seconds += secs * function.cpu_limit.unwrap_or(function.cpu_request);
    }

    fn times(self, factor: f64) -> Billed {
        Billed {
            requests: self.requests * factor,
            gb_seconds: self.gb_seconds * factor,
            vcpu_seconds: self.vcpu_seconds * factor,
        }
    }
}

impl CloudPrices {
    /// The bill for one month's usage, after the free tier.
    pub fn monthly_bill(&self, month: &Billed) -> Vec<Charge> {
        let source = format!("{} of {}, this window as its part of a 730 h month", self.name, self.dated);
        let mut charges = vec![
            Charge {
                name: "requests",
                basis: format!("{} a million beyond {} free ({source})", self.per_request * 1e6, self.free_requests),
                amount: (month.requests - self.free_requests).max(0.0) * self.per_request,
            },
            Charge {
                name: "compute",
                basis: format!(
                    "{} a GB-second{} beyond {} free ({source})",
                    self.per_gb_second.first().map_or(0.0, |tier| tier.price),
                    if self.per_gb_second.len() > 1 { ", less in higher tiers," } else { "" },
                    self.free_gb_seconds
                ),
                amount: tiered(&self.per_gb_second, (month.gb_seconds - self.free_gb_seconds).max(0.0)),
            },
        ];
        if self.per_vcpu_second > 0.0 {
            charges.push(Charge {
                name: "vcpu",
                basis: format!("{} a vCPU-second ({source})", self.per_vcpu_second),
                amount: month.vcpu_seconds * self.per_vcpu_second,
            });
        }
        charges
    }
}

/// The price of `quantity` when each tier's price holds for what lies between the tier before it and its own end.
fn tiered(tiers: &[PriceTier], quantity: f64) -> f64 {
    let (mut from, mut price) = (0.0, 0.0);
    for tier in tiers {
        let to = tier.up_to.unwrap_or(f64::INFINITY).min(quantity);
        if to > from {
            price += (to - from) * tier.price;
            from = to;
        }
    }
    price
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::units::Bytes;

    const MIB: u64 = 1 << 20;

    fn per_call(per_gb_second: f64) -> CloudPrices {
        CloudPrices {
            name: "test".into(),
            dated: "2025".into(),
            per_request: 0.2e-6,
            per_gb_second: vec![PriceTier { up_to: None, price: per_gb_second }],
            per_vcpu_second: 0.0,
            time_step: Span::from_millis(1),
            time_minimum: Span::ZERO,
            memory_step: Bytes(MIB),
            free_requests: 1e6,
            free_gb_seconds: 400_000.0,
            bills_init: false,
        }
    }

    fn total(prices: &CloudPrices, memory_mib: u64, usage: &Usage) -> f64 {
        let mut function = fixtures::function("f");
        function.memory = Bytes(memory_mib * MIB);
        let mut billed = Billed::default();
        billed.add(prices, &function, usage);
        prices.monthly_bill(&billed).iter().map(|charge| charge.amount).sum()
    }

    fn three_million_seconds() -> Usage {
        Usage { calls: 3_000_000, call_secs: 3e6, ..Usage::default() }
    }

    /// The example on AWS's price page: 512 MB, three million calls of one second.
    #[test]
    fn lambdas_published_example() {
        // 1.1 M GB-s come to 18.337 there rounded to 18.34, before 0.40 for requests.
        assert!((total(&per_call(0.000_016_67), 512, &three_million_seconds()) - 18.74).abs() < 0.005);
    }

    /// Modal's guide to Azure Functions (2025-05-22): 1.5 GB, three million calls of one second.
    #[test]
    fn azures_published_example() {
        let prices =
            CloudPrices { time_minimum: Span::from_millis(100), memory_step: Bytes(128 * MIB), ..per_call(0.000_016) };
        assert!((total(&prices, 1536, &three_million_seconds()) - 66.0).abs() < 1e-9);
    }

    #[test]
    fn tiers_apply_to_what_lies_in_them() {
        let tiers = [PriceTier { up_to: Some(10.0), price: 3.0 }, PriceTier { up_to: None, price: 2.0 }];
        assert_eq!(tiered(&tiers, 4.0), 12.0);
        assert_eq!(tiered(&tiers, 14.0), 38.0);
        assert_eq!(tiered(&tiers, 0.0), 0.0);
    }

    #[test]
    fn cold_starts_are_billed_where_the_list_says_so() {
        let usage = Usage { calls: 4_000_000, call_secs: 4e6, init_secs: 1e6, ..Usage::default() };
        let without = total(&per_call(1e-5), 1024, &usage);
        let with = total(&CloudPrices { bills_init: true, ..per_call(1e-5) }, 1024, &usage);
        assert!((with - without - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_short_call_is_billed_the_minimum_and_memory_rounds_up() {
        let prices = CloudPrices {
            time_minimum: Span::from_millis(100),
            memory_step: Bytes(128 * MIB),
            free_requests: 0.0,
            free_gb_seconds: 0.0,
            per_request: 0.0,
            ..per_call(1.0)
        };
        let usage = Usage { calls: 10, call_secs: 0.05, ..Usage::default() };
        assert!((total(&prices, 129, &usage) - 10.0 * 0.1 * 0.25).abs() < 1e-12);
    }

    /// Half a month of the same traffic costs half as much, free tier included.
    #[test]
    fn a_window_pays_for_its_part_of_the_month() {
        let mut scenario = fixtures::scenario();
        scenario.prices.cloud = Some(per_call(1e-5));
        scenario.functions[0].memory = Bytes(1024 * MIB);
        let mut record = fixtures::record(&scenario, 1, 1.0);
        let mut cost = |months: f64| -> f64 {
            record.window.1 = crate::time::SimTime::ZERO + Span::from_secs_f64(MONTH.as_secs_f64() * months);
            record.window.0 = crate::time::SimTime::ZERO;
            record.functions[0].usage =
                Usage { calls: (4e6 * months) as u64, call_secs: 4e6 * months, ..Usage::default() };
            charges(&scenario, &record).iter().map(|charge| charge.amount).sum()
        };
        let (whole, half) = (cost(1.0), cost(0.5));
        assert!((whole - (3e6 * 0.2e-6 + 3.6e6 * 1e-5)).abs() < 1e-9);
        assert!((half - whole / 2.0).abs() < 1e-9);
    }

    #[test]
    fn own_machines_cost_energy_and_write_off() {
        let mut scenario = fixtures::scenario();
        scenario.nodes = vec![fixtures::node_group("pi4", 3)];
        scenario.nodes[0].price = 50.0;
        scenario.prices.per_kwh = 0.3;
        scenario.prices.amortisation = Span::from_secs(1_000_000);
        let mut record = fixtures::record(&scenario, 1, 1.0);
        record.nodes.truncate(1);
        record.nodes[0].energy_joules = 7.2e6;
        record.window.1 = record.window.0 + Span::from_secs(100_000);
        let amounts: Vec<f64> = charges(&scenario, &record).iter().map(|charge| charge.amount).collect();
        assert!((amounts[0] - 0.6).abs() < 1e-12 && (amounts[1] - 15.0).abs() < 1e-12, "{amounts:?}");
    }
}
