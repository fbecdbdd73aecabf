//! `$batch` as multipart/mixed: reading a request strictly (CRLF, boundaries, headers of each part) and
//! writing a response. Carries nothing out.

use bytes::Bytes;

use super::error::OdataError;
use super::run::{Operation, Projection};

const PARTS_MAX: usize = 1000;
const CRLF: &[u8] = b"\r\n";

/// A top-level part of a batch.
#[derive(Clone, Debug)]
pub(super) enum Section {
    /// A read outside any change set.
    Read(Operation),
    /// A change set, all or nothing.
    Changes(Vec<Change>),
}

/// One write of a change set.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) content_id: String,
    pub(super) operation: Operation,
}

type Headers = Vec<(String, String)>;

/// Reads a batch request.
pub(super) fn parse(projection: Projection, content_type: &str, body: &[u8]) -> Result<Vec<Section>, OdataError> {
    let boundary = boundary(content_type)
        .ok_or_else(|| OdataError::unsupported_media("A batch wants multipart/mixed with a boundary"))?;
    let mut sections = Vec::new();
    let mut ids = Vec::new();
    for part in split(body, &boundary)? {
        let (headers, content) = headers_of(part)?;
        let part_type = header(&headers, "content-type").unwrap_or("");
        if part_type.to_ascii_lowercase().starts_with("multipart/mixed") {
            sections.push(Section::Changes(change_set(projection, part_type, content, &mut ids)?));
        } else {
            let operation = embedded(projection, &headers, content)?;
            if !operation.is_read() {
                return Err(malformed("a write must stand in a change set"));
            }
            sections.push(Section::Read(operation));
        }
    }
    Ok(sections)
}

fn change_set(
    projection: Projection,
    part_type: &str,
    content: &[u8],
    ids: &mut Vec<String>,
) -> Result<Vec<Change>, OdataError> {
    let inner = boundary(part_type).ok_or_else(|| malformed("a change set wants a boundary"))?;
    let mut changes = Vec::new();
    for part in split(content, &inner)? {
        let (headers, content) = headers_of(part)?;
        let content_id = header(&headers, "content-id")
            .ok_or_else(|| malformed("a part of a change set has no Content-ID"))?
            .to_owned();
        if content_id.is_empty() || ids.contains(&content_id) {
            return Err(malformed("a Content-ID is empty or stands twice"));
        }
        let operation = embedded(projection, &headers, content)?;
        if operation.is_read() {
            return Err(malformed("a change set must not hold a GET"));
        }
        ids.push(content_id.clone());
        changes.push(Change { content_id, operation });
    }
    Ok(changes)
}

/// The HTTP request inside an `application/http` part.
fn embedded(projection: Projection, headers: &Headers, content: &[u8]) -> Result<Operation, OdataError> {
    let part_type = header(headers, "content-type").unwrap_or("");
    if !part_type.eq_ignore_ascii_case("application/http") {
        return Err(malformed("a part is neither application/http nor multipart/mixed"));
    }
    if !header(headers, "content-transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("binary")) {
        return Err(malformed("a part has no Content-Transfer-Encoding: binary"));
    }
    let line_end = find(content, CRLF, 0).ok_or_else(|| malformed("a part has no request line"))?;
    let line = std::str::from_utf8(&content[..line_end]).map_err(|_| malformed("a request line is not text"))?;
    let words: Vec<&str> = line.split(' ').collect();
    let [method, url, "HTTP/1.1"] = words.as_slice() else { return Err(malformed("a request line can not be read")) };
    if url.starts_with('/') || url.contains("://") {
        return Err(malformed("a part's URL must be relative to the service root"));
    }
    let (inner, body) = headers_of(&content[line_end + CRLF.len()..])?;
    if let Some(length) = header(&inner, "content-length")
        && length.parse() != Ok(body.len())
    {
        return Err(malformed("a part's Content-Length is wrong"));
    }
    let text = |name: &str| header(&inner, name).unwrap_or("").to_owned();
    Ok(Operation {
        projection,
        method: (*method).to_owned(),
        url: (*url).to_owned(),
        accept: text("accept"),
        content_type: text("content-type"),
        if_match: header(&inner, "if-match").map(str::to_owned),
        referred: false,
        wait_secs: header(&inner, "prefer").and_then(wait_secs),
        body: Bytes::copy_from_slice(body),
    })
}

/// The seconds of `Prefer: wait=<seconds>`.
pub(super) fn wait_secs(prefer: &str) -> Option<u64> {
    prefer
        .split([',', ';'])
        .find_map(|token| token.trim().strip_prefix("wait="))
        .and_then(|secs| secs.trim().parse().ok())
}

/// The boundary of a `multipart/mixed` type.
fn boundary(content_type: &str) -> Option<String> {
    let mut pieces = content_type.split(';');
    if !pieces.next()?.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let value = pieces.find_map(|piece| piece.trim().strip_prefix("boundary="))?;
    let value = value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value);
    let legal = (1..=70).contains(&value.len())
        && !value.ends_with(' ')
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b));
    legal.then(|| value.to_owned())
}

/// The parts between the delimiters. A preamble is not taken; after the close delimiter only one CRLF may stand.
fn split<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<&'a [u8]>, OdataError> {
    let dash = format!("--{boundary}");
    let delimiter = [CRLF, dash.as_bytes()].concat();
    let after_first = body.strip_prefix(dash.as_bytes()).and_then(|rest| rest.strip_prefix(CRLF));
    let mut rest = after_first.ok_or_else(|| malformed("a multipart body must begin with its boundary and CRLF"))?;
    let mut parts = Vec::new();
    loop {
        let (part, after, last) = next_part(rest, &delimiter)?;
        parts.push(part);
        if parts.len() > PARTS_MAX {
            return Err(malformed("too many parts"));
        }
        if last {
            return if after.is_empty() || after == CRLF {
                Ok(parts)
            } else {
                Err(malformed("text follows the close delimiter"))
            };
        }
        rest = after;
    }
}

fn next_part<'a>(rest: &'a [u8], delimiter: &[u8]) -> Result<(&'a [u8], &'a [u8], bool), OdataError> {
    let mut from = 0;
    loop {
        let at = find(rest, delimiter, from).ok_or_else(|| malformed("the close delimiter is missing"))?;
        let after = &rest[at + delimiter.len()..];
        if let Some(after) = after.strip_prefix(CRLF) {
            return Ok((&rest[..at], after, false));
        }
        if let Some(after) = after.strip_prefix(b"--".as_slice()) {
            return Ok((&rest[..at], after, true));
        }
        from = at + 1;
    }
}

/// Header lines up to the blank line, then the rest.
fn headers_of(part: &[u8]) -> Result<(Headers, &[u8]), OdataError> {
    let mut headers = Headers::new();
    let mut rest = part;
    loop {
        let end = find(rest, CRLF, 0).ok_or_else(|| malformed("a blank line after the headers is missing"))?;
        let line = std::str::from_utf8(&rest[..end]).map_err(|_| malformed("a header is not text"))?;
        rest = &rest[end + CRLF.len()..];
        if line.is_empty() {
            return Ok((headers, rest));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header has no colon"))?;
        if line.contains('\n') || name.is_empty() || name.contains(' ') {
            return Err(malformed("lines must end with CRLF and header names hold no space"));
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    haystack.get(from..)?.windows(needle.len()).position(|window| window == needle).map(|at| at + from)
}

fn malformed(text: &str) -> OdataError {
    OdataError::bad_request(format!("The batch request can not be read: {text}"))
}

/// One embedded response.
#[derive(Clone, Debug)]
pub(super) struct Embedded {
    pub(super) content_id: Option<String>,
    pub(super) status: hyper::StatusCode,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

/// A top-level part of the response.
#[derive(Clone, Debug)]
pub(super) enum Answered {
    One(Embedded),
    Changes(Vec<Embedded>),
}

/// Writes a batch response; gives its content type and body.
pub(super) fn write(sections: &[Answered]) -> (String, Bytes) {
    let outer = format!("batchresponse_{}", uuid::Uuid::new_v4());
    let mut out = Vec::new();
    for section in sections {
        out.extend_from_slice(format!("--{outer}\r\n").as_bytes());
        match section {
            Answered::One(embedded) => write_embedded(&mut out, embedded),
            Answered::Changes(changes) => {
                let inner = format!("changesetresponse_{}", uuid::Uuid::new_v4());
                out.extend_from_slice(format!("Content-Type: multipart/mixed; boundary={inner}\r\n\r\n").as_bytes());
                for embedded in changes {
                    out.extend_from_slice(format!("--{inner}\r\n").as_bytes());
                    write_embedded(&mut out, embedded);
                }
                out.extend_from_slice(format!("--{inner}--\r\n").as_bytes());
            }
        }
    }
    out.extend_from_slice(format!("--{outer}--\r\n").as_bytes());
    (format!("multipart/mixed; boundary={outer}"), Bytes::from(out))
}

fn write_embedded(out: &mut Vec<u8>, embedded: &Embedded) {
    let mut head = String::from("Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n");
    if let Some(content_id) = &embedded.content_id {
        head.push_str(&format!("Content-ID: {content_id}\r\n"));
    }
    let reason = embedded.status.canonical_reason().unwrap_or("Unknown");
    head.push_str(&format!("\r\nHTTP/1.1 {} {reason}\r\n", embedded.status.as_u16()));
    for (name, value) in &embedded.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", embedded.body.len()));
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(&embedded.body);
    out.extend_from_slice(CRLF);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/mixed; boundary=b";

    fn request(method: &str, url: &str, body: &str) -> String {
        format!(
            "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 1\r\n\r\n{method} {url} HTTP/1.1\r\nAccept: application/json\r\nPrefer: wait=9\r\n\r\n{body}"
        )
    }

    fn batch(change: &str, read: &str) -> String {
        format!(
            "--b\r\nContent-Type: multipart/mixed; boundary=b_c\r\n\r\n--b_c\r\n{change}\r\n--b_c--\r\n\r\n--b\r\n{read}\r\n--b--\r\n"
        )
    }

    #[test]
    fn a_change_set_and_a_read_are_read_with_their_headers() {
        let text = batch(
            &request("POST", "CustomerOrderSet", "{\"a\":\r\n1}"),
            &request("GET", "CustomerOrderSet?$top=1", ""),
        );
        let sections = parse(Projection::Orders, TYPE, text.as_bytes()).expect("a good batch");
        let [Section::Changes(changes), Section::Read(read)] = sections.as_slice() else { panic!("{sections:?}") };
        assert_eq!(changes[0].content_id, "1");
        assert_eq!(changes[0].operation.wait_secs, Some(9));
        assert_eq!(&changes[0].operation.body[..], b"{\"a\":\r\n1}");
        assert_eq!(read.url, "CustomerOrderSet?$top=1");
    }

    #[test]
    fn batches_that_break_a_rule_are_refused() {
        let post = request("POST", "CustomerOrderSet", "{}");
        let get = request("GET", "CustomerOrderSet", "");
        let good = batch(&post, &get);
        for (broken, what) in [
            (good.replace("\r\n", "\n"), "bare line feeds"),
            (batch(&get, &get), "a GET in a change set"),
            (batch(&post, &post), "a write outside a change set"),
            (batch(&post.replace("Content-ID: 1\r\n", ""), &get), "no Content-ID"),
            (batch(&post.replace("Content-Transfer-Encoding: binary\r\n", ""), &get), "no encoding"),
            (batch(&request("POST", "/main/CustomerOrderSet", "{}"), &get), "an absolute URL"),
            (batch(&post, &get).replace("--b--\r\n", ""), "no close delimiter"),
            (format!("preamble\r\n{good}"), "a preamble"),
            (good.replace("wait=9\r\n\r\n", "wait=9\r\n"), "no blank line"),
        ] {
            assert!(parse(Projection::Orders, TYPE, broken.as_bytes()).is_err(), "{what} must be refused");
        }
        assert!(parse(Projection::Orders, "application/json", good.as_bytes()).is_err());
    }

    #[test]
    fn a_written_response_can_be_split_again() {
        let embedded = Embedded {
            content_id: Some("1".into()),
            status: hyper::StatusCode::CREATED,
            headers: vec![("ETag", "W/\"x\"".into())],
            body: Bytes::from_static(b"{}"),
        };
        let (content_type, body) =
            write(&[Answered::Changes(vec![embedded.clone(), embedded.clone()]), Answered::One(embedded)]);
        let parts = split(&body, &boundary(&content_type).expect("a boundary")).expect("parts");
        assert_eq!(parts.len(), 2);
        let (headers, inner) = headers_of(parts[0]).expect("headers");
        let inner_boundary = boundary(header(&headers, "content-type").expect("a type")).expect("a boundary");
        assert_eq!(split(inner, &inner_boundary).expect("inner parts").len(), 2);
    }
}
