"""A panel and a backup server of its own, set up by the panel's own pages as a person without scripts does it."""

import html.parser
import http.cookiejar
import os
import re
import subprocess
import urllib.parse
import urllib.request

WORDS = "correct horse battery staple"


class Forms(html.parser.HTMLParser):
    """The forms of a page: what each sends as it stands."""

    def __init__(self, page):
        super().__init__()
        self.forms, self.options, self.select, self.option = [], {}, None, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        at = dict(attributes)
        if tag == "form":
            self.forms.append((at.get("action", ""), {}))
        elif self.forms and tag in ("input", "textarea", "select") and at.get("name"):
            fields = self.forms[-1][1]
            if tag == "select":
                self.select = at["name"]
            if at.get("type") not in ("radio", "checkbox") or "checked" in at:
                fields[at["name"]] = at.get("value") or ""
        elif tag == "option" and self.select:
            self.option = at.get("value", "")
            if "selected" in at:
                self.forms[-1][1][self.select] = self.option

    def handle_data(self, data):
        if self.option is not None and data.strip():
            self.options[data.strip()] = self.option
            self.option = None

    def handle_endtag(self, tag):
        if tag == "select":
            self.select = None


class Panel:
    """A running panel with somebody signed in, and a backup server with a process of its own behind it."""

    def __init__(self, programs, site, folder):
        environment = {"RUST_LOG": "warn", **os.environ}
        # A test of PostgreSQL may have set it.
        environment.pop("DATABASE_URL", None)
        data, self.processes = folder / "backup-server", {}
        server = {"BACKUP_LISTEN": "127.0.0.1:0", "BACKUP_DATA": str(data), "BACKUP_KEEP_FREE_MB": "0"}
        address = self.start("backup server", programs / "backup-server", environment | server, r"Listening on (http:\S+)")
        panel = {
            "HOLDFAST_LISTEN": "127.0.0.1:0",
            "HOLDFAST_DATA": str(folder / "panel"),
            "HOLDFAST_SITE": str(site),
            "HOLDFAST_NO_EMBEDDED_SERVER": "true",
        }
        link = self.start("panel", programs / "holdfast", environment | panel, r"(http:\S+/set-up/\S+)")
        self.url = link.split("/set-up/")[0]
        self.cookies = http.cookiejar.CookieJar()
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        self.token, self.server = (data / "token").read_text().strip(), address
        self.fill(link, {"name": "Bench", "email": "bench@example.com", "password": WORDS})
        self.fill(f"{self.url}/backup-servers/new", {"name": "Bench", "url": address, "token": self.token})
        self.subscription = self.subscribe()

    def start(self, name, program, environment, ready):
        process = subprocess.Popen([str(program)], env=environment, stdout=subprocess.PIPE, text=True)
        self.processes[name] = process
        for line in process.stdout:
            if found := re.search(ready, line):
                return found[1].rstrip("/.")
        raise RuntimeError(f"The {name} ended before it was ready")

    def fill(self, address, values, choices=None):
        """Sends the page's form that has all these fields, named by their last part; gives where that leads."""
        page = Forms(self.browser.open(address).read().decode())

        def named(fields, wanted):
            return next((name for name in fields if re.search(rf"(^|\[){re.escape(wanted)}\]?$", name)), None)

        wanted = [*values, *(choices or {})]
        action, fields = next(form for form in page.forms if all(named(form[1], name) for name in wanted))
        for name, value in values.items():
            fields[named(fields, name)] = value
        for name, label in (choices or {}).items():
            fields[named(fields, name)] = page.options[label]
        request = urllib.request.Request(
            urllib.parse.urljoin(self.url, action),
            urllib.parse.urlencode(fields).encode(),
            {"Origin": self.url, "Referer": address, "Accept": "text/html"},
        )
        return self.browser.open(request).geturl()

    def subscribe(self):
        # Nothing reads that Odoo: what is uploaded here is never imported.
        values = {"name": "Bench", "database": "bench", "connection": "odoo_http", "odoo_url": "https://odoo.example.com"}
        self.fill(f"{self.url}/subscriptions/new", {**values, "master_password": WORDS}, {"server": "Bench"})
        page = self.browser.open(f"{self.url}/subscriptions").read().decode()
        return re.search(r'href="/subscriptions/([0-9a-f-]{36})"', page)[1]

    def headers(self, origin):
        return {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies), "Origin": origin}

    def stop(self):
        for process in self.processes.values():
            process.terminate()
            process.wait()

