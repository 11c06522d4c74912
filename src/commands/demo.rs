//! `demo`: the ordinary daemon against stand-in providers on loopback, whose balances change in fast motion.

use super::daemon::{self, Signals};
use super::{Failed, assemble, block_on, print};
use crate::commands::cli::Options;
use crate::commands::sockets::Places;
use crate::config::Config;
use crate::poll::assemble::Ready;
use crate::standin::adstat::{Books, Cabinet};
use crate::standin::atisu::{Exchange, Wallet};
use crate::standin::mysmpp::{Account, Gateway};
use crate::standin::prepaid::{Assistant, Credits, TextAccount, TextGateway};
use crate::standin::{Service, StandIn};
use crate::system::lane::Lane;
use crate::transport::client::Clients;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Speed of the simulated world: one hour takes 30 seconds.
const SPEED: f64 = 120.0;
/// Interval between updates of the world.
const STEP: Duration = Duration::from_millis(250);

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let places = Places::of(options)?;
    block_on(async {
        let signals = Signals::new()?;
        let world = World::new();
        let cannot = |error| Failed::System("cannot start a stand-in provider on loopback", error);
        let ads = start(world.ads.clone()).await.map_err(cannot)?;
        let sms = start(world.sms.clone()).await.map_err(cannot)?;
        let freight = start(world.freight.clone()).await.map_err(cannot)?;
        let ai = start(world.ai.clone()).await.map_err(cannot)?;
        let texts = start(world.texts.clone()).await.map_err(cannot)?;
        let text = configuration(&ads, &sms, &freight, &ai, &texts);
        tokio::spawn(show(format!(
            "# The demo polls stand-in providers, in whose world an hour is 30 seconds, with this configuration:\n{text}"
        )));
        tokio::select! {
            ended = daemon::serve(signals, Arc::new(move || sources(&text)), None, places, options) => ended,
            never = turn(&world) => match never {},
        }
    })
}

/// Prints in the background: a slow reader of standard output does not delay the demo.
async fn show(text: String) {
    if let Ok(Err(failed)) = Lane::new("stdout", 1).run(move || print(&text)).await {
        tracing::warn!("{failed}");
    }
}

fn sources(text: &str) -> Result<Vec<Ready>, Failed> {
    let mut config = Config::from_text(Path::new("demo.yaml"), text)?;
    for source in &mut config.sources {
        // A proxy from the environment cannot reach this machine's loopback.
        source.direct = true;
    }
    assemble(config, &mut Clients::default())
}

async fn start(service: impl Service) -> std::io::Result<StandIn> {
    StandIn::start(service).await
}

fn configuration(ads: &StandIn, sms: &StandIn, freight: &StandIn, ai: &StandIn, texts: &StandIn) -> String {
    let (ads, sms, freight) = (ads.url("/api/"), sms.url("/json/balance.php"), freight.url("/v1.0/balance"));
    let (ai, texts) = (ai.url("/"), texts.url("/"));
    format!(
        "defaults:
  interval: 2s
  max_age: 20s
{SERVICES}sources:
  - name: ads
    provider:
      adstat:
        url: {ads}
        login: {{username: demo, password: demo}}
        account_currency: EUR
    low:
      amount: {{warning: 200, critical: 50}}
      accounts: {{ACC0002: {{critical: 40}}}}
  - name: sms
    provider:
      mysmpp:
        url: {sms}
        login: demo
        password: demo
    low:
      amount: {{warning: 5000}}
      sms: {{warning: 5000}}
      areas: {{Tele2: {{critical: 1000}}}}
  - name: freight
    provider:
      atisu:
        url: {freight}
        token: demo
        ati_code: \"64357\"
    low:
      amount: {{warning: 100, critical: 20}}
  - name: ai
    provider: {{demo-ai: {{url: \"{ai}\", token: demo}}}}
    low:
      amount: {{warning: 20, critical: 5}}
      units: {{requests: {{warning: 200}}}}
  - name: texts
    provider: {{demo-texts: {{url: \"{texts}\", key: demo}}}}
    low:
      amount: {{critical: -4000}}
"
    )
}

/// Two services that are described in the configuration.
const SERVICES: &str = "services:
  demo-ai:
    title: An AI service with credits that expire
    documentation: https://docs.ai.example/credits
    parameters: {token: {secret: true}, url: {}}
    calls:
      - get: ${url}v1/credits
        bearer: ${token}
        readings:
          - {available: .data.bought - .data.used, currency: USD, expires: .data.expires_at}
          - {units: .requests.left, unit: requests, unlimited: [-1], resets: .requests.resets_at}
  demo-texts:
    title: An SMS gateway that writes its balance as a text
    documentation: https://docs.texts.example/balance
    parameters: {key: {secret: true}, url: {}}
    calls:
      - get: ${url}balance
        headers: {X-Key: \"${key}\"}
        error: {when: .status != \"ok\", code: .code, message: .text, reasons: {\"5\": auth}}
        readings:
          - available: .account.money
            credit_limit: .account.limit
            number: {decimal: \",\", group: \" \", unit: ₽}
            currency: RUB
";

/// The providers of the demo.
struct World {
    ads: Cabinet,
    sms: Gateway,
    freight: Exchange,
    ai: Assistant,
    texts: TextGateway,
    /// When the world began, in seconds since the epoch. Dates are ahead of it.
    began: u64,
}

impl World {
    fn new() -> Self {
        let world = Self {
            ads: Cabinet::new("demo", "demo"),
            sms: Gateway::with_login("demo", "demo"),
            freight: Exchange::new("demo", "64357"),
            ai: Assistant::new("demo"),
            texts: TextGateway::new("demo"),
            began: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        };
        world.set(0.0);
        world
    }

    /// Puts the world at this many hours after its beginning.
    fn set(&self, hours: f64) {
        self.ads.set(books(hours));
        self.sms.set(account(hours));
        self.freight.set(wallet(hours));
        self.ai.set(credits(hours, self.began));
        self.texts.set(text_account(hours));
    }
}

/// Moves the world on for as long as the demo runs.
async fn turn(world: &World) -> Infallible {
    let began = Instant::now();
    let mut steps = tokio::time::interval(STEP);
    steps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut token_hour = 0.0;
    loop {
        steps.tick().await;
        let hours = began.elapsed().as_secs_f64() * SPEED / 3600.0;
        world.set(hours);
        // An access token lives an hour.
        if hours.floor() > token_hour {
            token_hour = hours.floor();
            world.ads.expire_access();
        }
    }
}

/// A balance that falls linearly from `full` to `rest` within this many hours, and is then topped up.
fn falling(hours: f64, full: f64, rest: f64, within: f64) -> f64 {
    let passed = hours.rem_euclid(within) / within;
    cents(full - (full - rest) * passed)
}

fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

/// Whether it is the last hour of each period of `every` hours, during which a provider fails.
fn failing_hour(hours: f64, every: f64) -> bool {
    hours.rem_euclid(every) >= every - 1.0
}

fn books(hours: f64) -> Books {
    Books {
        available: falling(hours, 900.0, 30.0, 7.0),
        active: falling(hours, 250.0, 100.0, 3.0),
        currency: "EUR".to_owned(),
        accounts: vec![
            ("ACC0001".to_owned(), "Магазин «Ромашка»".to_owned(), falling(hours, 400.0, 150.0, 5.0)),
            // Falls below its threshold within the first minute, so that a new user sees it.
            ("ACC0002".to_owned(), "Coffee & Co".to_owned(), falling(hours, 120.0, 5.0, 2.0)),
        ],
        outage: failing_hour(hours, 9.0).then_some(503),
    }
}

fn account(hours: f64) -> Account {
    let money = falling(hours, 19023.9, 900.0, 6.0);
    let count = |price: f64| format!("{:.0}", (money / price).floor());
    let row = |area: &str, count: String| ("sms".to_owned(), area.to_owned(), count);
    Account {
        money: format!("{money}"),
        currency: "RUR".to_owned(),
        information: vec![row("Tele2", count(1.9)), row("МТС ", count(2.6)), row("Россия", "Безлимит".to_owned())],
        error: failing_hour(hours, 4.0).then(|| "Ваш аккаунт заблокирован".to_owned()),
    }
}

fn wallet(hours: f64) -> Wallet {
    let balance = falling(hours, 600.0, 0.0, 8.0);
    Wallet { balance, id: 4711, common: false, forbidden: balance < 50.0, outage: failing_hour(hours, 11.0).then_some(504) }
}

/// Credits of 60 dollars that are bought every five hours and used up but for a rest. They expire three days after the world began.
fn credits(hours: f64, began: u64) -> Credits {
    const DAY: u64 = 24 * 60 * 60;
    let left = falling(hours, 60.0, 3.0, 5.0);
    #[expect(clippy::cast_possible_truncation, reason = "at most 1000")]
    let requests_left = falling(hours, 1000.0, 20.0, 3.0) as i64;
    Credits {
        bought: 60.0,
        used: cents(60.0 - left),
        expires_at: began + 3 * DAY,
        requests_left,
        resets_at: began + DAY,
        outage: failing_hour(hours, 13.0).then_some(502),
    }
}

/// A balance that falls below zero, within a limit.
fn text_account(hours: f64) -> TextAccount {
    TextAccount { money: falling(hours, 2500.0, -4500.0, 9.0), limit: 5000.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balances_fall_and_are_topped_up_and_providers_fail() {
        assert!(books(1.0).available < books(0.0).available);
        assert!(books(7.0).available > books(6.9).available);
        assert_eq!(
            (account(2.9).error.is_some(), account(3.5).error.is_some(), account(4.0).error.is_some()),
            (false, true, false)
        );
        assert_eq!((wallet(1.0).forbidden, wallet(7.9).forbidden, wallet(8.0).forbidden), (false, true, false));
    }
}
