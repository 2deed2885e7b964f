//! What a command line or a study file asks for, with everything read that it names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::Arguments;
use crate::api::located::{InputErrors, Issue, Place, from_located, parse, suggestion};
use crate::bench::placement::file::{
    API_VERSION, ArriveFile, ArriveWord, DrainsFile, FailuresFile, IntervalsFile, KIND, NamedScheduler, NamedTrace,
    QueueFile, StudyFile, StudyMetadata,
};
use crate::bench::placement::{Arrivals, Conditions, Contender, Drains, Failures, Queue, Source, Study, Workload};
use crate::bench::stats::Method;
use crate::cli::Failure;
use crate::cli::output::to_stderr;
use crate::cli::read::{open, sentence, shown};
use crate::cli::run::seeds;
use crate::scheduler::policies::{self, Policy};
use crate::scheduler::{Profile, configuration};
use crate::trace::{self, Machine, Task, Trace, openb};

/// kube-scheduler's own code with its default profile.
const KUBE_SCHEDULER: &str = "kube-scheduler";
const LEVEL: f64 = 0.95;
const MOMENT: f64 = 100.0;

/// A study that can be run.
pub(super) struct Loaded<'a> {
    pub(super) study: Study<'a>,
    pub(super) name: String,
    pub(super) about: String,
    pub(super) method: Method,
    pub(super) level: f64,
    /// The words that repeat it, without folders and shards.
    pub(super) command: String,
    /// What decides the runs, files by their digests.
    pub(super) identity: serde_json::Value,
}

impl Loaded<'_> {
    /// No study can be made of a workload.
    pub(super) fn failure(&self, workload: usize, why: &str) -> Failure {
        Failure::Refused(format!("workload {}: {why}", self.study.workloads[workload].name))
    }
}

/// Reads all that is named.
pub(super) fn load<'a>(arguments: &Arguments, more: &[&'a dyn Policy]) -> Result<Loaded<'a>, Failure> {
    match &arguments.file {
        Some(path) => {
            let text = text_of(path)?;
            let file = shown(path);
            let documents = parse(&file, &text).map_err(|error| Failure::Input(error.into()))?;
            let [document] = documents.as_slice() else {
                let found = documents.len();
                return Err(Failure::Refused(format!("{file}: it holds {found} documents; a study file has one")));
            };
            let typed: StudyFile = from_located(&file, document)?;
            let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
            Loading { typed, folder, place: Some(Place::new(&file, document)), more, words: vec![file.clone()] }.study()
        }
        None => {
            let words = words(arguments);
            Loading { typed: typed(arguments), folder: PathBuf::new(), place: None, more, words }.study()
        }
    }
}

/// The study file that the options stand for.
fn typed(arguments: &Arguments) -> StudyFile {
    let text = |path: &PathBuf| path.display().to_string();
    StudyFile {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        metadata: StudyMetadata { name: "Placement study".to_owned() },
        nodes: arguments.nodes.as_ref().map(text),
        pods: arguments.pods.iter().map(text).collect(),
        policies: arguments.policy.clone(),
        seeds: format!("{}..{}", arguments.seeds.first, arguments.seeds.last),
        arrive: arguments.arrive.iter().map(|times| ArriveFile::Times(*times)).collect(),
        ..StudyFile::default()
    }
}

fn words(arguments: &Arguments) -> Vec<String> {
    let mut words = Vec::new();
    let path = |path: &PathBuf| path.display().to_string();
    words.extend(arguments.nodes.iter().flat_map(|nodes| ["--nodes".to_owned(), path(nodes)]));
    words.extend(arguments.pods.iter().flat_map(|pods| ["--pods".to_owned(), path(pods)]));
    words.extend(["--policy".to_owned(), arguments.policy.join(",")]);
    words.push(format!("--seeds {}..{}", arguments.seeds.first, arguments.seeds.last));
    let times: Vec<String> = arguments.arrive.iter().map(ToString::to_string).collect();
    words.push(format!("--arrive {}", times.join(",")));
    words
}

struct Loading<'f, 'm, 'a> {
    typed: StudyFile,
    folder: PathBuf,
    /// Where the study file stands; nothing where options are its text.
    place: Option<Place<'f>>,
    more: &'m [&'a dyn Policy],
    words: Vec<String>,
}

impl<'a> Loading<'_, '_, 'a> {
    fn study(self) -> Result<Loaded<'a>, Failure> {
        let typed = &self.typed;
        if typed.api_version != API_VERSION {
            return Err(self.refuse("apiVersion", &format!("{:?} is not {API_VERSION}", typed.api_version)));
        }
        if typed.kind != KIND {
            return Err(self.refuse("kind", &format!("{:?} is not {KIND}", typed.kind)));
        }
        let range = if typed.seeds.contains("..") { typed.seeds.clone() } else { format!("{0}..{0}", typed.seeds) };
        let seeds = seeds(&range).map_err(|why| self.refuse("seeds", &why))?;
        let mut digest = Xxh3::new();
        let workloads = self.workloads(&mut digest)?;
        let policies = self.policies()?;
        for scheduler in &typed.schedulers {
            self.hashed(&self.folder.join(&scheduler.config), &mut digest)?;
        }
        let conditions = self.conditions()?;
        let level = typed.level.unwrap_or(LEVEL);
        if !(0.5..1.0).contains(&level) {
            return Err(self.refuse("level", "it is no probability from 0.5 to 1; write for example 0.95"));
        }
        let study = Study { workloads, conditions, policies, seeds, moment: typed.moment.unwrap_or(MOMENT) };
        let names = |names: Vec<&str>| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let identity = serde_json::json!({
            "wavetank": env!("CARGO_PKG_VERSION"),
            "format": 2,
            "inputs": format!("{:032x}", digest.digest128()),
            "workloads": names(study.workloads.iter().map(|workload| workload.name.as_str()).collect()),
            "conditions": study.conditions.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "policies": names(study.policies.iter().map(Contender::name).collect()),
            "seeds": [seeds.first, seeds.last],
            "moment": study.moment,
        });
        let method = match typed.intervals {
            Some(IntervalsFile::Bootstrap) => Method::Bootstrap,
            Some(IntervalsFile::T) | None => Method::T,
        };
        let command = format!("wavetank bench placement {}", self.words.join(" "));
        let (name, about) = (typed.metadata.name.clone(), typed.description.clone());
        Ok(Loaded { study, name, about, method, level, command, identity })
    }

    fn workloads(&self, digest: &mut Xxh3) -> Result<Vec<Workload>, Failure> {
        let typed = &self.typed;
        let machines: Vec<Machine> = match &typed.nodes {
            Some(nodes) => {
                let path = self.folder.join(nodes);
                openb::nodes(&self.hashed(&path, digest)?, &path)?
            }
            None => Vec::new(),
        };
        let mut workloads: Vec<Workload> = Vec::new();
        let mut first = None;
        for pods in &typed.pods {
            let path = self.folder.join(pods);
            let tasks: Vec<Task> = openb::pods(&self.hashed(&path, digest)?, &path)?;
            if machines.is_empty() {
                return Err(self.refuse("nodes", "there are no machines for the lists of pods; name a list of nodes"));
            }
            let resources = vec!["cpu".into(), "memory".into()];
            let trace = Arc::new(Trace { resources, machines: machines.clone(), tasks });
            first.get_or_insert_with(|| trace.clone());
            let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            workloads.push(Workload { name, source: Source::Recorded(trace) });
        }
        let shared: Arc<[Machine]> = machines.into();
        for (index, synthetic) in typed.synthetic.iter().enumerate() {
            let field = format!("synthetic[{index}].trace");
            if let Some(issue) = synthetic.trace.issues().first() {
                return Err(self.issue(index, issue));
            }
            if synthetic.trace.machines.is_empty() && shared.is_empty() {
                return Err(self.refuse(&field, "it has no machines, and the study has no nodes; give it machines"));
            }
            let observed = first.clone().filter(|_| synthetic.trace.needs_trace());
            if synthetic.trace.needs_trace() && observed.is_none() {
                return Err(self.refuse(&field, "its sizes are those of a trace, but the study has no pods"));
            }
            digest.update(format!("{synthetic:?}").as_bytes());
            let source = Source::Made(Arc::new(synthetic.trace.clone()), observed, shared.clone());
            workloads.push(Workload { name: synthetic.name.clone(), source });
        }
        for (index, named) in typed.traces.iter().enumerate() {
            let trace = Arc::new(self.recorded(index, named, digest)?);
            workloads.push(Workload { name: named.name.clone(), source: Source::Recorded(trace) });
        }
        if workloads.is_empty() {
            return Err(self.refuse("pods", "there is nothing to place; name lists of pods, or synthetic workloads"));
        }
        if let Some((place, twice)) = workloads
            .iter()
            .enumerate()
            .find(|(place, workload)| workloads[..*place].iter().any(|earlier| earlier.name == workload.name))
        {
            let why = format!("workload {} is called {:?} as one before it is", place + 1, twice.name);
            return Err(self.refuse("pods", &why));
        }
        Ok(workloads)
    }

    /// The trace of one of the other formats.
    fn recorded(&self, index: usize, named: &NamedTrace, digest: &mut Xxh3) -> Result<Trace, Failure> {
        let field = format!("traces[{index}]");
        let mut read = |file: &String| -> Result<(PathBuf, String), Failure> {
            let path = self.folder.join(file);
            let text = self.hashed(&path, digest)?;
            Ok((path, text))
        };
        let reading = match (&named.borg, &named.azure, &named.snapshot) {
            (Some(borg), None, None) => {
                let (machines, instances) = (read(&borg.machine_events)?, read(&borg.instance_events)?);
                trace::borg::borg((machines.1.as_bytes(), &machines.0), (instances.1.as_bytes(), &instances.0))?
            }
            (None, Some(azure), None) => {
                let (vms, types) = (read(&azure.vms)?, read(&azure.types)?);
                digest.update(format!("{azure:?}").as_bytes());
                let (vms, types) = ((vms.1.as_bytes(), vms.0.as_path()), (types.1.as_bytes(), types.0.as_path()));
                trace::azure::azure(vms, types, &azure.machine_id, azure.machines)?
            }
            (None, None, Some(files)) => {
                let texts: Vec<(PathBuf, String)> = files.iter().map(read).collect::<Result<_, Failure>>()?;
                let shown: Vec<(String, &str)> =
                    texts.iter().map(|(path, text)| (shown(path), text.as_str())).collect();
                let shown: Vec<(&str, &str)> = shown.iter().map(|(file, text)| (file.as_str(), *text)).collect();
                trace::snapshot::snapshot(&shown)?
            }
            _ => {
                return Err(self.refuse(&field, "it names no format, or several; give it one of borg, azure, snapshot"));
            }
        };
        for note in &reading.notes {
            to_stderr(&format!("note: {}: {note}", named.name));
        }
        if reading.trace.machines.is_empty() || reading.trace.tasks.is_empty() {
            return Err(self.refuse(&field, "there are no machines or no tasks in it that a study can use"));
        }
        Ok(reading.trace)
    }

    fn policies(&self) -> Result<Vec<Contender<'a>>, Failure> {
        let mut contenders: Vec<Contender<'a>> = Vec::new();
        for name in &self.typed.policies {
            if contenders.iter().any(|contender| contender.name() == name) {
                return Err(self.refuse("policies", &format!("{name:?} stands there twice")));
            }
            if name == KUBE_SCHEDULER {
                contenders.push(Contender::KubeScheduler(name.clone(), Arc::new(Profile::upstream())));
                continue;
            }
            let own = self.more.iter().copied().find(|policy| policy.name() == name);
            let Some(policy) = own.or_else(|| policies::named(name)) else {
                let own = self.more.iter().map(|policy| policy.name());
                let known: Vec<&str> = {
                    let all = policies::ALL.iter().map(|policy| policy.name());
                    all.chain([KUBE_SCHEDULER]).chain(own).collect()
                };
                let help = match suggestion(name, &known) {
                    Some(help) => format!("{help} (all are in wavetank list policies)"),
                    None => format!("there are {}", known.join(", ")),
                };
                return Err(self.refuse("policies", &format!("{name:?} is no policy\n  help: {help}")));
            };
            contenders.push(Contender::Policy(policy));
        }
        for (index, NamedScheduler { name, config }) in self.typed.schedulers.iter().enumerate() {
            let path = self.folder.join(config);
            let configuration = configuration::read(&shown(&path), &text_of(&path)?)?;
            let refuse = |why: &str| self.refuse(&format!("schedulers[{index}]"), why);
            let profile = configuration.profiles.into_iter().next().ok_or_else(|| refuse("its file has no profile"))?;
            if contenders.iter().any(|contender| contender.name() == name) {
                return Err(refuse(&format!("{name:?} stands there twice")));
            }
            contenders.push(Contender::KubeScheduler(name.clone(), Arc::new(profile)));
        }
        if contenders.is_empty() {
            return Err(self.refuse("policies", "there is no policy; name one at least"));
        }
        Ok(contenders)
    }

    fn conditions(&self) -> Result<Vec<Conditions>, Failure> {
        let typed = &self.typed;
        let mut arrive = Vec::new();
        for times in &typed.arrive {
            arrive.push(match times {
                ArriveFile::Word(ArriveWord::AsRecorded) => Arrivals::AsRecorded,
                ArriveFile::Times(times) if *times > 0.0 && *times <= 100.0 => Arrivals::Inflated(*times),
                ArriveFile::Times(_) => {
                    return Err(self.refuse("arrive", "it is no number above 0 and up to 100; write for example 1.3"));
                }
            });
        }
        if arrive.is_empty() {
            arrive.push(if typed.pods.is_empty() { Arrivals::AsRecorded } else { Arrivals::Inflated(1.3) });
        }
        let queue = |file: &QueueFile| match file {
            QueueFile::None => Queue::None,
            QueueFile::Retry => Queue::Retry,
            QueueFile::Fifo => Queue::Fifo,
        };
        let failures = |file: &FailuresFile| Some(Failures { mean_between: file.mean_between.0, lasts: file.lasts.0 });
        let drains = |file: &DrainsFile| Some(Drains { every: file.every.0, lasts: file.lasts.0 });
        let queues = or_default(typed.queue.iter().map(queue).collect(), Queue::None);
        let failures = or_default(typed.failures.iter().map(failures).collect(), None);
        let drains = or_default(typed.drains.iter().map(drains).collect(), None);
        let preemptions = or_default(typed.preemption.clone(), false);
        let mut conditions = Vec::new();
        for arrivals in &arrive {
            for queue in &queues {
                for preemption in &preemptions {
                    for failures in &failures {
                        conditions.extend(drains.iter().map(|drains| Conditions {
                            arrivals: *arrivals,
                            queue: *queue,
                            preemption: *preemption,
                            failures: *failures,
                            drains: *drains,
                        }));
                    }
                }
            }
        }
        Ok(conditions)
    }

    fn hashed(&self, path: &Path, digest: &mut Xxh3) -> Result<String, Failure> {
        let text = text_of(path)?;
        digest.update(&(text.len() as u64).to_le_bytes());
        digest.update(text.as_bytes());
        Ok(text)
    }

    /// A mistake of the whole, said of its field or of its option.
    fn refuse(&self, field: &str, why: &str) -> Failure {
        match &self.place {
            Some(place) => Failure::Input(InputErrors(vec![place.key(field).error(format!("{field}: {why}"))])),
            None => {
                let option = match field {
                    "policies" => "--policy".to_owned(),
                    field => format!("--{field}"),
                };
                Failure::Refused(format!("{option}: {why}"))
            }
        }
    }

    fn issue(&self, index: usize, issue: &Issue) -> Failure {
        match &self.place {
            Some(place) => {
                let trace = place.key("synthetic").index(index).key("trace");
                Failure::Input(InputErrors(vec![trace.error(issue.to_string())]))
            }
            None => Failure::Refused(issue.to_string()),
        }
    }
}

fn or_default<T>(list: Vec<T>, default: T) -> Vec<T> {
    if list.is_empty() { vec![default] } else { list }
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::Refused(format!("{}: {why}", shown(path)));
    let mut text = String::new();
    let mut file = open(path).map_err(failed)?;
    std::io::Read::read_to_string(&mut file, &mut text).map_err(|error| failed(sentence(error)))?;
    Ok(text)
}
