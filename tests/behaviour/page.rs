//! The status page rendered by a real browser, which enforces its Content-Security-Policy.

use crate::support::{Configured, Daemon, PATIENCE, TAKING_TURNS, debian, text};
use balance_exporter::standin::adstat::{Books, Cabinet};
use balance_exporter::standin::atisu::{Exchange, Wallet};
use balance_exporter::standin::mysmpp::{Account, Gateway};
use balance_exporter::standin::{Behaviour, Reply, StandIn};
use std::process::Stdio;

/// A page that the browser has rendered.
struct Rendered {
    /// The visible text, with single spaces.
    shown: String,
    /// Violations of the policy, as the browser logs them.
    violations: Vec<String>,
}

async fn render(url: &str) -> Rendered {
    // A browser loads the machine and would disturb tests that measure time.
    let _turn = TAKING_TURNS.lock().await;
    let home = tempfile::tempdir().expect("a directory");
    let patience = PATIENCE.as_millis();
    let output = debian("chromium", "chromium fonts-dejavu-core")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"])
        .args(["--no-proxy-server", "--enable-logging=stderr", "--v=0"])
        .arg(format!("--timeout={patience}"))
        .arg(format!("--user-data-dir={}", home.path().display()))
        .args(["--dump-dom", url])
        .env("HOME", home.path())
        .stdin(Stdio::null())
        .output()
        .expect("chromium runs");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let dom = text(&output.stdout);
    assert!(output.status.success() && dom.contains("</html>"), "{dom}\n{log}");
    let violations = log.lines().filter(|line| line.contains("Content Security Policy")).map(str::to_owned).collect();
    Rendered { shown: shown(&dom), violations }
}

/// The text of the body of a document.
fn shown(dom: &str) -> String {
    let (_, body) = dom.split_once("<body>").expect("a body");
    let text: String = body.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn holds(page: &Rendered, wanted: &[&str]) {
    assert_eq!(page.violations, [""; 0]);
    for words in wanted {
        assert!(page.shown.contains(words), "{words}: {}", page.shown);
    }
}

/// Three providers on loopback.
struct World {
    ads: (Cabinet, StandIn),
    sms: (Gateway, StandIn),
    freight: (Exchange, StandIn),
}

impl World {
    async fn new() -> Self {
        let (ads, sms, freight) = (Cabinet::new("u", "p"), Gateway::with_token("x"), Exchange::new("x", "64357"));
        let row = |area: &str, count: &str| ("sms".to_owned(), area.to_owned(), count.to_owned());
        ads.set(Books {
            available: 1900.5,
            active: 250.0,
            currency: "EUR".to_owned(),
            accounts: vec![("ACC0001".to_owned(), "Магазин «Ромашка»".to_owned(), 12_345.678)],
            outage: None,
        });
        sms.set(Account {
            money: "19023.9".to_owned(),
            currency: "RUR".to_owned(),
            information: vec![row("Tele2", "9800"), row("<b>Россия</b>", "Безлимит")],
            error: None,
        });
        freight.set(Wallet { balance: 600.0, id: 4711, ..Wallet::default() });
        let [ads_side, sms_side, freight_side] =
            [StandIn::start(ads.clone()).await, StandIn::start(sms.clone()).await, StandIn::start(freight.clone()).await]
                .map(|side| side.expect("a port"));
        Self { ads: (ads, ads_side), sms: (sms, sms_side), freight: (freight, freight_side) }
    }

    fn configured(&self) -> Configured {
        let (ads, sms, freight) =
            (self.ads.1.url("/api/"), self.sms.1.url("/json/balance.php"), self.freight.1.url("/v1.0/balance"));
        Configured::new(&format!(
            "sources:
  - name: ads
    provider: {{adstat: {{url: \"{ads}\", login: {{username: u, password: p}}, account_currency: EUR}}}}
  - name: sms
    provider: {{mysmpp: {{url: \"{sms}\", token: x}}}}
    low: {{amount: {{warning: 5000}}, areas: {{Tele2: {{critical: 1000}}}}}}
  - name: freight
    provider: {{atisu: {{url: \"{freight}\", token: x, ati_code: \"64357\"}}}}
"
        ))
    }
}

async fn polled(daemon: &Daemon, sources: usize) {
    daemon.metrics_where("every source was polled", |page| page.matches("\nbalance_up{").count() == sources).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_page_shows_that_all_sources_are_fine() {
    let world = World::new().await;
    let daemon = Daemon::start(&world.configured());
    polled(&daemon, 3).await;
    let page = render(&format!("http://{}/", daemon.address)).await;
    holds(
        &page,
        &[
            "✓ All 3 sources are fine",
            "available active 250 EUR total 2,150.50 EUR 1,900.50 EUR",
            "Магазин «Ромашка» ACC0001 12,345.68 EUR",
            "<b>Россия</b> ∞ sms",
            "4711 personal wallet of contact 17 600 ATIS",
            " ago, next poll in 4 min",
        ],
    );
    assert!(!page.shown.contains("low") && !page.shown.contains("fail"), "{}", page.shown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn failing_sources_and_low_balances_come_first() {
    let world = World::new().await;
    world.ads.0.set(Books { outage: Some(503), ..Books::default() });
    world.sms.0.set(Account {
        money: "4999".to_owned(),
        currency: "RUB".to_owned(),
        information: vec![("sms".to_owned(), "Tele2".to_owned(), "950".to_owned())],
        error: None,
    });
    world.freight.0.set(Wallet { id: 4711, common: true, forbidden: true, ..Wallet::default() });
    let daemon = Daemon::start(&world.configured());
    polled(&daemon, 3).await;
    let page = render(&format!("http://{}/", daemon.address)).await;
    holds(
        &page,
        &[
            "✗ 1 of 3 sources fails, 1 balance is critically low, 1 balance is low, operations are forbidden in 1 account",
            "✗ failing never succeeded, next poll",
            "server: a fault on the provider's side, since",
            "Tele2 950 sms ▼ critically low, below 1,000",
            "4,999 RUB ▼ low, below 5,000",
            "4711 common wallet of firm 64357 ✗ operations forbidden 0 ATIS",
        ],
    );
    let places = ["ads adstat", "sms mysmpp", "freight atisu"].map(|source| page.shown.find(source).expect("a source"));
    assert!(places.is_sorted(), "{}", page.shown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_page_explains_missing_sources_and_sources_that_were_not_polled() {
    let daemon = Daemon::start(&Configured::new("sources: []\n"));
    holds(&render(&format!("http://{}/", daemon.address)).await, &["No sources are configured", "Add a source under sources"]);

    let world = World::new().await;
    world.sms.1.always(Behaviour::Hang);
    let daemon = Daemon::start(&world.configured());
    polled(&daemon, 2).await;
    let page = render(&format!("http://{}/", daemon.address)).await;
    holds(&page, &["1 of 3 sources was not polled yet", "sms mysmpp … not polled yet not polled yet, being polled now"]);
}

/// The other tests expect no violations; this one proves that the browser reports them.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_browser_accepts_only_this_style_sheet() {
    let daemon = Daemon::start(&Configured::new("sources: []\n"));
    let page = daemon.get("/").await;
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let other = page.text().replace("</style>", " </style>");
    let stand_in = StandIn::start(move |_: &_| {
        let reply = Reply::new(200, other.clone()).header("content-type", "text/html; charset=utf-8");
        reply.header("content-security-policy", policy.clone())
    });
    let stand_in = stand_in.await.expect("a port");
    let violations = render(&stand_in.url("/")).await.violations;
    assert!(violations.iter().any(|line| line.contains("style")), "{violations:?}");
}
