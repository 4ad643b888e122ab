//! The first row of the cascade: locally assembled binary features. A feature says which of eight squares of 3 × 3 pixels
//! are no brighter than the one they surround; a boosted classifier adds up a weight for each feature's value.

use image::GrayImage;

use super::{
    WINDOW,
    model::Reader,
    pyramid::{mix, taps},
};

/// Side of the squares that are compared.
const SQUARE: usize = 3;

/// Side of all nine.
const SQUARES: usize = 3 * SQUARE;

/// The sum of weights is compared with a threshold after so many features.
const GROUP: usize = 10;

/// Windows with less contrast hold no face: standard deviation of their brightness.
const CONTRAST: f64 = 10.0;

/// Where the eight squares lie, in squares to the right and down, from the most significant bit on.
const AROUND: [(usize, usize); 8] = [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2), (1, 2), (2, 2)];

/// A boosted classifier.
pub(super) struct Classifier {
    /// Place of each feature in the window.
    places: Vec<(usize, usize)>,
    /// Weight of each feature's 256 values.
    weights: Vec<[f32; 256]>,
    /// What the sum must reach after each group.
    thresholds: Vec<f32>,
}

impl Classifier {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let (features, values) = (reader.count()?, reader.count()? + 1);
        let limit = WINDOW as usize - SQUARES;
        let inside = |(x, y): &(usize, usize)| *x <= limit && *y <= limit;
        let places: Vec<_> = (0..features).map(|_| Some((reader.count()?, reader.count()?))).collect::<Option<_>>()?;
        let thresholds = reader.numbers(features)?.into_iter().skip(GROUP - 1).step_by(GROUP).collect();
        let weights =
            (0..features).map(|_| reader.numbers(values)?.try_into().ok()).collect::<Option<Vec<[f32; 256]>>>()?;
        (features % GROUP == 0 && places.iter().all(inside)).then_some(Self { places, weights, thresholds })
    }
}

/// One level of the pyramid and its features. Buffers are kept from level to level.
#[derive(Default)]
pub(super) struct Level {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    /// For each pixel the feature whose nine squares begin there.
    features: Vec<u8>,
    /// The last rows of sums over squares.
    sums: Vec<Vec<u16>>,
}

impl Level {
    /// Scales `gray` to `width` × `height`, both as large as the window at least, and computes all features.
    pub(super) fn look_at(&mut self, gray: &GrayImage, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.scale(gray);
        self.assemble();
    }

    fn scale(&mut self, gray: &GrayImage) {
        let (source, from) = (gray.as_raw(), gray.width() as usize);
        self.pixels.clear();
        if from == self.width && gray.height() as usize == self.height {
            self.pixels.extend_from_slice(source);
            return;
        }
        let columns: Vec<_> = taps(from, self.width).collect();
        self.pixels.reserve(self.width * self.height);
        for row in taps(gray.height() as usize, self.height) {
            let (upper, lower) = source[row.first * from..][..2 * from].split_at(from);
            self.pixels.extend(columns.iter().map(|column| {
                let pair = |line: &[u8]| [line[column.first], line[column.first + 1]];
                mix(pair(upper), pair(lower), column.share, row.share)
            }));
        }
    }

    fn assemble(&mut self) {
        let (width, height) = (self.width, self.height);
        self.features.resize(width * height, 0);
        // The sums of as many rows as nine squares are high, used in turn.
        let rows = 2 * SQUARE + 1;
        self.sums.resize_with(rows, Vec::new);
        for y in 0..=height - SQUARE {
            let sums = &mut self.sums[y % rows];
            square_sums(&self.pixels[y * width..][..SQUARE * width], width, sums);
            if let Some(top) = y.checked_sub(2 * SQUARE) {
                let line = &mut self.features[top * width..][..=width - SQUARES];
                compare([0, SQUARE, 2 * SQUARE].map(|down| self.sums[(top + down) % rows].as_slice()), line);
            }
        }
    }

    /// Calls `found` with place and score of each window that the classifier lets through.
    pub(super) fn scan(&self, classifier: &Classifier, step: usize, mut found: impl FnMut(usize, usize, f32)) {
        let window = WINDOW as usize;
        let offsets: Vec<usize> = classifier.places.iter().map(|(x, y)| y * self.width + x).collect();
        let groups = || offsets.as_chunks::<GROUP>().0.iter().zip(classifier.weights.as_chunks::<GROUP>().0);
        for y in (0..=self.height - window).step_by(step) {
            for x in (0..=self.width - window).step_by(step) {
                let features = &self.features[y * self.width + x..];
                let mut score = 0.0;
                let passes = groups().zip(&classifier.thresholds).all(|((offsets, weights), threshold)| {
                    for (offset, weights) in offsets.iter().zip(weights) {
                        score += weights[usize::from(features[*offset])];
                    }
                    score >= *threshold
                });
                if passes && self.contrast(x, y) > CONTRAST {
                    found(x, y, score);
                }
            }
        }
    }

    /// The standard deviation of brightness in a window.
    fn contrast(&self, x: usize, y: usize) -> f64 {
        let window = WINDOW as usize;
        let (mut sum, mut squares) = (0u32, 0u32);
        for line in self.pixels[y * self.width + x..].chunks(self.width).take(window) {
            for pixel in &line[..window] {
                sum += u32::from(*pixel);
                squares += u32::from(*pixel) * u32::from(*pixel);
            }
        }
        let area = f64::from(WINDOW * WINDOW);
        let mean = f64::from(sum) / area;
        (f64::from(squares) / area - mean * mean).sqrt()
    }
}

/// The sum of each square in three rows of pixels, from its left column on.
fn square_sums(rows: &[u8], width: usize, sums: &mut Vec<u16>) {
    let (first, rest) = rows.split_at(width);
    let (second, third) = rest.split_at(width);
    sums.clear();
    sums.extend(first.iter().zip(second).zip(third).map(|((a, b), c)| u16::from(*a) + u16::from(*b) + u16::from(*c)));
    let columns = width - SQUARE + 1;
    for x in 0..columns {
        sums[x] += sums[x + 1] + sums[x + 2];
    }
    sums.truncate(columns);
}

/// The features of a row, from the sums of its three rows of squares.
fn compare(sums: [&[u16]; 3], features: &mut [u8]) {
    let count = features.len();
    let middle = &sums[1][SQUARE..][..count];
    features.fill(0);
    for (bit, (right, down)) in AROUND.into_iter().enumerate() {
        let around = &sums[down][right * SQUARE..][..count];
        let value = 0x80u8 >> bit;
        for ((feature, middle), around) in features.iter_mut().zip(middle).zip(around) {
            *feature |= if middle >= around { value } else { 0 };
        }
    }
}
