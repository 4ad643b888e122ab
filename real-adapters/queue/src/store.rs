//! The tables of the embedded queue's file, and what is read of them at start.
//!
//! An invocation is written once; what changes over its life is small and lies beside it, so that neither a retry nor a
//! restart touches bodies. Invocation and state (or dead letter) have the same key, a number that grows.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use thiserror::Error;

const INVOCATIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("invocations");
const STATES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("states");
const DEAD: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("dead");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// The layout that this build reads and writes.
const FORMAT: u32 = 1;

/// The store failed; the text says how.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub(crate) struct StoreError(pub(crate) String);

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> StoreError {
        StoreError(error.into().to_string())
    }
}

/// What changes over an invocation's life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) call_id: String,
    pub(crate) function: String,
    pub(crate) accepted_ms: u64,
    /// When it may be delivered (again).
    pub(crate) due_ms: u64,
    /// Attempts that were answered.
    pub(crate) attempts: u32,
    /// A delivery was begun and has not ended: if this is read at start, it comes again.
    pub(crate) started: bool,
    /// Size of the stored invocation.
    pub(crate) bytes: u64,
    pub(crate) last_status: Option<u16>,
}

/// An invocation that was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dead {
    pub(crate) state: State,
    pub(crate) reason: String,
    pub(crate) died_ms: u64,
}

/// Counts over the life of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) accepted: u64,
    pub(crate) delivered: u64,
    pub(crate) cancelled: u64,
    pub(crate) retried: u64,
    pub(crate) redelivered: u64,
    pub(crate) purged: u64,
}

/// Everything that is read at start: all but the invocations themselves.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) states: Vec<(u64, State)>,
    pub(crate) dead: Vec<(u64, Dead)>,
    pub(crate) totals: Totals,
}

/// The tables within one transaction.
pub(crate) struct Tables<'t> {
    invocations: Table<'t, u64, &'static [u8]>,
    states: Table<'t, u64, &'static [u8]>,
    dead: Table<'t, u64, &'static [u8]>,
    meta: Table<'t, &'static str, &'static [u8]>,
    pub(crate) totals: Totals,
}

impl<'t> Tables<'t> {
    /// Opens them, and creates those that are not there.
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Tables<'t>, StoreError> {
        let meta = transaction.open_table(META)?;
        let totals = match meta.get("totals")? {
            Some(bytes) => read(bytes.value(), "its totals")?,
            None => Totals::default(),
        };
        Ok(Tables {
            invocations: transaction.open_table(INVOCATIONS)?,
            states: transaction.open_table(STATES)?,
            dead: transaction.open_table(DEAD)?,
            meta,
            totals,
        })
    }

    /// Writes the totals; to be called before the commit.
    pub(crate) fn close(mut self) -> Result<(), StoreError> {
        self.meta.insert("totals", &*write(&self.totals))?;
        Ok(())
    }

    pub(crate) fn put_invocation(&mut self, key: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.invocations.insert(key, bytes)?;
        Ok(())
    }

    pub(crate) fn invocation(&self, key: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.invocations.get(key)?.map(|bytes| bytes.value().to_vec()))
    }

    pub(crate) fn put_state(&mut self, key: u64, state: &State) -> Result<(), StoreError> {
        self.states.insert(key, &*write(state))?;
        Ok(())
    }

    /// Removes a waiting invocation altogether; whether it was there.
    pub(crate) fn remove(&mut self, key: u64) -> Result<bool, StoreError> {
        self.invocations.remove(key)?;
        Ok(self.states.remove(key)?.is_some())
    }

    /// Moves a waiting invocation to the dead ones.
    pub(crate) fn bury(&mut self, key: u64, dead: &Dead) -> Result<(), StoreError> {
        self.states.remove(key)?;
        self.dead.insert(key, &*write(dead))?;
        Ok(())
    }

    /// Moves a dead invocation back to the waiting ones; whether it was still dead, and not revived or forgotten by
    /// somebody else meanwhile.
    pub(crate) fn revive(&mut self, key: u64, state: &State) -> Result<bool, StoreError> {
        if self.dead.remove(key)?.is_none() {
            return Ok(false);
        }
        self.put_state(key, state)?;
        Ok(true)
    }

    /// Removes a dead invocation altogether; whether it was still dead. One that was revived meanwhile is left alone.
    pub(crate) fn purge(&mut self, key: u64) -> Result<bool, StoreError> {
        if self.dead.remove(key)?.is_none() {
            return Ok(false);
        }
        self.invocations.remove(key)?;
        Ok(true)
    }
}

/// Makes an empty store. It appears under its name only once it is whole, so that a crash in between leaves no half one.
pub(crate) fn create(path: &Path) -> Result<(), StoreError> {
    let io = |error: std::io::Error| StoreError(error.to_string());
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let unfinished = Path::new(&name);
    match std::fs::remove_file(unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    // Headers and bodies are nobody else's business: the folder may be open to others.
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(unfinished).map_err(io)?;
    let database = Database::builder().create_file(file)?;
    let transaction = database.begin_write()?;
    {
        let mut tables = Tables::open(&transaction)?;
        tables.meta.insert("format", &*FORMAT.to_le_bytes().to_vec())?;
        tables.close()?;
    }
    transaction.commit()?;
    drop(database);
    std::fs::rename(unfinished, path).map_err(io)?;
    // The name itself must be on disk too, or a power cut could take a store whose commits were acknowledged.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

/// Reads all but the invocations.
pub(crate) fn recover(database: &Database) -> Result<Recovered, StoreError> {
    let transaction = database.begin_read()?;
    let meta = transaction.open_table(META)?;
    let format = meta.get("format")?.map(|bytes| bytes.value().to_vec()).unwrap_or_default();
    if format != FORMAT.to_le_bytes() {
        return Err(StoreError(format!("its format is {format:?}, and this build reads format {FORMAT}")));
    }
    let mut recovered = Recovered::default();
    if let Some(bytes) = meta.get("totals")? {
        recovered.totals = read(bytes.value(), "its totals")?;
    }
    for row in transaction.open_table(STATES)?.iter()? {
        let (key, bytes) = row?;
        recovered.states.push((key.value(), read(bytes.value(), "an invocation's state")?));
    }
    for row in transaction.open_table(DEAD)?.iter()? {
        let (key, bytes) = row?;
        recovered.dead.push((key.value(), read(bytes.value(), "a dead letter")?));
    }
    Ok(recovered)
}

fn write(record: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(record).expect("text and numbers can be written")
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|error| StoreError(format!("{what} cannot be read: {error}")))
}
