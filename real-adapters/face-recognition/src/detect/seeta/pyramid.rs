//! Bilinear scaling as SeetaFace was trained with: output pixel i looks at i · scale and the pixel after it.

/// Where an output pixel looks along one axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    /// The first of two pixels.
    pub(super) first: usize,
    /// The share of the second.
    pub(super) share: f64,
}

/// How `from` pixels, two at least, become `to`.
pub(super) fn taps(from: usize, to: usize) -> impl Iterator<Item = Tap> {
    let scale = from as f64 / to as f64;
    (0..to).map(move |i| {
        let place = scale * i as f64;
        let first = (place as usize).min(from - 2);
        Tap { first, share: place - first as f64 }
    })
}

/// Four pixels mixed, rounded down.
pub(super) fn mix(upper: [u8; 2], lower: [u8; 2], x: f64, y: f64) -> u8 {
    let [a, b, c, d] = [upper[0], upper[1], lower[0], lower[1]].map(f64::from);
    ((1.0 - y) * ((1.0 - x) * a + x * b) + y * ((1.0 - x) * c + x * d)) as u8
}
