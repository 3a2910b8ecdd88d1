#!/usr/bin/env python3
"""Measures an upload in chunks of 1 MiB beside a plain PUT of the same file to nginx, and ten uploads at once.

benches/uploads.py --bin target/release [--gigabytes 0.95] [--parallel 10]
    starts a backup server of its own and uploads straight to it;
benches/uploads.py --tus URL [--header 'Cookie: …'] [--pid PID …] [--delete]
    uploads to any tus endpoint, such as the panel's, and reads the memory of the given processes.

Without nginx, only the uploads are measured. Exits with 1 when an upload is slower than --least of nginx's rate, or when
the memory of a process grew by more than --memory MiB for one upload.
"""

import argparse
import base64
import hashlib
import http.client
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

CHUNK = 1_048_576


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, help="folder of the program backup-server")
    parser.add_argument("--tus", help="address where uploads are created")
    parser.add_argument("--header", action="append", default=[], help="sent with each request to --tus")
    parser.add_argument("--pid", type=int, action="append", default=[], help="process whose memory is read")
    parser.add_argument("--gigabytes", type=float, default=0.95)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--parallel", type=int, default=10)
    parser.add_argument("--least", type=float, default=0.6)
    parser.add_argument("--memory", type=float, default=32)
    parser.add_argument("--checksums", choices=["none", "sha1", "sha256"], default="none")
    arguments = parser.parse_args()
    if not arguments.bin and not arguments.tus:
        parser.error("--bin or --tus is needed")
    return arguments


def make_file(folder, length):
    """A file that begins as a zip and does not compress."""
    path = folder / "upload.zip"
    piece = os.urandom(CHUNK)
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        for at in range(4, length, CHUNK):
            file.write(piece[: min(CHUNK, length - at)])
    return path


def connection(url):
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    return kind(url.hostname, url.port, timeout=300, blocksize=CHUNK)


def memory(pid):
    """Resident bytes now, and the most so far."""
    fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))


def processor(pid):
    """Seconds of processor time so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Tus:
    """A client as simple as the protocol allows: one connection, one chunk after the other."""

    def __init__(self, create, headers, checksums):
        self.create = urllib.parse.urlparse(create)
        self.headers = {"Tus-Resumable": "1.0.0", **headers}
        self.checksums = checksums

    def ask(self, to, method, path, headers=None, body=None):
        to.request(method, path, body, {**self.headers, **(headers or {})})
        answer = to.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path} answered {answer.status}: {text[:300]!r}")
        return answer

    def upload(self, path):
        """Uploads a file; gives the seconds that it took."""
        to, length = connection(self.create), path.stat().st_size
        name = base64.b64encode(path.name.encode()).decode()
        began = time.perf_counter()
        headers = {"Upload-Length": str(length), "Upload-Metadata": f"filename {name}", "Content-Length": "0"}
        target = self.create.path + (f"?{self.create.query}" if self.create.query else "")
        location = self.ask(to, "POST", target, headers).headers["Location"]
        address = urllib.parse.urlparse(urllib.parse.urljoin(self.create.geturl(), location)).path
        offset = 0
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
                if self.checksums != "none":
                    digest = base64.b64encode(hashlib.new(self.checksums, chunk).digest()).decode()
                    headers["Upload-Checksum"] = f"{self.checksums} {digest}"
                offset = int(self.ask(to, "PATCH", address, headers, chunk).headers["Upload-Offset"])
        took = time.perf_counter() - began
        assert offset == length
        self.ask(to, "DELETE", address)
        return took


def put(url, path):
    """Sends a file as one request; gives the seconds that it took."""
    to = connection(url)
    began = time.perf_counter()
    with path.open("rb") as file:
        to.request("PUT", f"/{uuid.uuid4()}.zip", file, {"Content-Length": str(path.stat().st_size)})
    answer = to.getresponse()
    answer.read()
    if answer.status >= 300:
        sys.exit(f"nginx answered {answer.status}")
    return time.perf_counter() - began


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url):
    deadline = time.monotonic() + 30
    while True:
        try:
            to = connection(url)
            to.request("GET", "/")
            to.getresponse().read()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def start_nginx(folder):
    tools = pathlib.Path(__file__).parent.parent / ".tools/nginx/usr/sbin"
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:{tools}")
    if not program:
        print("nginx is not installed: uploads are measured without it (scripts/setup bench)")
        return None, None
    port = free_port()
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"""daemon off; {user} worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
        events {{}}
        http {{ access_log off; client_max_body_size 0; client_body_temp_path {folder}/body;
        proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
        server {{ listen 127.0.0.1:{port}; root {folder}/put; dav_methods PUT; }} }}"""
    )
    (folder / "put").mkdir()
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    url = urllib.parse.urlparse(f"http://127.0.0.1:{port}")
    wait_for(url)
    return process, url


def start_server(program, folder):
    port, data = free_port(), folder / "data"
    command = [str(program), "--data", str(data), "--listen", f"127.0.0.1:{port}", "--keep-free-mb", "0"]
    environment = {"RUST_LOG": "warn", **os.environ}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    wait_for(urllib.parse.urlparse(f"http://127.0.0.1:{port}"))
    token = (data / "token").read_text().strip()
    return process, f"http://127.0.0.1:{port}/v1/repositories/{uuid.uuid4()}/uploads", token


def at_once(tus, path, count):
    """Uploads a file several times at once; gives the seconds until the last one is done."""
    failed = []

    def one():
        try:
            tus.upload(path)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=one) for _ in range(count)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit(f"{len(failed)} of {count} uploads at once failed: {failed[0]}")
    return time.perf_counter() - began


def told(met, words):
    """Says what came of an aim, in the form that `make bench` gathers."""
    print(f"{'met' if met else 'MISSED':6} {words}")
    return met


def measure(arguments, folder, tus, pids, nginx):
    length = int(arguments.gigabytes * 1e9)
    path = make_file(folder, length)
    before = {pid: memory(pid)[0] for pid in pids}
    worked = {pid: processor(pid) for pid in pids}
    puts, uploads = [], []
    for _ in range(arguments.runs):
        if nginx:
            puts.append(length / 1e6 / put(nginx, path))
            shutil.rmtree(folder / "put")
            (folder / "put").mkdir()
        uploads.append(length / 1e6 / tus.upload(path))
    rate = sorted(uploads)[len(uploads) // 2]
    shown = ", ".join(f"{rate:.0f}" for rate in uploads)
    print(f"Upload of {length / 1e6:.0f} MB in chunks of 1 MiB: {rate:.0f} MB/s (runs: {shown})")
    good = True
    for pid in pids:
        worked_for = (processor(pid) - worked[pid]) / (arguments.runs * length / 1e9)
        grown = (memory(pid)[1] - before[pid]) / 2**20
        print(f"Process {pid} works {worked_for:.2f} s for a GB and grew by {grown:.1f} MiB for one upload")
        words = f"memory that a process grew by for one upload, in MiB: {grown:.1f} (aim < {arguments.memory})"
        good = told(grown < arguments.memory, words) and good
    if puts:
        plain = sorted(puts)[len(puts) // 2]
        shown = ", ".join(f"{rate:.0f}" for rate in puts)
        print(f"Plain PUT to nginx: {plain:.0f} MB/s (runs: {shown}); the upload has {rate / plain:.0%} of that")
        words = f"uploads, of the rate of a plain PUT to nginx: {rate / plain:.2f} (aim >= {arguments.least})"
        good = told(rate >= arguments.least * plain, words) and good
    small = make_file(folder, length // arguments.parallel)
    took = at_once(tus, small, arguments.parallel)
    mega = arguments.parallel * small.stat().st_size / 1e6
    print(f"{arguments.parallel} uploads at once, {mega:.0f} MB together: {mega / took:.0f} MB/s")
    for pid in pids:
        grown = (memory(pid)[1] - before[pid]) / 2**20
        print(f"Process {pid} grew by {grown:.1f} MiB at its most, from {before[pid] / 2**20:.1f} MiB")
    return good


def main():
    arguments = parse_arguments()
    processes = []
    # Beside the programs: /tmp may be memory.
    with tempfile.TemporaryDirectory(dir=arguments.bin) as name:
        folder = pathlib.Path(name)
        try:
            nginx, url = start_nginx(folder)
            processes += [nginx] if nginx else []
            headers = dict(header.split(": ", 1) for header in arguments.header)
            if arguments.bin:
                server, create, token = start_server(arguments.bin / "backup-server", folder)
                processes.append(server)
                arguments.pid.append(server.pid)
                headers["Authorization"] = f"Bearer {token}"
            else:
                create = arguments.tus
            good = measure(arguments, folder, Tus(create, headers, arguments.checksums), arguments.pid, url)
        finally:
            for process in processes:
                process.terminate()
                process.wait()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
