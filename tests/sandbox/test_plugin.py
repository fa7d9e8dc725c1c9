"""The pytest plugin, in pytest runs of its own."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import pytest

PLUGIN = "respondio_async.sandbox.pytest_plugin"
INSTALLED = any(point.value == PLUGIN for point in entry_points(group="pytest11"))

pytest_plugins = ["pytester"] if INSTALLED else ["pytester", PLUGIN]


pytestmark = pytest.mark.long("each runs pytest in a process of its own")


@pytest.fixture
def run(
    pytester: pytest.Pytester, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., pytest.RunResult]:
    """Run pytest on a test file, in a process of its own, with the plugin."""

    monkeypatch.setenv("PYTHONPATH", str(request.config.rootpath))
    monkeypatch.setenv("PYTHONOPTIMIZE", "")  # pytest would warn, and warnings are errors here

    def run(source: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(source)
        # Where the package is installed, its entry point loads the plugin.
        load = [] if INSTALLED else ["-p", PLUGIN]
        options = (
            "-W",
            "error",
            "-p",
            "no:cacheprovider",
        )
        if "no:asyncio" not in arguments:
            options += ("-o", "asyncio_default_fixture_loop_scope=function")
        return pytester.runpytest_subprocess(*options, *load, *arguments)

    return run


def test_a_plain_test_gets_a_running_sandbox_and_a_client(
    run: Callable[..., pytest.RunResult],
) -> None:
    """No async plugin is needed for the sandbox itself; it is calm. A test that runs a loop itself
    closes the client itself. Options come from a fixture and from marks: the nearest mark wins over
    the outer one, and both over the fixture.
    """
    run("""
        import asyncio
        import urllib.request
        import pytest

        def test_it(respondio_sandbox):
            assert respondio_sandbox.quirks.list_lag == 0
            assert respondio_sandbox.limits
            request = urllib.request.Request(
                respondio_sandbox.url + "/space/user",
                headers={"Authorization": f"Bearer {respondio_sandbox.token}"})
            assert urllib.request.urlopen(request).status == 200

        def test_client(respondio_client):
            async def work():
                async with respondio_client as client:
                    return await client.space.list_users().collect()
            assert len(asyncio.run(work())) == 4

        class TestFixture:
            @pytest.fixture
            def respondio_sandbox_options(self):
                return {"contacts": 1, "limits": None}

            def test_fixture(self, respondio_sandbox):
                assert (len(respondio_sandbox.contacts), respondio_sandbox.limits) == (1, {})

            @pytest.mark.respondio_sandbox(contacts=2)
            def test_mark(self, respondio_sandbox):
                assert len(respondio_sandbox.contacts) == 2

        @pytest.mark.respondio_sandbox(contacts=2)
        class TestMarked:
            def test_outer(self, respondio_sandbox):
                assert len(respondio_sandbox.contacts) == 2

            @pytest.mark.respondio_sandbox(contacts=3)
            def test_inner(self, respondio_sandbox):
                assert len(respondio_sandbox.contacts) == 3
    """, "--strict-markers").assert_outcomes(passed=6)  # fmt: skip


CLIENT = """
    import pytest
    {imports}

    {mark}
    @pytest.mark.respondio_sandbox(contacts=1)
    async def test_it(respondio_client, respondio_sandbox):
        contact = await respondio_client.contacts.get(100000001)
        assert contact.phone == respondio_sandbox.contacts[0].phone

    class TestIt:
        {mark}
        async def test_method(self, respondio_client):
            assert len(await respondio_client.space.list_users().collect()) == 4

    {mark}
    async def test_failing(respondio_client):
        await respondio_client.contacts.get(5)

    def test_unused(respondio_client):
        pass

    {fixture}
    async def contact(respondio_client):
        contact = await respondio_client.contacts.ensure("ada@x.yz", first_name="Ada")
        yield contact
        await respondio_client.contacts.delete(contact.id)

    @pytest.fixture
    def gone(respondio_sandbox):
        yield
        assert not [each for each in respondio_sandbox.contacts if each.email == "ada@x.yz"]

    {mark}
    async def test_cleaned_up(gone, contact, respondio_client):
        assert (await respondio_client.contacts.get(contact.id)).first_name == "Ada"

    {mark}
    async def test_failing_and_cleaned_up(gone, contact):
        raise RuntimeError

    {mark}
    async def test_closed_by_the_test(respondio_client):
        async with respondio_client as client:
            await client.space.get_user(1001)
"""
ANYIO = CLIENT.format(imports="", mark="@pytest.mark.anyio", fixture="@pytest.fixture")
STRICT = CLIENT.format(
    imports="import pytest_asyncio", mark="@pytest.mark.asyncio", fixture="@pytest_asyncio.fixture"
)
AUTO = CLIENT.format(imports="", mark="", fixture="@pytest.fixture")
RUNNERS = {
    "anyio": (ANYIO, ("-p", "no:asyncio")),
    "anyio-beside-asyncio": (ANYIO, ("-o", "asyncio_mode=strict")),
    "strict": (STRICT, ("-p", "no:anyio", "-o", "asyncio_mode=strict")),
    "strict-beside-anyio": (STRICT, ("-o", "asyncio_mode=strict")),
    "auto": (AUTO, ("-p", "no:anyio", "-o", "asyncio_mode=auto")),
    "xdist": (AUTO, ("-p", "no:anyio", "-o", "asyncio_mode=auto", "-n", "1")),
}


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_client_under_each_plugin(run: Callable[..., pytest.RunResult], runner: str) -> None:
    """Fixtures may use the client before and after the test, and it is closed on the loop that used
    it: no ResourceWarning, even when the test fails.
    """
    source, options = RUNNERS[runner]
    result = run(source, *options)
    result.assert_outcomes(passed=5, failed=2)
    result.stdout.fnmatch_lines(["*NotFoundError*"])
    assert "ResourceWarning" not in result.stdout.str()


def test_the_client_under_trio(run: Callable[..., pytest.RunResult]) -> None:
    """It runs on asyncio, and so does a bot: the test is skipped with that reason, whether trio is
    there or not.
    """
    result = run("""
        import pytest

        @pytest.fixture(params=["trio", ("trio", {})], ids=["name", "options"])
        def anyio_backend(request):
            return request.param

        @pytest.fixture
        async def contact(respondio_client):
            yield await respondio_client.contacts.get(100000001)

        @pytest.mark.anyio
        async def test_it(contact, respondio_client):
            raise AssertionError

        @pytest.mark.anyio
        async def test_bot(respondio_bot):
            raise AssertionError
    """, "-p", "no:asyncio", "-rs")  # fmt: skip
    result.assert_outcomes(skipped=4)
    result.stdout.fnmatch_lines(["*respondio_client runs on asyncio only, not on trio*"])


def test_a_loop_of_a_wider_scope(run: Callable[..., pytest.RunResult]) -> None:
    """The client is closed on the loop of the test, not on one of its own."""
    run("""
        import pytest

        @pytest.mark.asyncio(loop_scope="module")
        async def test_one(respondio_client):
            await respondio_client.space.get_user(1001)

        @pytest.mark.asyncio(loop_scope="module")
        async def test_two(respondio_client):
            await respondio_client.space.get_user(1001)
    """, "-o", "asyncio_mode=strict").assert_outcomes(passed=2)  # fmt: skip


def test_loading_the_plugin_imports_next_to_nothing(request: pytest.FixtureRequest) -> None:
    """It is loaded in every pytest run of everybody who has the package installed."""
    code = f"import sys, pytest, {PLUGIN}; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=request.config.rootpath,
    ).stdout.split()
    assert not {
        "uvicorn",
        "starlette",
        "httpx",
        "msgspec",
        "respondio_async._client",
        "respondio_async.sandbox._sandbox",
    } & set(modules)


class TestInThisRun:
    """The same fixtures in this very run, where coverage sees them."""

    @pytest.fixture(autouse=True)
    def _marked(self, request: pytest.FixtureRequest) -> None:
        request.node.add_marker(pytest.mark.respondio_sandbox(contacts=2))

    async def test_a_coroutine(self, respondio_client: Any, respondio_sandbox: Any) -> None:
        """It needs not close its client."""
        contact = await respondio_client.contacts.get(100000002)
        assert contact.phone == respondio_sandbox.contacts[1].phone

    def test_a_plain_test(self, respondio_client: Any) -> None:
        """A client that was never used has nothing to close."""
        assert "127.0.0.1" in repr(respondio_client)


BOT = """
    import pytest
    from respondio_async.webhooks import MessageReceived, WebhookRouter

    {mark}
    router = WebhookRouter("the key of production")

    @router.on(MessageReceived)
    async def echo(context):
        await context.reply(f"you said {{context.text}}")

    {decorator}
    @pytest.mark.parametrize("time", [1, 2])
    async def test_it(respondio_bot, respondio_sandbox, time):
        bot = respondio_bot(router)
        ann = respondio_sandbox.customer("+60123456789")
        ann.says("hi")
        assert (await ann.wait_for_reply(timeout=300)).content["text"] == "you said hi"
        await bot.settle(timeout=300)
        assert all(each.ok for each in respondio_sandbox.webhooks.deliveries)
        ann.says("left behind")  # what is under way at the end is ended, not lost in silence

    def test_the_router_is_as_it_was():
        assert router.client is None
"""


@pytest.mark.parametrize(
    ("mark", "decorator", "options"),
    [
        ("pytestmark = pytest.mark.anyio", "", ("-p", "no:asyncio")),
        ("", "@pytest.mark.asyncio", ()),
    ],
    ids=["anyio", "asyncio"],
)
def test_a_bot_runs_on_the_loop_of_its_test(
    run: Callable[..., pytest.RunResult], mark: str, decorator: str, options: tuple[Any, ...]
) -> None:
    """Its router may be a module's, serving one test after another."""
    backend = "import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    source = textwrap.dedent(BOT.format(mark=mark, decorator=decorator))
    run(f"{backend}\n{source}", *options).assert_outcomes(passed=3)
