//! The program as a user meets it: a real process, real sockets. What needs the face-api models says so and does
//! nothing where they are not installed (`faas-lab-face fetch-models`, or FACE_MODELS).

mod detection;
mod recognition;
mod safety;
mod server;
