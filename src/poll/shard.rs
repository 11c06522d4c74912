//! Which part of the sources a process polls, where several processes share one configuration.
//!
//! Rendezvous hashing: each name goes to the shard with the highest weight for it. Every name has exactly one shard, and a change of the
//! count from n to n + 1 moves one name in n + 1. The weights never change between versions: that would move sources away from their state.

use std::fmt;
use std::str::FromStr;

/// The most shards.
const COUNT_LIMIT: u32 = 1000;

/// One of several parts of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// Why a text names no shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoShard {
    /// It is not of the form.
    #[error("write INDEX/COUNT, such as 0/3, 1/3 and 2/3 for three processes")]
    Form,
    /// There is no such number of shards.
    #[error("COUNT is 1 to {COUNT_LIMIT}")]
    Count,
    /// There is no such shard.
    #[error("INDEX begins at 0 and is below COUNT")]
    Index,
}

impl FromStr for Shard {
    type Err = NoShard;

    fn from_str(text: &str) -> Result<Self, NoShard> {
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let (index, count) = text.split_once('/').ok_or(NoShard::Form)?;
        let (index, count) = (number(index).ok_or(NoShard::Form)?, number(count).ok_or(NoShard::Form)?);
        if !(1..=COUNT_LIMIT).contains(&count) {
            return Err(NoShard::Count);
        }
        if index < count { Ok(Self { index, count }) } else { Err(NoShard::Index) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// Whether the source of this name belongs to it.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        let hash = fnv1a(name);
        // Of equal weights the first counts, so that there is always exactly one.
        let best = (0..self.count).max_by_key(|shard| (weight(hash, *shard), std::cmp::Reverse(*shard)));
        best == Some(self.index)
    }
}

/// FNV-1a with 64 bits.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The weight of a shard for a name: the finalizer of `SplitMix64` over both.
fn weight(hash: u64, shard: u32) -> u64 {
    let mut mixed = hash ^ u64::from(shard).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shard(text: &str) -> Shard {
        text.parse().expect(text)
    }

    /// The shard of a name among this many.
    fn of(name: &str, count: u32) -> u32 {
        let has: Vec<u32> = (0..count).filter(|index| Shard { index: *index, count }.has(name)).collect();
        assert_eq!(has.len(), 1, "{name} among {count}: {has:?}");
        has[0]
    }

    #[test]
    fn a_shard_is_an_index_below_a_count() {
        assert_eq!(shard("2/3").to_string(), "2/3");
        for (text, error) in [
            ("3/3", NoShard::Index),
            ("0/0", NoShard::Count),
            ("0/1001", NoShard::Count),
            ("1", NoShard::Form),
            ("a/3", NoShard::Form),
            ("1/3/4", NoShard::Form),
            ("-1/3", NoShard::Form),
            ("+1/3", NoShard::Form),
            ("/3", NoShard::Form),
            ("99999999999/3", NoShard::Form),
        ] {
            assert_eq!(text.parse::<Shard>(), Err(error), "{text}");
        }
    }

    #[test]
    fn names_never_move_between_versions() {
        let shards = ["ads", "sms", "freight", "a", "b", "c", "source-0001"].map(|name| of(name, 3));
        assert_eq!(shards, [1, 2, 2, 2, 0, 0, 1], "a change moves sources away from their state");
    }

    #[test]
    fn one_more_shard_moves_its_share_and_nothing_else() {
        let names: Vec<String> = (0..6_000).map(|n| format!("source-{n}")).collect();
        let mut moved = 0;
        let mut sizes = [0_usize; 4];
        for name in &names {
            let (before, after) = (of(name, 3), of(name, 4));
            assert!(before == after || after == 3, "{name} moves from {before} to {after}");
            moved += usize::from(before != after);
            sizes[after as usize] += 1;
        }
        // A quarter, within a tenth of it.
        assert!((1_350..1_650).contains(&moved), "{moved}");
        assert!(sizes.iter().all(|size| (1_350..1_650).contains(size)), "{sizes:?}");
    }

    proptest! {
        #![proptest_config(crate::properties::config())]
        #[test]
        fn every_name_has_exactly_one_shard(name in "[a-zA-Z0-9_.-]{1,64}", count in 1_u32..50) {
            let (before, after) = (of(&name, count), of(&name, count + 1));
            prop_assert!(before == after || after == count);
        }
    }
}
