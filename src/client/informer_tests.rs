//! Stories of one informer whose lists and watches fail.

use super::*;
use crate::api::{Clock, Lease, Meta, Obj};
use crate::client::TokenBucket;
use crate::event::{ApiError, Cause, ClientIndex, Effect};
use crate::kernel::Chance;

struct Story {
    informer: Informer,
    client: Client,
    now: Time,
    effects: Vec<Effect>,
}

fn lease(slot: u32, revision: u64) -> Object {
    let mut meta = Meta::new(Kind::Lease, "default", ecow::eco_format!("l{slot}"));
    (meta.id.slot, meta.resource_version) = (slot, revision);
    Obj { meta, body: Lease::default() }.into_object()
}

fn changes(revisions: &[u64]) -> Vec<Change> {
    let change = |revision: &u64| Change {
        kind: ChangeKind::Modified,
        object: lease(1, *revision),
        revision: *revision,
        cause: Cause(1),
    };
    revisions.iter().map(change).collect()
}

impl Story {
    fn new() -> Story {
        let informer = Informer::new(InformerIndex(0), Kind::Lease, Filter::All, Token(5), TimerToken(6));
        let client = Client { index: ClientIndex(0), name: "test".into(), limit: TokenBucket::unlimited() };
        let mut story = Story { informer, client, now: Time::ZERO, effects: Vec::new() };
        story.with(|informer, client, out| informer.start(client, out));
        story
    }

    /// One that watches from revision 10 on.
    fn watching() -> Story {
        let mut story = Story::new();
        assert_eq!(story.wants(), "list Any");
        assert_eq!(story.answer(Ok(10)), Some(1));
        assert_eq!(story.wants(), "watch 10");
        story
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Informer, &mut Client, &mut Outbox) -> T) -> T {
        let mut out = Outbox::new(self.now, Clock::DEFAULT, Chance { seed: 1 }, Cause(0));
        let result = act(&mut self.informer, &mut self.client, &mut out);
        self.effects.extend(out.effects);
        result
    }

    /// Answers the list, with one Lease of this revision or an error. Says how many changes it means.
    fn answer(&mut self, reply: Result<u64, ErrorReason>) -> Option<usize> {
        let reply = reply
            .map(|revision| Answer::List { items: vec![lease(1, revision)], resource_version: revision })
            .map_err(|reason| ApiError::new(reason, "no"));
        self.with(|informer, client, out| informer.listed(reply, Vec::new, client, out)).map(|changes| changes.len())
    }

    fn end(&mut self, end: WatchEnd) {
        self.with(|informer, client, out| informer.ended(end, client, out));
    }

    fn notice(&mut self, revisions: &[u64]) -> Vec<u64> {
        let mut changes = changes(revisions);
        self.informer.noticed(&mut changes);
        changes.iter().map(|change| change.revision).collect()
    }

    /// The one thing that it wants now.
    #[track_caller]
    fn wants(&mut self) -> String {
        assert_eq!(self.effects.len(), 1, "{:?}", self.effects);
        match self.effects.pop().expect("one") {
            Effect::Send { request: Request::List { at, .. }, token: Token(5), .. } => format!("list {at:?}"),
            Effect::Watch { from, .. } => format!("watch {from}"),
            other => panic!("{other:?}"),
        }
    }

    /// Lets the back-off pass that it wants now; says how long it was, in seconds.
    #[track_caller]
    fn wait(&mut self) -> f64 {
        assert_eq!(self.effects.len(), 1, "{:?}", self.effects);
        let Some(Effect::Timer { at, token: TimerToken(6), background: false }) = self.effects.pop() else {
            panic!("no timer");
        };
        let waited = at - self.now;
        self.now = at;
        self.with(|informer, client, out| informer.due(client, out));
        waited.as_secs_f64()
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Span::from_secs(seconds);
    }
}

#[test]
fn failed_lists_back_off_from_eight_tenths_of_a_second_to_thirty_and_anew_after_two_minutes() {
    let mut story = Story::new();
    for base in [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0] {
        assert_eq!(story.wants(), "list Any", "nothing has been seen yet");
        assert_eq!(story.answer(Err(ErrorReason::ConnectionRefused)), None);
        let waited = story.wait();
        assert!((base..=base * 2.0).contains(&waited), "{waited} for {base}");
    }
    assert_eq!(story.wants(), "list Any");
    story.pass(100);
    story.answer(Ok(10));
    assert_eq!(story.wants(), "watch 10");
    story.pass(100);
    story.end(WatchEnd::Expired);
    let waited = story.wait();
    assert!((0.8..=1.6).contains(&waited), "{waited}");
}

#[test]
fn a_closed_watch_resumes_at_once_and_one_that_told_nothing_and_was_short_is_followed_by_a_list() {
    let mut story = Story::watching();
    assert_eq!(story.notice(&[11, 12]), [11, 12]);
    story.end(WatchEnd::Closed);
    assert_eq!(story.wants(), "watch 12");
    story.pass(1);
    story.end(WatchEnd::Closed);
    assert_eq!(story.wants(), "watch 12");
    story.end(WatchEnd::Closed);
    story.wait();
    assert_eq!(story.wants(), "list NotOlderThan(12)");
}

#[test]
fn a_refused_watch_is_tried_again_without_a_list() {
    let mut story = Story::watching();
    for base in [0.8, 1.6, 3.2] {
        story.end(WatchEnd::Refused);
        let waited = story.wait();
        assert!((base..=base * 2.0).contains(&waited), "{waited} for {base}");
        assert_eq!(story.wants(), "watch 10");
    }
}

#[test]
fn expired_and_lost_watches_list_at_the_last_revision_seen_and_from_etcd_where_that_is_gone() {
    for end in [WatchEnd::Expired, WatchEnd::Lost] {
        let mut story = Story::watching();
        story.notice(&[20]);
        story.end(end);
        story.wait();
        assert_eq!(story.wants(), "list NotOlderThan(20)");
        story.answer(Err(ErrorReason::Expired));
        assert_eq!(story.wants(), "list Quorum", "at once");
        story.answer(Err(ErrorReason::Expired));
        story.wait();
        assert_eq!(story.wants(), "list Quorum", "until one succeeds");
        story.answer(Ok(30));
        assert_eq!(story.wants(), "watch 30");
        story.end(WatchEnd::Expired);
        story.wait();
        assert_eq!(story.wants(), "list NotOlderThan(30)");
    }
}

#[test]
fn what_a_watch_tells_that_was_given_up_leads_nothing_back() {
    let mut story = Story::watching();
    assert_eq!(story.notice(&[11]), [11]);
    story.end(WatchEnd::Expired);
    assert!(story.notice(&[12]).is_empty(), "between watch and list");
    story.wait();
    assert!(story.notice(&[13]).is_empty(), "while it lists");
    story.wants();
    story.answer(Ok(20));
    story.wants();
    assert!(story.notice(&[12, 13, 20]).is_empty(), "the list was newer");
    assert_eq!(story.notice(&[19, 20, 21, 22]), [21, 22]);
    assert_eq!(story.informer.revision(), 22);
    story.end(WatchEnd::Lost);
    story.end(WatchEnd::Closed);
    story.wait();
    assert_eq!(story.wants(), "list NotOlderThan(22)", "only the first end counts");
}

#[test]
fn other_informers_wait_otherwise() {
    let waits = |name: &str| {
        let mut story = Story::new();
        story.client.name = name.into();
        story.effects.clear();
        story.answer(Err(ErrorReason::Timeout));
        story.wait()
    };
    assert_ne!(waits("a"), waits("b"));
    assert!((waits("a") - waits("a")).abs() < 1e-9);
}
