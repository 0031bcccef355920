//! The claims as the contract writes them: `ID | given/when | then | tag`.

use std::fmt;

/// The name of a claim, such as `P-TOK-01` or `X-07`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(String);

impl Id {
    /// The name, where the text has the form of one: a letter, a group (left out for what spans the five
    /// systems) and two digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (group, number) = text.rsplit_once('-')?;
        let mut words = group.split('-');
        let system = words.next()?;
        let word = words.next().unwrap_or("A");
        let upper = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase());
        let right = system.len() == 1
            && upper(system)
            && upper(word)
            && words.next().is_none()
            && number.len() == 2
            && number.bytes().all(|byte| byte.is_ascii_digit());
        right.then(|| Self(text.to_owned()))
    }

    /// Everything before the number: `P-TOK`.
    pub(crate) fn group(&self) -> &str {
        self.0.rsplit_once('-').map_or(&self.0, |(group, _)| group)
    }

    /// The letter of the system.
    pub(crate) fn system(&self) -> &str {
        &self.0[..1]
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whose a claim is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The tag as it stands in the contract.
    pub(crate) text: String,
    /// The application has a part in it.
    pub(crate) application: bool,
    /// The operator has a part in it.
    pub(crate) operator: bool,
}

/// One claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) id: Id,
    /// Given what, when what.
    pub(crate) given: String,
    pub(crate) tag: Tag,
    /// The line of the contract, from 1.
    pub(crate) line: usize,
}

/// Every claim of the contract, in its order.
pub(crate) fn parse(contract: &str) -> Result<Vec<Claim>, String> {
    let mut claims: Vec<Claim> = Vec::new();
    for (index, line) in contract.lines().enumerate() {
        let line_number = index + 1;
        let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let Some(id) = fields.first().and_then(|first| Id::parse(first)) else { continue };
        // A few lines say given and then in one field.
        let [_, given, .., tag] = fields.as_slice() else {
            return Err(format!("contract line {line_number}: {id} wants `ID | given/when | then | tag`\n"));
        };
        if claims.iter().any(|claim| claim.id == id) {
            return Err(format!("contract line {line_number}: {id} stands there twice\n"));
        }
        let whose = tag.split([' ', '(']).next().unwrap_or_default();
        let named = |name: &str| whose.split(['+', '/']).any(|word| word == name);
        let tag = Tag { text: (*tag).to_owned(), application: named("APP"), operator: named("OPS") };
        claims.push(Claim { id, given: (*given).to_owned(), tag, line: line_number });
    }
    if claims.is_empty() {
        return Err("the contract holds no claim\n".to_owned());
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form() {
        for good in ["P-TOK-01", "X-07", "B-WS-01"] {
            assert_eq!(Id::parse(good).map(|id| id.to_string()).as_deref(), Some(good));
        }
        for bad in ["P-TOK-1", "p-tok-01", "P-TOK-001", "R1", "P-TOK-A-01", "PP-TOK-01", "-01", ""] {
            assert_eq!(Id::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn claims_are_lines_and_prose_is_not() {
        let claims = parse("# Contract\nLine form\n- R1 Profiles\nP-A-01 | g | t | GW+APP D\nT-B-01 | a | GW/OPS b | OPS/GW D≠C\n").unwrap();
        assert_eq!(claims.len(), 2);
        assert_eq!((claims[0].line, claims[0].tag.application, claims[0].tag.operator), (4, true, false));
        assert_eq!((claims[1].tag.application, claims[1].tag.operator), (false, true));
        assert_eq!(claims[1].id.group(), "T-B");
    }

    #[test]
    fn a_claim_without_its_fields_or_twice_is_an_error() {
        assert!(parse("P-A-01 | g\n").is_err());
        assert!(parse("P-A-01 | g | t | GW\nP-A-01 | g | t | GW\n").is_err());
        assert!(parse("nothing\n").is_err());
    }
}
