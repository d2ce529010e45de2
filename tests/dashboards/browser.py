"""A headless Chromium, driven over its own protocol through a pair of pipes: no driver, no port, no network."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
ANSWER_SECONDS = 30


class BrowserError(RuntimeError):
    """The browser did not do what it was asked to."""


class Browser:
    """A browser with one page in it.

    Attributes
    ----------
    complaints : list of str
        Whatever the page's console, or the browser about the page, said at the level of a warning or above.
    """

    def __init__(self):
        self.complaints = []
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        browser_reads, to_browser = os.pipe()
        from_browser, browser_writes = os.pipe()
        # The browser reads descriptor 3 and writes descriptor 4; the shell puts the pipes there. It may run as root
        # in a container, where its sandbox does not.
        redirected = f'exec "$0" "$@" 3<&{browser_reads} 4>&{browser_writes}'
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
        self._process = subprocess.Popen(
            [
                *("bash", "-c", redirected, CHROMIUM, *options),
                *("--remote-debugging-pipe", f"--user-data-dir={self._profile.name}", "about:blank"),
            ],
            pass_fds=(browser_reads, browser_writes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(browser_reads)
        os.close(browser_writes)
        self._to_browser, self._from_browser = os.fdopen(to_browser, "wb"), os.fdopen(from_browser, "rb")
        self._unread = b""
        self._last_id = 0
        target = self._ask("Target.createTarget", {"url": "about:blank"}, session=None)["targetId"]
        attached = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True}, session=None)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def _read(self):
        while b"\0" not in self._unread:
            readable, _, _ = select.select([self._from_browser], [], [], ANSWER_SECONDS)
            some = os.read(self._from_browser.fileno(), 1 << 16) if readable else b""
            if not some:
                raise BrowserError("the browser ended" if readable else "the browser does not answer")
            self._unread += some
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def _ask(self, method, params=None, session=""):
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params or {}}
        if session is not None:
            message["sessionId"] = self._session
        self._to_browser.write(json.dumps(message).encode() + b"\0")
        self._to_browser.flush()
        while (answer := self._read()).get("id") != self._last_id:
            self._note(answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        return answer["result"]

    def _note(self, event):
        params = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("warning", "error", "assert"):
                self.complaints.append(json.dumps(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in ("warning", "error"):
                self.complaints.append(params["entry"]["text"])

    def open(self, path, width, height=900):
        """Open a file in a window of that many pixels, and wait until it has loaded."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", metrics)
        self._ask("Page.navigate", {"url": Path(path).resolve().as_uri()})
        while (event := self._read()).get("method") != "Page.loadEventFired":
            self._note(event)

    def evaluate(self, expression):
        """The value of an expression in the page; a promise is waited for."""
        params = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = self._ask("Runtime.evaluate", params)
        if "exceptionDetails" in answer:
            raise BrowserError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def screenshot(self):
        """What the window shows, as PNG."""
        return base64.b64decode(self._ask("Page.captureScreenshot", {"format": "png"})["data"])

    def close(self):
        """End the browser; by force if it does not by itself."""
        try:
            self._ask("Browser.close", session=None)
            self._process.wait(ANSWER_SECONDS)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._to_browser.close()
        self._from_browser.close()
        self._profile.cleanup()
