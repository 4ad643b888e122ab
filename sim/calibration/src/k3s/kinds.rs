//! What a function does with the processor, from its published code alone (benchmarks/*/handler.py of the same source,
//! after FunctionBench). It decides which law is applied; nothing in it is fitted.

/// How calls at work in one Python process get in each other's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytecode all the way: one thread at a time, and handing the interpreter over costs time.
    Interpreted,
    /// A library that uses all cores for one call already.
    Parallel,
    /// Native code that lets the interpreter go.
    Native,
    /// Waits for network, disk or another process for an unknown part of its time.
    Waiting,
}

/// The kind of a function by its name, and why. One that is not known here is taken for interpreted.
pub(super) fn of(function: &str) -> (Kind, &'static str) {
    match function {
        "float-operation" => (Kind::Interpreted, "a loop over math.sin, cos and sqrt"),
        "pyaes" => (Kind::Interpreted, "AES in pure Python"),
        "chameleon" => (Kind::Interpreted, "a template compiled to Python"),
        "matmul" | "linpack" => (Kind::Parallel, "numpy hands it to a BLAS that uses all cores for one call"),
        "image-processing" => (Kind::Native, "Pillow works outside the interpreter's lock"),
        "video-processing" => (Kind::Native, "OpenCV works outside the interpreter's lock, on several threads"),
        "model-training" => (Kind::Waiting, "a download, then pandas and scikit-learn, some of it native"),
        "gzip-compression" => (Kind::Waiting, "a file of random bytes on disk, then zlib, which lets the lock go"),
        "json-dumps-loads" => (Kind::Waiting, "a download, then a C parser that keeps the lock, then Python"),
        "s3-download-speed" => (Kind::Waiting, "a download"),
        "dd" => (Kind::Waiting, "another process"),
        "random-disk-io" | "sequential-disk-io" => {
            (Kind::Waiting, "a loop of system calls, each of which lets the lock go")
        }
        "iperf3" => (Kind::Waiting, "another process and the network"),
        _ => (Kind::Interpreted, "not known; taken for Python bytecode"),
    }
}

impl Kind {
    /// Its contention, given that of interpreted code.
    pub(super) fn contention(self, interpreted: f64) -> f64 {
        match self {
            Kind::Interpreted | Kind::Waiting => interpreted,
            Kind::Parallel => 1.0,
            Kind::Native => 0.0,
        }
    }

    /// What is said of a function that is not single-threaded bytecode.
    pub(super) fn told(self) -> &'static str {
        match self {
            Kind::Interpreted => "interpreted",
            Kind::Parallel => "not single-threaded: contention 1, as all cores are one server",
            Kind::Native => "not bound to one thread: contention 0",
            Kind::Waiting => "waits for a part of its time, so that an upper bound is told: as if it were all bytecode",
        }
    }
}
