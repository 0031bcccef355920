//! What requests are inspected for.

use std::sync::Arc;

use portcullis_gate::validate::patterns::{Patterns, Rule};

use super::super::problem::nearest;
use super::super::tree::Node;
use super::super::value::{self, Complaint};
use super::Reader;

/// `[patterns]`: what holds for every route, and what a route can choose.
#[derive(Debug)]
pub(super) struct General {
    observe: Arc<Patterns>,
    enforce: Arc<Patterns>,
    /// For routes that say nothing.
    pub default: Option<Arc<Patterns>>,
}

pub(super) fn general(root: &Reader<'_>) -> General {
    let section = root.section("patterns");
    let mut patterns = Patterns::default();
    if let Some(score) = section.integer("score") {
        patterns.threshold = u32::try_from(score).unwrap_or(u32::MAX);
    }
    for rule in section.list("without", rule) {
        patterns.without.add(rule);
    }
    patterns.words = section.list("words", |node| match value::text(node)? {
        "" => Err(Complaint::new("an empty text stands in every text", "take it away")),
        text => Ok(text.to_lowercase().into()),
    });
    let observe = Arc::new(patterns.clone());
    let enforce = Arc::new(Patterns { enforce: true, ..patterns });
    let mut general = General { observe, enforce, default: None };
    general.default = general.of_mode(section.choice("mode", super::keys::PATTERNS));
    general
}

impl General {
    /// What a route is inspected for.
    pub fn of_route(&self, route: &Reader<'_>) -> Option<Arc<Patterns>> {
        match route.choice("patterns", super::keys::PATTERNS) {
            None => self.default.clone(),
            mode => self.of_mode(mode),
        }
    }

    fn of_mode(&self, mode: Option<&str>) -> Option<Arc<Patterns>> {
        match mode {
            Some("observe") => Some(Arc::clone(&self.observe)),
            Some("enforce") => Some(Arc::clone(&self.enforce)),
            _ => None,
        }
    }
}

fn rule(node: &Node) -> Result<Rule, Complaint> {
    let word = value::text(node)?;
    Rule::named(word).ok_or_else(|| {
        let names = || Rule::ALL.iter().map(|(_, name, _)| *name);
        let mend = nearest(word, names()).map_or_else(
            || format!("one of {}", value::quoted(&names().collect::<Vec<_>>())),
            |near| format!("did you mean `{near}`?"),
        );
        Complaint::new(format!("`{word}` is not a rule"), mend)
    })
}
