//! The style sheet of the page, and the Content-Security-Policy that allows it and nothing else.

/// The exact contents of the `style` element.
pub(super) const STYLE: &str = include_str!("style.css");

/// Forbids scripts and every external resource. The style sheet is allowed by its hash, so that an injected one is ignored.
pub(in crate::server) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
style-src 'sha256-hXofwa3oJZS1JRfFAND2tQzz+j73xWewWjlkWFzeUKk='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;

    #[test]
    fn the_policy_allows_only_this_style_sheet() {
        let digest = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(digest);
        assert!(CONTENT_SECURITY_POLICY.contains(&format!("style-src 'sha256-{hash}';")), "the style's hash is sha256-{hash}");
        assert!(!CONTENT_SECURITY_POLICY.contains("unsafe"));
    }

    #[test]
    fn the_style_sheet_loads_nothing_and_does_not_close_its_element() {
        for forbidden in ["url(", "@import", "<", "image("] {
            assert!(!STYLE.contains(forbidden), "{forbidden}");
        }
    }
}
