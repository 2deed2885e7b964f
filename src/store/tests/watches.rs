//! Stories of watches and lists, and the law that ties them: the changes told from the start add up to what is there.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::{Server, config_map, pod, read};
use crate::api::{Kind, Name, Object};
use crate::event::{
    Change, ChangeKind, DeleteOptions, ErrorReason, Filter, InformerIndex, ListAt, PartId, Patch, PatchKind, Query,
    Request, Subresource, Target,
};
use crate::kernel::{Span, Time};
use crate::store::{WatcherId, WatcherSpec};

fn spec(kind: Kind, filter: Filter, delay: Span, replica: u8) -> WatcherSpec {
    WatcherSpec {
        part: PartId::ControllerManager(0),
        incarnation: 0,
        informer: InformerIndex(0),
        kind,
        filter,
        delay,
        replica,
    }
}

impl Server {
    #[track_caller]
    fn watch(&mut self, kind: Kind, filter: Filter, from: u64) -> WatcherId {
        let delay = self.store.replicas()[0].lag;
        self.store.watch(spec(kind, filter, delay, 0), from).expect("the revision is there")
    }

    /// What a watcher is given now, as `ADDED name`.
    fn told(&mut self, id: WatcherId) -> Vec<String> {
        let delivery = self.store.collect(id, self.now, Span::ZERO);
        delivery.changes.iter().map(|change| format!("{:?} {}", change.kind, change.object.meta().name)).collect()
    }

    fn set_data(&mut self, name: &str, value: &str) {
        let target = Target::Name(Kind::ConfigMap, "default".into(), name.into());
        let patch = Patch { kind: PatchKind::Merge, body: json!({ "data": { "k": value } }) };
        self.object(Request::Patch { target, subresource: Subresource::None, patch: std::sync::Arc::new(patch) });
    }

    fn delete(&mut self, kind: Kind, name: &str) {
        let target = Target::Name(kind, "default".into(), name.into());
        self.handle(Request::Delete { target, options: DeleteOptions::default() }).expect("it is there");
    }
}

#[test]
fn changes_come_in_order_and_many_with_one_wake_up() {
    let mut server = Server::new();
    let id = server.watch(Kind::ConfigMap, Filter::All, 0);
    server.create(config_map("a"));
    server.create(config_map("b"));
    server.set_data("a", "1");
    server.delete(Kind::ConfigMap, "b");
    assert_eq!(server.store.take_wakes(), [(id, server.now)], "one wake-up for four changes");
    assert_eq!(server.told(id), ["Added a", "Added b", "Modified a", "Deleted b"]);
    assert!(server.told(id).is_empty());
    server.set_data("a", "2");
    assert_eq!(server.store.take_wakes().len(), 1, "and one for the next");
}

#[test]
fn filters_make_objects_appear_and_go() {
    let mut server = Server::new();
    let on_node = server.watch(Kind::Pod, Filter::OnNode("n1".into()), 0);
    let other = server.watch(Kind::Pod, Filter::OnNode("n2".into()), 0);
    let named = server.watch(Kind::Pod, Filter::Named("default".into(), "p".into()), 0);
    let elsewhere = server.watch(Kind::Pod, Filter::InNamespace("kube-system".into()), 0);
    server.create(pod("p"));
    server.create(pod("q"));
    server.bind("p", "n1").unwrap();
    server.set_status("p", json!({ "phase": "Succeeded" }));
    server.delete(Kind::Pod, "p");
    assert_eq!(server.told(on_node), ["Added p", "Modified p", "Deleted p"]);
    assert_eq!(server.told(named), ["Added p", "Modified p", "Modified p", "Deleted p"]);
    assert!(server.told(other).is_empty() && server.told(elsewhere).is_empty());
    let woken: Vec<WatcherId> = server.store.take_wakes().into_iter().map(|(id, _)| id).collect();
    assert!(woken.contains(&on_node) && woken.contains(&named));
    assert!(!woken.contains(&other), "a change on one node wakes no watcher of another");
}

#[test]
fn nothing_is_told_before_the_lag_and_nothing_newer_than_a_frozen_cache_shows() {
    let mut server = Server::with_lags(&[Span::from_secs(2)]);
    server.sleep(10);
    let id = server.watch(Kind::ConfigMap, Filter::All, 0);
    server.create(config_map("a"));
    assert_eq!(server.store.take_wakes(), [(id, Time::ZERO + Span::from_secs(12))]);
    server.sleep(1);
    server.create(config_map("b"));
    assert!(server.told(id).is_empty(), "after one second");
    server.sleep(1);
    let delivery = server.store.collect(id, server.now, Span::ZERO);
    assert_eq!(delivery.changes.len(), 1, "after two seconds the first");
    assert_eq!(delivery.next, Some(Time::ZERO + Span::from_secs(13)), "and the second is announced");
    server.store.replicas_mut()[0].frozen_at = Some(server.now);
    server.sleep(1);
    assert_eq!(server.told(id), ["Added b"], "what the cache held when it froze");
    server.create(config_map("c"));
    server.sleep(60);
    assert!(server.told(id).is_empty());
    assert_eq!(server.list(Kind::ConfigMap, Filter::All, ListAt::Any).0.len(), 2);
    server.store.replicas_mut()[0].frozen_at = None;
    assert_eq!(server.told(id), ["Added c"], "it goes on where it stopped");
}

#[test]
fn a_watch_resumes_from_a_revision_and_is_gone_after_compaction() {
    let mut server = Server::new();
    server.create(config_map("a"));
    let seen = server.create(config_map("b")).meta().resource_version;
    server.create(config_map("c"));
    let id = server.watch(Kind::ConfigMap, Filter::All, seen);
    assert_eq!(server.told(id), ["Added c"]);
    server.create(config_map("d"));
    server.store.compact();
    assert_eq!(server.told(id), ["Added d"], "an open watch loses nothing");
    server.store.close_watch(id);
    server.store.compact();
    let error = server.store.watch(spec(Kind::ConfigMap, Filter::All, Span::ZERO, 0), seen).unwrap_err();
    assert_eq!((error.reason.code(), error.reason.as_str()), (410, "Expired"));
    assert_eq!(error.message, format!("too old resource version: {seen} ({})", server.store.revision() + 1));
    let query = Query {
        kind: Kind::ConfigMap,
        namespace: None,
        labels: crate::api::Selector::everything(),
        filter: Filter::All,
    };
    let error = server.refused(Request::List { query, at: ListAt::Exact(seen) });
    assert_eq!(error.reason, ErrorReason::Expired);
}

#[test]
fn lists_are_as_fresh_as_they_were_asked_for() {
    let mut server = Server::with_lags(&[Span::from_secs(1), Span::from_secs(10)]);
    // What was there at time zero counts as seen by all.
    server.sleep(20);
    let first = server.create(config_map("a")).meta().resource_version;
    server.sleep(5);
    server.set_data("a", "new");
    let last = server.create(config_map("b")).meta().resource_version;
    server.sleep(2);
    let mut show = |replica, at| {
        server.replica = replica;
        let (items, revision) = server.list(Kind::ConfigMap, Filter::All, at);
        (items.len(), revision)
    };
    assert_eq!(show(0, ListAt::Any), (2, last), "a cache that lags little");
    assert_eq!(show(1, ListAt::Any), (0, first - 1), "a cache that lags much");
    assert_eq!(show(1, ListAt::Quorum), (2, last));
    assert_eq!(show(1, ListAt::NotOlderThan(last)), (2, last));
    assert_eq!(show(1, ListAt::Exact(first)), (1, first));
    server.sleep(4);
    let (items, revision) = server.list(Kind::ConfigMap, Filter::All, ListAt::Any);
    assert_eq!((items.len(), revision), (1, first));
    assert!(crate::api::convert::to_json(&items[0]).get("data").is_none(), "as it was before the change");
}

#[derive(Clone, Debug)]
enum Do {
    Create(u8),
    Bind(u8, u8),
    Touch(u8),
    Finish(u8),
    Delete(u8),
    Kill(u8),
    Sleep,
}

fn any_do() -> impl Strategy<Value = Do> {
    prop_oneof![
        3 => (0..4u8).prop_map(Do::Create),
        3 => (0..4u8, 0..2u8).prop_map(|(pod, node)| Do::Bind(pod, node)),
        2 => (0..4u8).prop_map(Do::Touch),
        1 => (0..4u8).prop_map(Do::Finish),
        2 => (0..4u8).prop_map(Do::Delete),
        2 => (0..4u8).prop_map(Do::Kill),
        1 => Just(Do::Sleep),
    ]
}

impl Server {
    fn act(&mut self, action: &Do) {
        let name = |number: &u8| Name::from(format!("p{number}"));
        let target = |number: &u8| Target::Name(Kind::Pod, "default".into(), name(number));
        let options = |grace_seconds| DeleteOptions { grace_seconds, ..DeleteOptions::default() };
        // Whatever is refused changes nothing, which is looked at as well.
        let before = self.store.revision();
        let reply = match action {
            Do::Create(number) => self.handle(Request::Create(read(pod(&name(number))))),
            Do::Bind(number, node) => self.bind(&name(number), &format!("n{node}")),
            Do::Touch(number) => {
                let labels = json!({ "metadata": { "labels": { "t": before.to_string() } } });
                let patch = std::sync::Arc::new(Patch { kind: PatchKind::Merge, body: labels });
                self.handle(Request::Patch { target: target(number), subresource: Subresource::None, patch })
            }
            Do::Finish(number) => {
                let there = self.store.by_name(Kind::Pod, "default", &name(number)).is_some();
                if there {
                    self.set_status(&name(number), json!({ "phase": "Failed" }));
                }
                return;
            }
            Do::Delete(number) => self.handle(Request::Delete { target: target(number), options: options(None) }),
            Do::Kill(number) => self.handle(Request::Delete { target: target(number), options: options(Some(0)) }),
            Do::Sleep => return self.sleep(1),
        };
        assert!(reply.is_ok() || self.store.revision() == before, "a refused request changed something");
    }
}

/// Takes changes in as a cache does, and insists that each makes sense.
fn replay(objects: &mut BTreeMap<Name, Object>, changes: &[Change]) {
    for Change { kind, object, .. } in changes {
        let name = object.meta().name.clone();
        let before = match kind {
            ChangeKind::Added | ChangeKind::Modified => objects.insert(name, object.clone()),
            ChangeKind::Deleted => objects.remove(&name),
        };
        assert_eq!(before.is_some(), *kind != ChangeKind::Added, "{kind:?} of {}", object.meta().name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn changes_from_the_start_add_up_to_the_last_list(actions in proptest::collection::vec(any_do(), 1..60)) {
        let mut server = Server::new();
        let filters = [
            Filter::All,
            Filter::OnNode("n0".into()),
            Filter::Named("default".into(), "p1".into()),
            Filter::InNamespace("default".into()),
        ];
        let live: Vec<WatcherId> =
            filters.iter().map(|filter| server.watch(Kind::Pod, filter.clone(), 0)).collect();
        let mut caches = vec![BTreeMap::new(); filters.len()];
        let mut states = BTreeMap::new();
        let mut last = 0;
        for action in &actions {
            server.act(action);
            let (objects, revision) = server.list(Kind::Pod, Filter::All, ListAt::Quorum);
            states.insert(revision, objects);
            for commit in server.store.take_commits() {
                let revision = commit.object.meta().resource_version;
                prop_assert!(revision > last, "revisions rise");
                last = revision;
            }
            if server.store.revision().is_multiple_of(3) {
                replay(&mut caches[0], &server.store.collect(live[0], server.now, Span::ZERO).changes);
            }
        }
        for (index, filter) in filters.iter().enumerate() {
            replay(&mut caches[index], &server.store.collect(live[index], server.now, Span::ZERO).changes);
            let late = server.watch(Kind::Pod, filter.clone(), 0);
            let mut replayed = BTreeMap::new();
            replay(&mut replayed, &server.store.collect(late, server.now, Span::ZERO).changes);
            let (objects, _) = server.list(Kind::Pod, filter.clone(), ListAt::Quorum);
            let truth: BTreeMap<Name, Object> =
                objects.into_iter().map(|object| (object.meta().name.clone(), object)).collect();
            prop_assert_eq!(&caches[index], &truth, "the watch that was open all the time, {:?}", filter);
            prop_assert_eq!(&replayed, &truth, "the watch that was opened at the end, {:?}", filter);
        }
        for (revision, objects) in &states {
            prop_assert_eq!(&server.list(Kind::Pod, Filter::All, ListAt::Exact(*revision)).0, objects);
        }
    }
}
