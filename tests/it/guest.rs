//! Guests: programs of their own behind the same net. Here a dummy, which the seam was made for.

use wavetank::api::{Kind, Name, convert};
use wavetank::client::{Client, Outbox, TokenBucket};
use wavetank::event::{Answer, ClientIndex, Filter, InformerIndex, Input, Request, Target, Token};
use wavetank::kernel::{Span, Time};
use wavetank::sim::{Guest, Sim};

use crate::story::shipped;

/// Creates a Deployment ten seconds after it starts, and watches until it is available.
#[derive(Debug)]
struct Dummy {
    client: Client,
    seen: Vec<i64>,
}

impl Dummy {
    fn new() -> Dummy {
        let client = Client { index: ClientIndex(0), name: "dummy".into(), limit: TokenBucket::unlimited() };
        Dummy { client, seen: Vec::new() }
    }
}

impl Guest for Dummy {
    fn name(&self) -> Name {
        "dummy".into()
    }

    fn run(&mut self, input: Option<Input>, out: &mut Outbox) -> Option<Time> {
        match input {
            Some(Input::Start) => return Some(out.now + Span::from_secs(10)),
            None => {
                let manifest = serde_json::json!({
                    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "by-guest", "namespace": "default"},
                    "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "g"}}, "template": {
                        "metadata": {"labels": {"app": "g"}}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}},
                });
                let object = convert::from_json(Kind::Deployment, manifest).expect("a good manifest");
                out.send(&mut self.client, Token(1), Request::Create(object));
            }
            Some(Input::Reply { token: Token(1), result }) => {
                let Ok(Answer::Object(object)) = result else { panic!("{result:?}") };
                let filter = Filter::Named("default".into(), "by-guest".into());
                out.watch(InformerIndex(0), Kind::Deployment, filter, object.meta().resource_version);
            }
            Some(Input::Notice { changes, .. }) => {
                for change in changes {
                    let json = convert::to_json(&change.object);
                    self.seen.push(json["status"]["availableReplicas"].as_i64().unwrap_or(0));
                }
                if self.seen.last() == Some(&2) {
                    let target = Target::Name(Kind::Deployment, "default".into(), "by-guest".into());
                    out.send(&mut self.client, Token(2), Request::Get(target));
                }
            }
            Some(
                Input::Reply { .. }
                | Input::WatchEnded { .. }
                | Input::DisksChanged
                | Input::Timer(_)
                | Input::Boot
                | Input::Loaded
                | Input::Heartbeats { .. },
            ) => {}
        }
        None
    }
}

fn with_dummy() -> Sim {
    let mut setup = shipped("hello").setup;
    setup.timeline.clear();
    let mut sim = setup.build_with(3, Vec::new(), vec![Box::new(Dummy::new())]);
    sim.run_until(Time::ZERO + Span::from_secs(60));
    sim
}

#[test]
fn a_guest_acts_and_sees_as_any_other_part() {
    let sim = with_dummy();
    let deployment = sim.store().by_name(Kind::Deployment, "default", "by-guest").expect("the guest made it");
    assert_eq!(convert::to_json(deployment)["status"]["availableReplicas"], 2);
    assert_eq!(sim.digest(), with_dummy().digest(), "and so again");
}

#[test]
fn a_simulation_with_a_guest_says_that_it_cannot_be_forked() {
    let refused = with_dummy().fork().expect_err("a guest's inside cannot be copied");
    assert_eq!(refused.guest, "dummy");
    assert_eq!(
        refused.to_string(),
        "the guest \"dummy\" cannot be copied: replay the scenario up to this instant instead"
    );
    assert_eq!(with_dummy().state_hash(), None, "nor can its memory be known");
}
