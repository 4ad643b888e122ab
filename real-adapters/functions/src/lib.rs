//! Small functions that show what a platform does with requests.
