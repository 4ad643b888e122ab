//! `requests.csv`, written while the run goes on.

use std::fs::File;
use std::io;

use faas_lab_model::scenario::Scenario;
use faas_lab_reports::ReportError;
use faas_lab_reports::csv::{RequestRow, RequestsCsv};
use faas_lab_sim::RequestRecord;

use crate::failure::Failure;
use crate::output::{REQUESTS, Staging};

/// The table, and what kept it from being written, if anything did.
pub(crate) struct RequestsFile<'a> {
    scenario: &'a Scenario,
    table: RequestsCsv<File>,
    file: File,
    trouble: Option<ReportError>,
}

impl<'a> RequestsFile<'a> {
    pub(crate) fn create(scenario: &'a Scenario, staging: &Staging) -> Result<RequestsFile<'a>, Failure> {
        let file = staging.create(REQUESTS)?;
        let written = file.try_clone().map_err(|error| staging.failed(REQUESTS, &error))?;
        Ok(RequestsFile { scenario, table: RequestsCsv::new(written), file, trouble: None })
    }

    /// Adds one request; after a failure nothing more is written, and [`finish`](RequestsFile::finish) tells of it.
    pub(crate) fn add(&mut self, request: &RequestRecord) {
        if self.trouble.is_none() {
            self.trouble = self.table.write(&row(self.scenario, request)).err();
        }
    }

    pub(crate) fn finish(self, staging: &Staging) -> Result<(), Failure> {
        let written = self.trouble.map_or_else(|| self.table.finish(), Err).map_err(cause);
        written.and_then(|()| self.file.sync_all()).map_err(|error| staging.failed(REQUESTS, &error))
    }
}

/// The words of the operating system where it was its refusal.
fn cause(error: ReportError) -> io::Error {
    match error {
        ReportError::Table(error) => io::Error::other(error),
        other => io::Error::other(other),
    }
}

fn row<'a>(scenario: &'a Scenario, request: &RequestRecord) -> RequestRow<'a> {
    RequestRow {
        id: request.id,
        workload: &scenario.workloads[request.workload].name,
        function: &scenario.functions[request.function].name,
        arrived_seconds: request.arrived.as_secs_f64(),
        ended_seconds: request.ended.as_secs_f64(),
        outcome: request.ending.kind.name(),
        hop: request.ending.hop.map(|hop| hop.name()),
        status: request.ending.status,
        attempts: request.attempts,
        cold: request.cold,
        waiting_seconds: request.waiting.as_secs_f64(),
        service_seconds: request.service.as_secs_f64(),
        replica: request.replica,
        body_bytes: request.body_bytes,
    }
}
