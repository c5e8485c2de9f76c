//! Refusals of the verbs as the protocol numbers them.

use cloakroom_protocol::ErrorCode;

use crate::engine::Refusal;

/// The error that says this.
pub(super) fn code(refusal: Refusal) -> ErrorCode {
    match refusal {
        Refusal::Gone => ErrorCode::Gone,
        Refusal::Exists => ErrorCode::Exists,
        Refusal::Rotated => ErrorCode::Rotated,
        // No request names a user that it expects.
        Refusal::VersionDiffers | Refusal::UserDiffers => ErrorCode::VersionDiffers,
        Refusal::NotAnObject => ErrorCode::NotAnObject,
        // User, IP and token were within their bounds when the frame was decoded.
        Refusal::BadName => ErrorCode::Malformed,
        Refusal::DataTooLarge => ErrorCode::DataTooLarge,
        Refusal::TooManyApps => ErrorCode::TooManyApps,
        Refusal::MemoryFull => ErrorCode::MemoryFull,
        Refusal::LogFailed => ErrorCode::LogFailed,
        Refusal::DiskFull => ErrorCode::DiskFull,
    }
}
