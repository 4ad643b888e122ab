//! Quantities as Kubernetes writes them: `128Mi`, `100m`, `0.5`, `1e3`.
//!
//! Notation: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.

/// The smallest memory limit that is believed: less than a process needs to start.
const SMALLEST_MEMORY_BYTES: f64 = 1048576.0;

/// Bytes of memory; the error says what to write instead.
pub(crate) fn memory_bytes(text: &str) -> Result<u64, String> {
    let bytes = parse(text).ok_or_else(|| {
        format!("memory \"{text}\" is not a quantity: write a number with Ki, Mi, Gi, k, M or G, such as \"128Mi\"")
    })?;
    if bytes < SMALLEST_MEMORY_BYTES {
        return Err(format!("memory \"{text}\" is {bytes} bytes, less than any process needs: write \"128Mi\", say"));
    }
    // Saturates far beyond any machine.
    Ok(bytes as u64)
}

/// Cores; the error says what to write instead.
pub(crate) fn cpu_cores(text: &str) -> Result<f64, String> {
    let cores = parse(text)
        .ok_or_else(|| format!("cpu \"{text}\" is not a quantity: write cores or thousandths, \"0.5\" or \"500m\""))?;
    if cores < 0.001 {
        return Err(format!("cpu \"{text}\" is below the smallest share, \"1m\""));
    }
    Ok(cores)
}

/// A quantity's value; `None` if it is not one, negative or past all bounds.
fn parse(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1048576.0,
        "Gi" => 1073741824.0,
        "Ti" => 1099511627776.0,
        "Pi" => 1125899906842624.0,
        "Ei" => 1152921504606846976.0,
        exponent => {
            let digits = exponent.strip_prefix(['e', 'E'])?;
            let exponent: i32 = digits.parse().ok()?;
            if !(-18..=18).contains(&exponent) {
                return None;
            }
            10f64.powi(exponent)
        }
    };
    let value = number * factor;
    (value.is_finite() && value < 1e19).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_mean_what_kubernetes_means() {
        for (text, bytes) in [
            ("128Mi", 134217728),
            ("128M", 128000000),
            ("1Gi", 1073741824),
            ("0.5Gi", 536870912),
            ("1e7", 10000000),
            ("134217728", 134217728),
        ] {
            assert_eq!(memory_bytes(text), Ok(bytes), "{text}");
        }
        for (text, cores) in [("100m", 0.1), ("0.5", 0.5), ("2", 2.0), ("1e0", 1.0), ("500000u", 0.5)] {
            assert_eq!(cpu_cores(text), Ok(cores), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_a_word_on_what_to_write() {
        for text in ["", "Mi", "128mb", "-1", "1..2", "1e99", "∞", "NaN", "inf", "0x10", "1 Mi", "12MiB"] {
            assert!(memory_bytes(text).is_err_and(|e| e.contains("128Mi")), "{text}");
            assert!(cpu_cores(text).is_err_and(|e| e.contains("500m")), "{text}");
        }
        // Docker's 40m for megabytes is 0.04 bytes to Kubernetes.
        assert!(memory_bytes("40m").is_err_and(|e| e.contains("0.04 bytes")));
        assert!(cpu_cores("0").is_err());
    }
}
