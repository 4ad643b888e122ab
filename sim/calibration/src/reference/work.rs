//! The reference programs that are part of this package.

/// Counts the primes below `limit` as an event of `sysbench cpu` does: by trial division up to the root.
pub fn primes(limit: u64) -> u64 {
    let mut count = 0;
    for candidate in 3..limit {
        let root = (candidate as f64).sqrt();
        let mut divisor = 2u64;
        while divisor as f64 <= root {
            if candidate.is_multiple_of(divisor) {
                break;
            }
            divisor += 1;
        }
        if divisor as f64 > root {
            count += 1;
        }
    }
    count
}

/// Copies all of `from` to `to`, which is as long.
pub fn copy(from: &[u8], to: &mut [u8]) {
    to.copy_from_slice(from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_primes_as_there_are() {
        // π(10000) = 1229, of which 2 is not looked at.
        assert_eq!(primes(10_000), 1228);
    }
}
