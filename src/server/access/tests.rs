//! Valid web configurations, and the exact error message for each invalid one.

use super::*;
use futures_util::FutureExt;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

const HASH: &str = "$2b$04$u5gQWDA/62DXyV.mO.vqL.1kC4HJSlzdkHbQJrqsWrRaTFbRsuKbO";

/// A directory with `good.crt`, `good.key`, `other.key` and `ca.crt`.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: String| std::fs::write(directory.path().join(name), text).expect("a file");
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(["localhost".to_owned()]).expect("names").signed_by(&key, &ca).expect("signed");
    write("good.crt", certificate.pem());
    write("good.key", key.serialize_pem());
    write("other.key", KeyPair::generate().expect("a key").serialize_pem());
    write("ca.crt", ca.pem());
    write("text.pem", "no PEM".to_owned());
    directory
}

fn open(directory: &TempDir, text: &str) -> Result<Web, String> {
    let path = directory.path().join("web.yml");
    std::fs::write(&path, text).expect("a file");
    let shown = format!("{}/", directory.path().display());
    Web::open(Some(&path)).map_err(|error| error.to_string().replace(&shown, ""))
}

const TLS: &str = "tls_server_config:\n  cert_file: good.crt\n  key_file: good.key\n";

#[test]
fn valid_files_are_accepted() {
    let directory = directory();
    let cases = [
        ("{}", false, false),
        ("# nothing\n", false, false),
        ("", false, false),
        ("basic_auth_users:\nhttp_server_config:\ntls_server_config:\n", false, false),
        (TLS, true, false),
        (&format!("basic_auth_users: {{alice: {HASH}, Bob: {}}}", HASH.replace("$2b$", "$2y$")), false, true),
        (&format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"), true, false),
        (&format!("{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.crt\n"), true, false),
        (&format!("{TLS}  client_auth_type: RequestClientCert\n"), true, false),
        (&format!("{TLS}  client_auth_type: RequireClientCert\n  min_version: TLS13\n"), true, false),
        (
            &format!(
                "{TLS}  min_version: TLS12\n  max_version: TLS12\n  prefer_server_cipher_suites: false\n  \
                 cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n  \
                 curve_preferences: [CurveP384, X25519]\nhttp_server_config: {{http2: true}}\n"
            ),
            true,
            false,
        ),
    ];
    for (text, tls, users) in cases {
        let settings = open(&directory, text).map(|web| web.current()).expect(text);
        assert_eq!((settings.tls.is_some(), !settings.users.is_empty()), (tls, users), "{text}");
    }
}

#[test]
fn tls_settings_are_honoured() {
    let directory = directory();
    let text = format!(
        "{TLS}  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n  \
         curve_preferences: [CurveP384]\n  prefer_server_cipher_suites: true\n"
    );
    let tls = open(&directory, &text).expect("good").current().tls.clone().expect("TLS");
    let suites = tls.crypto_provider().cipher_suites.iter().filter(|suite| suite.tls13().is_none());
    let suites: Vec<_> = suites.map(|suite| format!("{:?}", suite.suite())).collect();
    assert_eq!(suites, ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
    let groups: Vec<_> = tls.crypto_provider().kx_groups.iter().map(|group| group.name()).collect();
    assert_eq!(groups, [rustls::NamedGroup::secp384r1]);
    assert!(tls.ignore_client_order);
}

#[test]
fn inline_pem_and_headers_are_accepted() {
    let directory = directory();
    let pem = |name: &str| std::fs::read_to_string(directory.path().join(name)).expect("a file").replace('\n', "\n    ");
    let text = format!(
        "tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\nhttp_server_config:\n  headers:\n    \
         X-Frame-Options: deny\n    X-XSS-Protection: \"\"\n    Strict-Transport-Security: max-age=60\n",
        pem("good.crt"),
        pem("good.key")
    );
    let settings = open(&directory, &text).expect("good").current();
    let headers: Vec<_> = settings.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    assert_eq!(headers, ["x-frame-options: \"deny\"", "strict-transport-security: \"max-age=60\""]);
    assert!(settings.tls.is_some());
}

/// A valid `tls_server_config` with one more key.
fn tls(more: &str) -> String {
    format!("{TLS}  {more}\n")
}

fn pair(certificate: &str, key: &str) -> String {
    format!("tls_server_config: {{cert_file: {certificate}, key_file: {key}}}")
}

/// Asserts that each text is refused with exactly the message beside it.
fn refused(cases: &[(String, &str)]) {
    let directory = directory();
    for (text, message) in cases {
        assert_eq!(open(&directory, text).map(|_| ()).expect_err(text), *message, "{text}");
    }
}

#[test]
fn a_file_of_another_structure_is_refused() {
    refused(&[
        (
            "hunter2".to_owned(),
            "web.yml:1:1: found string, expected a map with tls_server_config, http_server_config or basic_auth_users",
        ),
        (
            "a: [".to_owned(),
            "web.yml:2:1: did not find expected node content; fix the YAML there: look for a wrong indentation, a tab or a missing quote",
        ),
        (
            "tls_config: {}".to_owned(),
            "web.yml:1:1: tls_config: unknown key; expected one of `tls_server_config`, `http_server_config`, `basic_auth_users`, `rate_limit`",
        ),
        (
            "rate_limit: {interval: 1s, burst: 20}".to_owned(),
            "web.yml: rate_limit: is not supported; connections and password checks are bounded anyway; remove it",
        ),
    ]);
}

#[test]
fn certificates_and_keys_that_cannot_be_used_are_refused() {
    refused(&[
        ("tls_server_config: {}".to_owned(), "web.yml: tls_server_config.cert_file: is missing; add it"),
        ("tls_server_config: {cert_file: good.crt}".to_owned(), "web.yml: tls_server_config.key_file: is missing; add it"),
        (
            pair("none.crt", "good.key"),
            "web.yml: tls_server_config.cert_file: cannot read none.crt: No such file or directory (os error 2); create it or correct the path",
        ),
        (
            pair("text.pem", "good.key"),
            "web.yml: tls_server_config.cert_file: text.pem holds no usable certificate; name a PEM file of certificates",
        ),
        (
            pair("good.crt", "text.pem"),
            "web.yml: tls_server_config.key_file: text.pem holds no private key; name a PEM file with one that has no passphrase",
        ),
        (
            pair("good.crt", "good.crt"),
            "web.yml: tls_server_config.key_file: good.crt holds no private key; name a PEM file with one that has no passphrase",
        ),
        (
            pair("good.crt", "other.key"),
            "web.yml: tls_server_config.key_file: other.key is not the key of the certificate; name a matching pair",
        ),
        (
            pair(".", "good.key"),
            "web.yml: tls_server_config.cert_file: cannot read .: it is not a regular file; create it or correct the path",
        ),
        (tls("cert: hunter2"), "web.yml: tls_server_config.cert: is set together with cert_file; remove one of them"),
        (tls("cert_file: good.crt"), "web.yml:2:3: tls_server_config.cert_file: appears twice; drop one"),
        (
            tls("cert_path: good.crt"),
            "web.yml:4:3: tls_server_config.cert_path: unknown key; expected one of `cert`, `key`, `client_ca`, `cert_file`, `key_file`, `client_ca_file`, `client_auth_type`, `client_allowed_sans`, `min_version`, `max_version`, `cipher_suites`, `prefer_server_cipher_suites`, `curve_preferences`",
        ),
        (tls("client_auth_type: RequireAndVerifyClientCert"), "web.yml: tls_server_config.client_ca_file: is missing; add it"),
        (
            tls("client_ca_file: ca.crt"),
            "web.yml: tls_server_config.client_ca_file: has no effect without client_auth_type: RequireAndVerifyClientCert; add that or remove it",
        ),
        (
            tls("client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: text.pem"),
            "web.yml: tls_server_config.client_ca_file: text.pem holds no usable certificate; name a PEM file of certificates",
        ),
        (
            tls("client_allowed_sans: [a]"),
            "web.yml: tls_server_config.client_allowed_sans: is not supported; remove it, and name a CA in client_ca_file that issues certificates only to the clients that may connect",
        ),
    ]);
}

#[test]
fn tls_settings_that_cannot_be_honoured_are_refused() {
    refused(&[
        (
            tls("client_auth_type: hunter2"),
            "web.yml:4:21: tls_server_config.client_auth_type: unknown name; expected one of `NoClientCert`, `RequestClientCert`, `RequireAnyClientCert`, `RequireClientCert`, `VerifyClientCertIfGiven`, `RequireAndVerifyClientCert`",
        ),
        (
            tls("min_version: TLS11"),
            "web.yml:4:16: tls_server_config.min_version: an insecure version of TLS, which is not supported; write TLS12 or TLS13",
        ),
        (tls("max_version: hunter2"), "web.yml:4:16: tls_server_config.max_version: not a version of TLS; write TLS12 or TLS13"),
        (
            tls("min_version: TLS13\n  max_version: TLS12"),
            "web.yml: tls_server_config.max_version: is below min_version; swap them or remove one",
        ),
        (
            tls("cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA]"),
            "web.yml:4:43: tls_server_config.cipher_suites[1]: not a supported cipher suite; use TLS_ECDHE_ECDSA_WITH_ or TLS_ECDHE_RSA_WITH_ and AES_128_GCM_SHA256, AES_256_GCM_SHA384 or CHACHA20_POLY1305_SHA256",
        ),
        (
            tls("max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]"),
            "web.yml: tls_server_config.cipher_suites: contain none for the enabled versions of TLS; add some or remove the key",
        ),
        (
            tls("curve_preferences: [CurveP521]"),
            "web.yml:4:23: tls_server_config.curve_preferences[0]: not a supported curve; use X25519, CurveP256 or CurveP384",
        ),
        (
            tls("prefer_server_cipher_suites: 17"),
            "web.yml:4:32: tls_server_config.prefer_server_cipher_suites: found integer, expected a boolean",
        ),
    ]);
}

#[test]
fn bad_users_and_headers_are_refused() {
    refused(&[
        (
            "basic_auth_users: {alice: hunter2}".to_owned(),
            "web.yml:1:27: basic_auth_users.alice: not a bcrypt hash; make one with: htpasswd -nBC 10 NAME",
        ),
        (
            "basic_auth_users: {alice: 12345}".to_owned(),
            "web.yml:1:27: basic_auth_users.alice: not a bcrypt hash; make one with: htpasswd -nBC 10 NAME",
        ),
        (
            format!("basic_auth_users: {{alice: {}}}", HASH.replace("$04$", "$31$")),
            "web.yml:1:27: basic_auth_users.alice: a bcrypt cost outside 4 to 16; make a hash with: htpasswd -nBC 10 NAME",
        ),
        (
            format!("basic_auth_users: {{alice: {HASH}, alice: {HASH}}}"),
            "web.yml:1:19: basic_auth_users.alice: appears twice; drop one",
        ),
        (
            format!("basic_auth_users: {{\"a:b\": {HASH}}}"),
            "web.yml: basic_auth_users.a:b: a name with a colon cannot log in; choose another",
        ),
        (
            "http_server_config: {headers: {X-Other: a}}".to_owned(),
            "web.yml:1:32: http_server_config.headers: unknown key; expected one of `Content-Security-Policy`, `X-Frame-Options`, `X-Content-Type-Options`, `X-XSS-Protection`, `Strict-Transport-Security`",
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: hunter2}}".to_owned(),
            "web.yml:1:49: http_server_config.headers.X-Frame-Options: not a value of this header; write deny or sameorigin",
        ),
        (
            "http_server_config: {headers: {X-Content-Type-Options: hunter2}}".to_owned(),
            "web.yml:1:56: http_server_config.headers.X-Content-Type-Options: not a value of this header; write nosniff",
        ),
        (
            "http_server_config: {headers: {Content-Security-Policy: \"a\\nb\"}}".to_owned(),
            "web.yml:1:57: http_server_config.headers.Content-Security-Policy: not the value of a header; use one line of visible ASCII",
        ),
        (
            "http_server_config: {http2: maybe}".to_owned(),
            "web.yml:1:29: http_server_config.http2: found string, expected a boolean",
        ),
    ]);
}

#[test]
fn null_counts_as_a_missing_text() {
    let missing = "is missing; write a text, in quotes where it is the word null";
    let key = "a key is missing; write it, in quotes where it is the word null";
    let cases = [
        ("basic_auth_users: {alice: null}".to_owned(), "1:27: basic_auth_users.alice", missing),
        (format!("basic_auth_users: {{null: {HASH}}}"), "1:20: basic_auth_users", key),
        (tls("cipher_suites: [~]"), "4:19: tls_server_config.cipher_suites[0]", missing),
        (tls("curve_preferences: [null]"), "4:23: tls_server_config.curve_preferences[0]", missing),
    ];
    let cases = cases.map(|(text, place, message)| (text, format!("web.yml:{place}: {message}")));
    refused(&cases.each_ref().map(|(text, line)| (text.clone(), line.as_str())));
    let directory = directory();
    assert!(open(&directory, &tls("client_auth_type: ~\n  min_version:\n  cipher_suites: null")).is_ok());
}

#[test]
fn a_bad_or_less_secure_file_leaves_the_old_settings_in_force() {
    let directory = directory();
    let web = open(&directory, &format!("{TLS}basic_auth_users: {{alice: {HASH}}}\n")).expect("good");
    let before = web.current();
    let path = directory.path().join("web.yml");
    let change = |text: &str| {
        std::fs::write(&path, text).expect("a file");
        web.put_into_force(web.read()).map_err(|error| error.to_string().replace(&format!("{}/", directory.path().display()), ""))
    };
    let cases = [
        (
            "tls_config: {}",
            "web.yml:1:1: tls_config: unknown key; expected one of `tls_server_config`, `http_server_config`, `basic_auth_users`, `rate_limit`",
        ),
        ("", "web.yml: tls_server_config: was removed; put it back, or restart to serve without it"),
        (TLS, "web.yml: basic_auth_users: was removed; put it back, or restart to serve without it"),
    ];
    for (text, message) in cases {
        assert_eq!(change(text), Err(message.to_owned()), "{text:?}");
        assert!(Arc::ptr_eq(&before, &web.current()), "{text:?}");
    }
    assert_eq!(change(&format!("{TLS}basic_auth_users: {{bob: {HASH}}}\n")), Ok(()));
    assert!(!Arc::ptr_eq(&before, &web.current()));
}

/// Lets the watcher check the files once.
async fn check(web: &Arc<Web>) {
    let mut watching = Box::pin(web.clone().watch());
    // The lane has one thread: once it is free again, the check is done.
    let checked = async {
        tokio::time::sleep(CHECK_INTERVAL * 3 / 2).await;
        let _ = web.files.run(|| ()).await;
    };
    tokio::select! {
        never = watching.as_mut() => match never {},
        () = checked => {}
    }
}

#[tokio::test(start_paused = true)]
async fn files_are_read_again_when_they_change() {
    let directory = directory();
    let web = Arc::new(open(&directory, TLS).expect("good"));
    let first = web.current();
    check(&web).await;
    assert!(Arc::ptr_eq(&first, &web.current()), "nothing has changed");
    let key = directory.path().join("good.key");
    let good = std::fs::read(&key).expect("a file");
    std::fs::copy(directory.path().join("other.key"), &key).expect("a copy");
    check(&web).await;
    assert!(Arc::ptr_eq(&first, &web.current()), "the new key is not the certificate's");
    std::fs::remove_file(&key).expect("gone");
    check(&web).await;
    assert!(Arc::ptr_eq(&first, &web.current()), "the key was removed");
    std::fs::write(&key, good).expect("a file");
    assert!(Arc::ptr_eq(&first, &web.current()), "not at once");
    check(&web).await;
    assert!(!Arc::ptr_eq(&first, &web.current()));
}

#[tokio::test(start_paused = true)]
async fn while_the_disk_hangs_the_old_settings_serve_without_waiting() {
    let directory = directory();
    let web = Arc::new(open(&directory, &format!("basic_auth_users: {{alice: {HASH}}}\n")).expect("good"));
    let first = web.current();
    // A check that does not return.
    let (release, hang) = std::sync::mpsc::channel::<()>();
    let mut hanging = Box::pin(web.files.run(move || hang.recv()));
    assert!(hanging.as_mut().now_or_never().is_none());
    std::fs::write(directory.path().join("web.yml"), format!("basic_auth_users: {{bob: {HASH}}}\n")).expect("a file");
    let mut watching = Box::pin(web.clone().watch());
    for _ in 0..100 {
        let waited = tokio::time::timeout(CHECK_INTERVAL, watching.as_mut()).await;
        assert!(waited.is_err() && Arc::ptr_eq(&first, &web.current()));
        let login = web.authenticate(&first, &HeaderMap::new(), [127, 0, 0, 1].into()).now_or_never();
        assert_eq!(login, Some(Err(Refusal::Unauthorized)));
    }
    // A read that began before a reload does not undo it.
    let late = web.read();
    std::fs::write(directory.path().join("web.yml"), format!("basic_auth_users: {{eve: {HASH}}}\n")).expect("a file");
    web.put_into_force(web.read()).expect("good");
    let reloaded = web.current();
    web.put_into_force(late).expect("an outdated read is ignored");
    assert!(Arc::ptr_eq(&reloaded, &web.current()) && !Arc::ptr_eq(&first, &reloaded));
    drop((watching, release, hanging));
    check(&web).await;
    assert!(Arc::ptr_eq(&reloaded, &web.current()), "nothing has changed since");
}

/// Counts wake-ups.
#[derive(Default)]
struct WakeCount(AtomicU64);

impl std::task::Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn without_files_the_watcher_never_wakes() {
    let directory = directory();
    let (without, with) = (Arc::new(Web::open(None).expect("no file")), Arc::new(open(&directory, TLS).expect("good")));
    let mut woken = Vec::new();
    for web in [without, with] {
        let count = Arc::new(WakeCount::default());
        let mut watching = Box::pin(web.watch());
        assert!(watching.as_mut().poll(&mut std::task::Context::from_waker(&count.clone().into())).is_pending());
        tokio::time::sleep(CHECK_INTERVAL * 3600).await;
        woken.push(count.0.load(Ordering::Relaxed));
    }
    assert_eq!(woken, [0, 1]);
}
