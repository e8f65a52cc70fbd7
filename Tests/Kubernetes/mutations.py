"""Damaged manifests, each of which must be refused: what tests the tests."""

import rules


def at(path, value=None):
    """Sets what stands at a path of keys, from the workload of a component on; without a value it is removed."""

    def change(documents):
        place = {"coordinator": rules.coordinator, "worker": rules.worker}[path[0]](documents)
        for key in path[1:-1]:
            place = place[key]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value

    return change


def in_document(kind, name, path, value=None):
    """The same, from the document of a kind whose name begins so."""

    def change(documents):
        place = next(each for each in rules.of_kind(documents, kind) if each["metadata"]["name"].startswith(name))
        for key in path[:-1]:
            place = place[key]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value

    return change


def without(kind, name):
    def change(documents):
        documents[:] = [
            each for each in documents if each["kind"] != kind or not each["metadata"]["name"].startswith(name)
        ]

    return change


def option(which, old, new):
    """Replaces a word of the command."""

    def change(documents):
        workload = {"coordinator": rules.coordinator, "worker": rules.worker}[which](documents)
        command = rules.container(workload)["command"]
        command[command.index(old)] = new

    return change


POD = ["spec", "template", "spec"]
CONTAINER = POD + ["containers", 0]
RULE = ["spec", "egress", 0]

ALL = [
    ("a field's name is misspelt", at(["worker", *POD, "terminationGracePeriodsSeconds"], 120)),
    ("a field's name is misspelt deep inside", at(["worker", *CONTAINER, "livenessProbe", "failureTreshold"], 4)),
    ("a value has another type", at(["worker", "spec", "parallelism"], "four")),
    ("a kind that is none", in_document("Service", "quintet", ["kind"], "Servise")),
    ("no liveness probe", at(["coordinator", *CONTAINER, "livenessProbe"])),
    ("no readiness probe", at(["worker", *CONTAINER, "readinessProbe"])),
    ("readiness that is only liveness", at(["worker", *CONTAINER, "readinessProbe", "exec", "command", 3], "--live")),
    ("a probe without patience", at(["worker", *CONTAINER, "livenessProbe", "timeoutSeconds"])),
    ("root", at(["worker", *POD, "securityContext", "runAsNonRoot"], False)),
    ("no group for the secret", at(["worker", *POD, "securityContext", "fsGroup"])),
    ("no seccomp profile", at(["coordinator", *POD, "securityContext", "seccompProfile"])),
    ("a root that can be written", at(["coordinator", *CONTAINER, "securityContext", "readOnlyRootFilesystem"], False)),
    ("capabilities", at(["worker", *CONTAINER, "securityContext", "capabilities"], {"add": ["NET_ADMIN"]})),
    ("a token of the cluster's", at(["worker", *POD, "automountServiceAccountToken"])),
    ("too little grace", at(["worker", *POD, "terminationGracePeriodSeconds"], 60)),
    ("no drain", at(["worker", *CONTAINER, "lifecycle"])),
    ("less memory requested than allowed", at(["worker", *CONTAINER, "resources", "requests", "memory"], "1Gi")),
    ("no image version", at(["worker", *CONTAINER, "image"], "quintet:latest")),
    ("a secret that others read", at(["worker", *POD, "volumes", 2, "secret", "defaultMode"], 0o444)),
    ("a secret in the environment", at(["worker", *CONTAINER, "env", 2, "value"], "made-up-join-line")),
    ("a secret that is not there", without("Secret", "quintet-invitation")),
    ("a grid that is not there", without("ConfigMap", "quintet-grid")),
    ("a folder that cannot be written", option("worker", "--folder=/var/lib/quintet/worker", "--folder=/home/worker")),
    ("a cache that cannot be written", at(["worker", *CONTAINER, "env", 1, "value"], "/home/cache")),
    ("a volume that is not mounted", at(["worker", *CONTAINER, "volumeMounts", 1, "name"], "temporary")),
    ("another port", option("coordinator", "--listen=0.0.0.0:7461", "--listen=0.0.0.0:7462")),
    ("another service", option("coordinator", "--advertise=quintet-coordinator:7461", "--advertise=quintet:7461")),
    ("a service without pods", in_document("Service", "quintet", ["spec", "selector", "app.kubernetes.io/name"], "q")),
    ("workers that reach everybody", in_document("NetworkPolicy", "quintet-worker", [*RULE, "to"])),
    ("workers that reach every port", in_document("NetworkPolicy", "quintet-worker", [*RULE, "ports"])),
    ("names from everybody", in_document("NetworkPolicy", "quintet-names", [*RULE, "to"])),
    ("workers let in from everywhere", without("NetworkPolicy", "quintet-nothing-else")),
    ("workers not let in", without("NetworkPolicy", "quintet-coordinator")),
    ("two coordinators", at(["coordinator", "spec", "replicas"], 2)),
    ("disruptions that count", at(["worker", "spec", "podFailurePolicy"])),
    ("an idle worker that stays", option("worker", "--idle=300", "--slots=1")),
    ("threads beyond the cores", option("worker", "--threads=$(CPUS)", "--threads=64")),
]
