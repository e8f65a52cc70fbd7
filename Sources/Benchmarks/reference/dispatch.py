"""Tasks that do nothing, through another scheduler on this machine: how many a second.

    python dispatch.py SYSTEM --tasks 20000 --core 0        SYSTEM: dask, dask-tls, ray, hyperqueue

The scheduler may use one core, as the coordinator of Quintet's benchmark may; client and workers may use all. The time
runs from the first submission to the last result; before it a few tasks wake the workers. Workers and threads are as many
as were fastest on two cores. It prints the rate, the version and what differs; ends with code 3 where the system is not
installed. needs: dask[distributed], ray or hyperqueue; for dask-tls the openssl program, too.
"""

import argparse
import contextlib
import importlib.metadata
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORKERS = 2
MISSING = 3


def nothing(number=None):
    return number


@contextlib.contextmanager
def on_core(core):
    """What this thread starts here, processes and threads, stays on the core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    yield
    os.sched_setaffinity(0, before)


def timed(run, tasks):
    run(100)
    start = time.perf_counter()
    run(tasks)
    return tasks / (time.perf_counter() - start)


@contextlib.contextmanager
def running(processes):
    try:
        yield
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def dask(options, folder, tls=False):
    from distributed import Client
    from distributed.security import Security

    flags, security = [], Security()
    if tls:
        key, certificate = str(folder / "key.pem"), str(folder / "certificate.pem")
        make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=dask"
        subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
        flags = ["--protocol", "tls", "--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]
        security = Security(
            tls_ca_file=certificate, tls_client_cert=certificate, tls_client_key=key, require_encryption=True
        )
    address_file = folder / "scheduler.json"

    def start(name, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.dask_{name}", "--scheduler-file", str(address_file)]
        command += ["--host", "127.0.0.1", "--no-dashboard", *flags, *arguments]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    with on_core(options.core):
        processes = [start("scheduler", "--port", "0")]
    processes += [start("worker", "--nthreads", "16", "--no-nanny") for _ in range(WORKERS)]
    with running(processes):
        while not address_file.exists():
            time.sleep(0.05)
        with Client(scheduler_file=str(address_file), security=security) as client:
            client.wait_for_workers(WORKERS)
            return timed(lambda tasks: client.gather(client.map(nothing, range(tasks), pure=False)), options.tasks)


def ray(options, folder):
    # Otherwise it leaves a token in the home folder.
    os.environ["RAY_AUTH_MODE"] = "disabled"
    import ray

    ray.init(
        num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR", _temp_dir=str(folder)
    )
    remote = ray.remote(nothing)

    def run(tasks):
        ray.get([remote.remote() for _ in range(tasks)])

    run(100)
    # Only now: what they started before would stay on the core with them.
    for name in ["gcs_server", "raylet"]:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(FileNotFoundError):
                fields = (process / "stat").read_text().replace(")", "").split()
                if fields[1] == f"({name}" and int(fields[3]) == os.getpid():
                    for thread in (process / "task").iterdir():
                        os.sched_setaffinity(int(thread.name), {options.core})
    rate = timed(run, options.tasks)
    ray.shutdown()
    return rate


def hyperqueue(options, folder):
    import hyperqueue

    def run(tasks):
        job = hyperqueue.Job(default_workdir=folder)
        for _ in range(tasks):
            job.program(["/bin/true"], stdout=None, stderr=None)
        client.connection.wait_for_jobs((client.submit(job).id,), lambda states: None)

    with on_core(options.core):
        cluster = hyperqueue.cluster.LocalCluster(str(folder / "server"))
    with cluster:
        cluster.start_worker(hyperqueue.cluster.WorkerConfig(cores=16))
        client = cluster.client()
        return timed(run, options.tasks)


SYSTEMS = {
    "dask": ("distributed", dask, "no durability, no TLS; tasks are calls in two processes"),
    "dask-tls": ("distributed", lambda *a: dask(*a, tls=True), "no durability; tasks are calls in two processes"),
    "ray": ("ray", ray, "no durability, no TLS; its client sends tasks to two processes by itself"),
    "hyperqueue": ("hyperqueue", hyperqueue, "no durability, no TLS; each task is a process"),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--core", type=int, required=True)
    options = parser.parse_args()
    # Who starts this may block signals, and all processes would inherit that: they could not be ended.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    module, run, note = SYSTEMS[options.system]
    if importlib.util.find_spec(module) is None:
        sys.exit(MISSING)
    with tempfile.TemporaryDirectory() as folder:
        rate = run(options, Path(folder))
    print(f"{rate:.0f} {importlib.metadata.version(module)}; {note}")


if __name__ == "__main__":
    main()
