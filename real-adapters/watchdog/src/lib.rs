//! An OpenFaaS-compatible watchdog: turns HTTP calls into runs of a program, or hands them to a program that speaks HTTP.
