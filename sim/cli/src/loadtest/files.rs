//! Files that grow while a load test runs: its calls, and the log of its response times.

use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use faas_lab_loadgen::interval_log::IntervalLog;
use faas_lab_loadgen::{Observer, Seen};
use faas_lab_model::scenario::Scenario;
use faas_lab_model::time::{SimTime, Span};
use faas_lab_reports::csv::{CallRow, RequestsCsv};

use crate::failure::Failure;
use crate::output::{LOG, REQUESTS, Staging};

/// Length of the log's intervals.
const INTERVAL: Span = Span::from_secs(1);

type Trouble = Arc<Mutex<Option<io::Error>>>;

/// The files in the making, and what keeps them from being written, if anything does.
pub(super) struct Files {
    scenario: Arc<Scenario>,
    log: File,
    log_trouble: Trouble,
    table: Option<File>,
    table_trouble: Trouble,
}

impl Files {
    pub(super) fn create(scenario: &Scenario, staging: &Staging, requests: bool) -> Result<Files, Failure> {
        Ok(Files {
            scenario: Arc::new(scenario.clone()),
            log: staging.create(LOG)?,
            log_trouble: Trouble::default(),
            table: requests.then(|| staging.create(REQUESTS)).transpose()?,
            table_trouble: Trouble::default(),
        })
    }

    /// What is to be told of every call.
    pub(super) fn observers(&self) -> Vec<Box<dyn Observer>> {
        let mut observers: Vec<Box<dyn Observer>> = Vec::new();
        match self.log.try_clone() {
            Ok(file) => observers.push(Box::new(Log {
                scenario: self.scenario.clone(),
                file: Some(file),
                log: None,
                trouble: self.log_trouble.clone(),
            })),
            Err(error) => put(&self.log_trouble, error),
        }
        if let Some(table) = &self.table {
            match table.try_clone() {
                Ok(file) => observers.push(Box::new(Table {
                    scenario: self.scenario.clone(),
                    table: Some(RequestsCsv::new(file)),
                    trouble: self.table_trouble.clone(),
                })),
                Err(error) => put(&self.table_trouble, error),
            }
        }
        observers
    }

    /// Both are written to their ends.
    pub(super) fn finish(self, staging: &Staging) -> Result<(), Failure> {
        done(&self.log, &self.log_trouble).map_err(|error| staging.failed(LOG, &error))?;
        match &self.table {
            Some(table) => done(table, &self.table_trouble).map_err(|error| staging.failed(REQUESTS, &error)),
            None => Ok(()),
        }
    }
}

fn put(trouble: &Trouble, error: io::Error) {
    trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
}

fn done(file: &File, trouble: &Trouble) -> io::Result<()> {
    match trouble.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(error),
        None => file.sync_all(),
    }
}

struct Log {
    scenario: Arc<Scenario>,
    file: Option<File>,
    log: Option<IntervalLog<BufWriter<File>>>,
    trouble: Trouble,
}

impl Observer for Log {
    fn begin(&mut self, at: SystemTime) {
        let names = self.scenario.functions.iter().map(|function| function.name.clone()).collect();
        let Some(file) = self.file.take() else { return };
        match IntervalLog::new(BufWriter::new(file), names, at, INTERVAL) {
            Ok(log) => self.log = Some(log),
            Err(error) => put(&self.trouble, error),
        }
    }

    fn see(&mut self, seen: &Seen) {
        if let Some(log) = &mut self.log {
            let (ended, intended) = (seen.observed.ended, seen.observed.intended);
            log.enter(seen.function, seen.cold, seen.ending.kind, ended, ended.since(intended));
        }
    }

    fn end(&mut self) {
        if let Some(Err(error)) = self.log.take().map(IntervalLog::finish) {
            put(&self.trouble, error);
        }
    }
}

struct Table {
    scenario: Arc<Scenario>,
    table: Option<RequestsCsv<File>>,
    trouble: Trouble,
}

impl Observer for Table {
    fn begin(&mut self, _: SystemTime) {}

    fn see(&mut self, seen: &Seen) {
        let Some(table) = &mut self.table else { return };
        if let Err(error) = table.write_call(&row(&self.scenario, seen)) {
            put(&self.trouble, io::Error::other(error));
            self.table = None;
        }
    }

    fn end(&mut self) {
        if let Some(Err(error)) = self.table.take().map(RequestsCsv::finish) {
            put(&self.trouble, io::Error::other(error));
        }
    }
}

fn row<'a>(scenario: &'a Scenario, seen: &'a Seen) -> CallRow<'a> {
    let call = &seen.observed;
    CallRow {
        number: call.number,
        workload: &scenario.workloads[call.workload].name,
        function: &scenario.functions[seen.function].name,
        intended_seconds: call.intended.as_secs_f64(),
        sent_seconds: call.sent.as_secs_f64(),
        connecting_seconds: call.connecting.map(Span::as_secs_f64),
        first_byte_seconds: call.first_byte.map(SimTime::as_secs_f64),
        ended_seconds: call.ended.as_secs_f64(),
        outcome: seen.ending.kind.name(),
        hop: seen.ending.hop.map(|hop| hop.name()),
        status: call.answer.status,
        fault: call.answer.fault.map(|fault| fault.name()),
        attempts: seen.attempts,
        cold: seen.cold,
        replica: call.answer.signs.replica.as_deref(),
        body_bytes: call.answer.received,
        reason: call.answer.reason.as_deref(),
    }
}
