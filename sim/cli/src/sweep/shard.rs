//! Which part of a sweep is this machine's: every N-th point, so that neighbours, which take about as long, are spread.

use std::fmt;

use crate::failure::Failure;

/// Part `index`, from 0, of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) count: usize,
}

/// `3/8`, the fourth of eight.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// Reads `i/N`, with i from 0 to N − 1.
    pub(crate) fn parse(text: &str) -> Result<Shard, String> {
        let parts = text.split_once('/');
        let shard = parts.and_then(|(index, count)| {
            Some(Shard { index: index.trim().parse().ok()?, count: count.trim().parse().ok()? })
        });
        let shard = shard.filter(|shard| shard.index < shard.count && shard.count <= 1_000_000);
        shard.ok_or_else(|| "write i/N with i from 0 to N - 1, such as 0/8".to_owned())
    }

    /// As asked for, or else as a Slurm job array or an Indexed Job says through its environment; the whole otherwise.
    ///
    /// Slurm sets `SLURM_ARRAY_TASK_ID`, `_COUNT`, `_MIN` and `_STEP`. Kubernetes sets `JOB_COMPLETION_INDEX`; how many
    /// there are is in `JOB_COMPLETIONS`, which the job that we write sets.
    pub(crate) fn find(asked: Option<Shard>, variable: impl Fn(&str) -> Option<String>) -> Result<Shard, Failure> {
        if let Some(asked) = asked {
            return Ok(asked);
        }
        let number = |name: &str| -> Result<Option<usize>, Failure> {
            let Some(text) = variable(name).filter(|text| !text.trim().is_empty()) else { return Ok(None) };
            let number = text.trim().parse().map(Some);
            number.map_err(|_| {
                Failure::new(format!("{name} is {text:?}, which is no number"))
                    .help("unset it, or say which part to play with --shard i/N")
            })
        };
        let (shard, name) = if let Some(task) = number("SLURM_ARRAY_TASK_ID")? {
            let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
            let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
            let count = number("SLURM_ARRAY_TASK_COUNT")?;
            (count.map(|count| Shard { index: task.saturating_sub(first) / step, count }), "SLURM_ARRAY_TASK_COUNT")
        } else if let Some(index) = number("JOB_COMPLETION_INDEX")? {
            (number("JOB_COMPLETIONS")?.map(|count| Shard { index, count }), "JOB_COMPLETIONS")
        } else {
            return Ok(Shard { index: 0, count: 1 });
        };
        let help = "say which part to play with --shard i/N; 0/1 is the whole";
        match shard {
            None => {
                Err(Failure::new(format!("this is one task of several, but {name} does not say of how many"))
                    .help(help))
            }
            Some(shard) if shard.index >= shard.count => {
                Err(Failure::new(format!("task {} of {} does not exist", shard.index, shard.count)).help(help))
            }
            Some(shard) => Ok(shard),
        }
    }

    /// Whether `point` is in this part.
    pub(crate) fn has(self, point: usize) -> bool {
        point % self.count == self.index
    }

    /// Name of its folder.
    pub(crate) fn folder(self) -> String {
        format!("shard-{}-of-{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(set: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Shard::find(None, variable).map(|shard| shard.to_string()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_environment_of_a_scheduler_says_which_part() {
        assert_eq!(found(&[]), Ok("0/1".into()));
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "14"),
            ("SLURM_ARRAY_TASK_MIN", "10"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
            ("SLURM_ARRAY_TASK_COUNT", "5"),
        ];
        assert_eq!(found(&slurm), Ok("2/5".into()));
        assert_eq!(found(&[("JOB_COMPLETION_INDEX", "3"), ("JOB_COMPLETIONS", "8")]), Ok("3/8".into()));
        assert!(found(&slurm[..1]).expect_err("no count").contains("SLURM_ARRAY_TASK_COUNT"));
        assert!(found(&[("JOB_COMPLETION_INDEX", "8"), ("JOB_COMPLETIONS", "8")]).is_err());
        assert!(found(&[("SLURM_ARRAY_TASK_ID", "x")]).expect_err("no number").contains("\"x\""));
        assert_eq!(Shard::find(Some(Shard { index: 1, count: 3 }), |_| Some("x".into())).expect("asked").index, 1);
    }

    #[test]
    fn parts_are_read_and_cover_everything_once() {
        for wrong in ["", "1", "3/3", "-1/3", "a/b", "0/0"] {
            assert!(Shard::parse(wrong).is_err(), "{wrong}");
        }
        let shards: Vec<Shard> = (0..3).map(|k| Shard::parse(&format!("{k}/3")).expect("valid")).collect();
        assert!((0..20).all(|point| shards.iter().filter(|shard| shard.has(point)).count() == 1));
    }
}
