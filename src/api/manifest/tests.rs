//! Manifests read, refused and resolved; and every real file at hand.
use super::*;

const CRD: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: tanks.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Tank, plural: tanks, singular: tank, shortNames: [tk]}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
  - {name: v1beta1, served: true, storage: false, schema: {openAPIV3Schema: {type: object}}}
";

#[track_caller]
fn check(text: &str, expected: &str) {
    let read = read_manifests("f.yaml", text).and_then(|mut manifests| {
        resolve(&mut manifests, &mut Vec::new())?;
        Ok(manifests)
    });
    let found = match read {
        Err(errors) => errors.to_string(),
        Ok(manifests) => manifests
            .iter()
            .map(|manifest| format!("{:?} {}", manifest.kind.unwrap(), manifest.name()))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    assert_eq!(found, expected);
}

#[test]
fn documents_and_lists_become_objects() {
    check(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n# nothing\n---\nkind: List\napiVersion: v1\nitems:\n\
         - {apiVersion: v1, kind: Secret, metadata: {name: b}}\n- {apiVersion: apps/v1, kind: DeploymentList, items: [{metadata: {name: c}}]}\n",
        "ConfigMap a\nSecret b\nDeployment c",
    );
}

#[test]
fn every_mistake_is_named_with_its_place() {
    check(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  lables: {}\nspec:\n  containers:\n  - name: c\n    imagee: x\n---\napiVersion: v1\nkind: Pod\nmetadata: {}\n",
        "f.yaml:5:3: unknown field \"metadata.lables\"\n  help: did you mean \"labels\"?\n\
         f.yaml:9:5: unknown field \"spec.containers[0].imagee\"\n  help: did you mean \"image\"?\n\
         f.yaml:13:1: metadata: resource name may not be empty\n  help: every object needs metadata.name or metadata.generateName",
    );
}

#[test]
fn a_misfit_points_at_its_value() {
    check(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  port: 80\n",
        "f.yaml:5:9: data.port: expected a string, found the number 80\n  help: write it in quotes: \"80\"",
    );
}

#[test]
fn objects_need_their_head() {
    check("kind: Pod\n", "f.yaml:1:1: apiVersion is not set");
    check("apiVersion: v1\n", "f.yaml:1:1: kind is not set");
    check("apiVersion: 1\nkind: Pod\n", "f.yaml:1:1: apiVersion: must be a string");
    check("- 1\n", "f.yaml:1:1: expected a Kubernetes object, found something that is no mapping");
    check("apiVersion: v1\nkind: List\nitems: 3\n", "f.yaml:3:1: items: expected a list");
}

#[test]
fn custom_kinds_need_their_definition() {
    let tank = "apiVersion: example.com/v1beta1\nkind: Tank\nmetadata: {name: t}\nspec: {any: 1}\n";
    check(&format!("{tank}---\n{CRD}"), "Custom(0) t\nCustomResourceDefinition tanks.example.com");
    check(
        tank,
        "f.yaml:2:7: kind: no matches for kind \"Tank\" in version \"example.com/v1beta1\"\n  help: ensure CRDs are installed first",
    );
    check(
        &format!("{CRD}---\n{}", tank.replace("v1beta1", "v2")),
        "f.yaml:13:7: kind: no matches for kind \"Tank\" in version \"example.com/v2\"\n  help: Tank is served in example.com as v1 and v1beta1",
    );
    check(
        &format!("{CRD}---\n{}", tank.replace("{name: t}", "{name: t, nam: 1}")),
        "f.yaml:14:21: unknown field \"metadata.nam\"\n  help: did you mean \"name\"?",
    );
}

#[test]
fn a_version_that_is_gone_names_its_heir() {
    check(
        "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a}\n",
        "f.yaml:2:7: kind: no matches for kind \"Deployment\" in version \"extensions/v1beta1\"\n  help: Deployment is served as apps/v1",
    );
    check(
        "apiVersion: apps/v1beta2\nkind: Deployment\nmetadata: {name: a}\n",
        "f.yaml:2:7: kind: no matches for kind \"Deployment\" in version \"apps/v1beta2\"\n  help: Deployment is served as apps/v1",
    );
}

#[test]
fn a_definition_known_before_keeps_its_number() {
    let mut kinds = Vec::new();
    let mut manifests = read_manifests("crd.yaml", CRD).unwrap();
    resolve(&mut manifests, &mut kinds).unwrap();
    resolve(&mut manifests, &mut kinds).unwrap();
    assert_eq!(kinds.len(), 1);
    assert_eq!(kinds[0].api_version(), "example.com/v1");
    assert!(kinds[0].answers_to("tk") && kinds[0].answers_to("tanks.example.com"));
}

/// All `*.yaml` files under a folder, in the order of their names.
fn yaml_files(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_real_manifest_loads_whole() {
    let root = std::env::var("WAVETANK_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").to_owned());
    let mut files = Vec::new();
    yaml_files(&std::path::Path::new(&root).join("manifests"), &mut files);
    let mut manifests = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        match read_manifests(&file.display().to_string(), &text) {
            Ok(read) => manifests.extend(read),
            Err(errors) => panic!("{errors}"),
        }
    }
    if let Err(errors) = resolve(&mut manifests, &mut Vec::new()) {
        panic!("{errors}");
    }
    for manifest in manifests {
        let kind = manifest.kind.unwrap();
        let normal = strict::normalise(kind, manifest.json.clone()).unwrap();
        assert_eq!(strict::normalise(kind, normal.clone()).unwrap(), normal);
    }
}
