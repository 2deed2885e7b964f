//! Scenario files loaded from memory: what they mean, what is wrong with them, and that nothing makes them panic.

mod behaviours;
mod errors;
mod fuzz;
mod meaning;
mod runs;

use std::path::{Path, PathBuf};

use super::{Found, Scenario, load};
use crate::api::located::InputErrors;

/// A scenario that every test can add lines to.
const HEAD: &str = "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {name: t}\n";

/// A Deployment as a document of its own.
const WEB: &str = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 2\n  selector: \
                   {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: \
                   [{name: c, image: nginx}]}\n";

/// Loads `s.yaml` where these files are all there are. A path that ends in `/` is a folder of what begins with it.
fn load_from(files: &[(&str, &str)], sets: &[&str]) -> Result<Scenario, InputErrors> {
    let read = |path: &Path| {
        let name = path.display().to_string();
        if let Some((_, text)) = files.iter().find(|(file, _)| *file == name) {
            return Ok(Found::File((*text).to_owned()));
        }
        let inside: Vec<PathBuf> =
            files.iter().map(|(file, _)| PathBuf::from(file)).filter(|file| file.parent() == Some(path)).collect();
        if inside.is_empty() { Err("No such file or directory".to_owned()) } else { Ok(Found::Folder(inside)) }
    };
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    load(&[PathBuf::from("s.yaml")], &sets, &read)
}

fn load_text(text: &str) -> Result<Scenario, InputErrors> {
    load_from(&[("s.yaml", text)], &[])
}

/// A scenario that lies in `scenarios/`.
fn shipped(name: &str, sets: &[&str]) -> Scenario {
    let text = shipped_text(name);
    load_from(&[("s.yaml", &text)], sets).unwrap_or_else(|errors| panic!("{name}: {errors}"))
}

const SHIPPED: [&str; 5] = ["hello", "rolling-update-undo", "drain", "scale-5k", "online-boutique"];

fn shipped_text(name: &str) -> String {
    let path = format!("{}/scenarios/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
