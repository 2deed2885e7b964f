//! Node pools: from quantities and zones to the templates of kubelets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;

use super::file::{IpFamilyFile, NodePoolFile, QuantityText, TaintFile};
use super::node_types::NodeTypes;
use crate::api::located::{InputError, Place};
use crate::api::{IpFamily, Labels, Name, Quantity, text};
use crate::kubelet::NodeTemplate;
use crate::sim::NodePool;

/// More nodes than this are a slip of the pen: addresses and memory end about here.
const NODES_MAX: u64 = 100_000;
/// The largest amount of anything: as many of the largest nodes as there may be are still counted in 63 bits.
const AMOUNT_MAX: i128 = 64 << 40;
/// The most CPUs, which are counted in thousandths.
const CPU_MAX: i128 = 1_000_000;
/// Where the zone of a node stands.
const ZONE: &str = "topology.kubernetes.io/zone";
/// Where the machine type of a node stands.
const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
/// The amounts that a kubelet itself reports.
const STANDARD: [&str; 4] = ["cpu", "memory", "pods", "ephemeral-storage"];
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// A pool as it was declared, for reports.
#[derive(Clone, PartialEq, Debug)]
pub struct Pool {
    /// The pool's name.
    pub name: Name,
    /// The names of its nodes.
    pub names: Vec<Name>,
    /// Their zones.
    pub zones: Vec<Name>,
    /// Their machine type.
    pub machine: Option<Name>,
    /// What one of them costs an hour.
    pub price_per_hour: Option<f64>,
}

/// What a machine is: of a type, or of a pool and its type together.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Shape {
    capacity: BTreeMap<String, Quantity>,
    allocatable: BTreeMap<String, Quantity>,
    labels: BTreeMap<String, String>,
    /// Those of the type; a pool's own are added.
    taints: Vec<Taint>,
    price_per_hour: Option<f64>,
}

/// A machine type, ready to be nodes.
#[derive(Clone, Debug)]
pub struct NodeType {
    /// Its name.
    pub name: Name,
    /// What its nodes look like.
    pub template: NodeTemplate,
    /// What one of them costs an hour.
    pub price_per_hour: Option<f64>,
}

/// The pools that hold where a scenario names none: three nodes with 8 CPUs and 32Gi each.
pub(super) fn default_pools() -> Vec<NodePoolFile> {
    let capacity = [("cpu", "8"), ("memory", "32Gi")];
    vec![NodePoolFile {
        name: "node".to_owned(),
        count: Some(3),
        names: None,
        machine: None,
        capacity: capacity
            .into_iter()
            .map(|(name, amount)| (name.to_owned(), QuantityText(amount.to_owned())))
            .collect(),
        allocatable: BTreeMap::new(),
        labels: BTreeMap::new(),
        taints: Vec::new(),
        zones: Vec::new(),
        disk_limits: BTreeMap::new(),
        ip_families: Vec::new(),
        price_per_hour: None,
    }]
}

/// The pools of a scenario, one of the set-up for each zone of each.
pub(super) fn lower(
    files: &[NodePoolFile],
    types: &NodeTypes,
    place: &Place<'_>,
    errors: &mut Vec<InputError>,
) -> (Vec<Pool>, Vec<NodePool>) {
    let (mut pools, mut lowered) = (Vec::<Pool>::new(), Vec::new());
    let (mut total, at_start) = (0, errors.len());
    for (index, file) in files.iter().enumerate() {
        let place = place.index(index);
        let before = errors.len();
        if pools.iter().any(|pool| pool.name == file.name) {
            errors.push(place.key("name").error(format!("there are two pools named {:?}", file.name)));
        }
        total += size(file);
        if total > NODES_MAX {
            errors.push(place.key("count").error(format!("{total} nodes are more than {NODES_MAX}")));
            return (pools, lowered);
        }
        let shape = shape_of_pool(file, types, &place, errors);
        check_pool(file, &shape, &place, errors);
        let template = template(file, &shape, &place, errors);
        if errors.len() == before {
            lowered.extend(by_zone(file, template));
        }
        pools.push(Pool {
            name: file.name.as_str().into(),
            names: node_names(file).collect(),
            zones: file.zones.iter().map(|zone| zone.as_str().into()).collect(),
            machine: file.machine.as_deref().map(Into::into),
            price_per_hour: shape.price_per_hour,
        });
    }
    if errors.len() == at_start {
        check_twice(&pools, place, errors);
    }
    (pools, lowered)
}

impl Shape {
    /// What a type or a pool says of itself, each value checked.
    pub(super) fn of(
        capacity: &BTreeMap<String, QuantityText>,
        allocatable: &BTreeMap<String, QuantityText>,
        labels: &BTreeMap<String, String>,
        price_per_hour: Option<f64>,
        place: &Place<'_>,
        errors: &mut Vec<InputError>,
    ) -> Shape {
        if price_per_hour.is_some_and(|price| !price.is_finite() || price < 0.0) {
            errors.push(place.key("pricePerHour").error("a price is a number that is not below 0"));
        }
        for (key, value) in labels {
            let place = place.key("labels").key(key);
            let why = text::is_qualified_name(key).into_iter().chain(text::is_valid_label_value(value)).next();
            errors.extend(why.map(|why| place.error(format!("{key}={value} is no label: {why}"))));
        }
        Shape {
            capacity: amounts(capacity, &place.key("capacity"), errors),
            allocatable: amounts(allocatable, &place.key("allocatable"), errors),
            labels: labels.clone(),
            taints: Vec::new(),
            price_per_hour,
        }
    }

    /// Adds the taints of a type.
    pub(super) fn taint(&mut self, taints: &[TaintFile], place: &Place<'_>, errors: &mut Vec<InputError>) {
        for (index, taint) in taints.iter().enumerate() {
            match lower_taint(taint, &place.index(index)) {
                Ok(taint) => self.taints.push(taint),
                Err(error) => errors.push(error),
            }
        }
    }

    /// The type of this name and shape.
    pub(super) fn node_type(&self, name: &str) -> NodeType {
        NodeType { name: name.into(), template: self.template(Some(name)), price_per_hour: self.price_per_hour }
    }

    /// What nodes of this shape look like, and of this machine type.
    fn template(&self, machine: Option<&str>) -> NodeTemplate {
        let mut template = NodeTemplate::new(wire(&self.capacity));
        let mut allocatable = template.capacity.clone();
        allocatable.extend(wire(&self.allocatable));
        template = template.with_allocatable(allocatable);
        let machine = machine.iter().map(|machine| (INSTANCE_TYPE, *machine));
        // What is declared goes before what a cloud would say.
        let labels: BTreeMap<&str, &str> =
            machine.chain(self.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()))).collect();
        template.labels = labels.into_iter().collect();
        template.taints = self.taints.clone();
        template
    }

    /// What a pool says of itself goes before what its type says.
    fn or(self, of_type: &Shape) -> Shape {
        fn or<T: Clone>(mut own: BTreeMap<String, T>, of_type: &BTreeMap<String, T>) -> BTreeMap<String, T> {
            of_type.iter().for_each(|(key, value)| {
                own.entry(key.clone()).or_insert_with(|| value.clone());
            });
            own
        }
        Shape {
            capacity: or(self.capacity, &of_type.capacity),
            allocatable: or(self.allocatable, &of_type.allocatable),
            labels: or(self.labels, &of_type.labels),
            taints: of_type.taints.clone(),
            price_per_hour: self.price_per_hour.or(of_type.price_per_hour),
        }
    }

    /// `given` are the names of what was written, valid or not.
    pub(super) fn check(&self, given: &dyn Fn(&str) -> bool, place: &Place<'_>, errors: &mut Vec<InputError>) {
        for needed in ["cpu", "memory"] {
            if !self.capacity.contains_key(needed) && !given(needed) {
                errors.push(place.key("capacity").error(format!("{needed} is missing")));
            }
        }
        // With what a kubelet fills in.
        let capacity = NodeTemplate::new(wire(&self.capacity)).capacity;
        for (name, amount) in &self.allocatable {
            let place = place.key("allocatable").key(name);
            match capacity.get(name).and_then(|whole| whole.0.parse::<Quantity>().ok()) {
                None if given(name) => {}
                None => errors.push(place.error(format!("the capacity has no {name}"))),
                Some(whole) if whole.nanos() < amount.nanos() => {
                    errors.push(place.error(format!("{amount} are more than the capacity, {whole}")));
                }
                Some(_) => {}
            }
        }
    }
}

/// What the nodes of a pool are, with what its type says.
fn shape_of_pool(file: &NodePoolFile, types: &NodeTypes, place: &Place<'_>, errors: &mut Vec<InputError>) -> Shape {
    let own = Shape::of(&file.capacity, &file.allocatable, &file.labels, file.price_per_hour, place, errors);
    let Some(name) = &file.machine else {
        if file.capacity.is_empty() && place.key("capacity").value().is_none() {
            let help = "write for example {cpu: 4, memory: 16Gi}, or name a type of nodeTypes with type:";
            errors.push(place.error_help("missing required field \"capacity\"", help));
        } else {
            own.check(&|name| file.capacity.contains_key(name), place, errors);
        }
        return own;
    };
    match types.find(name, &place.key("type")) {
        Ok(of_type) => {
            let shape = own.or(of_type);
            if !file.capacity.is_empty() || !file.allocatable.is_empty() {
                shape.check(&|name| file.capacity.contains_key(name), place, errors);
            }
            shape
        }
        Err(error) => {
            errors.extend(error);
            own
        }
    }
}

fn check_pool(file: &NodePoolFile, shape: &Shape, place: &Place<'_>, errors: &mut Vec<InputError>) {
    if let Some(why) = text::is_dns1123_label(&file.name).into_iter().next() {
        errors.push(place.key("name").error(format!("{:?} cannot begin the names of nodes: {why}", file.name)));
    }
    match (file.count, &file.names) {
        (None, None) => errors.push(place.error("missing required field \"count\"")),
        (Some(_), Some(_)) => errors.push(place.key("count").error("count and names cannot stand together")),
        (Some(0), None) => {
            errors.push(place.key("count").error_help("a pool of 0 nodes", "write 1 or more, or leave the pool out"));
        }
        (Some(_), None) => {}
        (None, Some(names)) => check_names(names, &place.key("names"), errors),
    }
    if !file.zones.is_empty() && shape.labels.contains_key(ZONE) {
        errors.push(place.key("zones").error(format!("the label {ZONE} is set as well; leave one of them out")));
    }
    if let [first, second, ..] = file.ip_families.as_slice()
        && (first == second || file.ip_families.len() > 2)
    {
        errors.push(place.key("ipFamilies").error("a family stands here twice; write [IPv4], [IPv6] or both"));
    }
    for (index, zone) in file.zones.iter().enumerate() {
        let why = if zone.is_empty() { vec![text::empty_error().to_owned()] } else { text::is_valid_label_value(zone) };
        let error =
            |why| place.key("zones").index(index).error(format!("{zone:?} cannot be the name of a zone: {why}"));
        errors.extend(why.into_iter().next().map(error));
    }
}

fn check_names(names: &[String], place: &Place<'_>, errors: &mut Vec<InputError>) {
    if names.is_empty() {
        errors.push(place.error_help("a pool of 0 nodes", "write names, or leave the pool out"));
    }
    for (index, name) in names.iter().enumerate() {
        let why = text::is_dns1123_subdomain(name).into_iter().next();
        errors.extend(why.map(|why| place.index(index).error(format!("{name:?} cannot be the name of a node: {why}"))));
    }
}

/// Two nodes of one name, wherever they are.
fn check_twice(pools: &[Pool], place: &Place<'_>, errors: &mut Vec<InputError>) {
    let mut known: BTreeSet<&Name> = BTreeSet::new();
    for (index, pool) in pools.iter().enumerate() {
        let twice = pool.names.iter().find(|name| !known.insert(name));
        let place = place.index(index);
        errors.extend(twice.map(|name| place.key("names").error(format!("there are two nodes named {name:?}"))));
    }
}

fn template(file: &NodePoolFile, shape: &Shape, place: &Place<'_>, errors: &mut Vec<InputError>) -> NodeTemplate {
    let mut template = shape.template(file.machine.as_deref());
    for (driver, count) in &file.disk_limits {
        let place = place.key("diskLimits").key(driver);
        let why = text::is_dns1123_subdomain(driver).into_iter().next();
        errors.extend(why.map(|why| place.error(format!("{driver:?} cannot be the name of a CSI driver: {why}"))));
        template.disk_limits.insert(driver.as_str().into(), *count);
    }
    for (index, taint) in file.taints.iter().enumerate() {
        match lower_taint(taint, &place.key("taints").index(index)) {
            Ok(taint) => template.taints.push(taint),
            Err(error) => errors.push(error),
        }
    }
    template.ip_families = file.ip_families.iter().map(|family| family.lower()).collect();
    template
}

impl IpFamilyFile {
    fn lower(self) -> IpFamily {
        match self {
            IpFamilyFile::IPv4 => IpFamily::V4,
            IpFamilyFile::IPv6 => IpFamily::V6,
        }
    }
}

fn wire(amounts: &BTreeMap<String, Quantity>) -> BTreeMap<String, WireQuantity> {
    amounts.iter().map(|(name, amount)| (name.clone(), WireQuantity(amount.to_string()))).collect()
}

/// A list of resources, each name and quantity checked.
fn amounts(
    list: &BTreeMap<String, QuantityText>,
    place: &Place<'_>,
    errors: &mut Vec<InputError>,
) -> BTreeMap<String, Quantity> {
    let mut amounts = BTreeMap::new();
    for (name, text) in list {
        let here = place.key(name);
        let known = STANDARD.contains(&name.as_str()) || name.starts_with("hugepages-") || name.contains('/');
        if !known {
            errors.push(here.unknown_key(format!("no node has a resource named {name:?}"), name, &STANDARD));
        } else if let Some(why) = text::is_qualified_name(name).into_iter().next() {
            errors.push(here.error(format!("{name:?} is no resource name: {why}")));
        }
        match quantity(&text.0, &here) {
            Ok(amount) if name == "cpu" && amount.nanos() > CPU_MAX * 1_000_000_000 => {
                errors.push(here.error(format!("{amount} CPUs are more than any machine has")));
            }
            Ok(amount) => {
                amounts.insert(name.clone(), amount);
            }
            Err(error) => errors.push(error),
        }
    }
    amounts
}

/// A quantity that is not below zero and that fits what schedulers count with.
pub(super) fn quantity(text: &str, place: &Place<'_>) -> Result<Quantity, InputError> {
    let refuse = || place.error_help(format!("{text:?} is no quantity"), "write for example 500m, 4, 16Gi or 100M");
    let amount: Quantity = text.parse().map_err(|_| refuse())?;
    if amount.nanos() < 0 {
        return Err(place.error(format!("{text} is below 0")));
    }
    if amount.nanos() > AMOUNT_MAX * 1_000_000_000 {
        return Err(place.error(format!("{text} is more than any machine has")));
    }
    Ok(amount)
}

fn lower_taint(file: &TaintFile, place: &Place<'_>) -> Result<Taint, InputError> {
    let (key, value, effect, effect_place) = match file {
        TaintFile::Fields(taint) => {
            (taint.key.as_str(), taint.value.as_str(), taint.effect.as_str(), place.key("effect"))
        }
        TaintFile::Text(text) => {
            let Some((front, effect)) = text.rsplit_once(':') else {
                let message = format!("{text:?} is no taint");
                return Err(place.error_help(message, "write key=value:NoSchedule or key:NoSchedule"));
            };
            let (key, value) = front.split_once('=').unwrap_or((front, ""));
            (key, value, effect, place.clone())
        }
    };
    if !EFFECTS.contains(&effect) {
        return Err(effect_place.unknown_name(format!("{effect:?} is no effect of a taint"), effect, &EFFECTS));
    }
    let why = text::is_qualified_name(key).into_iter().chain(text::is_valid_label_value(value)).next();
    if let Some(why) = why {
        return Err(place.error(format!("{key}={value} cannot be a taint: {why}")));
    }
    let value = (!value.is_empty()).then(|| value.to_owned());
    Ok(Taint { key: key.to_owned(), value, effect: effect.to_owned(), time_added: None })
}

/// How many nodes a pool has.
fn size(pool: &NodePoolFile) -> u64 {
    pool.names.as_ref().map_or(u64::from(pool.count.unwrap_or(0)), |names| names.len() as u64)
}

/// The names of a pool's nodes.
pub(super) fn node_names(pool: &NodePoolFile) -> impl Iterator<Item = Name> + '_ {
    let given = pool.names.iter().flatten().map(Name::from);
    let count = if pool.names.is_some() { 0 } else { pool.count.unwrap_or(0) };
    given.chain((0..count).map(|number| ecow::eco_format!("{}-{number}", pool.name)))
}

/// Whether a pool has a node of this name.
pub(super) fn has_node(pool: &NodePoolFile, name: &str) -> bool {
    if let Some(names) = &pool.names {
        return names.iter().any(|known| known == name);
    }
    let number = name.strip_prefix(pool.name.as_str()).and_then(|rest| rest.strip_prefix('-'));
    let number = number.and_then(|number| number.parse::<u32>().ok().filter(|parsed| parsed.to_string() == number));
    number.is_some_and(|number| number < pool.count.unwrap_or(0))
}

/// The nodes of a pool by zone, dealt in turn.
fn by_zone(file: &NodePoolFile, template: NodeTemplate) -> Vec<NodePool> {
    let names: Vec<Name> = node_names(file).collect();
    if file.zones.is_empty() {
        return vec![NodePool { names, template: Arc::new(template) }];
    }
    let zones = file.zones.iter().enumerate().map(|(index, zone)| {
        let mut template = template.clone();
        template.labels = Labels::with(&template.labels, ZONE, zone.as_str());
        let names = names.iter().skip(index).step_by(file.zones.len()).cloned().collect();
        NodePool { names, template: Arc::new(template) }
    });
    zones.filter(|pool: &NodePool| !pool.names.is_empty()).collect()
}
