//! `portcullis demo`: its arguments.

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis demo")]
pub struct Args {
    /// Where the gateway listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    pub listen: String,
}
