//! Operands and what is reckoned with them.

use super::super::token::{Key, Token};
use super::Reading;

/// How many parentheses in each other, or parts of a name, are followed; more say nothing more. What is looked at
/// from each word is bounded, so that a text costs time linear in its length.
pub(super) const DEEPEST: usize = 16;

/// An operand of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand<'t> {
    /// A number, a string, `NULL`.
    Constant,
    /// `@@version`.
    Variable,
    /// The name of a column, or any word.
    Name(&'t str),
    /// A function with its arguments.
    Call(&'t str),
    /// A query in parentheses.
    Query,
    /// An expression in parentheses, or a `CASE`.
    Nested,
    Star,
}

impl Operand<'_> {
    /// Whether English has no such thing at that place.
    pub(super) fn is_code(self) -> bool {
        matches!(
            self,
            Operand::Constant | Operand::Variable | Operand::Call(_) | Operand::Query | Operand::Star
        )
    }
}

impl<'t> Reading<'t> {
    /// An operand and what is reckoned with it; where it ends, and what it is.
    pub(super) fn expression(&self, at: usize) -> Option<(usize, Operand<'t>)> {
        let (mut end, mut operand) = self.operand(at)?;
        // More than these say nothing more.
        for _ in 0..8 {
            if !matches!(self.at(end), Some(Token::Arithmetic | Token::Star)) {
                break;
            }
            let Some((next, other)) = self.operand(end + 1) else { break };
            if operand == Operand::Constant {
                operand = other;
            }
            end = next;
        }
        Some((end, operand))
    }

    fn operand(&self, mut at: usize) -> Option<(usize, Operand<'t>)> {
        let mut signs = 0;
        while matches!(self.at(at), Some(Token::Arithmetic | Token::Comparison | Token::Key(Key::Not)))
            && signs < 8
        {
            // `~1`, `-1`, `!1`; a comparison is a sign only as `~`, which reads as one.
            at += 1;
            signs += 1;
        }
        let found = match self.at(at)? {
            Token::Number | Token::Text(_) | Token::Unended(_) | Token::Key(Key::Constant) => {
                (at + 1, Operand::Constant)
            }
            Token::Variable => (at + 1, Operand::Variable),
            Token::Star => (at + 1, Operand::Star),
            Token::Open => {
                let mut inner = at;
                while self.at(inner) == Some(Token::Open) && inner < at + DEEPEST {
                    inner += 1;
                }
                let end = (self.closes[at] + 1).min(self.tokens.len());
                match self.at(inner) {
                    Some(Token::Key(Key::Select)) => (end, Operand::Query),
                    Some(Token::Number | Token::Text(_)) if inner + 1 + (inner - at) == end => {
                        (end, Operand::Constant)
                    }
                    _ => (end, Operand::Nested),
                }
            }
            Token::Key(Key::Case) => (self.tokens.len(), Operand::Nested),
            Token::Name(mut name) => {
                let mut end = at + 1;
                while let (Some(Token::Dot), Some(Token::Name(part))) = (self.at(end), self.at(end + 1))
                    && end < at + DEEPEST
                {
                    name = part;
                    end += 2;
                }
                if self.at(end) == Some(Token::Open) {
                    ((self.closes[end] + 1).min(self.tokens.len()), Operand::Call(name))
                } else {
                    (end, Operand::Name(name))
                }
            }
            // `user()`, `schema()`, `replace(…)`, `values(…)` are functions too.
            Token::Key(Key::Object | Key::Statement | Key::Values)
                if self.at(at + 1) == Some(Token::Open) =>
            {
                ((self.closes[at + 1] + 1).min(self.tokens.len()), Operand::Call("user"))
            }
            Token::Key(Key::Object) => (at + 1, Operand::Name("")),
            _ => return None,
        };
        Some(found)
    }
}
