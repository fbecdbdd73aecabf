//! What every list takes that is shown page by page, and where its next page begins.

use clap::Args;

use super::Failure;

/// Which part of a list is shown.
#[derive(Debug, Args)]
pub(super) struct PageArgs {
    /// Only of this connection.
    #[arg(long, value_name = "NAME")]
    pub(super) connection: Option<String>,
    /// Only in this state.
    #[arg(long, value_name = "STATE")]
    pub(super) state: Option<String>,
    /// Only after this one (the `next` of the page before).
    #[arg(long, value_name = "ID")]
    pub(super) after: Option<i64>,
}

/// The state that a word names.
pub(super) fn parse_state<S>(
    word: &str,
    parse: impl FnOnce(&str) -> Option<S>,
    known: impl Iterator<Item = &'static str>,
) -> Result<S, Failure> {
    parse(word).ok_or_else(|| {
        let known: Vec<&str> = known.collect();
        Failure::Usage(format!("--state: found {word:?}, expected one of {}", known.join(", ")))
    })
}

/// What `--after` takes for the next page; none behind one that is not full.
pub(super) fn next_page<T>(found: &[T], page: i64, id: impl FnOnce(&T) -> i64) -> Option<i64> {
    let full = i64::try_from(found.len()).is_ok_and(|count| count == page);
    found.last().filter(|_| full).map(id)
}

/// Two numbers with a slash between them, as `next` shows them where a row has two.
pub(super) fn pair_of(text: &str) -> Result<(u64, u64), Failure> {
    let pair = text.split_once('/').and_then(|(one, other)| Some((one.parse().ok()?, other.parse().ok()?)));
    pair.ok_or_else(|| Failure::Usage(format!("--after: found {text:?}, expected the `next` of the page before")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_two_numbers() {
        assert_eq!(pair_of("7/9").expect("a pair"), (7, 9));
        for text in ["", "7", "7/", "7/9/1", "a/b", "-1/2"] {
            let Err(Failure::Usage(told)) = pair_of(text) else { panic!("{text:?} is refused") };
            assert!(told.contains(&format!("{text:?}")) && told.starts_with("--after"), "{told}");
        }
    }

    #[test]
    fn only_a_full_page_has_one_behind_it() {
        assert_eq!(next_page(&[7, 9], 2, |id| *id), Some(9));
        assert_eq!(next_page(&[7], 2, |id| *id), None);
        assert_eq!(next_page(&[], 2, |id: &i64| *id), None);
    }
}
