//! The text form of label selectors: a scanner and a parser with one token of foresight.
use ecow::EcoString as Name;
use std::collections::BTreeSet;

use super::{Operator, Requirement, invalid_key};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Error,
    End,
    CloseParenthesis,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Greater,
    Identifier,
    In,
    Less,
    NotEquals,
    NotIn,
    OpenParenthesis,
}

/// The requirements that `text` lists, in its order.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser { tokens: scan(text), position: 0 };
    let mut requirements = Vec::new();
    loop {
        let (token, literal) = parser.peek();
        match token {
            Token::End => return Ok(requirements),
            Token::Identifier | Token::Not => {}
            Token::Error
            | Token::CloseParenthesis
            | Token::Comma
            | Token::DoubleEquals
            | Token::Equals
            | Token::Greater
            | Token::In
            | Token::Less
            | Token::NotEquals
            | Token::NotIn
            | Token::OpenParenthesis => {
                return Err(format!("found '{literal}', expected: !, identifier, or 'end of string'"));
            }
        }
        requirements.push(parser.requirement().map_err(|e| format!("unable to parse requirement: {e}"))?);
        let (token, literal) = parser.take();
        if token == Token::End {
            return Ok(requirements);
        }
        if token != Token::Comma {
            return Err(format!("found '{literal}', expected: ',' or 'end of string'"));
        }
        let (token, literal) = parser.peek();
        if token != Token::Identifier && token != Token::Not {
            return Err(format!("found '{literal}', expected: identifier after ','"));
        }
    }
}

struct Parser {
    tokens: Vec<(Token, String)>,
    position: usize,
}

impl Parser {
    /// The next token where a value may stand: `in` and `notin` are plain words there.
    fn peek(&self) -> (Token, String) {
        let (token, literal) = self.raw();
        match token {
            Token::In | Token::NotIn => (Token::Identifier, literal),
            Token::Error
            | Token::End
            | Token::CloseParenthesis
            | Token::Comma
            | Token::Not
            | Token::DoubleEquals
            | Token::Equals
            | Token::Greater
            | Token::Identifier
            | Token::Less
            | Token::NotEquals
            | Token::OpenParenthesis => (token, literal),
        }
    }

    fn take(&mut self) -> (Token, String) {
        let found = self.peek();
        self.position += 1;
        found
    }

    fn raw(&self) -> (Token, String) {
        self.tokens.get(self.position).cloned().unwrap_or((Token::End, String::new()))
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let (mut token, mut key) = self.take();
        let negated = token == Token::Not;
        if negated {
            (token, key) = self.take();
        }
        if token != Token::Identifier {
            return Err(format!("found '{key}', expected: identifier"));
        }
        if let Some(error) = invalid_key(&key, "<nil>") {
            return Err(error);
        }
        let key = Name::from(key);
        let ends = matches!(self.peek().0, Token::End | Token::Comma);
        if negated || ends {
            let operator = if negated { Operator::DoesNotExist } else { Operator::Exists };
            return Requirement::new(key, operator, Vec::new(), "");
        }
        let operator = self.operator()?;
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            Operator::Equals
            | Operator::DoubleEquals
            | Operator::NotEquals
            | Operator::Exists
            | Operator::DoesNotExist
            | Operator::GreaterThan
            | Operator::LessThan => self.exact_value()?,
        };
        Requirement::new(key, operator, values.into_iter().map(Name::from).collect(), "")
    }

    fn operator(&mut self) -> Result<Operator, String> {
        let (token, literal) = self.raw();
        self.position += 1;
        match token {
            Token::In => Ok(Operator::In),
            Token::NotIn => Ok(Operator::NotIn),
            Token::Equals => Ok(Operator::Equals),
            Token::DoubleEquals => Ok(Operator::DoubleEquals),
            Token::NotEquals => Ok(Operator::NotEquals),
            Token::Greater => Ok(Operator::GreaterThan),
            Token::Less => Ok(Operator::LessThan),
            Token::Error
            | Token::End
            | Token::CloseParenthesis
            | Token::Comma
            | Token::Not
            | Token::Identifier
            | Token::OpenParenthesis => Err(format!("found '{literal}', expected: in, notin, =, ==, !=, gt, lt")),
        }
    }

    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let (token, literal) = self.take();
        if token != Token::OpenParenthesis {
            return Err(format!("found '{literal}' expected: '('"));
        }
        let (token, literal) = self.peek();
        if token == Token::CloseParenthesis {
            self.take();
            return Ok(BTreeSet::from([String::new()]));
        }
        if token != Token::Identifier && token != Token::Comma {
            return Err(format!("found '{literal}', expected: ',', ')' or identifier"));
        }
        let values = self.identifiers()?;
        if self.take().0 != Token::CloseParenthesis {
            return Err(format!("found '{literal}', expected: ')'"));
        }
        Ok(values)
    }

    /// Words between commas, up to the closing parenthesis; a missing word is the empty one.
    fn identifiers(&mut self) -> Result<BTreeSet<String>, String> {
        let mut values = BTreeSet::new();
        loop {
            let (token, literal) = self.take();
            let (next, next_literal) = self.peek();
            if token == Token::Identifier {
                values.insert(literal);
                if next == Token::CloseParenthesis {
                    return Ok(values);
                }
                if next != Token::Comma {
                    return Err(format!("found '{next_literal}', expected: ',' or ')'"));
                }
            } else if token == Token::Comma {
                if values.is_empty() || next == Token::Comma || next == Token::CloseParenthesis {
                    values.insert(String::new());
                }
                if next == Token::CloseParenthesis {
                    return Ok(values);
                }
            } else {
                return Err(format!("found '{literal}', expected: ',', or identifier"));
            }
        }
    }

    fn exact_value(&mut self) -> Result<BTreeSet<String>, String> {
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(BTreeSet::from([String::new()]));
        }
        let (token, literal) = self.take();
        if token == Token::Identifier {
            return Ok(BTreeSet::from([literal]));
        }
        Err(format!("found '{literal}', expected: identifier"))
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn scan(text: &str) -> Vec<(Token, String)> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(is_space);
        // Upstream takes a zero byte for the end.
        let Some(first) = rest.chars().next().filter(|c| *c != '\0') else {
            return tokens;
        };
        let length = if is_special(first) {
            let (token, length) = symbol(rest);
            tokens.push((token, rest[..length].to_string()));
            length
        } else {
            let length = rest.find(|c| is_special(c) || is_space(c) || c == '\0').unwrap_or(rest.len());
            let word = &rest[..length];
            let token = match word {
                "in" => Token::In,
                "notin" => Token::NotIn,
                _ => Token::Identifier,
            };
            tokens.push((token, word.to_string()));
            length
        };
        rest = &rest[length..];
    }
}

/// The longest operator at the start of `rest`, which starts with a special character.
fn symbol(rest: &str) -> (Token, usize) {
    const SYMBOLS: [(&str, Token); 9] = [
        ("==", Token::DoubleEquals),
        ("!=", Token::NotEquals),
        ("=", Token::Equals),
        ("!", Token::Not),
        (")", Token::CloseParenthesis),
        ("(", Token::OpenParenthesis),
        (",", Token::Comma),
        (">", Token::Greater),
        ("<", Token::Less),
    ];
    let found = SYMBOLS.iter().find(|(literal, _)| rest.starts_with(literal));
    found.map_or((Token::Error, 1), |(literal, token)| (*token, literal.len()))
}
