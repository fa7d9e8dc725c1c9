"""A real browser: Chromium without a window, driven over chromedriver's W3C WebDriver HTTP.

`python -m tests.sandbox.browser` makes the screenshot in docs/ anew.
"""

import base64
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""What WebDriver calls the id of an element. Source: W3C, WebDriver, "Elements"."""
ENTER = "\ue007"


def installed() -> bool:
    """Whether there is a browser to drive. Where continuous integration runs, there has to be."""
    found = all(shutil.which(name) for name in ("chromium", "chromedriver"))
    if not found and os.environ.get("CI") == "true":
        pytest.fail(
            "chromium and chromedriver are missing: apt-get install -y chromium chromium-driver",
            pytrace=False,
        )
    return found


class Browser:
    """One session."""

    def __init__(self, http: httpx.Client, session: str) -> None:
        self._http = http
        self._session = session

    def command(self, method: str, path: str, **body: Any) -> Any:
        """Send a WebDriver command; its value."""
        answer = self._http.request(
            method, f"/session/{self._session}{path}", json=body if method == "POST" else None
        )
        value = answer.json()["value"]
        assert answer.status_code == 200, value
        return value

    def open(self, url: str) -> None:
        self.command("POST", "/url", url=url)

    def script(self, source: str, *arguments: Any) -> Any:
        """Run JavaScript in the page: its `return` value."""
        return self.command("POST", "/execute/sync", script=source, args=list(arguments))

    def find(self, css: str) -> str:
        return self.command("POST", "/element", using="css selector", value=css)[_ELEMENT]

    def click(self, css: str) -> None:
        self._use(css, "click")

    def type(self, css: str, text: str) -> None:
        self._use(css, "value", text=text)

    def _use(self, css: str, how: str, **body: Any) -> None:
        """Do something with an element; the page may draw it anew between finding and doing."""
        while True:
            try:
                self.command("POST", f"/element/{self.find(css)}/{how}", **body)
            except AssertionError as error:
                if "stale element" not in str(error):
                    raise
            else:
                return

    def text(self, css: str) -> str:
        return self.script("return document.querySelector(arguments[0])?.textContent ?? ''", css)

    def texts(self, css: str) -> list[str]:
        return self.script(
            "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)",
            css,
        )

    def wait(self, holds: Callable[[], Any], timeout: float = 300.0) -> Any:
        """Look until something is true."""
        end = time.monotonic() + timeout
        while not (value := holds()):
            assert time.monotonic() < end, (
                f"not within {timeout} s; the page says: {self.text('body')[:2000]}"
            )
            time.sleep(0.02)
        return value

    def screenshot(self) -> bytes:
        """The visible page as a PNG."""
        return base64.b64decode(self.command("GET", "/screenshot"))


@contextmanager
def browsing(*, size: str = "1280,900", dark: bool = False) -> Iterator[Browser]:
    """Start chromedriver and Chromium with an empty profile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=_environment()
        )  # fmt: skip
        try:
            assert driver.stdout is not None
            line = next(line for line in driver.stdout if "started successfully on port" in line)
            port = int(line.rstrip(" .\n").rsplit(" ", 1)[1])
            arguments = [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                "--no-first-run",
                "--disable-dev-shm-usage", f"--user-data-dir={profile}", f"--window-size={size}",
                *(["--force-dark-mode"] if dark else []),
            ]  # fmt: skip
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=300, trust_env=False, verify=False
            ) as http:
                capabilities = {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}
                made = http.post("/session", json={"capabilities": capabilities}).json()["value"]
                assert "sessionId" in made, made
                try:
                    yield Browser(http, made["sessionId"])
                finally:
                    http.delete(f"/session/{made['sessionId']}")
        finally:
            driver.terminate()
            driver.communicate()


def _environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }


def main() -> None:
    """Let somebody talk to the FAQ bot, and take the picture for the README."""
    import sys

    from tests.support.ports import free_port

    root = Path(__file__).parents[2]
    port = free_port()
    bot = subprocess.Popen(
        [sys.executable, str(root / "examples/faq_bot.py")], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(root), "PORT": str(port)},
    )  # fmt: skip
    try:
        assert bot.stdout is not None
        url = bot.stdout.readline().removeprefix("Talk to the bot: ").strip()
        with httpx.Client(verify=False) as http, browsing() as browser:
            browser.open(url)
            browser.wait(lambda: browser.text("#connection") == "live")
            for phone, name, text in (
                ("+60171234567", "Mei Tan", "Thank you!"),
                ("+6598765432", "Ravi Kumar", "Is delivery to Singapore possible?"),
                ("+60123456789", "Aina Yusof", "Hi, can you help me?"),
            ):
                http.post(f"{url}/say", json={"contact": phone, "name": name, "text": text})
                time.sleep(0.8)
            browser.wait(lambda: len(browser.texts("#contacts .name")) == 3)
            browser.click("#contacts button")
            browser.wait(lambda: browser.texts(".replies button"))
            browser.click(".replies button:nth-child(2)")
            browser.wait(lambda: len(browser.texts("#messages li")) == 4)
            browser.type("#text", "Great, and what are your opening hours?" + ENTER)
            browser.wait(lambda: len(browser.texts("#messages li")) == 6)
            time.sleep(3)
            (root / "docs").mkdir(exist_ok=True)
            (root / "docs/inbox.png").write_bytes(browser.screenshot())
    finally:
        bot.terminate()
        bot.communicate()


if __name__ == "__main__":
    main()
