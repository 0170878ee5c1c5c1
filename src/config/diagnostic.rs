//! What is wrong with a configuration, and where.

use std::fmt;
use std::sync::Arc;

/// A place in a configuration file. Displayed as `channels.toml:9:10`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file's name, without the directory.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: u32,
    /// The column in characters, counted from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong or worth knowing. Displayed as `channels.toml:9:10 what, and what to do.`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Where; `None` where no file is to blame (a directory that cannot be read).
    pub place: Option<Place>,
    /// What is wrong, what was expected, what to do.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place} {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Everything that is wrong with a configuration, sorted by file and line; at least one thing.
/// Displayed with one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    /// What keeps the configuration from being used.
    pub errors: Vec<Diagnostic>,
    /// What else was noticed.
    pub warnings: Vec<Diagnostic>,
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// Collects what is wrong while the work goes on, so that one run reports all of it.
#[derive(Debug, Default)]
pub(super) struct Findings {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Findings {
    /// Something that keeps the configuration from being used.
    pub fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.errors.push(Diagnostic {
            place: Some(place.clone()),
            message: message.into(),
        });
    }

    /// An error for which no place in a file is to blame.
    pub fn error_nowhere(&mut self, message: impl Into<String>) {
        self.errors.push(Diagnostic {
            place: None,
            message: message.into(),
        });
    }

    /// Something that an admin should know.
    pub fn warning(&mut self, place: &Place, message: impl Into<String>) {
        self.warnings.push(Diagnostic {
            place: Some(place.clone()),
            message: message.into(),
        });
    }

    /// True while nothing keeps the configuration from being used.
    pub fn is_usable(&self) -> bool {
        self.errors.is_empty()
    }

    /// The warnings where nothing was wrong, all that was found otherwise; sorted.
    pub fn into_result(mut self) -> Result<Vec<Diagnostic>, Diagnostics> {
        self.errors.sort();
        self.errors.dedup();
        self.warnings.sort();
        self.warnings.dedup();
        if self.errors.is_empty() {
            Ok(self.warnings)
        } else {
            Err(Diagnostics {
                errors: self.errors,
                warnings: self.warnings,
            })
        }
    }
}

/// The name among `names` that was probably meant by `written`.
pub(super) fn nearest<'a>(
    written: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let written = written.to_lowercase();
    names
        .into_iter()
        .map(|name| {
            let distance = strsim::damerau_levenshtein(&written, &name.to_lowercase());
            (distance, name)
        })
        .filter(|(distance, name)| {
            *distance
                <= name
                    .chars()
                    .count()
                    .max(written.chars().count())
                    .div_ceil(3)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The end of a message about a name that does not exist: ` Did you mean "oslo"?`, else which there are.
pub fn suggestion<'a>(written: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(written, names.clone()) {
        return format!(" Did you mean \"{name}\"?");
    }
    let known: Vec<&str> = names.into_iter().collect();
    let shown = known
        .get(..SUGGESTED_NAMES.min(known.len()))
        .unwrap_or(&known);
    match known.len() {
        0 => String::new(),
        1 => format!(" There is: {}.", shown.join(", ")),
        count if count > shown.len() => {
            let more = count.saturating_sub(shown.len());
            format!(" There are: {}, and {more} more.", shown.join(", "))
        }
        _ => format!(" There are: {}.", shown.join(", ")),
    }
}

/// How many names a message lists when none is near: as many as fit on a line.
const SUGGESTED_NAMES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name_and_nonsense_does_not() {
        let names = ["ring_seconds", "strategy", "users", "teams"];
        for (written, expected) in [
            ("ring_second", Some("ring_seconds")),
            ("stratgey", Some("strategy")),
            ("Users", Some("users")),
            ("user", Some("users")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, names), expected, "{written}");
        }
    }
}
