//! Logs: one line per event, as text or JSON. The log level can change while the process runs.

use clap::ValueEnum;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// How log lines look.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For humans.
    Human,
    /// One JSON object per line.
    Json,
}

/// The log filter of the running process.
#[derive(Clone)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

/// Why the filter could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum LogFilterError {
    /// The text is not a filter.
    #[error("not a filter such as `info` or `info,akacert=debug`: {0}")]
    Invalid(#[from] ParseError),
    /// The process no longer logs.
    #[error("the process is ending: {0}")]
    Ending(#[from] reload::Error),
}

impl LogFilter {
    /// The current filter.
    #[must_use]
    pub fn get(&self) -> String {
        self.0.with_current(ToString::to_string).unwrap_or_default()
    }

    /// Replaces the filter.
    ///
    /// # Errors
    /// [`LogFilterError`]; the old filter stays.
    pub fn set(&self, filter: &str) -> Result<(), LogFilterError> {
        self.0.reload(EnvFilter::builder().parse(filter)?)?;
        tracing::info!(filter, "what is logged was changed");
        Ok(())
    }
}

/// Starts logging to standard error.
///
/// # Errors
/// The filter cannot be parsed.
pub fn start(format: LogFormat, filter: &str) -> Result<LogFilter, ParseError> {
    let (filter, handle) = reload::Layer::new(EnvFilter::builder().parse(filter)?);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let logs = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Human => logs.with(lines).init(),
        LogFormat::Json => logs.with(lines.json().flatten_event(true).with_span_list(false)).init(),
    }
    Ok(LogFilter(handle))
}

#[cfg(test)]
impl LogFilter {
    /// A filter for a process that logs nothing, and the layer that keeps it alive.
    pub fn detached() -> (Self, reload::Layer<EnvFilter, Registry>) {
        let (layer, handle) = reload::Layer::new(EnvFilter::new("info"));
        (Self(handle), layer)
    }
}
