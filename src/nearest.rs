//! The known name that is nearest to an unknown one, for messages such as `did you mean select?`.

/// The known name that a person probably meant; `None` if no name is near enough.
///
/// Inserting, deleting or changing a character and swapping two neighbours count as one edit each. One edit in three characters is
/// allowed, and at least one. Upper and lower case are the same.
#[must_use]
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let unknown: Vec<char> = unknown.to_lowercase().chars().collect();
    // The time is the product of the lengths; no name is longer.
    if unknown.len() > 64 {
        return None;
    }
    let near = known.into_iter().filter_map(|name| {
        let letters: Vec<char> = name.to_lowercase().chars().take(65).collect();
        let edits = edits(&unknown, &letters);
        (edits <= (unknown.len().max(letters.len()) / 3).max(1) && edits < letters.len()).then_some((edits, name))
    });
    // Of equally near names, the first.
    near.min_by_key(|(edits, _)| *edits).map(|(_, name)| name)
}

/// The number of edits between two words: the optimal string alignment distance.
fn edits(left: &[char], right: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let mut best = (last[j] + usize::from(l != r)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *l == right[j - 1] && left[i - 1] == *r {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 7] = ["select", "sort", "sort_by", "startswith", "available", "account", "url"];

    #[test]
    fn finds_the_name_that_was_meant() {
        for (unknown, name) in [
            ("selct", "select"),
            ("slect", "select"),
            ("selcet", "select"),
            ("sortby", "sort_by"),
            ("startsWith", "startswith"),
            ("avaliable", "available"),
            ("acount", "account"),
            ("URL", "url"),
            ("ulr", "url"),
        ] {
            assert_eq!(nearest(unknown, NAMES), Some(name), "{unknown}");
        }
    }

    #[test]
    fn suggests_nothing_that_is_far() {
        for unknown in ["", "x", "balance", "баланс", "range", "RUB", "sire", &"select".repeat(20)] {
            assert_eq!(nearest(unknown, NAMES), None, "{unknown}");
        }
        assert_eq!(nearest("", [""]), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
