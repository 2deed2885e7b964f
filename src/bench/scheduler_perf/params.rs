//! The parameters of a workload, and what ops ask of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::api::located::{InputError, Place, suggestion};
use crate::kernel::Span;

/// The most objects that one op creates.
const COUNT_MAX: u64 = 1_000_000;

/// The values of a workload's parameters; remembers which were asked for.
pub(super) struct Params<'a> {
    place: Place<'a>,
    values: &'a BTreeMap<String, Value>,
    used: BTreeSet<&'a str>,
}

impl<'a> Params<'a> {
    /// The parameters `values` of the workload at a place.
    pub(super) fn new(place: Place<'a>, values: &'a BTreeMap<String, Value>) -> Params<'a> {
        Params { place, values, used: BTreeSet::new() }
    }

    /// A count: of the parameter if one is named, else as it stands, else the default.
    pub(super) fn count(
        &mut self,
        count: Option<u32>,
        param: Option<&str>,
        default: u32,
        op: &Place<'_>,
    ) -> Result<u32, InputError> {
        let Some(param) = param else {
            let count = count.unwrap_or(default);
            return at_most(u64::from(count), &op.key("count"));
        };
        let (place, value) = self.value(param, &op.key("countParam"))?;
        match value.as_u64() {
            Some(count) => at_most(count, &place),
            None => Err(place.error(format!("expected an integer not below 0, found {value}"))),
        }
    }

    /// A duration: of the parameter if one is named, else as it stands.
    pub(super) fn span(&mut self, span: Option<Span>, param: Option<&str>, op: &Place<'_>) -> Result<Span, InputError> {
        let Some(param) = param else { return Ok(span.unwrap_or(Span::ZERO)) };
        let (place, value) = self.value(param, &op.key("durationParam"))?;
        let wrong = || place.error_help(format!("{value} is no duration"), "write for example \"10s\"");
        value.as_str().and_then(|text| text.parse().ok()).ok_or_else(wrong)
    }

    fn value(&mut self, param: &str, place: &Place<'_>) -> Result<(Place<'a>, &'a Value), InputError> {
        let Some(name) = param.strip_prefix('$') else {
            let help = "write $name, and name under the params of each workload";
            return Err(place.error_help(format!("{param:?} is no parameter"), help));
        };
        let Some((key, value)) = self.values.get_key_value(name) else {
            let names: Vec<&str> = self.values.keys().map(String::as_str).collect();
            let message = format!("the parameter {name:?} is not defined, and {} asks for it", place.path());
            let here = self.place.key("params");
            return Err(match suggestion(name, &names) {
                Some(help) => here.error_help(message, help),
                None => here.error(message),
            });
        };
        self.used.insert(key);
        Ok((self.place.key("params").key(key), value))
    }

    /// What no op has asked for.
    pub(super) fn unused(&self) -> Vec<InputError> {
        let unused = self.values.keys().filter(|name| !self.used.contains(name.as_str()));
        let error = |name: &String| {
            self.place.key("params").key(name).key_error(format!("no op asks for the parameter {name:?}"), None)
        };
        unused.map(error).collect()
    }
}

fn at_most(count: u64, place: &Place<'_>) -> Result<u32, InputError> {
    match u32::try_from(count) {
        Ok(small) if count <= COUNT_MAX => Ok(small),
        Ok(_) | Err(_) => Err(place.error(format!("{count}: one op creates {COUNT_MAX} objects at most"))),
    }
}
