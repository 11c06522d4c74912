//! The page's one style, and the policy that lets a browser use it and nothing else.

/// What stands in the `style` element, to the byte.
pub(super) const STYLE: &str = include_str!("style.css");

/// Nothing is loaded from anywhere and nothing runs. The style is known by its hash, so that no other can be slipped in.
pub(in crate::server) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
style-src 'sha256-hXofwa3oJZS1JRfFAND2tQzz+j73xWewWjlkWFzeUKk='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;

    #[test]
    fn the_policy_allows_this_style_and_no_other() {
        let digest = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(digest);
        assert!(CONTENT_SECURITY_POLICY.contains(&format!("style-src 'sha256-{hash}';")), "the style's hash is sha256-{hash}");
        assert!(!CONTENT_SECURITY_POLICY.contains("unsafe"));
    }

    #[test]
    fn the_style_loads_nothing_and_does_not_end_its_element() {
        for forbidden in ["url(", "@import", "<", "image("] {
            assert!(!STYLE.contains(forbidden), "{forbidden}");
        }
    }
}
