//! Strict YAML for every file of the program: from bytes to types, or to one line with the place and the fix.

use super::ConfigError;
use crate::problem::error;
use crate::system::files;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::path::Path;

/// Maximum nesting of maps and lists: several times what any file of the program needs.
const DEPTH: usize = 32;
/// Maximum number of open brackets, anywhere in the text.
const BRACKETS: usize = 1000;
const TOO_DEEP: &str = "is nested too deeply; flatten it";
/// Maximum size of a document with its aliases expanded, in bytes of text.
const SIZE: usize = 32 * 1024 * 1024;

/// Parses a whole file as one value; `path` names it in messages.
///
/// # Errors
/// The first problem, without the value that is wrong.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, ConfigError> {
    let text = files::text(bytes).map_err(|problem| ConfigError::of_file(path, &format!("{problem}; save it as UTF-8")))?;
    if too_many_open(text) {
        return Err(ConfigError::of_file(path, TOO_DEEP));
    }
    serde_yaml::from_str::<IgnoredAny>(text).map_err(|error| ConfigError::of_syntax(path, &error))?;
    let of_yaml = |error| ConfigError::of_yaml(path, &error);
    Sound { depth: DEPTH, left: &mut { SIZE } }.deserialize(serde_yaml::Deserializer::from_str(text)).map_err(of_yaml)?;
    serde_yaml::from_str(text).map_err(of_yaml)
}

/// Whether more brackets are open than [`BRACKETS`]: the parser takes time that is quadratic in them. Brackets in texts and comments
/// count too, which does no harm at this limit.
fn too_many_open(text: &str) -> bool {
    let mut open = 0_usize;
    text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open > BRACKETS
    })
}

/// Visits a document and refuses what the types would accept: aliases that expand without bound, null keys, and tags.
struct Sound<'a> {
    depth: usize,
    left: &'a mut usize,
}

impl Sound<'_> {
    fn spend<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        let left = self.left.checked_sub(bytes.saturating_add(1));
        *self.left = left.ok_or_else(|| error("the aliases expand to more than 32 MiB; use fewer aliases"))?;
        Ok(())
    }

    fn below<E: Error>(&mut self) -> Result<Sound<'_>, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| error(TOO_DEEP))?;
        Ok(Sound { depth, left: self.left })
    }
}

impl<'de> DeserializeSeed<'de> for Sound<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! scalars {
    ($($visit:ident: $kind:ty),*) => { $(
        fn $visit<E: Error>(mut self, _: $kind) -> Result<(), E> {
            self.spend(0)
        }
    )* };
}

impl<'de> Visitor<'de> for Sound<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64);

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.spend(0)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.spend(text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        self.spend(0)?;
        while list.next_element_seed(self.below()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.spend(0)?;
        while map.next_key_seed(Key(self.below()?))?.is_some() {
            map.next_value_seed(self.below()?)?;
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(error("a tag such as !name means nothing here; write the value itself, in quotes where it begins with !"))
    }
}

/// The key of a map: a text, or a scalar that counts as the text it is written as.
struct Key<'a>(Sound<'a>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! key_scalars {
    ($($visit:ident: $kind:ty),*) => { $(
        fn $visit<E: Error>(self, key: $kind) -> Result<(), E> {
            self.0.$visit(key)
        }
    )* };
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text as the key")
    }

    key_scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64);

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(error("a key is missing; write it, in quotes where it is the word null"))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        match key {
            "<<" => Err(error("merge keys are not supported; write the keys out, or use defaults")),
            key => self.0.visit_str(key),
        }
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        self.0.visit_enum(tagged)
    }
}
