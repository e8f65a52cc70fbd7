"""One pod of a manifest on this machine, as far as namespaces of Linux go.

Its first process is the container's command, as the user that the manifest names, without capabilities, on a read-only
root that holds the system's programs and the manifest's volumes and nothing else. Needs root.
"""

import base64
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time

# Joins the volumes to a root in memory, seals it, and becomes the container's first process.
ENTER = """
set -e
root=$1; user=$2; shift 2
mount --make-rprivate /
mount -t tmpfs tmpfs "$root"
mkdir -p "$root"/{etc,proc,dev}
for name in bin lib lib64 sbin; do [ ! -e /usr/$name ] || ln -s usr/$name "$root/$name"; done
printf 'root:x:0:0::/:/bin/sh\\nquintet:x:%s:%s::/home/quintet:/bin/sh\\n' "$user" "$user" >"$root/etc/passwd"
printf '127.0.0.1 localhost %s\\n' "$1" >"$root/etc/hosts"; shift
cp /etc/ld.so.cache "$root/etc/"
cp -r /etc/alternatives "$root/etc/"
while [ "$1" != -- ]; do
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    [ "$3" = rw ] || mount -o remount,bind,ro "$root$2"
    shift 3
done
shift
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -o remount,ro "$root"
exec chroot "$root" setpriv --reuid="$user" --regid="$user" --clear-groups --bounding-set=-all --no-new-privs "$@"
"""


class Pod:
    """What a manifest's template describes, started once.

    Arguments: a workload's document, all documents, the program's folders by their places in the pod, and a folder for
    volumes; `claims` is where claimed volumes lie, which outlive the pod.
    """

    def __init__(self, name, workload, documents, program, folder, claims, change=lambda command: command):
        spec = workload["spec"]["template"]["spec"]
        self.name = name
        self.container = spec["containers"][0]
        self.graceSeconds = spec["terminationGracePeriodSeconds"]
        self.user = spec["securityContext"]["runAsUser"]
        self.group = spec["securityContext"]["fsGroup"]
        self.log = folder / f"{name}.log"
        (folder / name / "root").mkdir(parents=True)
        volumes = {
            volume["name"]: self.volume(volume, documents, folder / name / volume["name"]) for volume in spec["volumes"]
        }
        for claim in workload["spec"].get("volumeClaimTemplates", []):
            place = claims / claim["metadata"]["name"]
            place.mkdir(parents=True, exist_ok=True)
            volumes[claim["metadata"]["name"]] = self.owned(place, 0o2775)
        binds = [(source, place, "ro") for source, place in program]
        for mount in self.container["volumeMounts"]:
            mode = "ro" if mount.get("readOnly") else "rw"
            binds.append((volumes[mount["name"]], mount["mountPath"], mode))
        cores = str(self.container["resources"]["requests"]["cpu"])
        self.environment = {each["name"]: each.get("value", cores) for each in self.container["env"]}
        self.environment["PATH"] = "/opt/quintet:/usr/bin:/bin"
        command = change([word.replace("$(CPUS)", cores) for word in self.container["command"]])
        services = [each["metadata"]["name"] for each in documents if each["kind"] == "Service"]
        words = ["unshare", "--mount", "--pid", "--fork", "bash", "-c", ENTER, "enter"]
        words += [str(folder / name / "root"), str(self.user), services[0]]
        words += [str(word) for bind in binds for word in bind] + ["--", "env", "-i"]
        words += [f"{key}={value}" for key, value in self.environment.items()] + command
        with open(self.log, "w") as log:
            self.outer = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def volume(self, volume, documents, place):
        place.mkdir()
        if "emptyDir" in volume:
            return self.owned(place, 0o2777)
        kind, key = ("Secret", "secretName") if "secret" in volume else ("ConfigMap", "name")
        source = volume.get("secret") or volume["configMap"]
        found = [each for each in documents if (each["kind"], each["metadata"]["name"]) == (kind, source[key])]
        # As a node lays them out: keys are links into a folder that is exchanged whole.
        (place / "..1").mkdir()
        (place / "..data").symlink_to("..1")
        for key, text in found[0]["data"].items():
            file = place / "..1" / key
            file.write_bytes(base64.b64decode(text) if kind == "Secret" else text.encode())
            os.chown(file, 0, self.group)
            file.chmod(source.get("defaultMode", 0o644))
            (place / key).symlink_to(f"..data/{key}")
        self.owned(place / "..1", 0o2755)
        return self.owned(place, 0o2755)

    def owned(self, place, mode):
        os.chown(place, 0, self.group)
        place.chmod(mode)
        return place

    @property
    def process(self):
        """The number of its first process here; None where there is none."""
        children = pathlib.Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        try:
            return int(children.read_text().split()[0])
        except (OSError, IndexError):
            return None

    @property
    def hears_sigterm(self):
        """Whether its first process has a handler: the kernel keeps what has none from a first process."""
        try:
            status = pathlib.Path(f"/proc/{self.process}/status").read_text()
        except OSError:
            return False
        caught = status.split("SigCgt:")[1].split()[0]
        return int(caught, 16) >> (signal.SIGTERM - 1) & 1 == 1

    def run(self, command, timeoutSeconds=None):
        """As `kubectl exec`: the exit code and what it printed. Raises TimeoutExpired."""
        number = self.process
        if number is None:
            return -1, "it has ended"
        words = ["nsenter", "--target", str(number), "--mount", "--pid", "--root", "--wd"]
        words += ["--setuid", str(self.user), "--setgid", str(self.user), "env", "-i"]
        words += [f"{key}={value}" for key, value in self.environment.items()] + command
        result = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeoutSeconds
        )
        return result.returncode, result.stdout + result.stderr

    def probe(self, kind):
        return self.run(self.container[kind]["exec"]["command"])

    def terminate(self):
        """As a node does it: the hook, then SIGTERM where the process is still there. Returns the exit code.

        Raises TimeoutExpired where it takes longer than its grace.
        """
        deadline = time.monotonic() + self.graceSeconds
        hook = self.container.get("lifecycle", {}).get("preStop")
        if hook:
            self.run(hook["exec"]["command"], timeoutSeconds=self.graceSeconds)
        self.signal(signal.SIGTERM)
        return self.outer.wait(timeout=max(1, deadline - time.monotonic()))

    def kill(self):
        self.signal(signal.SIGKILL)
        self.outer.wait()

    def signal(self, what):
        """It may have ended a moment ago."""
        number = self.process
        if number is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, what)


def program_folders(program, scratch):
    """What a pod needs to run a program: its own folder, the system's, and those of libraries that lie elsewhere."""
    place = scratch / "program"
    place.mkdir()
    shutil.copy(program, place / "quintet")
    folders = {"/usr": "/usr"}
    listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    for line in listed.splitlines():
        path = line.split("=> ", 1)[-1].split(" (")[0].strip()
        folder = os.path.dirname(os.path.realpath(path)) if path.startswith("/") else "/usr"
        if not f"{folder}/".startswith("/usr/"):
            folders[os.path.dirname(path)] = os.path.dirname(path)
    kept = [(path, path) for path in folders if not path.startswith(("/lib", "/usr/"))]
    return kept + [(place, "/opt/quintet")]
