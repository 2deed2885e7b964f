//! Commits of the API server: status patches of a thousand pods in turn, with 1, 10 and 100 watchers of all pods that
//! are each woken and served after every commit. Throughput is commits a second of this thread's CPU time.

mod cpu_time;

use std::sync::Arc;

use cpu_time::CpuTime;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use wavetank::api::convert::from_json;
use wavetank::api::{Clock, Kind, Name, Obj, Object, Pod};
use wavetank::event::{Answer, Cause, Filter, InformerIndex, PartId, Request};
use wavetank::kernel::{Chance, Span, Time};
use wavetank::store::{Context, Store, WatcherSpec};

const PODS: usize = 1_000;
/// Commits of one iteration.
const COMMITS: u64 = 10_000;

struct Tank {
    store: Store,
    pods: Vec<Arc<Obj<Pod>>>,
    now: Time,
    commits: u64,
}

impl Tank {
    fn with_watchers(watchers: u8) -> Tank {
        let mut store = Store::new(Chance { seed: 1 }, Clock::DEFAULT, &[Span::ZERO]);
        store.bootstrap(&context(Time::ZERO));
        let pods = (0..PODS).map(|number| create(&mut store, number)).collect();
        for number in 0..watchers {
            let spec = WatcherSpec {
                part: PartId::ControllerManager(number),
                incarnation: 0,
                informer: InformerIndex(0),
                kind: Kind::Pod,
                filter: Filter::All,
                delay: Span::ZERO,
                replica: 0,
            };
            let revision = store.revision();
            store.watch(spec, revision).expect("nothing has been compacted yet");
        }
        store.take_commits();
        Tank { store, pods, now: Time::ZERO, commits: 0 }
    }

    /// Commits one change and serves all watchers. Returns how many changes they were given.
    fn commit(&mut self) -> usize {
        let place = self.commits as usize % PODS;
        self.commits += 1;
        self.now += Span::from_millis(1);
        let mut pod = Obj::clone(&self.pods[place]);
        pod.body.status.observed_generation = self.commits as i64;
        let request = Request::PatchStatus(Object::Pod(Arc::new(pod)));
        let Ok(Answer::Object(Object::Pod(stored))) = self.store.handle(request, &context(self.now)) else {
            panic!("a status patch is answered with the pod");
        };
        self.pods[place] = stored;
        self.store.take_commits();
        let wakes = self.store.take_wakes();
        wakes.into_iter().map(|(watcher, _)| self.store.collect(watcher, self.now, Span::ZERO).changes.len()).sum()
    }
}

fn context(now: Time) -> Context {
    Context { now, cause: Cause::START, from: PartId::User, replica: 0 }
}

fn create(store: &mut Store, number: usize) -> Arc<Obj<Pod>> {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": Name::from(format!("pod-{number}")), "namespace": "default"},
        "spec": {"containers": [{"name": "main", "image": "nginx"}]},
    });
    let pod = from_json(Kind::Pod, pod).expect("the manifest is right");
    match store.handle(Request::Create(pod), &context(Time::ZERO)) {
        Ok(Answer::Object(Object::Pod(pod))) => pod,
        other => panic!("the pod is not created: {other:?}"),
    }
}

fn commits(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("store/commits");
    group.throughput(Throughput::Elements(COMMITS));
    group.sample_size(20);
    for watchers in [1, 10, 100] {
        let mut tank = Tank::with_watchers(watchers);
        group.bench_function(BenchmarkId::new("watchers", watchers), |b| {
            b.iter(|| {
                let delivered: usize = (0..COMMITS).map(|_| tank.commit()).sum();
                assert_eq!(delivered as u64, COMMITS * u64::from(watchers), "every watcher sees every change once");
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = commits
}
criterion_main!(benches);
