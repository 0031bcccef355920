//! The options that say what a configuration is read from; shared by every command that reads one.

use std::path::PathBuf;

use crate::config::Sources;

#[derive(Debug, Clone, Default, clap::Args)]
pub struct SourceArgs {
    /// Configuration file [default: portcullis.toml beside the caller]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// System whose environment names and refusals apply: pump-analyzer, ticker-service, echotuner, kalshiwhale or
    /// btc-forecasting
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Where the application is: `http://host:port` or `unix:/path`
    #[arg(long, global = true, value_name = "URL")]
    pub upstream: Option<String>,
    /// Where clients connect: `ip:port` or `unix:/path`
    #[arg(long, global = true, value_name = "ADDR")]
    pub listen: Option<String>,
    /// File with environment names [default: .env beside the caller, not in production]
    #[arg(long, global = true, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
}

impl SourceArgs {
    /// The options, with the environment of the process: the only place where it is read. A value that is not
    /// UTF-8 is kept with replacement characters, which every check of a value then refuses.
    pub fn sources(&self) -> Sources {
        let text = |it: std::ffi::OsString| it.to_string_lossy().into_owned();
        Sources {
            directory: std::env::current_dir().unwrap_or_default(),
            config_path: self.config.clone(),
            profile: self.profile.clone(),
            env_file: self.env_file.clone(),
            upstream: self.upstream.clone(),
            listen: self.listen.clone(),
            environment: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
        }
    }
}
