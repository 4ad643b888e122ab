//! SeetaFace: a cascade of boosted comparisons of brightness over an image pyramid, then of small networks over gradients
//! that also move and scale the windows (S. Wu et al., "Funnel-structured cascade for multi-view face detection with
//! alignment awareness", Neurocomputing 221, 2017).
//!
//! The model is the one that the `rustface` crate ships; results are those of that crate's engine, which a test compares.
//! Running the model here instead of there takes less time and a fraction of the memory, honours a smallest face other than 40
//! pixels, which that engine ignores, and has no unchecked memory access for a stranger's picture to reach.

mod gradients;
mod model;
mod pyramid;
mod texture;

use std::sync::LazyLock;

use image::{GrayImage, RgbImage, imageops};

use super::{DetectOptions, Face};
use crate::geometry::Area;
use gradients::Patch;
use model::Cascade;

static MODEL_FILE: &[u8] = include_bytes!(env!("SEETA_MODEL"));

static CASCADE: LazyLock<Cascade> =
    LazyLock::new(|| Cascade::parse(MODEL_FILE).expect("the model inside this program is whole"));

/// The side of the window that the cascade was trained on.
const WINDOW: u32 = 40;

/// Pixels from one window to the next, on each level of the pyramid.
const STEP: usize = 4;

/// Windows that share more than this are merged between stages, and at the end.
const MERGE: f32 = 0.8;
const MERGE_LAST: f32 = 0.3;

/// Windows that networks look at between two looks at the clock.
const IN_ONE_GO: usize = 1000;

/// The SeetaFace detector. Costs nothing to make: the model is read on first use and then kept.
#[derive(Debug, Default, Clone, Copy)]
pub struct Seeta;

/// A square that may hold a face, in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    x: i32,
    y: i32,
    side: u32,
    score: f64,
}

impl Seeta {
    /// Reads the model, so that the first picture does not have to wait for it.
    pub fn warm_up() {
        LazyLock::force(&CASCADE);
    }

    /// How many pixels the largest level of the pyramid has, where faces of `min_size` are looked for.
    pub(crate) fn pixels(picture: &RgbImage, min_size: u32) -> f64 {
        let scale = f64::from(WINDOW) / f64::from(min_size);
        f64::from(picture.width()) * scale * f64::from(picture.height()) * scale
    }

    /// Finds faces, best first.
    pub fn detect(self, picture: &RgbImage, options: &DetectOptions) -> Vec<Face> {
        self.detect_while(picture, options, || true).expect("there is time")
    }

    /// Finds faces as long as there is time, best first; `None` when there is none left.
    pub(crate) fn detect_while(
        self,
        picture: &RgbImage,
        options: &DetectOptions,
        is_time: impl Fn() -> bool,
    ) -> Option<Vec<Face>> {
        let gray = imageops::grayscale(picture);
        let largest = WINDOW as f32 / options.min_size as f32;
        let threshold = options.threshold();
        let windows = find(&CASCADE, &gray, largest, options.pyramid_scale as f32, is_time)?;
        let mut faces: Vec<Face> = windows
            .into_iter()
            .filter(|window| window.score >= threshold)
            .map(|window| {
                let side = f64::from(window.side);
                let area = Area { x: f64::from(window.x), y: f64::from(window.y), width: side, height: side };
                Face { area, score: window.score }
            })
            .collect();
        faces.sort_by(|left, right| right.score.total_cmp(&left.score));
        Some(faces)
    }
}

/// The windows that pass the whole cascade. The pyramid begins with the picture scaled by `largest` and goes down by
/// `step` until the window is as high or as wide as the picture. `None` if it is no longer time for that.
fn find(
    cascade: &Cascade,
    gray: &GrayImage,
    largest: f32,
    step: f32,
    is_time: impl Fn() -> bool,
) -> Option<Vec<Window>> {
    let shorter = gray.width().min(gray.height());
    if shorter < 2 {
        return Some(Vec::new());
    }
    let smallest = WINDOW as f32 / shorter as f32;
    let mut proposals = vec![Vec::new(); cascade.texture.len()];
    let mut level = texture::Level::default();
    let mut scale = largest;
    while scale >= smallest {
        let (width, height) = ((gray.width() as f32 * scale) as u32, (gray.height() as f32 * scale) as u32);
        if width < WINDOW || height < WINDOW {
            break;
        }
        level.look_at(gray, width as usize, height as usize);
        for (classifier, found) in cascade.texture.iter().zip(&mut proposals) {
            if !is_time() {
                return None;
            }
            level.scan(classifier, STEP, |x, y, score| {
                let back = |place: usize| (place as f32 / scale + 0.5) as i32;
                let side = (WINDOW as f32 / scale + 0.5) as u32;
                found.push(Window { x: back(x), y: back(y), side, score: f64::from(score) });
            });
        }
        scale *= step;
    }
    for found in &mut proposals {
        merge(found, MERGE);
    }

    let mut patch = Patch::default();
    for (depth, row) in cascade.gradients.iter().enumerate() {
        let last_row = depth + 1 == cascade.gradients.len();
        let mut next = Vec::with_capacity(row.len());
        for branch in row {
            let mut windows: Vec<Window> = branch
                .sources
                .iter()
                .flat_map(|source| proposals.get(*source).into_iter().flatten().copied())
                .collect();
            for (stage, network) in branch.networks.iter().enumerate() {
                let mut refined = Vec::new();
                for some in windows.chunks(IN_ONE_GO) {
                    if !is_time() {
                        return None;
                    }
                    refined.extend(some.iter().filter_map(|window| refine(&mut patch, gray, network, *window)));
                }
                windows = refined;
                if stage + 1 < branch.networks.len() {
                    merge(&mut windows, MERGE);
                } else if last_row {
                    merge(&mut windows, MERGE_LAST);
                }
            }
            next.push(windows);
        }
        for (place, windows) in proposals.iter_mut().zip(next) {
            *place = windows;
        }
    }
    Some(proposals.into_iter().next().unwrap_or_default())
}

/// A window as a network sees it: moved and scaled to fit the face better, or `None` if there is none.
fn refine(patch: &mut Patch, gray: &GrayImage, network: &gradients::Network, window: Window) -> Option<Window> {
    let right = i64::from(window.x) + i64::from(window.side);
    let bottom = i64::from(window.y) + i64::from(window.side);
    if right <= 0 || bottom <= 0 || window.side < 2 {
        return None;
    }
    patch.look_at(gray, window.x, window.y, window.side);
    let [score, shift_x, shift_y, growth] = network.run(patch)?;
    // The engine that the model was trained for forgets here how far a window reached beyond the left and upper edges.
    let (x, y, side) = (window.x.max(0) as f32, window.y.max(0) as f32, window.side as f32);
    let grown = ((growth * 2.0 - 1.0) * side + side + 0.5).floor();
    let moved =
        |start: f32, shift: f32| ((shift * 2.0 - 1.0) * side + start + (side - grown) * 0.5 + 0.5).floor() as i32;
    Some(Window { x: moved(x, shift_x), y: moved(y, shift_y), side: grown as u32, score: f64::from(score) })
}

/// Keeps the best of windows that share more than `most`, a quarter at least, with the scores of all of them.
fn merge(windows: &mut Vec<Window>, most: f32) {
    windows.sort_by(|left, right| right.score.total_cmp(&left.score));
    // A crowd has tens of thousands of windows: each is compared only with those that lie near enough.
    let places = Places::of(windows);
    let mut kept: Vec<Window> = Vec::new();
    let mut merged = vec![false; windows.len()];
    let mut near: Vec<usize> = Vec::new();
    for i in 0..windows.len() {
        if merged[i] {
            continue;
        }
        let (mut best, window) = (windows[i], &windows[i]);
        near.clear();
        let shares = |j: &usize| *j > i && !merged[*j] && overlap(window, &windows[*j]) > most;
        near.extend(places.near(window).filter(shares));
        // In the order of their scores, in which the engine adds them up.
        near.sort();
        for j in near.drain(..) {
            merged[j] = true;
            best.score += windows[j].score;
        }
        kept.push(best);
    }
    *windows = kept;
}

/// Where windows lie: sorted by size (which power of two their side has reached), row (as high as that), and left edge.
struct Places(Vec<(u32, i64, i64, usize)>);

impl Places {
    fn of(windows: &[Window]) -> Self {
        let place = |(i, window): (usize, &Window)| {
            let size = window.side.max(1).ilog2();
            (size, i64::from(window.y) >> size, i64::from(window.x), i)
        };
        let mut places: Vec<_> = windows.iter().enumerate().map(place).collect();
        places.sort();
        Self(places)
    }

    /// All windows that may share a quarter with this one, and some others: those are half as large to twice as large.
    fn near(&self, window: &Window) -> impl Iterator<Item = usize> {
        let (x, y, side) = (i64::from(window.x), i64::from(window.y), i64::from(window.side));
        let size = window.side.max(1).ilog2();
        (size.saturating_sub(1)..=size + 1).flat_map(move |size| {
            // No side of this size is as long.
            let longest = 2i64 << size;
            ((y - longest) >> size..=(y + side) >> size).flat_map(move |row| {
                let before = |x: i64| self.0.partition_point(|place| (place.0, place.1, place.2) < (size, row, x));
                self.0[before(x - longest)..before(x + side)].iter().map(|place| place.3)
            })
        })
    }
}

/// Intersection over union, in the arithmetic that the thresholds were chosen with.
fn overlap(left: &Window, right: &Window) -> f32 {
    let shared = |a: i32, b: i32| {
        let end = (i64::from(a) + i64::from(left.side)).min(i64::from(b) + i64::from(right.side));
        (end - i64::from(a.max(b))).max(0)
    };
    let both = shared(left.x, right.x) * shared(left.y, right.y);
    let area = |window: &Window| (u64::from(window.side) * u64::from(window.side)) as f32;
    if both == 0 { 0.0 } else { both as f32 / (area(left) + area(right) - both as f32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture that the `rustface` crate ships, found by its engine and by this one.
    #[test]
    fn the_same_windows_as_the_engine_of_the_crate_that_ships_the_model() {
        let folder = std::path::Path::new(env!("SEETA_MODEL")).parent().and_then(std::path::Path::parent);
        let photo = image::open(folder.expect("the model lies in a folder of the crate").join("test.png"));
        let photo = photo.expect("the crate ships a picture").into_luma8();
        let small = imageops::resize(&photo, 640, 436, imageops::FilterType::Triangle);
        let narrow = imageops::crop_imm(&photo, 300, 200, 333, 571).to_image();
        for (gray, step) in [(&photo, 0.8), (&small, 0.8), (&narrow, 0.7)] {
            let model = rustface::read_model(MODEL_FILE).expect("a whole model");
            let mut engine = rustface::create_detector_with_model(model);
            engine.set_score_thresh(1e-9);
            engine.set_pyramid_scale_factor(step);
            let theirs = engine.detect(&rustface::ImageData::new(gray.as_raw(), gray.width(), gray.height()));
            let theirs: Vec<Window> = theirs
                .iter()
                .map(|face| {
                    let bbox = face.bbox();
                    Window { x: bbox.x(), y: bbox.y(), side: bbox.width(), score: face.score() }
                })
                .collect();
            assert!(!theirs.is_empty());
            assert_eq!(
                find(&CASCADE, gray, 1.0, step, || true).expect("there is time"),
                theirs,
                "{:?}",
                gray.dimensions()
            );
        }
    }

    /// Against comparing each with each.
    #[test]
    fn merging_looks_far_enough() {
        let mut noise = 1u32;
        let mut below = |limit: u32| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise / 65_536 % limit
        };
        for most in [MERGE, MERGE_LAST] {
            let windows: Vec<Window> = (0..2000)
                .map(|_| {
                    let (side, score) = (20 + below(200), f64::from(below(500)) / 7.0);
                    Window { x: below(600) as i32 - 100, y: below(600) as i32 - 100, side, score }
                })
                .collect();
            let mut rest = windows.clone();
            rest.sort_by(|left, right| right.score.total_cmp(&left.score));
            let mut expected = Vec::new();
            while !rest.is_empty() {
                let first = rest.remove(0);
                let (same, others): (Vec<Window>, Vec<Window>) =
                    rest.into_iter().partition(|other| overlap(&first, other) > most);
                let score = same.iter().fold(first.score, |sum, window| sum + window.score);
                expected.push(Window { score, ..first });
                rest = others;
            }
            let mut merged = windows;
            merge(&mut merged, most);
            assert!(expected.len() < 2000);
            assert_eq!(merged, expected, "{most}");
        }
    }

    #[test]
    fn no_size_of_picture_is_too_strange() {
        for (width, height) in [(1, 1), (2, 2), (39, 400), (40, 40), (41, 3000), (3000, 41)] {
            let gray = GrayImage::from_fn(width, height, |x, y| image::Luma([((x * 37) ^ (y * 91)) as u8]));
            for largest in [0.1, 1.0, 2.0] {
                find(&CASCADE, &gray, largest, 0.8, || true).expect("there is time");
            }
        }
    }
}
