//! Settings: read from one file and the environment over compiled-in defaults, checked whole, told all at once. Nothing else of
//! the service reads a file of settings or a variable. What each key means stands in `default.toml`.

mod checks;
mod errors;
mod handbook;
mod reader;
mod settings;
mod sources;
#[cfg(test)]
mod tests;

use figment::value::{Dict, Value};

pub use errors::{ConfigError, ConfigErrors};
pub use handbook::{DEFAULT_TOML, Explained, settings as explained_settings};
pub use settings::{
    ActionNames, CensusSettings, ConnectionSettings, DatabaseSettings, LinkSettings, MasterKeySource, Mode,
    ServerSettings, Settings, StandingQuerySettings, SweepSettings, TelemetrySettings, TenantSettings, WebhookWatch,
};
pub use sources::Sources;

use self::handbook::{Handbook, NAME};
use self::reader::Reader;
use self::sources::Written;

/// The sections there are.
const SECTIONS: &[&str] =
    &["server", "database", "vault", "telemetry", "egress", "standing_query", "ifs", "connections"];

impl Settings {
    /// Reads and checks the settings.
    ///
    /// 1. Lay the environment over the file.
    /// 2. Read each section over its defaults, going on after each error.
    /// 3. Check what one key alone cannot tell.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let written = sources.read()?;
        let handbook = Handbook::new();
        let mut reader = Reader::new(&written, &handbook);
        refuse_unknown_sections(&mut reader, &written);

        let server = section(&mut reader, &written, &handbook, "server");
        let database = section(&mut reader, &written, &handbook, "database");
        let vault = section(&mut reader, &written, &handbook, "vault");
        let telemetry = section(&mut reader, &written, &handbook, "telemetry");
        let egress = section(&mut reader, &written, &handbook, "egress");
        let standing_query = section(&mut reader, &written, &handbook, "standing_query");
        let tenants =
            named(&mut reader, &written, &handbook, "ifs", |reader, path, values| reader.read(path, values, &[]));
        let connections = named(&mut reader, &written, &handbook, "connections", |reader, path, values| {
            let (link, mapping): (Dict, Dict) =
                values.into_iter().partition(|(key, _)| LinkSettings::KEYS.contains(&key.as_str()));
            let link = reader.read(path, link, &[]);
            let mapping = reader.read(path, mapping, LinkSettings::KEYS);
            Some((link?, mapping?))
        });

        let read = (|| {
            Some(checks::Raw {
                server: server?,
                database: database?,
                vault: vault?,
                telemetry: telemetry?,
                egress: egress?,
                standing_query: standing_query?,
                tenants,
                connections,
            })
        })();
        let settings = read.and_then(|raw| checks::check(&mut reader, &written, sources, raw));
        let mut errors = std::mem::take(&mut reader.errors);
        errors.sort_by_key(|error| (position(&error.section), error.section.clone()));
        match settings {
            Some(settings) if errors.is_empty() => Ok(settings),
            _ => Err(ConfigErrors(errors)),
        }
    }
}

/// Where a section stands among all, so that what is wrong with one is told together.
fn position(section: &str) -> usize {
    let first = section.split('.').next().unwrap_or(section);
    SECTIONS.iter().position(|known| *known == first).unwrap_or(0)
}

/// Refuses what stands at the top level and is no section.
fn refuse_unknown_sections(reader: &mut Reader<'_>, written: &Written) {
    for (key, value) in &written.values {
        if !SECTIONS.contains(&key.as_str()) {
            let advice = format!("known here: [{}]", SECTIONS.join("], ["));
            reader.refuse_with(std::slice::from_ref(key), Some(value), "is not a section", advice);
        }
    }
}

/// Reads the section `name` over its defaults.
fn section<T: serde::de::DeserializeOwned>(
    reader: &mut Reader<'_>,
    written: &Written,
    handbook: &Handbook,
    name: &str,
) -> Option<T> {
    let path = [name.to_owned()];
    let defaults = handbook.defaults.get(name).and_then(Value::as_dict).cloned().unwrap_or_default();
    let values = match written.values.get(name) {
        None => defaults,
        Some(Value::Dict(_, dict)) => overlay(defaults, dict),
        Some(other) => {
            reader.refuse_with(&path, Some(other), "is a value", format!("write a section [{name}]"));
            defaults
        }
    };
    reader.read(&path, values, &[])
}

/// Reads each `[kind.name]` over the defaults of `[kind.NAME]`, in the order of their names.
fn named<T>(
    reader: &mut Reader<'_>,
    written: &Written,
    handbook: &Handbook,
    kind: &str,
    read: impl Fn(&mut Reader<'_>, &[String], Dict) -> Option<T>,
) -> Vec<(String, T)> {
    let defaults = named_defaults(handbook, kind);
    let Some(all) = written.values.get(kind) else {
        return Vec::new();
    };
    let Some(all) = all.as_dict() else {
        reader.refuse_with(&[kind.to_owned()], Some(all), "is a value", format!("write a section [{kind}.{NAME}]"));
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, value) in all {
        let path = [kind.to_owned(), name.clone()];
        match value.as_dict() {
            Some(dict) => {
                let values = overlay(defaults.clone(), dict);
                found.extend(read(reader, &path, values).map(|read| (name.clone(), read)));
            }
            None => {
                let advice =
                    format!("write a section [{kind}.{NAME}]; the first word after [{kind}. is a name of yours");
                reader.refuse_with(&path, Some(value), "is a value", advice);
            }
        }
    }
    found
}

/// What holds in each `[kind.NAME]` where nothing was written.
fn named_defaults(handbook: &Handbook, kind: &str) -> Dict {
    let defaults = handbook.defaults.get(kind).and_then(|all| all.as_dict()?.get(NAME)?.as_dict());
    defaults.cloned().unwrap_or_default()
}

/// `over` laid on `under`: tables join, everything else is replaced.
fn overlay(mut under: Dict, over: &Dict) -> Dict {
    for (key, value) in over {
        let value = match (under.remove(key), value) {
            (Some(Value::Dict(_, below)), Value::Dict(tag, above)) => Value::Dict(*tag, overlay(below, above)),
            (_, value) => value.clone(),
        };
        under.insert(key.clone(), value);
    }
    under
}
