//! What a plain YAML scalar means to Kubernetes: the rules of `goyaml.v2/resolve.go` (YAML 1.1 with Go's integers).
use super::Node;

/// The value of a plain scalar without a tag.
///
/// # Errors
/// NaN and the infinities, which JSON cannot carry.
pub(super) fn resolve_plain(text: &str) -> Result<Node, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Node::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Node::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Node::Bool(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
        | "-.INF" => {
            return Err(format!("{text} has no form in JSON"));
        }
        _ => resolve_number(text).unwrap_or_else(|| Node::String(text.to_owned())),
    })
}

/// The value of a scalar with one of YAML's own tags, given by its name (`int` for `!!int`).
///
/// # Errors
/// A text that is not of the tag's type, or a tag that is not supported.
pub(super) fn resolve_tagged(tag: &str, text: &str) -> Result<Node, String> {
    if matches!(tag, "str" | "timestamp") {
        return Ok(Node::String(text.to_owned()));
    }
    let node = resolve_plain(text)?;
    match (tag, node) {
        ("null", node @ Node::Null)
        | ("bool", node @ Node::Bool(_))
        | ("int", node @ (Node::Int(_) | Node::UInt(_)))
        | ("float", node @ (Node::Float(_) | Node::Int(_) | Node::UInt(_))) => Ok(node),
        ("null" | "bool" | "int" | "float", _) => Err(format!("cannot read {text:?} as !!{tag}")),
        (tag, _) => Err(format!("the tag !!{tag} is not supported")),
    }
}

/// The text of a scalar used as a key, as `sigs.k8s.io/yaml` turns keys into JSON's.
///
/// # Errors
/// A null key.
pub(super) fn key_text(node: &Node) -> Result<String, String> {
    match node {
        Node::String(text) => Ok(text.clone()),
        Node::Bool(flag) => Ok(flag.to_string()),
        Node::Int(number) => Ok(number.to_string()),
        Node::UInt(number) => Ok(number.to_string()),
        // Upstream prints the shortest decimal of 32 bits.
        Node::Float(number) => Ok((*number as f32).to_string()),
        Node::Null => Err("a key must not be null".to_owned()),
        Node::List(_) | Node::Map(_) => Err("a key must be a plain text".to_owned()),
    }
}

fn resolve_number(text: &str) -> Option<Node> {
    let first = text.bytes().next()?;
    if first == b'.' {
        return parse_float(text);
    }
    if !(first.is_ascii_digit() || first == b'+' || first == b'-') {
        return None;
    }
    let plain = text.replace('_', "");
    parse_integer(&plain).or_else(|| parse_float(&plain))
}

/// Go's `strconv.ParseInt(text, 0, 64)`, then `ParseUint`.
fn parse_integer(text: &str) -> Option<Node> {
    let (negative, signed, digits) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let prefix = digits.get(..2).filter(|_| digits.len() > 2).unwrap_or("");
    let (radix, body) = match prefix {
        "0x" | "0X" => (16, &digits[2..]),
        "0b" | "0B" => (2, &digits[2..]),
        "0o" | "0O" => (8, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    // `from_str_radix` takes a sign of its own.
    if !body.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    let magnitude = u64::from_str_radix(body, radix).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Node::Int);
    }
    match i64::try_from(magnitude) {
        Ok(number) => Some(Node::Int(number)),
        Err(_) if signed => None,
        Err(_) => Some(Node::UInt(magnitude)),
    }
}

/// A decimal with optional fraction and exponent; one too large for a float stays a text.
fn parse_float(text: &str) -> Option<Node> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) || !exponent_fits {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite()).map(Node::Float)
}
