//! Whether a text would change the meaning of an SQL statement that it is pasted into.
//!
//! A text is read in the places where applications paste: as it stands (behind `id =`), and as the rest of a string
//! that its first quote ends. What counts is grammar, not words: `or` between two constants that are compared,
//! `union select` with a list behind it, a statement behind a semicolon. English has the words and not the grammar.

mod expression;
mod words;

use super::Rule;
use super::token::{Key, Token, tokens};
use expression::{DEEPEST, Operand};
use words::{ATTACKS, CATALOGUES, READS, is_in};

/// The rules that a text meets.
pub(super) fn inspect(text: &str, fire: &mut impl FnMut(Rule)) {
    if !is_worth_it(text.as_bytes()) {
        return;
    }
    Reading::new(tokens(text), false).judge(fire);
    for quote in ['\'', '"'] {
        let Some(rest) = behind(text, quote) else { continue };
        let reading = Reading::new(tokens(rest), true);
        // `'='`, `'-'`: the string and what follows it become one comparison.
        let prefix = &text[..text.len() - rest.len() - 1];
        if let [Token::Comparison | Token::Arithmetic | Token::Star, Token::Unended(end)] = reading.tokens[..]
            && end.len() <= 2
            && !prefix.contains(' ')
        {
            fire(Rule::SqlLogic);
        }
        reading.judge(fire);
    }
}

/// Whether anything of SQL can be in it: most texts end here.
fn is_worth_it(text: &[u8]) -> bool {
    text.iter().any(|byte| {
        matches!(
            byte,
            b'\'' | b'"' | b'=' | b'(' | b')' | b'<' | b'>' | b'#' | b';' | b'*' | b'|' | b'&' | b'@'
        )
    }) || memchr::memmem::find(text, b"--").is_some()
        || text
            .windows(6)
            .any(|window| window.eq_ignore_ascii_case(b"select") || window.eq_ignore_ascii_case(b"delete"))
        || text
            .windows(4)
            .any(|window| window.eq_ignore_ascii_case(b"drop") || window.eq_ignore_ascii_case(b" by "))
}

/// What stands behind the first quote that is not doubled.
fn behind(text: &str, quote: char) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut at = memchr::memchr(quote as u8, bytes)?;
    while bytes.get(at + 1) == Some(&(quote as u8)) {
        at += 2;
        at += memchr::memchr(quote as u8, bytes.get(at..)?)?;
    }
    text.get(at + 1..)
}

/// A text in one place.
struct Reading<'t> {
    tokens: Vec<Token<'t>>,
    /// Where the parenthesis that opens at a token closes; the end where nothing closes it.
    closes: Vec<usize>,
    /// Whether it begins where a string has just ended.
    broke: bool,
    /// Where the parentheses that close behind that string end.
    start: usize,
}

impl<'t> Reading<'t> {
    fn new(tokens: Vec<Token<'t>>, broke: bool) -> Self {
        let mut closes = vec![tokens.len(); tokens.len()];
        let mut open = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                Token::Open => open.push(at),
                Token::Close => {
                    if let Some(start) = open.pop() {
                        closes[start] = at;
                    }
                }
                _ => {}
            }
        }
        let start = tokens.iter().take_while(|token| **token == Token::Close).count();
        Self { tokens, closes, broke, start }
    }

    fn at(&self, at: usize) -> Option<Token<'t>> {
        self.tokens.get(at).copied()
    }

    fn key(&self, at: usize) -> Option<Key> {
        match self.at(at) {
            Some(Token::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Whether nothing of the statement follows: the text ends, or the rest is taken away.
    fn ends(&self, at: usize) -> bool {
        matches!(self.at(at), None | Some(Token::Comment(_) | Token::Semicolon | Token::Unended("")))
    }

    /// Whether a token asks for an operand behind it, so that what follows is no first word of a sentence.
    fn asks(&self, at: Option<usize>) -> bool {
        let Some(at) = at else { return self.broke };
        matches!(
            self.tokens[at],
            Token::Comparison
                | Token::Arithmetic
                | Token::Star
                | Token::Comma
                | Token::Open
                | Token::Key(
                    Key::Logic
                        | Key::Not
                        | Key::Compare
                        | Key::Select
                        | Key::All
                        | Key::When
                        | Key::Case
                        | Key::By
                        | Key::Where
                        | Key::Having
                )
        )
    }

    fn judge(&self, fire: &mut impl FnMut(Rule)) {
        if self.broke {
            let mut at = self.start;
            while self.at(at) == Some(Token::Semicolon) {
                at += 1;
            }
            if let (Some(Token::Comment(rest)), None) = (self.at(at), self.at(at + 1))
                && rest.trim().len() <= 2
            {
                fire(Rule::SqlComment);
            }
        }
        for at in 0..self.tokens.len() {
            if let Some(rule) = self.rule(at) {
                fire(rule);
            }
        }
    }

    fn rule(&self, at: usize) -> Option<Rule> {
        match self.tokens[at] {
            Token::Key(Key::Logic) => self.logic(at),
            Token::Key(Key::Union) => self.union(at),
            Token::Key(Key::Order | Key::Group) => self.order(at),
            Token::Key(Key::Having) => self.compared(at + 1).map(|_| Rule::SqlClause),
            Token::Key(Key::Case) => self.case(at),
            Token::Key(Key::Into) => match self.at(at + 1) {
                Some(Token::Name(word)) if is_in(&["outfile", "dumpfile"], word) => Some(Rule::SqlFunction),
                _ => None,
            },
            Token::Semicolon => self.statement(at + 1).then_some(Rule::SqlStatement),
            Token::Key(Key::Statement | Key::Set) if at == 0 || at == self.start && self.broke => {
                self.statement(at).then_some(Rule::SqlStatement)
            }
            Token::Key(Key::Select) if at == 0 => self.query(at).then_some(Rule::SqlQuery),
            Token::Key(Key::Object) if self.key(at) == Some(Key::Object) => self.analyse(at),
            Token::Open if self.key(at + 1) == Some(Key::Select) => {
                let asked = self.asks(at.checked_sub(1))
                    || at > 0 && matches!(self.tokens[at - 1], Token::Name(word) if is_in(&READS, word));
                (self.query(at + 1) && (asked || at == 0)).then_some(Rule::SqlQuery)
            }
            Token::Name(name) => self.name(at, name),
            Token::Variable => {
                let asked = self.asks(at.checked_sub(1)) && at > 0;
                (asked && at > 1 && self.key(at - 1) == Some(Key::Select)).then_some(Rule::SqlQuery)
            }
            Token::Comparison | Token::Key(Key::Compare) if self.broke && at == self.start => {
                self.continued(at)
            }
            _ => None,
        }
    }

    /// `' = 'x' or …`, `' in (select …`, `' like '%` behind the end of a string.
    fn continued(&self, at: usize) -> Option<Rule> {
        let (end, _) = self.expression(at + 1)?;
        (self.ends(end) && self.tokens.len() > end).then_some(Rule::SqlLogic)
    }

    /// `or 1=1`, `and 'a' like 'a`, `|| sleep(5)`, `' or 1 --`.
    fn logic(&self, at: usize) -> Option<Rule> {
        let first = self.broke && at == self.start;
        if at == 0 && !self.broke {
            return None;
        }
        let mut start = at + 1;
        while self.key(start) == Some(Key::Not) {
            start += 1;
        }
        let negated = start > at + 1;
        let mut inner = start;
        while self.at(inner) == Some(Token::Open) && inner < start + DEEPEST {
            inner += 1;
        }
        self.condition(at, start, first, negated)
            .or_else(|| if inner > start { self.condition(at, inner, first, negated) } else { None })
    }

    /// What stands behind `or`, from `start` on.
    fn condition(&self, at: usize, start: usize, first: bool, negated: bool) -> Option<Rule> {
        let (end, left) = self.expression(start)?;
        if matches!(self.at(end), Some(Token::Comparison | Token::Key(Key::Compare | Key::Not))) {
            return self.comparison(start, end, left, first).then_some(Rule::SqlLogic);
        }
        let cut = matches!(self.at(end), Some(Token::Comment(_) | Token::Unended("")));
        let sentence =
            matches!(self.at(start), Some(Token::Unended(text)) if text.len() > 16 || text.contains(' '));
        let last = self.ends(end) || self.at(end) == Some(Token::Close) || self.key(end) == Some(Key::Logic);
        let value = at > 0 && matches!(self.tokens[at - 1], Token::Number | Token::Text(_));
        match left {
            Operand::Query => Some(Rule::SqlLogic),
            Operand::Call(name) => {
                let read = first || negated || name.eq_ignore_ascii_case("exists");
                (read && is_in(&READS, name)).then_some(Rule::SqlLogic)
            }
            Operand::Constant if last && !sentence && (first || cut) => Some(Rule::SqlLogic),
            Operand::Constant if last && !sentence && value => Some(Rule::SqlHint),
            Operand::Name(_) if first && self.ends(end) && self.tokens.len() > end => Some(Rule::SqlLogic),
            _ => None,
        }
    }

    /// Whether `left`, which ends at `end`, is compared as no sentence compares.
    fn comparison(&self, start: usize, end: usize, left: Operand<'t>, first: bool) -> bool {
        let mut next = end + 1;
        while matches!(
            self.at(next),
            Some(Token::Key(Key::Not | Key::Compare | Key::All) | Token::Comparison)
        ) {
            next += 1;
        }
        let Some((after, right)) = self.expression(next) else {
            // Cut where the application's own string goes on: `or x like '`.
            return first && self.ends(next);
        };
        let same = match (left, right) {
            (Operand::Name(one), Operand::Name(two)) => !one.is_empty() && one.eq_ignore_ascii_case(two),
            _ => false,
        };
        let known =
            |operand| matches!(operand, Operand::Call(name) if is_in(&READS, name) || is_in(&ATTACKS, name));
        // `and 'block' is true` is English.
        let told = matches!(self.at(start), Some(Token::Text(_)))
            && self.key(end) == Some(Key::Compare)
            && self.key(next) == Some(Key::Constant);
        let constant = |operand| matches!(operand, Operand::Constant | Operand::Variable | Operand::Query);
        constant(left) && constant(right) && !told
            || known(left)
            || known(right) && left.is_code()
            || right == Operand::Query
            || same && (self.broke || self.ends(after) && self.tokens.len() > after)
            || first
            || left == Operand::Nested && right.is_code()
    }

    /// `union select 1,2`, `union all select user from`.
    fn union(&self, at: usize) -> Option<Rule> {
        let mut next = at + 1;
        let all = self.key(next) == Some(Key::All);
        while matches!(self.at(next), Some(Token::Open | Token::Key(Key::All))) && next < at + DEEPEST {
            next += 1;
        }
        match self.key(next)? {
            Key::Select => {
                let listed =
                    self.query(next) || self.ends(next + 1) || self.at(next + 1) == Some(Token::Open);
                (listed || all || self.broke && at == self.start).then_some(Rule::SqlUnion)
            }
            Key::Values if self.at(next + 1) == Some(Token::Open) => Some(Rule::SqlUnion),
            _ => None,
        }
    }

    /// Whether a `SELECT` has a list behind it, as no sentence has.
    fn query(&self, at: usize) -> bool {
        let mut next = at + 1;
        while self.key(next) == Some(Key::All) {
            next += 1;
        }
        let Some((end, first)) = self.expression(next) else { return false };
        let followed =
            matches!(self.at(end), Some(Token::Comma | Token::Key(Key::From | Key::Into | Key::Where)))
                || self.ends(end)
                || self.at(end) == Some(Token::Close);
        match (first, self.at(end)) {
            (Operand::Name(_), Some(Token::Comma)) => self.lists(end),
            (Operand::Call(_), Some(Token::Key(Key::From))) if at > 0 => true,
            (Operand::Name(_) | Operand::Nested | Operand::Call(_), Some(Token::Key(Key::From))) => {
                // `select password from users` is a query if that is all there is: `select one from the list` is none.
                let table = end + 2;
                let goes_on =
                    |word| is_in(&["limit", "as", "join", "inner", "left", "offset", "fetch"], word);
                let joined = matches!(self.at(end + 1), Some(Token::Name(_) | Token::Key(Key::Object)))
                    && (self.ends(table)
                        || matches!(self.at(table), Some(Token::Name(word)) if goes_on(word))
                        || matches!(
                            self.at(table),
                            Some(
                                Token::Close
                                    | Token::Comma
                                    | Token::Dot
                                    | Token::Key(
                                        Key::Where | Key::Order | Key::Group | Key::Union | Key::Logic
                                    )
                            )
                        ));
                joined && (at > 0 || !self.ends(table) || self.tokens.len() > table)
            }
            (Operand::Name(_), _) => false,
            _ => first.is_code() && followed,
        }
    }

    /// Whether what is listed behind a comma comes to a `FROM`, or to the end, one operand after another.
    fn lists(&self, mut at: usize) -> bool {
        let mut code = false;
        while self.at(at) == Some(Token::Comma) {
            let Some((end, operand)) = self.expression(at + 1) else { return false };
            code |= operand.is_code();
            at = end;
        }
        self.key(at) == Some(Key::From) || code && (self.ends(at) || self.at(at) == Some(Token::Close))
    }

    /// `order by 3`, `group by x having 1=1`.
    fn order(&self, at: usize) -> Option<Rule> {
        (self.key(at + 1) == Some(Key::By)).then_some(())?;
        let (end, operand) = self.expression(at + 2)?;
        if self.broke && at == self.start || operand == Operand::Query {
            return Some(Rule::SqlClause);
        }
        let number = matches!(self.at(at + 2), Some(Token::Number)) && end == at + 3;
        let behind_value =
            at > 0 && matches!(self.tokens[at - 1], Token::Number | Token::Close | Token::Text(_));
        let cut = matches!(self.at(end), Some(Token::Comment(_)));
        match (number && cut, number && behind_value) {
            (true, _) | (_, true) => Some(Rule::SqlClause),
            _ => (self.key(end) == Some(Key::Having)).then_some(Rule::SqlClause),
        }
    }

    /// `case when 1=1 then …` where an operand stands.
    fn case(&self, at: usize) -> Option<Rule> {
        let when = if self.key(at + 1) == Some(Key::When) { at + 1 } else { at + 2 };
        (self.key(when) == Some(Key::When)).then_some(())?;
        let asked = self.asks(at.checked_sub(1)) || at == 0;
        (asked && self.expression(when + 1).is_some()).then_some(Rule::SqlClause)
    }

    /// `procedure analyse(…)`.
    fn analyse(&self, at: usize) -> Option<Rule> {
        let named =
            matches!(self.at(at + 1), Some(Token::Name(word)) if word.eq_ignore_ascii_case("analyse"));
        (named && self.at(at + 2) == Some(Token::Open)).then_some(Rule::SqlFunction)
    }

    fn name(&self, at: usize, name: &str) -> Option<Rule> {
        let called = self.at(at + 1) == Some(Token::Open);
        let method = at > 0 && self.tokens[at - 1] == Token::Dot;
        let before = at.checked_sub(1);
        if called && !method && is_in(&ATTACKS, name) {
            // `sleep(5)` in a line of some program is nothing.
            let asked = self.asks(before)
                || at > 0 && self.tokens[at - 1] == Token::Semicolon
                || self.follows_value(at);
            let obscure = name.len() > 9 || name.contains('_');
            return Some(if asked || obscure { Rule::SqlFunction } else { Rule::SqlHint });
        }
        let dotted = self.at(at + 1) == Some(Token::Dot);
        if dotted
            && (name.len() > 5 && name.get(..5).is_some_and(|it| it.eq_ignore_ascii_case("dbms_"))
                || is_in(&["utl_http", "utl_inaddr", "utl_smtp", "ctxsys"], name))
        {
            return Some(Rule::SqlFunction);
        }
        if name.get(..3).is_some_and(|it| it.eq_ignore_ascii_case("xp_")) && name.len() > 5 {
            return Some(Rule::SqlFunction);
        }
        if is_in(&CATALOGUES, name)
            && (dotted
                || before.is_some_and(|at| matches!(self.tokens[at], Token::Key(Key::From) | Token::Comma)))
        {
            return Some(Rule::SqlQuery);
        }
        if called
            && is_in(&["if", "iif", "decode", "elt"], name)
            && (self.asks(before) || at == 0)
            && self.compared(at + 2) == Some(Token::Comma)
        {
            return Some(Rule::SqlLogic);
        }
        if name.eq_ignore_ascii_case("waitfor")
            && matches!(self.at(at + 1), Some(Token::Name(word)) if is_in(&["delay", "time"], word))
            && matches!(self.at(at + 2), Some(Token::Text(_) | Token::Unended(_) | Token::Variable))
        {
            return Some(Rule::SqlStatement);
        }
        None
    }

    /// Whether a name stands behind a whole value: `1 sleep(5)` is no sentence, `'x' benchmark(` neither.
    fn follows_value(&self, at: usize) -> bool {
        at == 0 && self.tokens.len() > 3 && self.ends(self.closes[at + 1] + 1)
            || at > 0 && matches!(self.tokens[at - 1], Token::Number | Token::Text(_))
    }

    /// What stands behind an expression that compares two constants; nothing where there is none.
    fn compared(&self, at: usize) -> Option<Token<'t>> {
        let (end, left) = self.expression(at)?;
        matches!(self.at(end), Some(Token::Comparison | Token::Key(Key::Compare))).then_some(())?;
        let (end, right) = self.expression(end + 1)?;
        (left.is_code() && right.is_code()).then(|| self.at(end).unwrap_or(Token::Semicolon))
    }

    /// Whether a statement stands there that changes something, or a query.
    fn statement(&self, at: usize) -> bool {
        let name = |at: usize| matches!(self.at(at), Some(Token::Name(_)));
        let word =
            |at: usize, words: &[&str]| matches!(self.at(at), Some(Token::Name(word)) if is_in(words, word));
        let object = |at: usize| self.key(at) == Some(Key::Object);
        let behind = at > 0;
        match self.at(at) {
            Some(Token::Key(Key::Select)) => self.query(at),
            Some(Token::Key(Key::Set)) => behind && self.at(at + 1) == Some(Token::Variable),
            Some(Token::Key(Key::Union)) => self.union(at).is_some(),
            Some(Token::Key(Key::Statement)) => {
                let next = at + 1;
                // `drop table users`, `create user x`.
                object(next) && (behind || self.ends(next + 2) && self.tokens.len() > next + 2)
                    && (name(next + 1) || self.key(next + 1).is_some() || matches!(self.at(next + 1), Some(Token::Variable | Token::Text(_))))
                    // `insert into x values (`, `delete from x where`, `update x set y =`.
                    || self.key(next) == Some(Key::Into) && name(next + 1) && (matches!(self.at(next + 2), Some(Token::Open | Token::Dot | Token::Key(Key::Values | Key::Select | Key::Set))) || behind && (self.ends(next + 2) || word(next + 2, &["using", "default"])))
                    || self.key(next) == Some(Key::From) && name(next + 1) && (behind || matches!(self.key(next + 2), Some(Key::Where)))
                    || name(next) && self.key(next + 1) == Some(Key::Set) && (name(next + 2) || self.key(next + 2).is_some()) && self.at(next + 3) == Some(Token::Comparison)
                    // `exec xp_cmdshell`, `declare @x`, `exec('…')`.
                    || self.at(next) == Some(Token::Variable)
                    || behind && matches!(self.at(next), Some(Token::Open))
                    || behind && name(next) && (self.ends(next + 1) || matches!(self.at(next + 1), Some(Token::Text(_) | Token::Unended(_) | Token::Open | Token::Dot | Token::Key(Key::From))))
                    || behind && self.ends(next)
            }
            Some(Token::Name(_)) => {
                behind
                    && (word(at, &["begin", "use", "kill"]) && name(at + 1) && self.ends(at + 2)
                        || word(at, &["waitfor"]) && word(at + 1, &["delay", "time"])
                        || word(at, &["if", "iif"]) && self.compared(at + 2).is_some()
                        || word(at, &["begin"]) && name(at + 1) && self.at(at + 2) == Some(Token::Dot))
            }
            _ => false,
        }
    }
}
