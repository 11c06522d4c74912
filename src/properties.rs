//! How property tests draw their cases: anew in each run, from a seed that they print.

use proptest::test_runner::{Config, RngSeed};

/// The configuration of a property test. It prints the seed, which the harness shows with a failure;
/// `PROPTEST_RNG_SEED=SEED cargo test NAME` draws the same cases again, and `PROPTEST_CASES` sets their number.
pub(crate) fn config() -> Config {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => fastrand::u64(..),
    };
    config.rng_seed = RngSeed::Fixed(seed);
    #[expect(clippy::print_stdout, reason = "the harness keeps it until the test fails")]
    {
        println!("PROPTEST_RNG_SEED={seed}");
    }
    config
}

#[test]
fn each_run_draws_new_cases_unless_a_seed_is_set() {
    let (first, second) = (config().rng_seed, config().rng_seed);
    let set = std::env::var_os("PROPTEST_RNG_SEED").is_some();
    assert_eq!(first == second, set, "{first} {second}");
}
