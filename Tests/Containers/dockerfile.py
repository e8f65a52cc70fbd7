"""A Dockerfile's steps, run where no Docker engine is: an image is a Debian tree, a step has its own namespaces."""
import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
SUITE = "bookworm"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What a toolchain needs of its Debian: fewer packages than the Swift image has, so that none of those is relied on.
SWIFT_NEEDS = ("binutils-gold ca-certificates gcc git libc6-dev libcurl4 libedit2 libncurses6 libpython3.11 "
               "libsqlite3-0 libstdc++-12-dev libxml2 tzdata").split()
# Mounts and processes die with them, whatever becomes of this program.
NAMESPACES = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
# $1 is the tree; then pairs of what is bound read-only
# (or, after "rw", as it is), and after "--" the command.
INSIDE = r"""
set -eu
tree=$1; shift
mount --bind "$tree" "$tree"
mkdir -p "$tree/proc" "$tree/dev" "$tree/sys"
mount -t proc proc "$tree/proc"
mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
for device in null zero full random urandom tty; do
    touch "$tree/dev/$device"; mount --bind "/dev/$device" "$tree/dev/$device"
done
ln -s /proc/self/fd "$tree/dev/fd"
mkdir "$tree/dev/shm"; mount -t tmpfs -o mode=1777 tmpfs "$tree/dev/shm"
while [ "$1" != -- ]; do
    kind=$1; from=$2; to="$tree$3"; shift 3
    if [ -d "$from" ]; then mkdir -p "$to"; else mkdir -p "$(dirname "$to")"; [ -e "$to" ] || : > "$to"; fi
    mount --bind "$from" "$to"
    [ "$kind" = rw ] || mount -o remount,bind,ro "$to"
done
shift
exec "$@"
"""


class Unavailable(Exception):
    """What is not the Dockerfile's fault."""


# The Dockerfile as text

def stages(text):
    """Lists of (instruction, rest) from each FROM on."""
    found = []
    text = "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        name, rest = line.strip().split(None, 1)
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest.strip()))
    return found


def words(rest):
    """Of the form with brackets, or of the form for a shell."""
    return json.loads(rest) if rest.startswith("[") else ["/bin/sh", "-c", rest]


class Image:
    def __init__(self, tree, before=None):
        self.tree = tree
        self.environment = dict(before.environment) if before else {"PATH": PATH}
        self.folder = before.folder if before else "/"
        self.user = before.user if before else "0"
        self.entry = before.entry if before else []
        self.health = before.health if before else None
        self.binds = before.binds if before else []

    def identity(self):
        """The user's number, group and home, as the tree's own list has them."""
        with open(f"{self.tree}/etc/passwd", encoding="utf-8") as file:
            for line in file:
                fields = line.split(":")
                if self.user in (fields[0], fields[2]):
                    return fields[2], fields[3], fields[5]
        return self.user, "0", "/"


class Builder:
    def __init__(self, work, options):
        self.work, self.options, self.start = work, options, time.monotonic()
        self.images = {}
        with open(f"{ROOT}/.dockerignore", encoding="utf-8") as file:
            self.ignored = file.read().split()

    def seconds(self):
        return round(time.monotonic() - self.start)

    def say(self, text):
        print(f"[{self.seconds():4} s] {text}", flush=True)

    def build(self, stages):
        for stage in stages:
            self.say("FROM " + stage[0][1])
            base, *name = re.split(r"\s+AS\s+", stage[0][1])
            # A stage without steps is the one that it starts from.
            image = self.images[base] if len(stage) == 1 else self.image(base)
            for instruction, rest in stage[1:]:
                self.say(f"{instruction} {' '.join(rest.split())[:100]}")
                self.step(image, instruction, rest)
            self.images[name[0] if name else None] = image
        return self.images

    def image(self, base):
        before = self.images.get(base)
        tree = f"{self.work}/{len(self.images)}"
        if before:
            copy_tree(before.tree, tree)
            return Image(tree, before)
        copy_tree(self.debian(), tree)
        image = Image(tree)
        if base.startswith("swift:"):
            self.add_toolchain(image)
        else:
            assert base.startswith(f"debian:{SUITE}"), f"no base image is known as {base}"
        return image

    def debian(self):
        """A fresh tree, with this machine's way to Debian's packages."""
        tree = f"{self.work}/debian"
        if os.path.exists(tree):
            return tree
        index = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {SUITE}"]
        mirrors = subprocess.run(index, capture_output=True, text=True).stdout.split()
        self.say("debootstrap")
        command = [*NAMESPACES, "debootstrap", "--variant=minbase", SUITE, tree, *mirrors[:1]]
        made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if made.returncode != 0:
            raise Unavailable(f"debootstrap gives no Debian: {made.stdout[-500:]}{made.stderr[-500:]}")
        os.remove(f"{tree}/etc/apt/sources.list")
        for name in ("sources.list", "sources.list.d", "trusted.gpg.d", "keyrings", "auth.conf.d"):
            take_over(f"/etc/apt/{name}", tree)
        for name in ("/usr/share/keyrings", "/etc/resolv.conf", "/etc/hosts"):
            take_over(name, tree)
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
        with open(f"{tree}/etc/apt/apt.conf.d/99machine", "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in dump.splitlines()
                            if re.match(r"Acquire::(http|https|ftp|Check-\S*|Retries)\b", line))
        return tree

    def add_toolchain(self, image):
        swift = os.path.realpath(shutil.which("swift"))
        toolchain = os.path.dirname(os.path.dirname(os.path.dirname(swift)))
        assert toolchain != "/", "a toolchain in /usr cannot be bound into a tree; give PATH another one"
        self.say("the toolchain's own packages")
        install = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "
        self.run(image, ["/bin/sh", "-c", install + " ".join(SWIFT_NEEDS)], quiet=True)
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", f"{image.tree}/etc/ssl/certs/ca-certificates.crt")
        image.environment["PATH"] = f"{toolchain}/usr/bin:{PATH}"
        image.environment.update({name: value for name, value in os.environ.items()
                                  if re.fullmatch(r"(https?|no|all)_proxy", name, re.I)})
        home = os.path.expanduser("~")
        image.binds = ["ro", toolchain, toolchain]
        settings = (("rw", ".swiftpm"), ("rw", ".cache/org.swift.swiftpm"), ("ro", ".gitconfig"), ("ro", ".netrc"))
        for kind, name in settings:
            if os.path.exists(f"{home}/{name}"):
                image.binds += [kind, f"{home}/{name}", f"/root/{name}"]
        if self.options.build:
            os.makedirs(self.options.build, exist_ok=True)
            image.binds += ["rw", os.path.realpath(self.options.build), "/build/.build"]

    def step(self, image, instruction, rest):
        if instruction == "RUN":
            self.run(image, words(rest))
        elif instruction == "COPY":
            self.copy(image, rest.split())
        elif instruction == "WORKDIR":
            image.folder = os.path.join(image.folder, rest)
            os.makedirs(image.tree + image.folder, exist_ok=True)
        elif instruction == "USER":
            image.user = rest
        elif instruction == "ENV":
            image.environment.update(word.split("=", 1) for word in shlex.split(rest))
        elif instruction == "ENTRYPOINT":
            image.entry = words(rest)
        elif instruction == "HEALTHCHECK":
            image.health = words(re.split(r"\bCMD\s+", rest, maxsplit=1)[1])
        elif instruction == "VOLUME":
            assert os.path.isdir(image.tree + rest), f"the volume {rest} has no folder, and would be root's"
        else:
            raise SystemExit(f"Tests/Containers/run-dockerfile does not know {instruction}: teach it")

    def copy(self, image, rest):
        ignored, source = self.ignored, ROOT
        if rest[0].startswith("--from="):
            ignored, source = [], self.images[rest.pop(0).removeprefix("--from=")].tree
        *names, to = rest
        target = image.tree + os.path.join(image.folder, to)
        for name in names:
            path = os.path.normpath(f"{source}/{name}")
            if os.path.isdir(path):
                copy_files(path, os.path.normpath(target), ignored)
            else:
                inside = to.endswith("/") or os.path.isdir(target)
                os.makedirs(target if inside else os.path.dirname(target), exist_ok=True)
                shutil.copy2(path, target)

    def run(self, image, command, quiet=False):
        run(self.inside(image, command), quiet)

    def inside(self, image, command, binds=()):
        """The command that runs another as the image's user in its tree."""
        user, group, home = image.identity()
        settings = [f"{name}={value}" for name, value in {"HOME": home, **image.environment}.items()]
        return [*NAMESPACES, "/bin/sh", "-c", INSIDE, "inside", image.tree,
                *image.binds, *binds, "--", "chroot", f"--userspec={user}:{group}", image.tree, "/usr/bin/env", "-i",
                f"--chdir={image.folder}", *settings, *command]


# Files and processes

def run(command, quiet=False):
    """Ends with the output where the command fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                          **({"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if quiet else {}))
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout or ''}\nthis failed with {done.returncode}: {shlex.join(command[-3:])}")


def succeeds(command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def copy_tree(source, target):
    run(["cp", "-a", "--reflink=auto", source, target])


def copy_files(source, target, ignored):
    def skip(folder, names):
        inside = os.path.relpath(folder, source)
        return [name for name in names
                if any(fnmatch.fnmatch(os.path.normpath(f"{inside}/{name}"), pattern) for pattern in ignored)]
    shutil.copytree(source, target, symlinks=True, ignore=skip, dirs_exist_ok=True)


def take_over(path, tree):
    if os.path.isdir(path):
        shutil.copytree(path, tree + path, dirs_exist_ok=True)
    elif os.path.exists(path):
        shutil.copy(path, tree + path)
