//! What a request gets that cannot be served: a status and the reason in a sentence.

use std::fmt;

use http::StatusCode;

use crate::{fetch::FetchError, nets::ModelError, people::PeopleError, picture::PictureError, room::NoRoom};

/// A status and a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// One sentence for whoever sent the request.
    pub reason: String,
}

impl Refusal {
    /// With any status.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }

    /// 400.
    pub fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refusal {}

impl From<PictureError> for Refusal {
    fn from(error: PictureError) -> Self {
        let status = match error {
            PictureError::Empty | PictureError::Truncated | PictureError::Broken(_) => StatusCode::BAD_REQUEST,
            PictureError::UnknownType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            PictureError::TooManyPixels { .. } | PictureError::TooManyBytes { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<FetchError> for Refusal {
    fn from(error: FetchError) -> Self {
        let status = match error {
            FetchError::BadUrl { .. } => StatusCode::BAD_REQUEST,
            FetchError::NotPublic(_) => StatusCode::FORBIDDEN,
            FetchError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            FetchError::NoRoom(_) => StatusCode::SERVICE_UNAVAILABLE,
            // The picture is the caller's to name: that it cannot be had is not this server's failure.
            FetchError::TooManyRedirects { .. }
            | FetchError::Status { .. }
            | FetchError::TimedOut { .. }
            | FetchError::Unreachable { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.to_string())
    }
}

impl From<PeopleError> for Refusal {
    fn from(error: PeopleError) -> Self {
        let status = match error {
            PeopleError::BadName(_) => StatusCode::BAD_REQUEST,
            PeopleError::Unknown(_) => StatusCode::NOT_FOUND,
            PeopleError::Full => StatusCode::INSUFFICIENT_STORAGE,
            PeopleError::Folder { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<NoRoom> for Refusal {
    fn from(error: NoRoom) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<ModelError> for Refusal {
    fn from(error: ModelError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}
