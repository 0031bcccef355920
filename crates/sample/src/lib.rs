//! A sample application with the endpoints that the five security guides call.
//!
//! It stands behind the gateway in `portcullis demo` and in the end-to-end tests. It checks no credential
//! and counts no request: that is what the gateway is for. Its answers have the shape of the applications
//! the guides were written for, errors in FastAPI's form included; its state is in memory and bounded.
//! What the tests of a proxy need beside that (echo, streams, uploads, events) stands under `/sample/`.

mod btc;
mod echotuner;
mod fastapi;
mod general;
mod identifier;
mod kalshi;
mod listener;
mod pages;
mod pump;
mod stream;
mod ticker;

pub use listener::{Listener, serve, serve_until};

use axum::Router;
use axum::routing::get;
use std::net::SocketAddr;
use std::time::Duration;

/// Which of the five systems the application is. Some paths belong to several of them (`/`, `/health`,
/// `/ws`); a single system answers as that system does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum System {
    /// All endpoints. `/` lists them, `/health` is the ticker service's answer (a superset of the others'),
    /// `/ws` is `KalshiWhale`'s.
    #[default]
    All,
    /// Pump Analyzer Web.
    Pump,
    /// ticker-service.
    Ticker,
    /// `EchoTuner`.
    EchoTuner,
    /// `KalshiWhale` Backend.
    Kalshi,
    /// BTC Forecasting API.
    Btc,
}

impl System {
    /// Every system with the name of its configuration profile; `All` is `all`.
    pub const NAMES: [(&'static str, System); 6] = [
        ("all", System::All),
        ("pump-analyzer", System::Pump),
        ("ticker-service", System::Ticker),
        ("echotuner", System::EchoTuner),
        ("kalshiwhale", System::Kalshi),
        ("btc-forecasting", System::Btc),
    ];

    /// The system whose profile has this name.
    pub fn named(name: &str) -> Option<System> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, system)| *system)
    }

    /// The endpoints of this system, each as `METHOD /path`, with `WS` for a WebSocket. What is under
    /// `/sample/` is not listed.
    pub fn endpoints(self) -> Vec<&'static str> {
        let lists: &[&[&'static str]] = match self {
            System::All => &[
                pages::ENDPOINTS,
                pump::ENDPOINTS,
                ticker::ENDPOINTS,
                echotuner::ENDPOINTS,
                kalshi::ENDPOINTS,
                btc::ENDPOINTS,
            ],
            System::Pump => &[pages::ENDPOINTS, pump::ENDPOINTS],
            System::Ticker => &[pages::ENDPOINTS, ticker::ENDPOINTS],
            System::EchoTuner => &[pages::ENDPOINTS, echotuner::ENDPOINTS],
            System::Kalshi => &[pages::ENDPOINTS, kalshi::ENDPOINTS],
            System::Btc => &[pages::ENDPOINTS, btc::ENDPOINTS],
        };
        let mut all: Vec<_> = lists.concat();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// How the application behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Which system it is.
    pub system: System,
    /// The pause of `KalshiWhale`'s `/ws` after each heartbeat; 30 s in the real application.
    pub heartbeat_pause: Duration,
    /// How long ticker-service's order socket waits for the first message; 10 s in the real application.
    pub auth_timeout: Duration,
    /// How long ticker-service's order socket lives without a `ping`; 60 s in the real application.
    pub ping_timeout: Duration,
    /// The proxy through which webhooks are called; none: directly.
    pub proxy: Option<SocketAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            system: System::All,
            heartbeat_pause: Duration::from_millis(50),
            auth_timeout: Duration::from_secs(10),
            ping_timeout: Duration::from_mins(1),
            proxy: None,
        }
    }
}

/// The application as `system`, with default options and an empty state of its own.
pub fn router(system: System) -> Router {
    router_with(Options { system, ..Options::default() })
}

/// The application with an empty state of its own.
pub fn router_with(options: Options) -> Router {
    let router = match options.system {
        System::All => {
            let kalshi = kalshi::Kalshi::new(options.heartbeat_pause);
            let ticker = ticker::Ticker::new(options);
            pump::routes()
                .merge(ticker.routes())
                .merge(echotuner::routes())
                .merge(kalshi.routes())
                .merge(btc::routes())
                .route("/", get(pages::index))
                .route("/health", ticker.health())
                .route("/ws", kalshi.socket())
        }
        System::Pump => pump::routes(),
        System::Ticker => {
            let ticker = ticker::Ticker::new(options);
            ticker.routes().route("/health", ticker.health())
        }
        System::EchoTuner => echotuner::routes().route("/", get(echotuner::root)),
        System::Kalshi => {
            let kalshi = kalshi::Kalshi::new(options.heartbeat_pause);
            kalshi.routes().route("/", get(kalshi::root)).route("/ws", kalshi.socket())
        }
        System::Btc => btc::routes()
            .route("/", get(btc::root))
            .route("/health", get(btc::health))
            .route("/ws", get(btc::socket))
            .layer(axum::middleware::from_fn(btc::response_time)),
    };
    general::counted(router.merge(pages::routes(options.system)).merge(general::routes()))
}
