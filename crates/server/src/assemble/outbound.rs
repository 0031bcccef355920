//! From the configuration to who judges where URLs lead.

use std::sync::Arc;

use portcullis_core::outbound::UrlGuard;
use portcullis_outbound::Guard;
use portcullis_outbound::dns::Dns;
use portcullis_proxy::egress;

use crate::config::model::{Config, Mode};
use crate::config::{Problem, Problems};

/// Who judges the URLs that requests name, where a route asks for public ones.
pub(super) fn url_guard(config: &Config) -> Result<Option<Arc<dyn UrlGuard>>, Problems> {
    if !config.routes.iter().any(|route| route.validate.judges_urls()) {
        return Ok(None);
    }
    Ok(Some(Arc::new(guard(config)?)))
}

/// The rules of the way out, where there is one.
pub fn egress_rules(config: &Config) -> Result<Option<egress::Rules>, Problems> {
    let Some(egress) = &config.egress else { return Ok(None) };
    Ok(Some(egress::Rules {
        guard: guard(config)?,
        hosts: egress.hosts.clone(),
        observe: egress.mode == Mode::Observe,
        clients: egress.clients.clone(),
    }))
}

fn guard(config: &Config) -> Result<Guard, Problems> {
    let outbound = &config.outbound;
    let resolver = match &*outbound.resolvers {
        [] => Dns::system(),
        servers => Dns::at(servers),
    };
    let resolver = resolver.map_err(|error| {
        Problems::from(
            Problem::new(&outbound.origin, error.to_string())
                .mend("name them: [outbound] resolver = [\"9.9.9.9\"]"),
        )
    })?;
    Ok(Guard::new(outbound.rules.clone(), Arc::new(resolver), outbound.timeout))
}
