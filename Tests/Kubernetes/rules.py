"""What Quintet needs of the manifests, and no schema says."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SECRET_TEXTS = ["made-up-join-line", "made-up-authority"]
WRITABLE = ["QUINTET_STATE", "QUINTET_CACHE", "TMPDIR", "HOME"]


def leave_seconds():
    """How long a worker takes at most to leave, as the program has it."""
    text = (ROOT / "Sources" / "Coordination" / "Worker.swift").read_text()
    return int(re.search(r"leaveSeconds = (\d+)", text).group(1))


def program_version():
    text = (ROOT / "Sources" / "quintet" / "Main.swift").read_text()
    return re.search(r'static let version = "([^"]+)"', text).group(1)


def of_kind(documents, *kinds):
    return [document for document in documents if document["kind"] in kinds]


def workloads(documents):
    return of_kind(documents, "StatefulSet", "Job", "Deployment")


def component(document):
    return document["metadata"]["labels"]["app.kubernetes.io/component"]


def coordinator(documents):
    return next(each for each in workloads(documents) if component(each) == "coordinator")


def worker(documents):
    return next(each for each in workloads(documents) if component(each) == "worker")


def pod(document):
    return document["spec"]["template"]["spec"]


def container(document):
    return pod(document)["containers"][0]


def option(document, name):
    """The value of `--name=value` in the container's command, or None."""
    for word in container(document)["command"]:
        if word.startswith(f"--{name}="):
            return word.split("=", 1)[1]
    return None


def problems(documents):
    for document in workloads(documents):
        name = f"{document['kind']} {document['metadata']['name']}"
        checks = [pod_problems, container_problems, probe_problems, volume_problems, path_problems]
        for check in checks:
            for problem in check(document):
                yield f"{name}: {problem}"
    for check in [secret_problems, reference_problems, address_problems, policy_problems, lifecycle_problems]:
        yield from check(documents)


def pod_problems(document):
    spec = pod(document)
    context = spec.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") != 10001:
        yield "runs as another user than 10001"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "has not the runtime's seccomp profile"
    if spec.get("automountServiceAccountToken") is not False:
        yield "has a token of the cluster's"
    for name in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"]:
        if spec.get(name):
            yield f"has {name}, but is to signal its own process 1 and no other's"
    least = leave_seconds() + 15
    if spec.get("terminationGracePeriodSeconds", 30) < least:
        yield f"has less than {least} s to checkpoint and leave"
    if len(spec["containers"]) != 1 or spec.get("initContainers"):
        yield "has not one container"
    labels = document["spec"]["template"]["metadata"]["labels"]
    selector = document["spec"].get("selector", {}).get("matchLabels", labels)
    if selector != labels or component({"metadata": {"labels": labels}}) != component(document):
        yield "has pods that its selector does not find"


def container_problems(document):
    spec = container(document)
    context = spec.get("securityContext", {})
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may write to its root"
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield "may gain privileges"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "has capabilities"
    resources = spec.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    if not requests.get("memory") or requests["memory"] != limits.get("memory"):
        yield "does not request the memory that is its limit"
    if not requests.get("cpu") or "cpu" in limits:
        yield "does not request cores, or limits them"
    if not spec["image"].endswith(f"quintet:{program_version()}"):
        yield f"has the image {spec['image']}, not this program's version"
    if spec["command"][0] != "quintet" or "args" in spec:
        yield "does not run quintet as process 1"


def probe_problems(document):
    for kind in ["startupProbe", "readinessProbe", "livenessProbe"]:
        probe = container(document).get(kind, {})
        expected = ["quintet", "health"]
        if component(document) == "worker":
            expected.append(f"--worker={option(document, 'folder')}")
            expected += ["--ready"] if kind == "readinessProbe" else []
        if probe.get("exec", {}).get("command") != expected:
            yield f"{kind} is not {' '.join(expected)}"
        elif probe.get("timeoutSeconds", 1) < 5:
            yield f"{kind} gives a busy node less than 5 s"


def volume_problems(document):
    mounts = container(document)["volumeMounts"]
    volumes = {volume["name"]: volume for volume in pod(document)["volumes"]}
    claims = {claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", [])}
    if {mount["name"] for mount in mounts} != set(volumes) | claims:
        yield "mounts other volumes than it has"
    if len({mount["mountPath"] for mount in mounts}) != len(mounts):
        yield "mounts two volumes at one place"
    for volume in volumes.values():
        if not {"emptyDir", "configMap", "secret"} & set(volume):
            yield f"the volume {volume['name']} is of a kind that nothing here needs"
        mode = volume.get("secret", {}).get("defaultMode")
        if "secret" in volume and (mode != 0o440 or pod(document)["securityContext"].get("fsGroup") != 10001):
            yield f"the secret {volume['name']} is not for its user alone"
    names = [volume["secret"]["secretName"] for volume in volumes.values() if "secret" in volume]
    if component(document) == "worker" and any("authority" in name for name in names):
        yield "sees the authority"


def path_problems(document):
    """Everything that the command names lies in a mount, and what it writes in one that can be written."""
    mounts = container(document)["volumeMounts"]
    environment = {each["name"]: each.get("value") for each in container(document)["env"]}
    for name in [name for name in WRITABLE if name in environment] + ["folder"]:
        path = environment.get(name) or option(document, name)
        places = [each for each in mounts if path and f"{path}/".startswith(each["mountPath"] + "/")]
        if path and not any(not each.get("readOnly") for each in places):
            yield f"{name} is {path}, which cannot be written"
    if "TMPDIR" not in environment or "QUINTET_CACHE" not in environment:
        yield "does not say where temporary files and the cache lie"
    for name in ["join-file", "authority", "grid"]:
        path = option(document, name)
        if path and not any(
            f"{path}/".startswith(each["mountPath"] + "/") for each in mounts if each.get("readOnly")
        ):
            yield f"--{name} is {path}, where nothing is mounted"


def secret_problems(documents):
    for document in documents:
        if document["kind"] != "Secret" and any(text in str(document) for text in SECRET_TEXTS):
            yield f"{document['kind']} {document['metadata']['name']}: holds a secret"
    for document in workloads(documents):
        spec = container(document)
        if "envFrom" in spec or any("secretKeyRef" in each.get("valueFrom", {}) for each in spec["env"]):
            yield f"{document['kind']} {document['metadata']['name']}: takes a secret into its environment"


def reference_problems(documents):
    there = {(each["kind"], each["metadata"]["name"]) for each in documents}
    for document in workloads(documents):
        for volume in pod(document)["volumes"]:
            secret = volume.get("secret", {}).get("secretName")
            values = volume.get("configMap", {}).get("name")
            for wanted in [("Secret", secret), ("ConfigMap", values)]:
                if wanted[1] and wanted not in there:
                    yield f"{document['kind']} {document['metadata']['name']}: there is no {wanted[0]} {wanted[1]}"


def address_problems(documents):
    """One port, the same everywhere: where it listens, what the pod opens, what the service serves, what is told."""
    owner = coordinator(documents)
    services = of_kind(documents, "Service")
    if len(services) != 1:
        yield f"there are {len(services)} services"
        return
    service, port = services[0], int(option(owner, "listen").rsplit(":", 1)[1])
    name = service["metadata"]["name"]
    opened = container(owner)["ports"]
    if [each["containerPort"] for each in opened] != [port]:
        yield "the coordinator's pod opens other ports than it listens on"
    served = [(each["port"], each["targetPort"]) for each in service["spec"]["ports"]]
    if served != [(port, opened[0]["name"])]:
        yield "the service serves other ports than the coordinator's"
    if option(owner, "advertise") != f"{name}:{port}" or owner["spec"]["serviceName"] != name:
        yield "the coordinator does not tell its service's address"
    if service["spec"]["selector"] != owner["spec"]["template"]["metadata"]["labels"]:
        yield "the service stands before other pods than the coordinator's"


def policy_problems(documents):
    port = int(option(coordinator(documents), "listen").rsplit(":", 1)[1])
    flows = {"coordinator": allowed(documents, coordinator), "worker": allowed(documents, worker)}
    names = {("kube-system", 53), ("169.254.20.10/32", 53)}
    expected = {
        "coordinator": {"Ingress": {("worker", port)}, "Egress": names | {("0.0.0.0/0", 443)}},
        "worker": {"Ingress": set(), "Egress": names | {("coordinator", port)}},
    }
    for name, directions in expected.items():
        for direction, wanted in directions.items():
            if flows[name].get(direction) != wanted:
                yield f"{name}, {direction}: {flows[name].get(direction)} is allowed, not {wanted}"


def allowed(documents, labelled):
    """By direction, who is reached or let in and at which port; a direction that no policy names is not there."""
    labels = labelled(documents)["spec"]["template"]["metadata"]["labels"]
    flows = {}
    for policy in of_kind(documents, "NetworkPolicy"):
        selector = policy["spec"]["podSelector"].get("matchLabels", {})
        if not selector.items() <= labels.items():
            continue
        for direction in policy["spec"]["policyTypes"]:
            flow = flows.setdefault(direction, set())
            for rule in policy["spec"].get(direction.lower(), []):
                peers = rule.get("from" if direction == "Ingress" else "to", [{}]) or [{}]
                ports = rule.get("ports") or [{}]
                flow |= {(peer_name(peer), each.get("port")) for peer in peers for each in ports}
    return flows


def peer_name(peer):
    """A short name for whom a rule means; a peer that means more than one is everybody."""
    if set(peer) == {"ipBlock"}:
        return peer["ipBlock"]["cidr"]
    if set(peer) == {"podSelector"}:
        return peer["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/component", "all")
    if set(peer) == {"namespaceSelector"}:
        return peer["namespaceSelector"].get("matchLabels", {}).get("kubernetes.io/metadata.name", "all")
    return "all"


def lifecycle_problems(documents):
    owner, many = coordinator(documents), worker(documents)
    if owner["spec"]["replicas"] != 1 or owner["kind"] != "StatefulSet":
        yield "there is not one coordinator"
    hook = container(many).get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
    if not (hook and hook[-1].startswith("kill -TERM 1;") and "kill -0 1" in hook[-1]):
        yield "workers are not asked to hand back, or are not waited for"
    is_job = many["kind"] == "Job"
    if is_job != (option(many, "idle") is not None):
        yield "workers of a Job leave when they are idle, and others stay"
    cores = [each for each in container(many)["env"] if each["name"] == "CPUS"]
    if option(many, "threads") != "$(CPUS)" or cores[0]["valueFrom"]["resourceFieldRef"]["resource"] != "requests.cpu":
        yield "workers have another number of threads than of cores"
    if not is_job:
        return
    rules = many["spec"].get("podFailurePolicy", {}).get("rules", [{}])
    conditions = [each.get("type") for each in rules[0].get("onPodConditions", [])]
    if rules[0].get("action") != "Ignore" or conditions != ["DisruptionTarget"]:
        yield "disruptions count as failures of the Job"
    if many["spec"].get("completionMode") != "Indexed" or pod(many).get("restartPolicy") != "Never":
        yield "a failed worker of the Job is not replaced index by index"
    if not many["spec"].get("backoffLimitPerIndex"):
        yield "one worker's failures end the Job"


def differences(first, second):
    """Both variants have the same, save how workers come and go, and the image's name."""

    def rest(documents):
        kept = [each for each in documents if component_or_none(each) != "worker"]
        pods = []
        for document in [worker(documents)] + [coordinator(documents)]:
            spec = {key: value for key, value in pod(document).items() if key != "restartPolicy"}
            command = [word for word in container(document)["command"] if not word.startswith("--idle=")]
            pods.append({**spec, "containers": [{**container(document), "command": command, "image": ""}]})
        names = sorted((each["kind"], each["metadata"]["name"]) for each in kept)
        return names, pods

    same = rest(first) == rest(second)
    return [] if same else ["the Job's and the Deployment's variants differ in more than they need"]


def component_or_none(document):
    return document["metadata"].get("labels", {}).get("app.kubernetes.io/component")
