//! From words to an expression, by recursive descent.

use super::lex::{Token, Word, tokens};
use super::{Arith, Compare, DEPTH, Expr, Pattern, SelectorError, Value};

pub(super) fn selector(text: &str) -> Result<Expr, SelectorError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
    };
    let expr = parser.or()?;
    if *parser.peek() == Token::End {
        Ok(expr)
    } else {
        Err(parser.expected("an operator or the end"))
    }
}

struct Parser {
    /// Never empty; the last one is the end, and it is never passed.
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

type Parsed = Result<Expr, SelectorError>;

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        if token != Token::End {
            self.next += 1;
        }
        token
    }

    fn has(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        if found {
            self.take();
        }
        found
    }

    fn has_word(&mut self, word: Word) -> bool {
        self.has(&Token::Word(word))
    }

    fn has_sign(&mut self, sign: &'static str) -> bool {
        self.has(&Token::Sign(sign))
    }

    fn expected(&self, what: &str) -> SelectorError {
        let (at, found) = &self.tokens[self.next];
        SelectorError {
            at: *at,
            what: format!("expected {what}, found {found}"),
        }
    }

    fn need_sign(&mut self, sign: &'static str) -> Result<(), SelectorError> {
        if self.has_sign(sign) {
            Ok(())
        } else {
            Err(self.expected(&format!("`{sign}`")))
        }
    }

    /// One level deeper, but not too deep.
    fn deeper(&mut self, parse: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.depth >= DEPTH {
            return Err(self.expected(&format!("no more than {DEPTH} levels")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn or(&mut self) -> Parsed {
        let first = self.and()?;
        let mut parts = vec![first];
        while self.has_word(Word::Or) {
            parts.push(self.and()?);
        }
        Ok(one_or(parts, Expr::Or))
    }

    fn and(&mut self) -> Parsed {
        let first = self.not()?;
        let mut parts = vec![first];
        while self.has_word(Word::And) {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Expr::And))
    }

    fn not(&mut self) -> Parsed {
        if self.has_word(Word::Not) {
            return self.deeper(|p| p.not().map(|inner| Expr::Not(Box::new(inner))));
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Parsed {
        let left = self.sum()?;
        if let Some(op) = self.comparison() {
            let right = self.sum()?;
            return Ok(Expr::Compare(op, Box::new(left), Box::new(right)));
        }
        if self.has_word(Word::Is) {
            let not = self.has_word(Word::Not);
            if !self.has_word(Word::Null) {
                return Err(self.expected(if not {
                    "`NULL`"
                } else {
                    "`NULL` or `NOT NULL`"
                }));
            }
            return Ok(negated(not, Expr::IsNull(Box::new(left))));
        }
        let not = self.has_word(Word::Not);
        let expr = if self.has_word(Word::In) {
            Expr::In(Box::new(left), self.list()?)
        } else if self.has_word(Word::Between) {
            let low = self.sum()?;
            if !self.has_word(Word::And) {
                return Err(self.expected("`AND`"));
            }
            Expr::Between(Box::new(left), Box::new(low), Box::new(self.sum()?))
        } else if self.has_word(Word::Like) {
            Expr::Like(Box::new(left), self.pattern()?)
        } else if not {
            return Err(self.expected("`IN`, `BETWEEN` or `LIKE`"));
        } else {
            return Ok(left);
        };
        Ok(negated(not, expr))
    }

    fn comparison(&mut self) -> Option<Compare> {
        let op = match self.peek() {
            Token::Sign("=" | "==") | Token::Word(Word::Eq) => Compare::Eq,
            Token::Sign("<>" | "!=") | Token::Word(Word::Ne) => Compare::Ne,
            Token::Sign(">") | Token::Word(Word::Gt) => Compare::Gt,
            Token::Sign(">=") | Token::Word(Word::Ge) => Compare::Ge,
            Token::Sign("<") | Token::Word(Word::Lt) => Compare::Lt,
            Token::Sign("<=") | Token::Word(Word::Le) => Compare::Le,
            Token::Sign(_)
            | Token::Word(_)
            | Token::Name(_)
            | Token::Text(_)
            | Token::Number(_)
            | Token::End => return None,
        };
        self.take();
        Some(op)
    }

    /// The values behind IN.
    fn list(&mut self) -> Result<Vec<Value>, SelectorError> {
        self.need_sign("(")?;
        let mut values = Vec::new();
        loop {
            let minus = self.has_sign("-");
            let value = match self.peek() {
                Token::Number(value) => Some(if minus { value.minus() } else { value.clone() }),
                _ if minus => None,
                Token::Text(text) => Some(Value::Text(text.clone())),
                Token::Word(Word::True) => Some(Value::Bool(true)),
                Token::Word(Word::False) => Some(Value::Bool(false)),
                Token::Word(_) | Token::Name(_) | Token::Sign(_) | Token::End => None,
            };
            values.push(value.ok_or_else(|| self.expected("a value"))?);
            self.take();
            if !self.has_sign(",") {
                break;
            }
        }
        if !self.has_sign(")") {
            return Err(self.expected("`,` or `)`"));
        }
        Ok(values)
    }

    fn pattern(&mut self) -> Result<Pattern, SelectorError> {
        let Token::Text(text) = self.peek().clone() else {
            return Err(self.expected("a string"));
        };
        self.take();
        let mut escape = None;
        if self.has_word(Word::Escape) {
            let mut one = None;
            if let Token::Text(text) = self.peek() {
                let mut chars = text.chars();
                one = chars.next().filter(|_| chars.next().is_none());
            }
            escape = Some(one.ok_or_else(|| self.expected("a string of one character"))?);
            self.take();
        }
        Ok(Pattern { text, escape })
    }

    fn sum(&mut self) -> Parsed {
        self.chain(&[("+", Arith::Add), ("-", Arith::Sub)], Self::product)
    }

    fn product(&mut self) -> Parsed {
        self.chain(&[("*", Arith::Mul), ("/", Arith::Div)], Self::unary)
    }

    /// Operators of one rank, from left to right.
    fn chain(
        &mut self,
        signs: &[(&'static str, Arith)],
        operand: impl Fn(&mut Self) -> Parsed,
    ) -> Parsed {
        let mut left = operand(self)?;
        let mut links = 0;
        loop {
            let Some((_, op)) = signs.iter().find(|(sign, _)| self.has_sign(sign)) else {
                return Ok(left);
            };
            links += 1;
            if links > DEPTH {
                return Err(self.expected(&format!("no more than {DEPTH} operands")));
            }
            left = Expr::Arith(*op, Box::new(left), Box::new(operand(self)?));
        }
    }

    fn unary(&mut self) -> Parsed {
        if self.has_sign("+") {
            return self.deeper(Self::unary);
        }
        if !self.has_sign("-") {
            return self.primary();
        }
        if let Token::Number(value) = self.peek() {
            let value = value.minus();
            self.take();
            return Ok(Expr::Literal(value));
        }
        self.deeper(|p| p.unary().map(|inner| Expr::Minus(Box::new(inner))))
    }

    fn primary(&mut self) -> Parsed {
        let expr = match self.peek().clone() {
            Token::Name(name) => Expr::Name(name),
            Token::Text(text) => Expr::Literal(Value::Text(text)),
            Token::Number(value) => Expr::Literal(value),
            Token::Word(Word::True) => Expr::Literal(Value::Bool(true)),
            Token::Word(Word::False) => Expr::Literal(Value::Bool(false)),
            Token::Sign("(") => {
                return self.deeper(|p| {
                    p.take();
                    let inner = p.or()?;
                    p.need_sign(")")?;
                    Ok(inner)
                });
            }
            Token::Word(_) | Token::Sign(_) | Token::End => {
                return Err(self.expected("a name, a value or `(`"));
            }
        };
        self.take();
        Ok(expr)
    }
}

fn negated(not: bool, expr: Expr) -> Expr {
    if not { Expr::Not(Box::new(expr)) } else { expr }
}

fn one_or(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}
