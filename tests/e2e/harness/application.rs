//! The sample application, in this process, on a free port.

use std::sync::mpsc;
use std::thread::JoinHandle;

use portcullis_sample::{Listener, Options, System, router_with, serve_until};
use tokio::sync::oneshot;

/// The application as one of the five systems, until it is dropped.
pub struct Application {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

impl Application {
    /// Starts it.
    pub fn start(system: System) -> Self {
        Self::start_with(Options { system, ..Options::default() })
    }

    /// Starts one that behaves as said.
    pub fn start_with(options: Options) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, address) = mpsc::channel();
        let serving = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = Listener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.address().unwrap()).unwrap();
                let until = async move { drop(stopped.await) };
                // Connections that the gateway keeps open must not keep the test waiting.
                tokio::select! {
                    served = serve_until(listener, router_with(options), std::future::pending()) => served.unwrap(),
                    () = until => {}
                }
            });
        });
        Self { url: address.recv().unwrap(), stop: Some(stop), serving: Some(serving) }
    }

    /// Where it listens, as a gateway takes it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}
