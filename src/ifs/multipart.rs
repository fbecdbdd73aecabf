//! The framing of multipart/mixed: cutting a body into its sections and reading their headers. What a section means is `batch`'s.

use bytes::Bytes;

use super::batch::BatchError;

/// Most headers of a part.
pub(super) const HEADERS_MAX: usize = 32;

/// Cuts a multipart body at its delimiters; the closing one must be there.
pub(super) fn split(body: &Bytes, content_type: &str) -> Result<Vec<Bytes>, BatchError> {
    let delimiter = format!("--{}", boundary_of(content_type).ok_or(BatchError::NotMultipart)?);
    let (mut sections, mut begin, mut at) = (Vec::new(), None, 0);
    while at < body.len() {
        let line_end = find(&body[at..], b"\n").map_or(body.len(), |end| at + end + 1);
        let line = body[at..line_end].trim_ascii_end();
        if let Some(rest) = line.strip_prefix(delimiter.as_bytes()) {
            if let Some(begin) = begin {
                sections.push(without_line_break(body.slice(begin..at)));
            }
            match rest {
                b"" => begin = Some(line_end),
                b"--" => return if begin.is_some() { Ok(sections) } else { Err(BatchError::WrongCount) },
                _ => return Err(BatchError::NotMultipart),
            }
        } else if begin.is_none() && !line.is_empty() {
            return Err(BatchError::NotMultipart);
        }
        at = line_end;
    }
    Err(BatchError::Truncated)
}

fn boundary_of(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let named = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut boundaries = named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"));
    let boundary = boundaries.next()?.1.trim().trim_matches('"');
    (!boundary.is_empty()).then_some(boundary)
}

/// The line break before a delimiter belongs to the delimiter.
fn without_line_break(section: Bytes) -> Bytes {
    let kept = section.strip_suffix(b"\r\n").or_else(|| section.strip_suffix(b"\n"));
    let kept = kept.map_or(section.len(), <[u8]>::len);
    section.slice(..kept)
}

/// Headers of a part.
pub(super) struct Head(Vec<(String, String)>);

impl Head {
    /// The value of the first header of that name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether its value names that media type, whatever its parameters.
    pub(super) fn is(&self, name: &str, kind: &str) -> bool {
        let value = self.get(name).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(kind)
    }
}

/// The headers of a section, and what follows them.
pub(super) fn head_of(section: &Bytes) -> Result<(Head, Bytes), BatchError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    match httparse::parse_headers(section, &mut headers) {
        Ok(httparse::Status::Complete((end, headers))) => Ok((owned(headers)?, section.slice(end..))),
        Ok(httparse::Status::Partial) => Err(BatchError::Truncated),
        Err(_not_headers) => Err(BatchError::BadPart),
    }
}

pub(super) fn owned(headers: &[httparse::Header<'_>]) -> Result<Head, BatchError> {
    let own = |header: &httparse::Header<'_>| {
        let value = std::str::from_utf8(header.value).map_err(|_not_text| BatchError::BadPart)?;
        Ok((header.name.to_owned(), value.to_owned()))
    };
    headers.iter().map(own).collect::<Result<_, _>>().map(Head)
}

fn find(within: &[u8], wanted: &[u8]) -> Option<usize> {
    within.windows(wanted.len()).position(|window| window == wanted)
}
