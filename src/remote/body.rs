//! Reading an answer's body with a bound, and telling a cut one from a whole one.

use bytes::{Bytes, BytesMut};
use reqwest::Response;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Longer than we are willing to hold.
    #[error("the answer is longer than {bytes_max} bytes")]
    TooLong {
        /// The bound.
        bytes_max: usize,
    },
    /// The time for the call was over before the body was.
    #[error("the answer did not end in time")]
    TimedOut(#[source] reqwest::Error),
    /// It ended before it was whole: a reset, or fewer bytes than announced.
    #[error("the answer was cut off")]
    Truncated(#[source] reqwest::Error),
}

/// Reads the whole body, at most `bytes_max` bytes of it; an announced length above that is refused before reading.
///
/// # Errors
/// The body is too long, cut off, or slower than the client's time-out. What was read is gone then: half an answer is none.
pub async fn read_body(mut response: Response, bytes_max: usize) -> Result<Bytes, BodyError> {
    let too_long = BodyError::TooLong { bytes_max };
    if response.content_length().is_some_and(|announced| announced > bytes_max as u64) {
        return Err(too_long);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(judge)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(too_long);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn judge(error: reqwest::Error) -> BodyError {
    let error = error.without_url();
    if error.is_timeout() { BodyError::TimedOut(error) } else { BodyError::Truncated(error) }
}
