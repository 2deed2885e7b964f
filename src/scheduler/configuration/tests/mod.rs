//! What configurations come to, and what is wrong with them.

mod arguments;
mod profiles;
mod settings;

use super::*;

const HEAD: &str = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";

fn load(text: &str) -> Result<Configuration, InputErrors> {
    read("c.yaml", &format!("{HEAD}{text}"))
}

fn good(text: &str) -> Configuration {
    load(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// One profile, in flow style, the default name.
fn profile_of(text: &str) -> Profile {
    let mut configuration = good(&format!("profiles: [{{{text}}}]"));
    configuration.profiles.pop().expect("there is a profile")
}

/// `text` follows [`HEAD`], so that its first line is line 3.
#[track_caller]
fn check(text: &str, expected: &str) {
    let found = load(text).map_or_else(|errors| errors.to_string(), |_| "fine".to_owned());
    assert_eq!(found, expected, "{text}");
}

/// The same for the first profile, whose content begins at column 13 of line 3.
#[track_caller]
fn check_profile(text: &str, expected: &str) {
    check(&format!("profiles: [{{{text}}}]"), expected);
}
