//! OData `$batch` as multipart/mixed: writing a request, reading an answer strictly. Pure; what an answer means is `error`'s.
//!
//! Two kinds are spoken: one change set (all or nothing), or a row of reads. IFS refuses reads inside a change set.

use bytes::Bytes;
use uuid::Uuid;

use super::multipart::{HEADERS_MAX, head_of, owned, split};
use super::wire::PartRequest;
use crate::planted;

/// What both sides of a part are sent as: JSON whose decimals are texts, so that no figure goes through a float.
pub const JSON_TYPE: &str = "application/json;IEEE754Compatible=true";
/// What we want back.
pub const ACCEPT: &str = "application/json;odata.metadata=minimal;IEEE754Compatible=true";

/// An encoded request.
pub struct Encoded {
    /// The outer Content-Type, with its boundary.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
    /// The Content-ID of each part, in order; empty for reads.
    pub content_ids: Vec<u32>,
}

/// One answered part.
#[derive(Clone, PartialEq, Eq)]
pub struct PartAnswer {
    /// HTTP status.
    pub status: u16,
    /// `ETag` header.
    pub etag: Option<String>,
    /// `Retry-After` header, as it came.
    pub retry_after: Option<String>,
    /// The body, perhaps empty.
    pub body: Bytes,
}

/// How a change set went.
#[derive(Debug, PartialEq, Eq)]
pub enum ChangeSetAnswer {
    /// All parts, in the order of the request.
    Done(Vec<PartAnswer>),
    /// None of it: the one answer that stands for all.
    Refused(PartAnswer),
}

/// A batch that cannot be written, or an answer that cannot be read as the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A URL or an ETag of the request holds a space or a control character, or is empty.
    #[error("a part's url or etag cannot stand in a header")]
    Unsendable,
    /// A part of the request names a Content-ID twice.
    #[error("a content id stands twice in the request")]
    RepeatedContentId,
    /// The answer is no multipart/mixed with a boundary.
    #[error("the answer is not multipart/mixed")]
    NotMultipart,
    /// The answer ends early.
    #[error("the answer is cut off")]
    Truncated,
    /// A part is no HTTP answer.
    #[error("a part of the answer is not an http answer")]
    BadPart,
    /// More or fewer parts than asked for.
    #[error("the answer has another number of parts than the request")]
    WrongCount,
    /// A part that answers nothing we asked, or a change set that is neither done nor refused as a whole.
    #[error("the answer's parts do not fit the request")]
    Misfit,
}

/// Writes one change set. Parts without a Content-ID get one that no other part has: IFS wants one on each.
///
/// # Errors
/// [`BatchError::Unsendable`], [`BatchError::RepeatedContentId`].
pub fn encode_change_set(parts: &[PartRequest], wait_secs: Option<u64>) -> Result<Encoded, BatchError> {
    let content_ids = content_ids(parts)?;
    let (outer, inner) = (boundary("batch"), boundary("changeset"));
    let mut text = format!("--{outer}\r\nContent-Type: multipart/mixed; boundary={inner}\r\n\r\n");
    for (part, content_id) in parts.iter().zip(&content_ids) {
        text.push_str(&format!("--{inner}\r\n"));
        write_part(&mut text, part, Some(*content_id), wait_secs)?;
    }
    text.push_str(&format!("--{inner}--\r\n\r\n--{outer}--\r\n"));
    Ok(Encoded { content_type: format!("multipart/mixed; boundary={outer}"), body: text.into(), content_ids })
}

/// Writes a row of reads.
///
/// # Errors
/// [`BatchError::Unsendable`].
pub fn encode_reads(parts: &[PartRequest], wait_secs: Option<u64>) -> Result<Encoded, BatchError> {
    let outer = boundary("batch");
    let mut text = String::new();
    for part in parts {
        text.push_str(&format!("--{outer}\r\n"));
        write_part(&mut text, part, None, wait_secs)?;
    }
    text.push_str(&format!("--{outer}--\r\n"));
    Ok(Encoded {
        content_type: format!("multipart/mixed; boundary={outer}"),
        body: text.into(),
        content_ids: Vec::new(),
    })
}

/// Reads the answer to a change set whose parts had these Content-IDs.
///
/// # Errors
/// Everything that is not the whole answer to exactly that change set.
pub fn decode_change_set(content_type: &str, body: &Bytes, content_ids: &[u32]) -> Result<ChangeSetAnswer, BatchError> {
    let sections = split(body, content_type)?;
    let [section] = sections.as_slice() else {
        return Err(BatchError::WrongCount);
    };
    let (head, content) = head_of(section)?;
    if !head.is("content-type", "multipart/mixed") {
        let (part, _) = read_part(section)?;
        return if part.failed() { Ok(ChangeSetAnswer::Refused(part)) } else { Err(BatchError::Misfit) };
    }
    let inner = head.get("content-type").ok_or(BatchError::NotMultipart)?;
    let parts: Vec<_> = split(&content, inner)?.iter().map(read_part).collect::<Result<_, _>>()?;
    match parts.as_slice() {
        [(part, _)] if part.failed() => Ok(ChangeSetAnswer::Refused(part.clone())),
        parts if parts.iter().any(|(part, _)| part.failed()) => Err(BatchError::Misfit),
        parts if parts.len() != content_ids.len() => Err(BatchError::WrongCount),
        _ => in_request_order(&parts, content_ids).map(ChangeSetAnswer::Done),
    }
}

/// Reads the answer to `asked` reads. Fewer answers come back only when the last of them is a failure at which IFS stopped.
///
/// # Errors
/// Everything that is not such an answer.
pub fn decode_reads(content_type: &str, body: &Bytes, asked: usize) -> Result<Vec<PartAnswer>, BatchError> {
    let parts: Vec<PartAnswer> = split(body, content_type)?
        .iter()
        .map(|section| read_part(section).map(|(part, _)| part))
        .collect::<Result<_, _>>()?;
    let stopped = parts.last().is_some_and(PartAnswer::failed);
    if parts.len() == asked || (parts.len() < asked && stopped) { Ok(parts) } else { Err(BatchError::WrongCount) }
}

impl PartAnswer {
    fn failed(&self) -> bool {
        self.status >= 400
    }
}

impl std::fmt::Debug for PartAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartAnswer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn content_ids(parts: &[PartRequest]) -> Result<Vec<u32>, BatchError> {
    let chosen: Vec<u32> = parts.iter().filter_map(|part| part.content_id).collect();
    let mut sorted = chosen.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != chosen.len() {
        return Err(BatchError::RepeatedContentId);
    }
    let mut free = (1..).filter(|id| sorted.binary_search(id).is_err());
    let own_or_free = |part: &PartRequest| part.content_id.or_else(|| free.next());
    parts.iter().map(own_or_free).collect::<Option<_>>().ok_or(BatchError::RepeatedContentId)
}

fn boundary(kind: &str) -> String {
    // Random, so that no text of an order can hold it.
    format!("{kind}_{}", Uuid::new_v4())
}

fn write_part(
    text: &mut String,
    part: &PartRequest,
    content_id: Option<u32>,
    wait_secs: Option<u64>,
) -> Result<(), BatchError> {
    let sendable = |value: &str| !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic());
    if !sendable(&part.url) || !part.if_match.as_deref().is_none_or(sendable) {
        return Err(BatchError::Unsendable);
    }
    text.push_str("Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n");
    if let Some(content_id) = content_id {
        text.push_str(&format!("Content-ID: {content_id}\r\n"));
    }
    text.push_str(&format!("\r\n{} {} HTTP/1.1\r\nAccept: {ACCEPT}\r\n", part.method.as_str(), part.url));
    if let Some(secs) = wait_secs {
        text.push_str(&format!("Prefer: wait={secs}\r\n"));
    }
    if let Some(etag) = &part.if_match {
        let etag = if planted::is(planted::IF_MATCH_ANY) { "*" } else { etag.as_str() };
        text.push_str(&format!("If-Match: {etag}\r\n"));
    }
    let body = part.body.as_ref().map(ToString::to_string).unwrap_or_default();
    if part.body.is_some() {
        text.push_str(&format!("Content-Type: {JSON_TYPE}\r\nContent-Length: {}\r\n", body.len()));
    }
    text.push_str(&format!("\r\n{body}\r\n"));
    Ok(())
}

/// Reads an `application/http` section; gives the Content-ID too, which stands on the section or inside it.
fn read_part(section: &Bytes) -> Result<(PartAnswer, Option<u32>), BatchError> {
    let (outer, http) = head_of(section)?;
    if !outer.is("content-type", "application/http") {
        return Err(BatchError::BadPart);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let end = match response.parse(&http) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Err(BatchError::Truncated),
        Err(_not_http) => return Err(BatchError::BadPart),
    };
    let status = response.code.ok_or(BatchError::BadPart)?;
    let head = owned(response.headers)?;
    let body = match head.get("content-length") {
        None => http.slice(end..),
        Some(announced) => {
            let announced: usize = announced.parse().map_err(|_not_a_length| BatchError::BadPart)?;
            if http.len() - end < announced {
                return Err(BatchError::Truncated);
            }
            http.slice(end..end + announced)
        }
    };
    let content_id = outer.get("content-id").or_else(|| head.get("content-id"));
    let content_id = content_id.map(|id| id.parse().map_err(|_not_ours| BatchError::Misfit)).transpose()?;
    let part = PartAnswer {
        status,
        etag: head.get("etag").map(str::to_owned),
        retry_after: head.get("retry-after").map(str::to_owned),
        body,
    };
    Ok((part, content_id))
}

/// Sorts by Content-ID where the answer names them (IFS may or may not echo them), else trusts the order.
fn in_request_order(answered: &[(PartAnswer, Option<u32>)], asked: &[u32]) -> Result<Vec<PartAnswer>, BatchError> {
    if answered.iter().all(|(_, id)| id.is_none()) {
        return Ok(answered.iter().map(|(part, _)| part.clone()).collect());
    }
    let answer_to = |asked: &u32| {
        let mut found = answered.iter().filter(|(_, id)| id.as_ref() == Some(asked));
        match (found.next(), found.next()) {
            (Some((part, _)), None) => Ok(part.clone()),
            _ => Err(BatchError::Misfit),
        }
    };
    asked.iter().map(answer_to).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TYPE: &str = "multipart/mixed; boundary=b";

    fn part(status: &str, content_id: &str, body: &str) -> String {
        format!(
            "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n{content_id}\r\n\
             HTTP/1.1 {status}\r\nETag: W/\"x\"\r\nContent-Length: {}\r\n\r\n{body}\r\n",
            body.len()
        )
    }

    fn change_set(parts: &[String]) -> String {
        let parts: String = parts.iter().map(|part| format!("--c\r\n{part}")).collect();
        format!("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{parts}--c--\r\n--b--\r\n")
    }

    fn decode(body: &str, ids: &[u32]) -> Result<ChangeSetAnswer, BatchError> {
        decode_change_set(TYPE, &Bytes::from(body.to_owned()), ids)
    }

    fn bodies(answer: Result<ChangeSetAnswer, BatchError>) -> Vec<String> {
        match answer.expect("a whole answer") {
            ChangeSetAnswer::Done(parts) => {
                parts.iter().map(|part| String::from_utf8_lossy(&part.body).into_owned()).collect()
            }
            ChangeSetAnswer::Refused(part) => panic!("refused with {}", part.status),
        }
    }

    #[test]
    fn a_change_set_is_written_as_odata_wants_it() {
        let parts = [
            PartRequest::post("CustomerOrderSet", json!({"Name": "Grüße"})).with_content_id(1),
            PartRequest::patch("$1", "$1", json!({"AddrFlagDb": "Y"})),
        ];
        let encoded = encode_change_set(&parts, Some(60)).expect("sendable");
        let (outer, text) = (encoded.content_type.split_once("boundary=").expect("a boundary").1, &encoded.body);
        let text = std::str::from_utf8(text).expect("text");
        let inner = text.split_once("boundary=").expect("inner").1.split_once("\r\n").expect("a line").0;
        let expected = "--OUTER\r\nContent-Type: multipart/mixed; boundary=INNER\r\n\r\n\
            --INNER\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 1\r\n\r\n\
            POST CustomerOrderSet HTTP/1.1\r\nAccept: application/json;odata.metadata=minimal;IEEE754Compatible=true\r\n\
            Prefer: wait=60\r\nContent-Type: application/json;IEEE754Compatible=true\r\nContent-Length: 18\r\n\r\n\
            {\"Name\":\"Grüße\"}\r\n\
            --INNER\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 2\r\n\r\n\
            PATCH $1 HTTP/1.1\r\nAccept: application/json;odata.metadata=minimal;IEEE754Compatible=true\r\n\
            Prefer: wait=60\r\nIf-Match: $1\r\nContent-Type: application/json;IEEE754Compatible=true\r\n\
            Content-Length: 18\r\n\r\n{\"AddrFlagDb\":\"Y\"}\r\n--INNER--\r\n\r\n--OUTER--\r\n";
        assert_eq!(text.replace(inner, "INNER").replace(outer, "OUTER"), expected);
        assert_eq!(encoded.content_ids, [1, 2]);
    }

    #[test]
    fn what_would_break_the_framing_is_not_sent() {
        for url in ["", "A B", "A\r\nX: y", "Å"] {
            let parts = [PartRequest::get(url)];
            assert_eq!(encode_reads(&parts, None).err(), Some(BatchError::Unsendable), "{url:?}");
        }
        let twice = [1, 1].map(|id| PartRequest::post("A", json!({})).with_content_id(id));
        assert_eq!(encode_change_set(&twice, None).err(), Some(BatchError::RepeatedContentId));
    }

    #[test]
    fn answers_come_in_request_order_with_and_without_content_ids() {
        let plain = change_set(&[part("201 Created", "", "{\"a\":\r\n1}"), part("204 No Content", "", "")]);
        assert_eq!(bodies(decode(&plain, &[1, 2])), ["{\"a\":\r\n1}", ""]);
        let id = |n| format!("Content-ID: {n}\r\n");
        let turned = change_set(&[part("201 Created", &id(2), "two"), part("201 Created", &id(1), "one")]);
        assert_eq!(bodies(decode(&turned, &[1, 2])), ["one", "two"]);
        let strange = change_set(&[part("201 Created", &id(1), "one"), part("201 Created", &id(7), "two")]);
        assert_eq!(decode(&strange, &[1, 2]), Err(BatchError::Misfit));
    }

    #[test]
    fn a_refused_change_set_is_one_part() {
        let refused = format!("--b\r\n{}--b--\r\n", part("500 Internal Server Error", "", "{\"error\":{}}"));
        let Ok(ChangeSetAnswer::Refused(part)) = decode(&refused, &[1, 2, 3]) else {
            panic!("not refused");
        };
        assert_eq!((part.status, &part.body[..], part.etag.as_deref()), (500, &b"{\"error\":{}}"[..], Some("W/\"x\"")));
    }

    #[test]
    fn everything_less_than_a_whole_fitting_answer_is_an_error() {
        let made = || part("201 Created", "", "{}");
        let whole = change_set(&[made(), made()]);
        for cut in 0..whole.len() - 2 {
            let answer = decode(&whole[..cut], &[1, 2]);
            assert!(answer.is_err(), "cut at {cut}: {answer:?}");
        }
        for (body, expected) in [
            (change_set(&[made()]), BatchError::WrongCount),
            (change_set(&[made(), made(), made()]), BatchError::WrongCount),
            (change_set(&[made(), part("400 Bad Request", "", "{}")]), BatchError::Misfit),
            (format!("--b\r\n{}--b--\r\n", made()), BatchError::Misfit),
            (whole.replace("--b", "--x"), BatchError::NotMultipart),
            (whole.replace("Content-Length: 2", "Content-Length: 3"), BatchError::Truncated),
            (whole.replace("HTTP/1.1 201", "HTML/1.1 201"), BatchError::BadPart),
            (format!("{whole}--b\r\n").replacen("--b\r\n", "--b--\r\n", 1), BatchError::WrongCount),
            ("<html>".to_owned(), BatchError::NotMultipart),
        ] {
            assert_eq!(decode(&body, &[1, 2]), Err(expected), "{body}");
        }
        let whole = Bytes::from(whole);
        for content_type in
            ["application/json", "multipart/mixed", "multipart/mixed; boundary=", "text/html; boundary=b"]
        {
            assert_eq!(decode_change_set(content_type, &whole, &[1, 2]), Err(BatchError::NotMultipart));
        }
        let quoted = decode_change_set("Multipart/Mixed; charset=x; Boundary=\"b\"", &whole, &[1, 2]);
        assert!(matches!(quoted, Ok(ChangeSetAnswer::Done(_))));
    }

    #[test]
    fn reads_are_answered_each_or_up_to_the_first_failure() {
        let read = |parts: &[String], asked| {
            let parts: String = parts.iter().map(|part| format!("--b\r\n{part}")).collect();
            decode_reads(TYPE, &Bytes::from(format!("{parts}--b--\r\n")), asked).map(|parts| parts.len())
        };
        let (good, bad) = (part("200 OK", "", "{}"), part("404 Not Found", "", "{}"));
        assert_eq!(read(&[good.clone(), bad.clone(), good.clone()], 3), Ok(3));
        assert_eq!(read(&[good.clone(), bad], 3), Ok(2));
        assert_eq!(read(std::slice::from_ref(&good), 2), Err(BatchError::WrongCount));
        assert_eq!(read(&[good.clone(), good.clone(), good], 2), Err(BatchError::WrongCount));
    }
}
