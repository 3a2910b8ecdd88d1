#!/usr/bin/env python3
"""Measures a whole backup of a real Odoo database with a large filestore: as Odoo makes it, as stock restic makes it, and
as Holdfast makes it, side by side in one run; then its restore, as Odoo and as Holdfast do it. Prints one table, and says which of the aims were missed.

    benches/whole_way.py --bin target/release [--gigabytes 1]
"""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
import zipfile

MB = 1_000_000


def folder_bytes(folder):
    return sum(f.stat().st_size for f in pathlib.Path(folder).rglob("*") if f.is_file())


def peak_resident(pid):
    """The most memory that a process has held so far, in bytes."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no VmHWM for process {pid}")


class Odoo:
    """The throwaway PostgreSQL and the Odoo stand-in of `testbed demo`."""

    def __init__(self, bin_folder, folder):
        self.process = subprocess.Popen(
            [bin_folder / "testbed", "demo", "--dir", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        facts = json.loads(self.process.stdout.readline())
        self.database = facts["database"]
        self.filestore = pathlib.Path(facts["filestore"])
        self.postgres_url = facts["postgres_url"]
        self.http_url = facts["odoo_url"]
        self.master_password = facts["master_password"]

    @property
    def database_url(self):
        return self.postgres_url.rstrip("/") + "/" + self.database

    def sql(self, text):
        subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", self.database_url], input=text, text=True, check=True)

    def add_attachments(self, total, source):
        """Adds attachments of `total` bytes: of the mixed sizes of documents and pictures, a third of it compressible."""
        rows, done = [], 0
        while done < total:
            size = min(int(source.lognormvariate(11.5, 1.3)) + 200, 20 * MB, max(total - done, 200))
            if source.random() < 0.33:
                line = b"%d;invoice line;product %d;quantity;price\n"
                content = b"".join(line % (source.getrandbits(40), n % 97) for n in range(size // 40 + 1))[:size]
            else:
                content = source.randbytes(size)
            name = hashlib.sha1(content).hexdigest()
            file = self.filestore / name[:2] / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
            rows.append(f"('bench','binary','{name[:2]}/{name}','{name}',{size},'application/octet-stream')")
            done += size
        columns = "name, type, store_fname, checksum, file_size, mimetype"
        self.sql(f"INSERT INTO ir_attachment ({columns}) VALUES {','.join(rows)}")
        # Other accounts (PostgreSQL's, the stand-in's) read the files too.
        subprocess.run(["chmod", "-R", "a+rX", self.filestore], check=True)
        return len(rows)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def dump_sql(odoo, file):
    subprocess.run(["pg_dump", "--no-owner", f"--file={file}", f"--dbname={odoo.database_url}"], check=True)


def odoos_way(odoo, folder):
    """What Odoo's `dump_db` does: a copy of the filestore, pg_dump, then a deflated zip of both."""
    staging, target = folder / "odoo-staging", folder / "odoo.zip"
    began = time.monotonic()
    shutil.copytree(odoo.filestore, staging / "filestore")
    (staging / "manifest.json").write_text("{}")
    dump_sql(odoo, staging / "dump.sql")
    with zipfile.ZipFile(target, "w", compression=zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for parent, _, names in os.walk(staging):
            for name in sorted(names):
                file = pathlib.Path(parent) / name
                archive.write(file, file.relative_to(staging))
    seconds = time.monotonic() - began
    size = target.stat().st_size
    shutil.rmtree(staging)
    target.unlink()
    return seconds, size


def odoos_restore(odoo, file, folder):
    """What Odoo's `restore_db` does: unzip, `psql -q -f dump.sql`, move the filestore. It verifies nothing."""
    staging, name = folder / "odoo-restore", "odoos_restore"
    began = time.monotonic()
    with zipfile.ZipFile(file) as archive:
        archive.extractall(staging, [entry for entry in archive.namelist() if entry == "dump.sql" or entry.startswith("filestore/")])
    maintenance = odoo.postgres_url.rstrip("/") + "/postgres"
    create = f"CREATE DATABASE {name} ENCODING 'UTF8' LC_COLLATE 'C' TEMPLATE template0"
    subprocess.run(["psql", "-Xq", "-d", maintenance, "-c", create], check=True)
    database = odoo.postgres_url.rstrip("/") + "/" + name
    subprocess.run(["psql", "-Xq", "-d", database, "-f", staging / "dump.sql"], check=True, stdout=subprocess.DEVNULL)
    shutil.move(staging / "filestore", odoo.filestore.parent / name)
    seconds = time.monotonic() - began
    subprocess.run(["psql", "-Xq", "-d", maintenance, "-c", f"DROP DATABASE {name}"], check=True)
    shutil.rmtree(odoo.filestore.parent / name)
    shutil.rmtree(staging)
    return seconds


class Restic:
    """The stock `restic` program on the same files."""

    def __init__(self, folder):
        self.repository = folder / "restic"
        self.dump = folder / "restic-dump.sql"
        self.environment = {
            **os.environ,
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD": "bench",
            "RESTIC_CACHE_DIR": str(folder / "restic-cache"),
        }
        self.run("init")

    def run(self, *arguments):
        subprocess.run(["restic", "--quiet", *arguments], env=self.environment, check=True)

    def backup(self, odoo):
        before = folder_bytes(self.repository)
        began = time.monotonic()
        dump_sql(odoo, self.dump)
        self.run("backup", str(self.dump), str(odoo.filestore))
        return time.monotonic() - began, folder_bytes(self.repository) - before


class Holdfast:
    """The panel with its embedded backup server in one process, driven through the API that the panel itself uses."""

    def __init__(self, bin_folder, folder, site):
        self.data = folder / "holdfast"
        environment = {
            **os.environ,
            "HOLDFAST_LISTEN": "127.0.0.1:0",
            "HOLDFAST_DATA": str(self.data),
            "HOLDFAST_SITE": str(site),
        }
        environment.pop("DATABASE_URL", None)
        self.log = open(folder / "holdfast.log", "w")
        self.process = subprocess.Popen(
            [bin_folder / "holdfast"], env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        for line in self.process.stdout:
            if line.startswith("Holdfast is at "):
                self.origin = line.split()[-1]
                break
        else:
            raise RuntimeError("the panel did not start; see " + self.log.name)
        self.url = self.origin + "/this-machine"
        server = self.data / "backup-server"
        self.token = (server / "token").read_text().strip()
        self.staging, self.repositories = server / "staging", server / "repositories"

    def call(self, path, body=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/v1/{path}", data, headers)) as answer:
            return json.load(answer)

    def backup(self, repository, source):
        """Gives the seconds, the finished backup, what the repositories grew by, and the most that lay in staging."""
        before, staged = folder_bytes(self.repositories), 0
        start = {"job": str(uuid.uuid4()), "backup": str(uuid.uuid4()), "source": source, "format": "zip"}
        began = time.monotonic()
        job = self.call(f"repositories/{repository}/backups", start)
        while job["state"] in ("queued", "running"):
            time.sleep(0.05)
            with contextlib.suppress(FileNotFoundError):
                staged = max(staged, folder_bytes(self.staging))
            job = self.call(f"jobs/{job['id']}")
        seconds = time.monotonic() - began
        if job["state"] != "succeeded":
            raise RuntimeError(f"the backup ended as {job['state']}: {job['failure']}")
        return seconds, job["backup"], folder_bytes(self.repositories) - before, staged

    def restore(self, backup, source):
        """Replaces the database by a backup of it; gives the seconds and what was verified."""
        plan = {"target": source, "mode": {"kind": "replace"}, "neutralize": False, "safety_backup": None}
        began = time.monotonic()
        path = f"repositories/{backup['repository']}/backups/{backup['id']}/restores"
        job = self.call(path, {"job": str(uuid.uuid4()), "plan": plan})
        while job["state"] in ("queued", "running"):
            time.sleep(0.05)
            job = self.call(f"jobs/{job['id']}")
        seconds = time.monotonic() - began
        if job["state"] != "succeeded":
            raise RuntimeError(f"the restore ended as {job['state']}: {job['failure']}")
        return seconds, job["restored"]

    def download(self, backup, target):
        """Gives the seconds that the whole file took, and checks every entry of it. The file stays."""
        path = f"repositories/{backup['repository']}/backups/{backup['id']}/links"
        url = self.url + self.call(path, {})["path"]
        began = time.monotonic()
        with urllib.request.urlopen(url) as answer, open(target, "wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
        seconds = time.monotonic() - began
        if target.stat().st_size != backup["size_bytes"]:
            raise RuntimeError(f"{target.stat().st_size} bytes arrived, {backup['size_bytes']} were announced")
        with zipfile.ZipFile(target) as archive:
            if (bad := archive.testzip()) is not None:
                raise RuntimeError(f"{bad} is damaged in the downloaded zip")
        return seconds

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def measure(arguments, folder):
    source = random.Random(20_260_101)
    odoo = Odoo(arguments.bin, folder / "odoo")
    holdfast = Holdfast(arguments.bin, folder, arguments.site)
    rows, aims = [], []
    try:
        total = int(arguments.gigabytes * 1000 * MB)
        count = odoo.add_attachments(total, source)
        print(f"filestore: {count} files, {folder_bytes(odoo.filestore) / MB:.0f} MB", flush=True)
        direct = {"kind": "postgres", "url": odoo.postgres_url, "database": odoo.database, "filestore": str(odoo.filestore)}
        over_http = {
            "kind": "odoo_http", "url": odoo.http_url, "database": odoo.database, "master_password": odoo.master_password
        }
        direct_repository, http_repository = uuid.uuid4(), uuid.uuid4()
        restic = Restic(folder)

        odoo_seconds, zip_bytes = odoos_way(odoo, folder)
        rows.append(("Odoo's way: pg_dump, copy, deflate zip", odoo_seconds, zip_bytes, None))
        rows.append(("restic, first backup", *restic.backup(odoo), None))
        first_seconds, _, growth, _ = holdfast.backup(direct_repository, direct)
        rows.append(("Holdfast, first backup", first_seconds, growth, peak_resident(holdfast.process.pid)))

        odoo.add_attachments(total // 100, source)
        rows.append(("restic, second backup, 1 % changed", *restic.backup(odoo), None))
        second_seconds, backup, growth, _ = holdfast.backup(direct_repository, direct)
        rows.append(("Holdfast, second backup, 1 % changed", second_seconds, growth, peak_resident(holdfast.process.pid)))

        download_seconds = holdfast.download(backup, folder / "download.zip")
        rate = backup["size_bytes"] / MB / download_seconds
        rows.append(("Holdfast, download of the zip", download_seconds, backup["size_bytes"], peak_resident(holdfast.process.pid)))

        odoo_restore = odoos_restore(odoo, folder / "download.zip", folder)
        rows.append(("Odoo's way: unzip, psql, move the filestore", odoo_restore, backup["size_bytes"], None))
        (folder / "download.zip").unlink()
        restore_seconds, restored = holdfast.restore(backup, direct)
        peak = peak_resident(holdfast.process.pid)
        rows.append(("Holdfast, restore, verified and swapped", restore_seconds, backup["size_bytes"], peak))
        found = restored["attachments"]
        print(f"restored: {restored['tables']} tables, {restored['rows']} rows, {found['present']} of {found['expected']} files")

        http_seconds, http_backup, http_growth, staged = holdfast.backup(http_repository, over_http)
        peak = peak_resident(holdfast.process.pid)
        rows.append(("Holdfast, first backup through Odoo over HTTP", http_seconds, http_growth, peak))

        aims = [
            ("first backup in at most half of Odoo's time", first_seconds / odoo_seconds, "<=", 0.5),
            ("second backup at least 10 times faster", odoo_seconds / second_seconds, ">=", 10),
            ("second backup adds less than 3 % of the zip", growth / zip_bytes * 100, "<", 3),
            ("download in MB/s", rate, ">=", 100),
            ("restore and verify, of Odoo's time without verifying", restore_seconds / odoo_restore, "<=", 1),
            ("peak resident of panel and backup server in MiB", peak / 2**20, "<", 256),
            ("most in staging over HTTP, of the file", staged / http_backup["size_bytes"], "<=", 1.05),
        ]
    finally:
        holdfast.stop()
        odoo.stop()
    return rows, aims


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder with the programs holdfast and testbed")
    parser.add_argument("--site", type=pathlib.Path, required=True, help="folder with the browser's files")
    parser.add_argument("--gigabytes", type=float, default=1, help="size of the filestore")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        rows, aims = measure(arguments, pathlib.Path(folder))
    print(f"\n{'':46} {'seconds':>8} {'MB':>9} {'peak MiB':>9}")
    for name, seconds, size, peak in rows:
        print(f"{name:46} {seconds:8.1f} {size / MB:9.1f} {'' if peak is None else f'{peak / 2**20:.0f}':>9}")
    print("MB: the zip, what the repository grew by, or the file; peak: the panel with its backup server, so far.\n")
    tests = {"<=": float.__le__, "<": float.__lt__, ">=": float.__ge__}
    missed = 0
    for name, value, sign, aim in aims:
        met = tests[sign](float(value), float(aim))
        missed += not met
        print(f"{'met   ' if met else 'MISSED'} {name}: {value:.2f} (aim {sign} {aim})")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
