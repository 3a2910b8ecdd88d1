#!/usr/bin/env python3
"""Measures uploads through a panel and a backup server of their own, in the same requests as the wizard in the browser:
four chunks of 1 MiB under way at once, each with its SHA-256. Beside a plain PUT of the same file to nginx; with a delay of
50 ms each way (100 ms there and back) between browser and panel; and ten uploads at once.

The client's checksums are reckoned before the clock starts: a browser does that on a computer of its own, and the client of
the plain PUT reckons none. How it is when the client reckons them while it sends, on the same processors, is told as well.

    benches/uploads.py --bin target/release --site target/site [--gigabytes 1]

Without nginx, only the uploads are measured. Exits with 1 when an aim is missed.
"""

import argparse
import base64
import hashlib
import http.client
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

from distance import Distance
from panel import Panel

CHUNK = 1_048_576
# As src/uploads/transfer.rs has it.
LANES = 4
# How far beyond what has arrived a chunk may end.
AHEAD = 16 * CHUNK
LARGEST = 999_999_999


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of holdfast and backup-server")
    parser.add_argument("--site", type=pathlib.Path, required=True, help="folder of the site's assets")
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--parallel", type=int, default=10)
    parser.add_argument("--delay-ms", type=float, default=50, help="each way")
    return parser.parse_args()


class File:
    """A file that begins as a zip and does not compress, and the checksum of each of its chunks."""

    def __init__(self, folder, length):
        self.path, self.length, self.digests = folder / "upload.zip", length, {}
        piece = os.urandom(CHUNK)
        with self.path.open("wb") as file:
            file.write(b"PK\x03\x04")
            for at in range(4, length, CHUNK):
                file.write(piece[: min(CHUNK, length - at)])
        with self.path.open("rb") as file:
            for at in range(0, length, CHUNK):
                self.digests[at] = checksum(file.read(CHUNK))


def checksum(chunk):
    """As tus has it in Upload-Checksum."""
    return f"sha256 {base64.b64encode(hashlib.sha256(chunk).digest()).decode()}"


def connection(url):
    return http.client.HTTPConnection(url.hostname, url.port, timeout=300, blocksize=CHUNK)


class Memory:
    """How much more memory processes take than at the beginning; other work of theirs before does not count."""

    def __init__(self, processes):
        self.pids = {name: process.pid for name, process in processes.items()}
        for pid in self.pids.values():
            # Forgets the most that it ever had.
            pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
        self.before = {name: self.read(pid, "VmRSS") for name, pid in self.pids.items()}

    def read(self, pid, wanted):
        fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
        return int(fields[wanted].split()[0]) / 1024

    def grown(self):
        """MiB at the most."""
        return {name: self.read(pid, "VmHWM") - self.before[name] for name, pid in self.pids.items()}


def processor(pid):
    """Seconds of processor time so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Tus:
    """Uploads as the wizard does: begins one, asks for its offset, then sends in several lanes at once."""

    def __init__(self, create, headers, metadata, ahead=True):
        self.create, self.lanes = urllib.parse.urlparse(create), LANES if ahead else 1
        self.headers = {"Tus-Resumable": "1.0.0", **headers}
        self.metadata = metadata
        self.ahead = {"Holdfast-Ahead": "1"} if ahead else {}

    def ask(self, to, method, path, headers=None, body=None):
        to.request(method, path, body, {**self.headers, **(headers or {})})
        answer = to.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path} answered {answer.status}: {text[:300]!r}")
        return answer

    def upload(self, file, reckoning=False):
        """Uploads a file; gives the seconds that it took, with those that its checksums take when `reckoning`."""
        to, length = connection(self.create), file.length
        metadata = {"filename": file.path.name, **self.metadata}
        metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in metadata.items())
        began = time.perf_counter()
        headers = {"Upload-Length": str(length), "Upload-Metadata": metadata, "Content-Length": "0"}
        location = self.ask(to, "POST", self.create.path, headers).headers["Location"]
        address = urllib.parse.urlparse(urllib.parse.urljoin(self.create.geturl(), location)).path
        parts = Parts(int(self.ask(to, "HEAD", address).headers["Upload-Offset"]), length)
        lanes = [threading.Thread(target=self.lane, args=(file, address, parts, reckoning)) for _ in range(self.lanes)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        took = time.perf_counter() - began
        if parts.failed:
            raise parts.failed
        arrived = int(self.ask(to, "HEAD", address).headers["Upload-Offset"])
        self.ask(to, "DELETE", address)
        if arrived != length:
            raise RuntimeError(f"{arrived} of {length} bytes arrived")
        return took

    def lane(self, file, address, parts, reckoning):
        try:
            to, room = connection(self.create), memoryview(bytearray(CHUNK))
            with file.path.open("rb", buffering=0) as opened:
                while (start := parts.take()) is not None:
                    chunk = room[: os.preadv(opened.fileno(), [room], start)]
                    digest = checksum(chunk) if reckoning else file.digests[start]
                    headers = {"Upload-Offset": str(start), "Upload-Checksum": digest, **self.ahead}
                    headers["Content-Type"] = "application/offset+octet-stream"
                    answer = self.ask(to, "PATCH", address, {**headers, "Content-Length": str(len(chunk))}, chunk)
                    parts.arrived(int(answer.headers["Upload-Offset"]))
        except Exception as error:
            parts.fail(error)


class Parts:
    """Where the chunks of a file begin, each given once, and none too far ahead of what has arrived."""

    def __init__(self, offset, length):
        self.offset = self.next = offset
        self.length, self.failed, self.moved = length, None, threading.Condition()

    def take(self):
        """The beginning of the next chunk; None when nothing is left to do."""
        with self.moved:
            self.moved.wait_for(lambda: self.failed or self.next >= self.length or self.next + CHUNK - self.offset <= AHEAD)
            if self.failed or self.next >= self.length:
                return None
            self.next += CHUNK
            return self.next - CHUNK

    def arrived(self, offset):
        with self.moved:
            self.offset = max(self.offset, offset)
            self.moved.notify_all()

    def fail(self, error):
        with self.moved:
            self.failed = self.failed or error
            self.moved.notify_all()


def put(url, file):
    """Sends a file as one request; gives the seconds that it took."""
    to = connection(url)
    began = time.perf_counter()
    with file.path.open("rb") as opened:
        to.request("PUT", f"/{uuid.uuid4()}.zip", opened, {"Content-Length": str(file.length)})
    answer = to.getresponse()
    answer.read()
    if answer.status >= 300:
        sys.exit(f"nginx answered {answer.status}")
    return time.perf_counter() - began


def free_port():
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


def told(met, words):
    """Says what came of an aim, in the form that `make bench` gathers."""
    print(f"{'met' if met else 'MISSED':6} {words}", flush=True)
    return met


def middle(values):
    return sorted(values)[len(values) // 2]


def rates_of(length, took):
    """A line's figures: the middle rate in MB/s, and all."""
    rates = [length / 1e6 / seconds for seconds in took]
    return middle(rates), f"{middle(rates):.0f} MB/s (runs: {', '.join(f'{rate:.0f}' for rate in rates)})"


def through_both(arguments, file, tus, panel, nginx, folder):
    """One upload of the largest file, beside nginx; memory of both processes."""
    length, memory = file.length, Memory(panel.processes)
    worked = {name: processor(process.pid) for name, process in panel.processes.items()}
    puts, uploads, sending = [], [], 0
    for _ in range(arguments.runs):
        if nginx:
            puts.append(put(nginx, file))
            shutil.rmtree(folder / "put")
            (folder / "put").mkdir()
        began = time.process_time()
        uploads.append(tus.upload(file))
        sending += time.process_time() - began
    reckoning = [tus.upload(file, reckoning=True) for _ in range(arguments.runs)]
    rate, words = rates_of(length, uploads)
    print(f"Upload of {length / 1e6:.0f} MB through panel and backup server: {words}")
    print(f"The same while this client reckons the checksums: {rates_of(length, reckoning)[1]}")
    good, sent = True, arguments.runs * length / 1e9
    # On a machine with few processors these decide, and they change less than rates do when other work is done beside.
    for name, process in panel.processes.items():
        print(f"The {name} works {(processor(process.pid) - worked[name]) / (2 * sent):.2f} s for a GB")
    print(f"This client works {sending / sent:.2f} s for a GB")
    for name, grown in memory.grown().items():
        good = told(grown < 32, f"memory that the {name} grows by for one upload, in MiB: {grown:.1f} (aim < 32)") and good
    if puts:
        plain, words = rates_of(length, puts)
        print(f"Plain PUT to nginx: {words}")
        words = f"upload through panel and backup server, of the rate of a plain PUT to nginx: {rate / plain:.2f} (aim >= 0.6)"
        good = told(rate >= 0.6 * plain, words) and good
    return good


def from_afar(arguments, folder, tus_at, panel):
    """The same through a line with a delay, and what one chunk after the other would give."""
    port = urllib.parse.urlparse(panel.url).port
    far = f"http://127.0.0.1:{Distance(port, arguments.delay_ms / 1000).port}"
    file = File(folder, min(LARGEST, int(arguments.gigabytes * 0.3e9)))
    rate, words = rates_of(file.length, [tus_at(far).upload(file) for _ in range(arguments.runs)])
    print(f"{file.length / 1e6:.0f} MB, {arguments.delay_ms:.0f} ms each way (a delaying proxy with TCP's slow start): {words}")
    short = File(folder, file.length // 10)
    alone, words = rates_of(short.length, [tus_at(far, ahead=False).upload(short)])
    print(f"One chunk after the other, without checks ahead: {words}")
    words = f"upload from {arguments.delay_ms:.0f} ms away each way, in MB/s: {rate:.1f} (aim >= 20)"
    return told(rate >= 20, words)


def at_once(arguments, folder, tus, panel):
    """Several uploads at once, all of which must arrive."""
    file = File(folder, min(LARGEST, int(arguments.gigabytes * 1e9)) // arguments.parallel)
    memory, failed = Memory(panel.processes), []

    def one():
        try:
            tus.upload(file)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=one) for _ in range(arguments.parallel)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = arguments.parallel * file.length / 1e6 / (time.perf_counter() - began)
    for error in failed:
        print(f"One of them failed: {error}")
    grown = ", ".join(f"the {name} by {grown:.1f} MiB" for name, grown in memory.grown().items())
    print(f"{arguments.parallel} at once: {rate:.0f} MB/s together; memory grows: {grown}")
    arrived = arguments.parallel - len(failed)
    return told(not failed, f"uploads at once that arrive: {arrived} of {arguments.parallel} (aim: all)")


def main():
    arguments = parse_arguments()
    # Beside the programs: /tmp may be memory.
    with tempfile.TemporaryDirectory(dir=arguments.bin.resolve()) as name:
        folder = pathlib.Path(name)
        nginx, url = start_nginx(folder)
        panel = None
        try:
            panel = Panel(arguments.bin, arguments.site, folder)
            metadata = {"subscription": panel.subscription}

            def tus_at(origin, ahead=True):
                return Tus(f"{origin}/uploads", panel.headers(origin), metadata, ahead)

            file = File(folder, min(LARGEST, int(arguments.gigabytes * 1e9)))
            good = [
                through_both(arguments, file, tus_at(panel.url), panel, url, folder),
                at_once(arguments, folder, tus_at(panel.url), panel),
                from_afar(arguments, folder, tus_at, panel),
            ]
        finally:
            if panel:
                panel.stop()
            if nginx:
                nginx.terminate()
                nginx.wait()
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
