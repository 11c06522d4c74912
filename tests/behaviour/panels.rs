//! What the panels of the dashboard show for synthetic samples.

use crate::grafana::{DASHBOARD, expressions, with_variables};
use crate::support::{debian, text};
use serde_json::{Value, json};

/// Checks the first query of each panel against the expected labels and values, for synthetic samples, one a minute.
fn assert_panels(at: &str, samples: &[[&str; 2]], panels: &[(&str, &[(&str, f64)])]) {
    let samples: Vec<Value> = samples.iter().map(|[series, values]| json!({"series": series, "values": values})).collect();
    let queries = expressions(DASHBOARD);
    let expected = panels.iter().map(|(title, expected)| {
        let (_, expression) = queries.iter().find(|(found, _)| found == title).expect("a panel");
        let expected: Vec<Value> = expected.iter().map(|(labels, value)| json!({"labels": labels, "value": value})).collect();
        json!({"expr": format!("round({})", with_variables(expression, "RUB")), "eval_time": at, "exp_samples": expected})
    });
    let expected: Vec<Value> = expected.collect();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("panels.test.yml");
    let test = json!({"interval": "1m", "input_series": samples, "promql_expr_test": expected});
    std::fs::write(&file, json!({"tests": [test]}).to_string()).expect("a file");
    let output = debian("promtool", "prometheus").args(["test", "rules"]).arg(file).output().expect("promtool");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// As in the rules. The other exporter fails, and still serves readings from half an hour ago.
#[test]
fn panels_show_the_freshest_of_two_exporters() {
    let samples = [
        [r#"balance_last_success_timestamp_seconds{job="b",instance="a",provider="p",source="s"}"#, "0+60x40"],
        [r#"balance_last_success_timestamp_seconds{job="b",instance="b",provider="p",source="s"}"#, "0+60x10 600x30"],
        [r#"balance_available_amount{job="b",instance="a",provider="p",source="s",currency="RUB"}"#, "90x10 40x30"],
        [r#"balance_available_amount{job="b",instance="b",provider="p",source="s",currency="RUB"}"#, "90x40"],
        [r#"balance_low_amount{job="b",instance="a",provider="p",source="s",currency="RUB",severity="critical"}"#, "50x40"],
        [r#"balance_available_amount{job="b",instance="a",provider="p",source="s",account="A"}"#, "90x10 30x30"],
        [r#"balance_available_amount{job="b",instance="b",provider="p",source="s",account="A"}"#, "90x40"],
        [r#"balance_sms_available{job="b",instance="a",provider="p",source="s",sms_type="sms",area="Tele2"}"#, "9x10 4x30"],
        [r#"balance_sms_available{job="b",instance="b",provider="p",source="s",sms_type="sms",area="Tele2"}"#, "9x40"],
        [
            r#"balance_sms_low{job="b",instance="a",provider="p",source="s",sms_type="sms",area="Tele2",severity="critical"}"#,
            "5x40",
        ],
        [r#"balance_operations_forbidden{job="b",instance="a",provider="p",source="s",account="A"}"#, "1x10 0x30"],
        [r#"balance_operations_forbidden{job="b",instance="b",provider="p",source="s",account="A"}"#, "1x40"],
    ];
    let panels: [(&str, &[(&str, f64)]); 6] = [
        ("Critical", &[("{}", 2.0)]),
        ("Available by currency", &[(r#"{currency="RUB"}"#, 40.0)]),
        ("Balances in $currency", &[(r#"{job="b",provider="p",source="s",currency="RUB"}"#, 40.0)]),
        ("Balances without a currency", &[(r#"{job="b",provider="p",source="s",account="A"}"#, 30.0)]),
        ("SMS by area", &[(r#"{job="b",provider="p",source="s",sms_type="sms",area="Tele2"}"#, 4.0)]),
        ("Operations forbidden", &[]),
    ];
    assert_panels("40m", &samples, &panels);
}

/// As in `BalanceStale`: the time between two scrapes does not count as age.
#[test]
fn a_source_that_is_polled_more_often_than_scraped_is_not_old() {
    let samples = [
        [r#"balance_last_success_timestamp_seconds{job="b",instance="a",provider="p",source="s"}"#, "0+60x40"],
        [r#"balance_poll_interval_seconds{job="b",instance="a",provider="p",source="s"}"#, "10x40"],
    ];
    let panels: [(&str, &[(&str, f64)]); 2] = [
        ("Oldest reading", &[("{}", 0.0)]),
        ("Age of the readings, in intervals", &[(r#"{job="b",provider="p",source="s"}"#, 0.0)]),
    ];
    assert_panels("39m45s", &samples, &panels);
}

/// As in the rules: `instance` stays, and a restart changes another target label.
#[test]
fn spending_is_summed_over_both_pods() {
    let samples = [
        [r#"balance_last_success_timestamp_seconds{job="b",instance="a",pod="y",provider="p",source="s"}"#, "0+60x40"],
        [r#"balance_poll_interval_seconds{job="b",instance="a",pod="y",provider="p",source="s"}"#, "60x40"],
        [r#"balance_available_amount{job="b",instance="a",pod="y",provider="p",source="s",currency="RUB"}"#, "80x40"],
        [
            r#"balance_withdrawn_amount_total{job="b",instance="a",pod="x",provider="p",source="s",currency="RUB"}"#,
            "0+1x20 stale",
        ],
        [r#"balance_withdrawn_amount_total{job="b",instance="a",pod="y",provider="p",source="s",currency="RUB"}"#, "_x21 0+1x20"],
        [r#"balance_withdrawn_amount_total{job="b",instance="a",pod="x",provider="p",source="s"}"#, "0+1x20 stale"],
        [r#"balance_withdrawn_amount_total{job="b",instance="a",pod="y",provider="p",source="s"}"#, "_x21 0+1x20"],
    ];
    // 20.5 for the first pod, because a rate extrapolates half a scrape beyond the last sample, and 20 for the second.
    let panels: [(&str, &[(&str, f64)]); 3] = [
        ("Runway", &[(r#"{job="b",provider="p",source="s",currency="RUB"}"#, 170_667.0)]),
        ("Burn a day in $currency", &[(r#"{job="b",provider="p",source="s",currency="RUB"}"#, 41.0)]),
        ("Burn a day without a currency", &[(r#"{job="b",provider="p",source="s"}"#, 41.0)]),
    ];
    assert_panels("41m", &samples, &panels);
}

/// As in the rules: prod is low, fails and spends; staging has the latest reading and plenty of money.
#[test]
fn two_jobs_with_one_source_name_are_two_sources() {
    let samples = [
        [r#"balance_last_success_timestamp_seconds{job="prod",instance="a",provider="p",source="s"}"#, "0+60x10 600x30"],
        [r#"balance_last_success_timestamp_seconds{job="staging",instance="a",provider="p",source="s"}"#, "30+60x40"],
        [r#"balance_poll_interval_seconds{job="prod",instance="a",provider="p",source="s"}"#, "600x40"],
        [r#"balance_poll_interval_seconds{job="staging",instance="a",provider="p",source="s"}"#, "86400x40"],
        [r#"balance_available_amount{job="prod",instance="a",provider="p",source="s",currency="RUB"}"#, "10x40"],
        [r#"balance_available_amount{job="staging",instance="a",provider="p",source="s",currency="RUB"}"#, "5000x40"],
        [r#"balance_low_amount{job="prod",instance="a",provider="p",source="s",currency="RUB",severity="critical"}"#, "50x40"],
        [r#"balance_low_amount{job="staging",instance="a",provider="p",source="s",currency="RUB",severity="critical"}"#, "60x40"],
        [r#"balance_sms_available{job="prod",instance="a",provider="p",source="s",area="A"}"#, "1x40"],
        [r#"balance_sms_available{job="staging",instance="a",provider="p",source="s",area="A"}"#, "2x40"],
        [r#"balance_withdrawn_amount_total{job="prod",instance="a",provider="p",source="s",currency="RUB"}"#, "0+1x40"],
        [r#"balance_withdrawn_amount_total{job="staging",instance="a",provider="p",source="s",currency="RUB"}"#, "0x40"],
        [r#"balance_failing{job="prod",instance="a",provider="p",source="s",reason="dns"}"#, "1x40"],
        [r#"balance_failing{job="staging",instance="a",provider="p",source="s",reason="dns"}"#, "1x40"],
        [r#"balance_poll_failures_total{job="prod",instance="a",provider="p",source="s"}"#, "0+1x40"],
        [r#"balance_poll_failures_total{job="staging",instance="a",provider="p",source="s"}"#, "0x40"],
        [r#"balance_polls_total{job="prod",instance="a",provider="p",source="s"}"#, "0+1x40"],
        [r#"balance_polls_total{job="staging",instance="a",provider="p",source="s"}"#, "0+100x40"],
        // A wallet counts once, whichever token or job reads it.
        [r#"balance_last_success_timestamp_seconds{job="prod",instance="a",provider="atisu",source="f"}"#, "0+60x40"],
        [r#"balance_last_success_timestamp_seconds{job="staging",instance="a",provider="atisu",source="f"}"#, "0+60x40"],
        [r#"balance_available_amount{job="prod",instance="a",provider="atisu",source="f",account="7",currency="ATIS"}"#, "9x40"],
        [
            r#"balance_available_amount{job="staging",instance="a",provider="atisu",source="f",account="7",currency="ATIS"}"#,
            "9x40",
        ],
    ];
    let panels: [(&str, &[(&str, f64)]); 10] = [
        ("Critical", &[("{}", 1.0)]),
        ("Failing", &[("{}", 2.0)]),
        ("Available by currency", &[(r#"{currency="RUB"}"#, 5010.0), (r#"{currency="ATIS"}"#, 9.0)]),
        (
            "Balances in $currency",
            &[
                (r#"{job="prod",provider="p",source="s",currency="RUB"}"#, 10.0),
                (r#"{job="staging",provider="p",source="s",currency="RUB"}"#, 5000.0),
            ],
        ),
        (
            "SMS by area",
            &[
                (r#"{job="prod",provider="p",source="s",area="A"}"#, 1.0),
                (r#"{job="staging",provider="p",source="s",area="A"}"#, 2.0),
            ],
        ),
        ("Runway", &[(r#"{job="prod",provider="p",source="s",currency="RUB"}"#, 21_600.0)]),
        (
            "Failing now",
            &[
                (r#"{job="prod",provider="p",source="s",reason="dns"}"#, 1.0),
                (r#"{job="staging",provider="p",source="s",reason="dns"}"#, 1.0),
            ],
        ),
        (
            "Age of the readings, in intervals",
            &[(r#"{job="prod",provider="p",source="s"}"#, 3.0), (r#"{job="staging",provider="p",source="s"}"#, 0.0)],
        ),
        ("Failing sources by reason", &[(r#"{reason="dns"}"#, 2.0)]),
        ("Failed polls by source", &[(r#"{job="prod",provider="p",source="s"}"#, 1.0)]),
    ];
    assert_panels("40m", &samples, &panels);
}

/// Each shard has its own sources, and a restart with storage continues the counters.
#[test]
fn failed_polls_are_summed_over_the_exporters_of_a_job() {
    let samples = [
        [r#"balance_exporter_poll_failures_total{job="b",instance="a",pod="x",reason="dns"}"#, "0+1x20 stale"],
        [r#"balance_exporter_poll_failures_total{job="b",instance="a",pod="y",reason="dns"}"#, "_x21 21+1x20"],
        [r#"balance_exporter_poll_failures_total{job="b",instance="a",pod="x",reason="auth"}"#, "0x20 stale"],
        [r#"balance_exporter_poll_failures_total{job="b",instance="a",pod="y",reason="auth"}"#, "_x21 0x20"],
        [r#"balance_exporter_poll_failures_total{job="b",instance="b",reason="dns"}"#, "0+2x40"],
        // Restarted without storage.
        [r#"balance_exporter_poll_failures_total{job="b",instance="c",reason="dns"}"#, "0+5x20 0x20"],
    ];
    assert_panels("21m", &samples, &[("Failed polls by reason", &[(r#"{reason="dns"}"#, 3.0)])]);
}
