//! Where settings come from: one file and the environment, laid over each other. What came from where is kept for messages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::errors::{ConfigError, ConfigErrors};

/// Names the file when neither `--config` nor the working folder does.
const FILE_VARIABLE: &str = "ML_CONNECTOR_CONFIG";
/// The file in the working folder.
const FILE_HERE: &str = "ml-connector.toml";
/// Variables with this prefix are settings.
const SETTING_PREFIX: &str = "ML_CONNECTOR__";

/// The file and the environment that settings are read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Variables by name; only those of this service matter.
    pub environment: BTreeMap<String, String>,
}

impl Sources {
    /// The sources of this process: `asked_for` (from `--config`), else `$ML_CONNECTOR_CONFIG`, else `./ml-connector.toml` if it exists.
    pub fn of_process(asked_for: Option<&Path>) -> Self {
        // A variable whose name or value is not text cannot be one of ours.
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("ML_CONNECTOR_"))
            .collect();
        let here = Path::new(FILE_HERE);
        let file = asked_for
            .map(Path::to_owned)
            .or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from))
            .or_else(|| here.exists().then(|| here.to_owned()));
        Self { file, environment }
    }

    /// Whether anything was written at all, in a file or in the environment.
    fn say_nothing(&self) -> bool {
        self.file.is_none() && !self.environment.keys().any(|name| name.starts_with(SETTING_PREFIX))
    }

    /// Reads them.
    ///
    /// # Errors
    /// The file cannot be read or is no TOML; or there is no source at all.
    pub(super) fn read(&self) -> Result<Written, ConfigErrors> {
        let refuse = |place: String, problem: String, advice: &str| {
            let (section, key, advice) = (String::new(), String::new(), advice.to_owned());
            ConfigErrors(vec![ConfigError { place, section, key, problem, advice }])
        };
        if self.say_nothing() {
            let advice = "write ./ml-connector.toml, or name a file with --config FILE or $ML_CONNECTOR_CONFIG";
            return Err(refuse("settings".to_owned(), "there are none".to_owned(), advice));
        }
        let mut figment = Figment::new();
        if let Some(file) = &self.file {
            let place = file.display().to_string();
            let text = std::fs::read_to_string(file).map_err(|e| {
                refuse(place.clone(), format!("cannot be read: {e}"), "name a readable file with --config FILE")
            })?;
            figment = figment.merge(NamedText { place, text });
        }
        for (name, text) in &self.environment {
            if let Some(path) = name.strip_prefix(SETTING_PREFIX) {
                figment = figment.merge(Variable { name, path, text });
            }
        }
        let data = figment.data().map_err(|e| {
            let place = self.file.as_ref().map_or_else(|| "settings".to_owned(), |file| file.display().to_string());
            // The parser draws the line and an arrow below it; a list of errors has one line for each.
            let problem = e.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            refuse(place, format!("is not TOML: {problem}"), "mend that line")
        })?;
        let values = data.into_iter().find(|(profile, _)| *profile == Profile::Default).map(|(_, dict)| dict);
        Ok(Written { values: values.unwrap_or_default(), origin: figment })
    }
}

/// What was written, and by whom.
pub(super) struct Written {
    pub(super) values: Dict,
    origin: Figment,
}

impl Written {
    /// The file or the variable that `value` came from.
    pub(super) fn place(&self, value: &Value) -> Option<String> {
        let metadata = self.origin.get_metadata(value.tag())?;
        Some(metadata.name.to_string())
    }

    /// Whether `value` came from the environment, where everything is text.
    pub(super) fn is_variable(&self, value: &Value) -> bool {
        self.place(value).is_some_and(|place| place.starts_with(SETTING_PREFIX))
    }
}

/// A TOML text that is called by the path of its file.
struct NamedText {
    place: String,
    text: String,
}

impl Provider for NamedText {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Toml::string(&self.text).data()
    }
}

/// One variable. Each is a source of its own, so that a message can name it, and its value stays text until a key wants
/// something else: `0010` may be a company.
struct Variable<'a> {
    name: &'a str,
    path: &'a str,
    text: &'a str,
}

impl Provider for Variable<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.to_owned())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut parts: Vec<String> = self.path.split("__").map(str::to_ascii_lowercase).collect();
        if let [section, name, ..] = parts.as_mut_slice()
            && matches!(section.as_str(), "ifs" | "connections")
        {
            // A variable's name cannot hold the `-` that a name of ours may, nor can a name of ours hold `_`.
            *name = name.replace('_', "-");
        }
        let text = Value::String(Tag::Default, self.text.to_owned());
        let nested =
            parts.into_iter().rev().fold(text, |inner, part| Value::Dict(Tag::Default, Dict::from([(part, inner)])));
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}
