//! `wavetank bench capacity` on the example that is shipped.

use std::process::{Command, Output};

use serde_json::Value;

const SHOP: [&str; 4] = ["-f", "scenarios/capacity/shop.yaml", "--node-types", "scenarios/capacity/node-types.yaml"];

fn capacity(more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command.args(["bench", "capacity"]).args(SHOP).args(more).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().expect("the binary can be started")
}

fn answer(more: &[&str]) -> Value {
    let output = capacity(&[more, &["-o", "json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the answer is JSON")
}

fn prices(answer: &Value) -> Vec<f64> {
    let mixes = answer["mixes"].as_array().expect("there are mixes");
    mixes.iter().map(|mix| mix["pricePerHour"].as_f64().expect("a mix has a price")).collect()
}

#[test]
fn the_cheapest_mix_comes_first_and_none_is_below_its_bound() {
    for more in [&["--failures", "0"][..], &["--failures", "1"], &["--zones", "3", "--lose-zone"]] {
        let answer = answer(more);
        let prices = prices(&answer);
        assert!(prices.is_sorted() && prices.len() == 4, "{more:?}: {answer}");
        for mix in answer["mixes"].as_array().into_iter().flatten() {
            assert!(mix["pricePerHour"].as_f64() >= mix["atLeast"].as_f64(), "{more:?}: {mix}");
            assert!(mix["atLeast"].as_f64() >= answer["atLeast"].as_f64(), "{more:?}: {mix}");
            assert_eq!(mix["allLossesTried"], true, "{more:?}: {mix}");
        }
    }
}

#[test]
fn headroom_costs_something_and_answers_repeat() {
    let plain = answer(&[]);
    assert_eq!(plain, answer(&[]));
    assert!(prices(&answer(&["--failures", "1"]))[0] > prices(&plain)[0]);
    assert_eq!(plain["pods"], 28);
    assert_eq!(plain["notes"][0], "StatefulSet default/database: its volumes are left out");
}

#[test]
fn the_table_shows_mixes_beside_their_bounds() {
    let output = capacity(&["-o", "markdown"]);
    let text = String::from_utf8(output.stdout).expect("what is printed is text");
    assert!(text.starts_with("28 pods of 6 workloads; headroom: none\n"), "{text}");
    assert!(text.contains("\n| nodes | mix | an hour | a month | at least | gap | checked |\n"), "{text}");
    assert!(text.contains("| 1 general-4, 3 general-8, 2 gpu-8 | 5.5700 | 4066.10 |"), "{text}");
}

#[test]
fn a_zone_cannot_be_lost_where_there_is_one() {
    let output = capacity(&["--zones", "1", "--lose-zone"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(told, "error: there must be two zones or more for one to be lost\n");
}
