//! The people that the function knows: for each a name and the descriptors of the pictures they were enrolled with.
//!
//! Each is a file in a folder, replaced as a whole, so that replicas that share the folder agree and a crash leaves no
//! half a person. Pictures are not kept.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use crate::nets::{DESCRIPTOR_LENGTH, Descriptor, distance};

/// Descriptors kept of one person; the oldest goes when there are more.
const DESCRIPTORS_MAX: usize = 20;

/// People in a folder at most: strangers may enroll, and must not fill the disk.
const PEOPLE_MAX: usize = 10_000;

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
    /// There is no room for one more.
    #[error("{PEOPLE_MAX} people are enrolled, and no more can be: DELETE /people/NAME makes room")]
    Full,
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
    people: Arc<Everybody>,
}

/// Everybody, as the folder was read at one time.
#[derive(Debug, Default, Clone)]
pub struct Everybody(BTreeMap<String, Vec<Descriptor>>);

impl Everybody {
    /// The person whose descriptors are nearest on average, if anybody is enrolled.
    pub fn nearest(&self, descriptor: &[f32]) -> Option<Match> {
        let mean =
            |of: &[Descriptor]| of.iter().map(|known| distance(known, descriptor)).sum::<f64>() / of.len() as f64;
        let distances = self.0.iter().map(|(name, of)| (name, mean(of)));
        let (name, distance) = distances.min_by(|left, right| left.1.total_cmp(&right.1))?;
        Some(Match { name: name.clone(), distance })
    }

    /// Whether nobody is enrolled.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl People {
    /// The people in `folder`, which is made when the first is enrolled.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), known: Mutex::default() }
    }

    /// Everybody, by name.
    pub fn list(&self) -> Result<Vec<Person>, PeopleError> {
        let everybody = self.everybody()?;
        Ok(everybody.0.iter().map(|(name, of)| Person { name: name.clone(), pictures: of.len() }).collect())
    }

    /// Adds a descriptor to a person, who is new if nobody has the name. Returns how many they have now.
    pub fn enroll(&self, name: &str, descriptor: Descriptor) -> Result<usize, PeopleError> {
        let path = self.path(name)?;
        fs::create_dir_all(&self.folder).map_err(at(&self.folder))?;
        let _turn = self.turn()?;
        let mut descriptors = match read_person(&path)? {
            Some(record) => record.descriptors,
            None if self.everybody()?.0.len() >= PEOPLE_MAX => return Err(PeopleError::Full),
            None => Vec::new(),
        };
        if descriptors.len() >= DESCRIPTORS_MAX {
            descriptors.remove(0);
        }
        descriptors.push(descriptor);
        let record = Record { name: name.to_owned(), descriptors };
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(at(&self.folder))?;
        serde_json::to_writer(&mut file, &record).map_err(|error| at(&path)(error.into()))?;
        file.as_file().sync_all().map_err(at(&path))?;
        file.persist(&path).map_err(|error| at(&path)(error.error))?;
        self.read_again();
        Ok(record.descriptors.len())
    }

    /// Forgets a person.
    pub fn forget(&self, name: &str) -> Result<(), PeopleError> {
        let path = self.path(name)?;
        if !self.folder.exists() {
            return Err(PeopleError::Unknown(name.to_owned()));
        }
        let _turn = self.turn()?;
        fs::remove_file(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => PeopleError::Unknown(name.to_owned()),
            _ => at(&path)(error),
        })?;
        self.read_again();
        Ok(())
    }

    /// What the folder says now: read again if it changed.
    pub fn everybody(&self) -> Result<Arc<Everybody>, PeopleError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = match fs::metadata(&self.folder).and_then(|folder| folder.modified()) {
            Ok(changed) => changed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                *known = Known::default();
                return Ok(known.people.clone());
            }
            Err(error) => return Err(at(&self.folder)(error)),
        };
        if known.read != Some(changed) {
            // Clocks of file systems are coarse: what changed just now may change once more at the same time.
            let settled = changed.elapsed().is_ok_and(|ago| ago.as_secs() >= 1);
            *known = Known { read: settled.then_some(changed), people: Arc::new(read(&self.folder)?) };
        }
        Ok(known.people.clone())
    }

    fn read_again(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).read = None;
    }

    /// Waits until no other replica changes the folder, and keeps them waiting as long as the file is open: two that
    /// add a picture of one person at the same time would lose one of them.
    fn turn(&self) -> Result<File, PeopleError> {
        let path = self.folder.join(".turn");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        Ok(file)
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

fn read(folder: &Path) -> Result<Everybody, PeopleError> {
    let mut people = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        // Somebody may be forgotten meanwhile.
        if path.extension().is_some_and(|extension| extension == "json")
            && let Some(record) = read_person(&path)?
        {
            people.insert(record.name, record.descriptors);
        }
    }
    Ok(Everybody(people))
}

/// What a file says of a person; `None` if there is no such file.
fn read_person(path: &Path) -> Result<Option<Record>, PeopleError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(at(path))?,
    };
    let record: Record = serde_json::from_slice(&bytes).map_err(|error| at(path)(error.into()))?;
    if record.descriptors.is_empty() || record.descriptors.iter().any(|known| known.len() != DESCRIPTOR_LENGTH) {
        let what = "a descriptor has 128 numbers, and there is one at least";
        return Err(at(path)(io::Error::new(io::ErrorKind::InvalidData, what)));
    }
    Ok(Some(record))
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
        assert!(people.everybody().expect("no folder is nobody").is_empty());
        people.enroll("Ada", descriptor(0.0)).expect("a valid name");
        people.enroll("José Ángel O'Neil", descriptor(0.1)).expect("a valid name");
        assert_eq!(people.enroll("Ada", descriptor(0.01)).expect("a second picture"), 2);

        let again = People::new(&inside);
        let names: Vec<_> = again.list().expect("readable").into_iter().map(|p| (p.name, p.pictures)).collect();
        assert_eq!(names, [("Ada".to_owned(), 2), ("José Ángel O'Neil".to_owned(), 1)]);
        let nearest = again.everybody().expect("readable").nearest(&descriptor(0.02)).expect("two are enrolled");
        assert_eq!(nearest.name, "Ada");
        assert!((nearest.distance - 0.015 * 128f64.sqrt()).abs() < 1e-6, "{nearest:?}");

        people.forget("Ada").expect("she is enrolled");
        assert_eq!(again.list().expect("readable").len(), 1, "another process sees it");
        assert!(matches!(people.forget("Ada"), Err(PeopleError::Unknown(_))));
    }

    #[test]
    fn replicas_that_share_a_folder_lose_no_picture() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::thread::scope(|scope| {
            for replica in 0..3u8 {
                let people = People::new(folder.path());
                scope.spawn(move || {
                    for picture in 0..5u8 {
                        people.enroll("Ada", descriptor(f32::from(replica * 5 + picture))).expect("a valid name");
                    }
                });
            }
        });
        let listed = People::new(folder.path()).list().expect("readable");
        assert_eq!(listed, [Person { name: "Ada".to_owned(), pictures: 15 }]);
    }

    #[test]
    fn names_stay_inside_the_folder() {
        let people = People::new("/nonexistent");
        for name in ["", "..", "../x", "a/b", ".hidden", "a\0b", &"x".repeat(65), "\u{202e}abc"] {
            assert!(matches!(people.enroll(name, descriptor(0.0)), Err(PeopleError::BadName(_))), "{name:?}");
        }
    }
}
