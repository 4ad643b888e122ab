//! The people that the function knows: for each a name and the descriptors of the pictures they were enrolled with.
//!
//! Each is a file in a folder, replaced as a whole, so that replicas that share the folder agree and a crash leaves no
//! half a person. Pictures are not kept.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use crate::nets::{DESCRIPTOR_LENGTH, Descriptor, distance};

/// Descriptors kept of one person; the oldest goes when there are more.
const DESCRIPTORS_MAX: usize = 20;

/// Why the people could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The name is none.
    #[error(
        "`{0}` is no name: write 1 to 64 letters, digits, spaces or any of . _ - ' and begin with a letter or digit"
    )]
    BadName(String),
    /// Nobody of this name.
    #[error("nobody is enrolled as `{0}`")]
    Unknown(String),
    /// The folder or a file in it cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Folder {
        /// Folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Somebody, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// Their name.
    pub name: String,
    /// How many pictures they were enrolled with.
    pub pictures: usize,
}

/// Who a face is taken for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Match {
    /// The name of the nearest person.
    pub name: String,
    /// The mean distance of the face from their descriptors.
    pub distance: f64,
}

#[derive(Serialize, Deserialize)]
struct Record {
    name: String,
    descriptors: Vec<Descriptor>,
}

/// The people in a folder.
#[derive(Debug)]
pub struct People {
    folder: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// When the folder had last changed as it was read; `None` if it has to be read.
    read: Option<SystemTime>,
    people: BTreeMap<String, Vec<Descriptor>>,
}

impl People {
    /// The people in `folder`, which is made when the first is enrolled.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), known: Mutex::default() }
    }

    /// Everybody, by name.
    pub fn list(&self) -> Result<Vec<Person>, PeopleError> {
        let known = self.known()?;
        Ok(known.people.iter().map(|(name, of)| Person { name: name.clone(), pictures: of.len() }).collect())
    }

    /// Adds a descriptor to a person, who is new if nobody has the name. Returns how many they have now.
    pub fn enroll(&self, name: &str, descriptor: Descriptor) -> Result<usize, PeopleError> {
        let path = self.path(name)?;
        fs::create_dir_all(&self.folder).map_err(at(&self.folder))?;
        let mut known = self.known()?;
        let descriptors = known.people.entry(name.to_owned()).or_default();
        if descriptors.len() == DESCRIPTORS_MAX {
            descriptors.remove(0);
        }
        descriptors.push(descriptor);
        let count = descriptors.len();
        let record = Record { name: name.to_owned(), descriptors: descriptors.clone() };
        known.read = None;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(at(&self.folder))?;
        serde_json::to_writer(&mut file, &record).map_err(|error| at(&path)(error.into()))?;
        file.as_file().sync_all().map_err(at(&path))?;
        file.persist(&path).map_err(|error| at(&path)(error.error))?;
        Ok(count)
    }

    /// Forgets a person.
    pub fn forget(&self, name: &str) -> Result<(), PeopleError> {
        let path = self.path(name)?;
        let mut known = self.known()?;
        known.read = None;
        fs::remove_file(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => PeopleError::Unknown(name.to_owned()),
            _ => at(&path)(error),
        })
    }

    /// The person whose descriptors are nearest on average, if anybody is enrolled.
    pub fn nearest(&self, descriptor: &[f32]) -> Result<Option<Match>, PeopleError> {
        let mean =
            |of: &[Descriptor]| of.iter().map(|known| distance(known, descriptor)).sum::<f64>() / of.len() as f64;
        let known = self.known()?;
        let distances = known.people.iter().map(|(name, of)| Match { name: name.clone(), distance: mean(of) });
        Ok(distances.min_by(|left, right| left.distance.total_cmp(&right.distance)))
    }

    /// Whether nobody is enrolled.
    pub fn is_empty(&self) -> Result<bool, PeopleError> {
        Ok(self.known()?.people.is_empty())
    }

    /// What the folder says now: read again if it changed.
    fn known(&self) -> Result<MutexGuard<'_, Known>, PeopleError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = match fs::metadata(&self.folder).and_then(|folder| folder.modified()) {
            Ok(changed) => changed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                *known = Known::default();
                return Ok(known);
            }
            Err(error) => return Err(at(&self.folder)(error)),
        };
        if known.read != Some(changed) {
            // Clocks of file systems are coarse: what changed just now may change once more at the same time.
            let settled = changed.elapsed().is_ok_and(|ago| ago.as_secs() >= 1);
            *known = Known { read: settled.then_some(changed), people: read(&self.folder)? };
        }
        Ok(known)
    }

    fn path(&self, name: &str) -> Result<PathBuf, PeopleError> {
        let valid = name.chars().count() <= 64
            && name.starts_with(char::is_alphanumeric)
            && name.chars().all(|c| c.is_alphanumeric() || " ._-'".contains(c));
        if !valid {
            return Err(PeopleError::BadName(name.chars().take(80).collect()));
        }
        // Letters beyond ASCII are escaped, so that names fit the limits of file systems and do not depend on them.
        let escaped: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        if escaped.len() > 200 {
            return Err(PeopleError::BadName(name.to_owned()));
        }
        Ok(self.folder.join(format!("{escaped}.json")))
    }
}

fn read(folder: &Path) -> Result<BTreeMap<String, Vec<Descriptor>>, PeopleError> {
    let mut people = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // forgotten meanwhile
            other => other.map_err(at(&path))?,
        };
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| at(&path)(error.into()))?;
        if record.descriptors.is_empty() || record.descriptors.iter().any(|known| known.len() != DESCRIPTOR_LENGTH) {
            let what =
                io::Error::new(io::ErrorKind::InvalidData, "a descriptor has 128 numbers, and there is one at least");
            return Err(at(&path)(what));
        }
        people.insert(record.name, record.descriptors);
    }
    Ok(people)
}

fn at(path: &Path) -> impl Fn(io::Error) -> PeopleError {
    let path = path.to_owned();
    move |source| PeopleError::Folder { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(value: f32) -> Descriptor {
        vec![value; DESCRIPTOR_LENGTH]
    }

    #[test]
    fn people_survive_a_restart_and_can_be_forgotten() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inside = folder.path().join("people");
        let people = People::new(&inside);
        assert!(people.is_empty().expect("no folder is nobody"));
        people.enroll("Ada", descriptor(0.0)).expect("a valid name");
        people.enroll("José Ángel O'Neil", descriptor(0.1)).expect("a valid name");
        assert_eq!(people.enroll("Ada", descriptor(0.01)).expect("a second picture"), 2);

        let again = People::new(&inside);
        let names: Vec<_> = again.list().expect("readable").into_iter().map(|p| (p.name, p.pictures)).collect();
        assert_eq!(names, [("Ada".to_owned(), 2), ("José Ángel O'Neil".to_owned(), 1)]);
        let nearest = again.nearest(&descriptor(0.02)).expect("readable").expect("two are enrolled");
        assert_eq!(nearest.name, "Ada");
        assert!((nearest.distance - 0.015 * 128f64.sqrt()).abs() < 1e-6, "{nearest:?}");

        people.forget("Ada").expect("she is enrolled");
        assert_eq!(again.list().expect("readable").len(), 1, "another process sees it");
        assert!(matches!(people.forget("Ada"), Err(PeopleError::Unknown(_))));
    }

    #[test]
    fn names_stay_inside_the_folder() {
        let people = People::new("/nonexistent");
        for name in ["", "..", "../x", "a/b", ".hidden", "a\0b", &"x".repeat(65), "\u{202e}abc"] {
            assert!(matches!(people.enroll(name, descriptor(0.0)), Err(PeopleError::BadName(_))), "{name:?}");
        }
    }
}
