//! A pod template as `kubectl rollout history --revision` shows it. Upstream: `DescribePodTemplate` in
//! `kubectl/pkg/describe/describe.go`; its tabs stay tabs.
//!
//! Left out: `resourceFieldRef` of variables, seccomp profiles, devices, and volumes of other types than ConfigMap,
//! Secret, emptyDir, hostPath and claim, which are shown as `<unknown>`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The longest annotation on one line. Upstream: `maxAnnotationLen`.
const ANNOTATION_MAX: usize = 140;

/// Lines, each with its level of indentation.
struct Page(String);

impl Page {
    fn line(&mut self, level: usize, text: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "{}{text}", "  ".repeat(level));
    }
}

/// A template, as JSON.
pub(super) fn template(template: &Value) -> String {
    let mut page = Page("Pod Template:\n".to_owned());
    let spec = &template["spec"];
    labels("Labels", &template["metadata"]["labels"], &mut page);
    annotations(&template["metadata"]["annotations"], &mut page);
    if let Some(account) = given(&spec["serviceAccountName"]) {
        page.line(1, &format!("Service Account:\t{account}"));
    }
    if !list(&spec["initContainers"]).is_empty() {
        containers("Init Containers", &spec["initContainers"], &mut page);
    }
    containers("Containers", &spec["containers"], &mut page);
    volumes(list(&spec["volumes"]), &mut page);
    spread(list(&spec["topologySpreadConstraints"]), &mut page);
    if let Some(class) = given(&spec["priorityClassName"]) {
        page.line(1, &format!("Priority Class Name:\t{class}"));
    }
    labels("Node-Selectors", &spec["nodeSelector"], &mut page);
    entries("Tolerations", &list(&spec["tolerations"]).iter().map(toleration).collect::<Vec<_>>(), &mut page);
    page.0
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn given(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A title with entries, one a line; the first on that of the title.
fn entries(title: &str, entries: &[String], page: &mut Page) {
    let (first, others) = entries.split_first().map_or(("<none>", &[][..]), |(first, others)| (first, others));
    page.line(1, &format!("{title}:\t{first}"));
    others.iter().for_each(|entry| page.line(0, &format!("\t{entry}")));
}

fn labels(title: &str, value: &Value, page: &mut Page) {
    let pairs = value.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", text(value)));
    entries(title, &pairs.collect::<Vec<_>>(), page);
}

fn annotations(value: &Value, page: &mut Page) {
    let Some(pairs) = value.as_object().filter(|pairs| !pairs.is_empty()) else { return };
    let told = pairs.iter().map(|(key, value)| {
        let value = text(value).trim_end_matches('\n');
        if value.len() + key.len() + 2 > ANNOTATION_MAX || value.contains('\n') {
            let lines: Vec<String> = value.split('\n').map(|line| format!("\t  {line}")).collect();
            format!("{key}:\n{}", lines.join("\n"))
        } else {
            format!("{key}: {value}")
        }
    });
    entries("Annotations", &told.collect::<Vec<_>>(), page);
}

fn containers(title: &str, value: &Value, page: &mut Page) {
    let none = if list(value).is_empty() { " <none>" } else { "" };
    page.line(1, &format!("{title}:{none}"));
    for container in list(value) {
        page.line(1, &format!(" {}:", text(&container["name"])));
        page.line(2, &format!("Image:\t{}", text(&container["image"])));
        ports("Port", "containerPort", container, page);
        ports("Host Port", "hostPort", container, page);
        for (title, words) in [("Command", &container["command"]), ("Args", &container["args"])] {
            if !list(words).is_empty() {
                page.line(2, &format!("{title}:"));
                list(words).iter().flat_map(|word| text(word).split('\n')).for_each(|line| page.line(3, line));
            }
        }
        for (title, amounts) in [("Limits", "limits"), ("Requests", "requests")] {
            let Some(amounts) = container["resources"][amounts].as_object().filter(|all| !all.is_empty()) else {
                continue;
            };
            page.line(2, &format!("{title}:"));
            amounts.iter().for_each(|(name, amount)| page.line(3, &format!("{name}:\t{}", shown(amount))));
        }
        for (title, name) in
            [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")]
        {
            if container[name].is_object() {
                page.line(2, &format!("{title}:\t{}", probe(&container[name])));
            }
        }
        environment(container, page);
        mounts(list(&container["volumeMounts"]), page);
    }
}

fn ports(title: &str, field: &str, container: &Value, page: &mut Page) {
    let ports = list(&container["ports"]);
    let told: Vec<String> =
        ports.iter().map(|port| format!("{}/{}", port[field].as_i64().unwrap_or(0), text(&port["protocol"]))).collect();
    let plural = if told.len() > 1 { "s" } else { "" };
    let told = if told.is_empty() { "<none>".to_owned() } else { told.join(", ") };
    page.line(2, &format!("{title}{plural}:\t{told}"));
}

fn probe(probe: &Value) -> String {
    let number = |name: &str| probe[name].as_i64().unwrap_or(0);
    let times = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        number("initialDelaySeconds"),
        number("timeoutSeconds"),
        number("periodSeconds"),
        number("successThreshold"),
        number("failureThreshold")
    );
    if let Some(exec) = probe["exec"].as_object() {
        let command: Vec<&str> = list(&exec["command"]).iter().map(text).collect();
        return format!("exec [{}] {times}", command.join(" "));
    }
    if let Some(http) = probe.get("httpGet") {
        let (scheme, path) = (text(&http["scheme"]).to_lowercase(), text(&http["path"]));
        return format!("http-get {scheme}://{}:{}{path} {times}", text(&http["host"]), shown(&http["port"]));
    }
    if let Some(tcp) = probe.get("tcpSocket") {
        return format!("tcp-socket {}:{} {times}", text(&tcp["host"]), shown(&tcp["port"]));
    }
    if let Some(grpc) = probe.get("grpc") {
        return format!("grpc <pod>:{} {} {times}", shown(&grpc["port"]), text(&grpc["service"]));
    }
    format!("unknown {times}")
}

fn environment(container: &Value, page: &mut Page) {
    let optional = |reference: &Value| reference["optional"].as_bool().unwrap_or(false);
    let from = list(&container["envFrom"]);
    if !from.is_empty() {
        page.line(2, "Environment Variables from:");
    }
    for source in from {
        let (reference, kind) = match source.get("configMapRef") {
            Some(reference) => (reference, "ConfigMap"),
            None => (&source["secretRef"], "Secret"),
        };
        let prefix = given(&source["prefix"]).map_or(String::new(), |prefix| format!(" with prefix '{prefix}'"));
        page.line(3, &format!("{}\t{kind}{prefix}\tOptional: {}", text(&reference["name"]), optional(reference)));
    }
    let variables = list(&container["env"]);
    page.line(2, if variables.is_empty() { "Environment:\t<none>" } else { "Environment:" });
    for variable in variables {
        let (name, source) = (text(&variable["name"]), &variable["valueFrom"]);
        let told = if let Some(field) = source.get("fieldRef") {
            format!("{name}:\t ({}:{})", text(&field["apiVersion"]), text(&field["fieldPath"]))
        } else if let Some(key) = source.get("secretKeyRef") {
            let (secret, of) = (text(&key["name"]), text(&key["key"]));
            format!("{name}:\t<set to the key '{of}' in secret '{secret}'>\tOptional: {}", optional(key))
        } else if let Some(key) = source.get("configMapKeyRef") {
            let (map, of) = (text(&key["name"]), text(&key["key"]));
            format!("{name}:\t<set to the key '{of}' of config map '{map}'>\tOptional: {}", optional(key))
        } else {
            format!("{name}:\t{}", text(&variable["value"]).replace('\n', "\n      \t"))
        };
        page.line(3, &told);
    }
}

fn mounts(mounts: &[Value], page: &mut Page) {
    page.line(2, if mounts.is_empty() { "Mounts:\t<none>" } else { "Mounts:" });
    let mut mounts: Vec<&Value> = mounts.iter().collect();
    mounts.sort_by_key(|mount| text(&mount["mountPath"]));
    for mount in mounts {
        let mut flags = if mount["readOnly"] == true { "ro".to_owned() } else { "rw".to_owned() };
        if let Some(path) = given(&mount["subPath"]) {
            let _ = write!(flags, ",path={path:?}");
        }
        page.line(3, &format!("{} from {} ({flags})", text(&mount["mountPath"]), text(&mount["name"])));
    }
}

fn volumes(volumes: &[Value], page: &mut Page) {
    page.line(1, if volumes.is_empty() { "Volumes:\t<none>" } else { "Volumes:" });
    for volume in volumes {
        page.line(1, &format!(" {}:", text(&volume["name"])));
        let yes = |value: &Value| value.as_bool().unwrap_or(false);
        let lines: Vec<String> = if let Some(map) = volume.get("configMap") {
            vec![
                "Type:\tConfigMap (a volume populated by a ConfigMap)".to_owned(),
                format!("Name:\t{}", text(&map["name"])),
                format!("Optional:\t{}", yes(&map["optional"])),
            ]
        } else if let Some(secret) = volume.get("secret") {
            vec![
                "Type:\tSecret (a volume populated by a Secret)".to_owned(),
                format!("SecretName:\t{}", text(&secret["secretName"])),
                format!("Optional:\t{}", yes(&secret["optional"])),
            ]
        } else if let Some(empty) = volume.get("emptyDir") {
            vec![
                "Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)".to_owned(),
                format!("Medium:\t{}", text(&empty["medium"])),
                format!("SizeLimit:\t{}", given(&empty["sizeLimit"]).unwrap_or("<unset>")),
            ]
        } else if let Some(host) = volume.get("hostPath") {
            vec![
                "Type:\tHostPath (bare host directory volume)".to_owned(),
                format!("Path:\t{}", text(&host["path"])),
                format!("HostPathType:\t{}", text(&host["type"])),
            ]
        } else if let Some(claim) = volume.get("persistentVolumeClaim") {
            vec![
                "Type:\tPersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)"
                    .to_owned(),
                format!("ClaimName:\t{}", text(&claim["claimName"])),
                format!("ReadOnly:\t{}", yes(&claim["readOnly"])),
            ]
        } else {
            vec!["<unknown>".to_owned()]
        };
        lines.iter().for_each(|line| page.line(2, line));
    }
}

fn spread(constraints: &[Value], page: &mut Page) {
    if constraints.is_empty() {
        return;
    }
    let mut constraints: Vec<&Value> = constraints.iter().collect();
    constraints.sort_by_key(|constraint| text(&constraint["topologyKey"]));
    let told = constraints.iter().map(|constraint| {
        let (key, action) = (text(&constraint["topologyKey"]), text(&constraint["whenUnsatisfiable"]));
        let selector = constraint["labelSelector"]["matchLabels"].as_object().cloned().unwrap_or_else(Map::new);
        let selector: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
        let selector =
            if selector.is_empty() { String::new() } else { format!(" for selector {}", selector.join(",")) };
        format!("{key}:{action} when max skew {} is exceeded{selector}", constraint["maxSkew"])
    });
    entries("Topology Spread Constraints", &told.collect::<Vec<_>>(), page);
}

fn toleration(toleration: &Value) -> String {
    let mut told = text(&toleration["key"]).to_owned();
    let (value, effect) = (given(&toleration["value"]), given(&toleration["effect"]));
    let _ = write!(told, "{}", value.map_or(String::new(), |value| format!("={value}")));
    let _ = write!(told, "{}", effect.map_or(String::new(), |effect| format!(":{effect}")));
    if toleration["operator"] == "Exists" && value.is_none() {
        told.push_str(if told.is_empty() { "op=Exists" } else { " op=Exists" });
    }
    if let Some(seconds) = toleration["tolerationSeconds"].as_i64() {
        let _ = write!(told, " for {seconds}s");
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::template;

    #[test]
    fn a_plain_template_reads_as_in_the_documentation_of_kubectl() {
        let plain = json!({"metadata": {"labels": {"app": "nginx", "pod-template-hash": "9456bbbf9"}}, "spec": {"containers": [
            {"name": "nginx", "image": "nginx:1.14.2", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}});
        let expected = "Pod Template:\n  Labels:\tapp=nginx\n\tpod-template-hash=9456bbbf9\n  Containers:\n   nginx:\n    \
            Image:\tnginx:1.14.2\n    Port:\t80/TCP\n    Host Port:\t0/TCP\n    Environment:\t<none>\n    Mounts:\t<none>\n  \
            Volumes:\t<none>\n  Node-Selectors:\t<none>\n  Tolerations:\t<none>\n";
        assert_eq!(template(&plain), expected);
    }

    #[test]
    fn everything_has_its_line() {
        let full = json!({"metadata": {"annotations": {"kubernetes.io/change-cause": "v2"}}, "spec": {
            "initContainers": [{"name": "i", "image": "init"}],
            "containers": [{"name": "c", "image": "app", "command": ["run"], "args": ["-v", "a\nb"],
                "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}},
                "readinessProbe": {"httpGet": {"path": "/ok", "port": "http", "scheme": "HTTP"}, "timeoutSeconds": 1,
                    "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
                "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                "envFrom": [{"configMapRef": {"name": "m"}, "prefix": "P_"}],
                "volumeMounts": [{"name": "d", "mountPath": "/data", "readOnly": true}]}],
            "volumes": [{"name": "d", "emptyDir": {}}], "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}, {"operator": "Exists"}]}});
        let told = template(&full);
        for line in [
            "  Labels:\t<none>",
            "  Annotations:\tkubernetes.io/change-cause: v2",
            "  Init Containers:",
            "    Ports:\t80/TCP, 53/UDP",
            "    Args:\n      -v\n      a\n      b",
            "    Limits:\n      memory:\t1Gi\n    Requests:\n      cpu:\t1",
            "    Readiness:\thttp-get http://:http/ok delay=0s timeout=1s period=10s #success=1 #failure=3",
            "      m\tConfigMap with prefix 'P_'\tOptional: false",
            "    Environment:\n      A:\t1\n      B:\t<set to the key 'k' in secret 's'>\tOptional: false",
            "      /data from d (ro)",
            "   d:\n    Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)\n    Medium:\t\n    SizeLimit:\t<unset>",
            "  Node-Selectors:\tdisk=ssd",
            "  Tolerations:\tk:NoExecute op=Exists for 30s\n\top=Exists",
        ] {
            assert!(told.contains(&format!("{line}\n")), "{line:?} is not in\n{told}");
        }
    }
}
