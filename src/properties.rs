//! The configuration of property tests: each run generates new cases, from a seed that it prints.

use proptest::test_runner::{Config, RngSeed};

/// The configuration of a property test. It prints the seed, which the test harness shows when the test fails.
/// `PROPTEST_RNG_SEED=SEED cargo test NAME` generates the same cases again; `PROPTEST_CASES` sets their number.
pub(crate) fn config() -> Config {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => fastrand::u64(..),
    };
    config.rng_seed = RngSeed::Fixed(seed);
    #[expect(clippy::print_stdout, reason = "the test harness captures it and shows it when the test fails")]
    {
        println!("PROPTEST_RNG_SEED={seed}");
    }
    config
}

#[test]
fn each_run_generates_new_cases_unless_a_seed_is_set() {
    let (first, second) = (config().rng_seed, config().rng_seed);
    let set = std::env::var_os("PROPTEST_RNG_SEED").is_some();
    assert_eq!(first == second, set, "{first} {second}");
}
