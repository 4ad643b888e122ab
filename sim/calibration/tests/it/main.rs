//! Calibration from end to end: laws that are known, played into a log, learnt again; and, where it is, measured data.

mod aws_lambda;
mod known_platform;
