//! Guesses which key a path meant that leads to nothing.

use crate::nearest::nearest;
use crate::provider::document::Value;

/// The path with the first key that is not there replaced by the nearest one that is. `None` if the expression is more than a path of
/// plain keys, if all its keys are there, or if no key is near.
pub(super) fn nearest_path(expression: &str, value: &Value) -> Option<String> {
    let keys: Vec<&str> = expression.strip_prefix('.')?.split('.').collect();
    let plain = |key: &&str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !keys.iter().all(plain) {
        return None;
    }
    let mut at = value;
    for (i, key) in keys.iter().enumerate() {
        let Value::Object(entries) = at else { return None };
        if let Some((_, value)) = entries.iter().find(|(found, _)| **found == **key) {
            at = value;
            continue;
        }
        let known = entries.iter().map(|(found, _)| &**found).filter(plain);
        let near = nearest(key, known)?;
        let path: Vec<&str> = keys[..i].iter().copied().chain([near]).chain(keys[i + 1..].iter().copied()).collect();
        return Some(format!(".{}", path.join(".")));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::document::Document;

    #[test]
    fn names_the_nearest_key_of_the_first_object_that_lacks_one() {
        let document = Document::read(br#"{"data":{"balance":1,"\u001b[31m":2},"list":[{"a":1}]}"#).expect("JSON");
        let hint = |expression| nearest_path(expression, document.root());
        assert_eq!(hint(".data.balanse").as_deref(), Some(".data.balance"));
        assert_eq!(hint(".dat.balance").as_deref(), Some(".data.balance"));
        for other in [".data.balance", ".data.x", ".list.a", ".data[0].balanse", "$answer.dat", ".data | .balanse", "."] {
            assert_eq!(hint(other), None, "{other}");
        }
    }
}
