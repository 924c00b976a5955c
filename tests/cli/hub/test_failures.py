"""A hub that refuses, fails or lies, at every step of a pull and of a push."""

import pytest

HOST = "127.0.0.1"

MODEL = "hf://alice/book"

STATUSES = [("401", 77), ("403", 77), ("404", 66), ("429", 69), ("500", 69)]
"""How a hub refuses, and the exit code for it."""


def refusals(*steps):
    """Each status at each step, which the error names."""
    return [(step, status, code, status) for step in steps for status, code in STATUSES]


@pytest.mark.parametrize(
    ("step", "mood", "code", "value"),
    [
        *refusals("head", "get"),
        ("head", "html", 69, HOST),
        ("head", "drop", 69, HOST),
        ("head", "loop", 69, HOST),
        ("head", "huge", 65, "3,221,225,472"),
        ("head", "up etag", 69, "evil"),
        ("head", "up commit", 69, "evil"),
        ("get", "flipped", 65, f"model.safetensors of {MODEL}"),
        ("get", "short", 65, MODEL),
        ("get", "long", 65, MODEL),
        ("get", "endless", 65, MODEL),
        ("get", "bomb", 65, MODEL),
        ("get", "page", 65, MODEL),
        ("get", "cut", 69, HOST),
        ("get", "drop", 69, HOST),
        ("get", "loop", 69, HOST),
    ],
)
def test_a_pull_that_fails(
    textgen, hub, env, shared, files_left, step, mood, code, value
):
    """No file is written, in the folder or outside, and the next pull succeeds."""
    hub.misbehave(step, mood)
    refused = textgen("pull", "alice/book", env=env)
    steps = hub.steps()
    hub.behave()

    refused.assert_refused(code, value)
    assert files_left() == []
    assert ("get" in steps) == (step == "get")
    assert textgen("pull", "alice/book", env=env).code == 0


@pytest.mark.parametrize(
    ("step", "mood", "code", "value"),
    [
        *refusals("create", "commit"),
        ("create", "html", 69, HOST),
        ("commit", "html", 69, HOST),
        ("create", "drop", 69, HOST),
        ("preupload", "drop", 69, HOST),
        ("batch", "drop", 69, HOST),
        ("upload", "drop", 69, HOST),
        ("commit", "drop", 69, HOST),
    ],
)
def test_a_push_that_fails(textgen, hub, env, trained, step, mood, code, value):
    """There is no commit, and the next push succeeds without sending a file twice."""
    words = ("push", trained.run, "alice/book")
    hub.misbehave(step, mood)
    refused = textgen(*words, env=env)
    commits = hub.commits("alice/book")
    hub.behave()
    done = textgen(*words, env=env)

    refused.assert_refused(code, value)
    assert commits == []
    assert done.code == 0, done.stderr
    assert len(hub.files("alice/book")) == 3
    assert step == "upload" or hub.steps().count("upload") == 1


def test_a_connection_that_breaks_once_is_resumed(textgen, hub, env, shared):
    """The client requests the rest, and the whole is checked."""
    hub.misbehave("get", "cut", 1)
    done = textgen("pull", "alice/book", env=env)

    assert done.code == 0, done.stderr
    assert hub.steps().count("get") == 2


def test_a_path_that_leads_out_is_not_followed(textgen, hub, env, shared, files_left):
    """
    Names are ours: not those of an address, of a header or of a listing.

    No listing is requested at all.
    """
    hub.misbehave("head", "up")
    hub.misbehave("get", "up")
    done = textgen("pull", "alice/book", env=env)

    assert done.code == 0, done.stderr
    assert set(hub.steps()) == {"head", "redirect", "get"}
    assert any("evil" in path for path in hub.paths())
    assert {path.name for path in files_left()} == set(hub.files("alice/book"))


def test_a_card_that_the_hub_refuses(textgen, trained, hub, env):
    """
    The hub's words are shown, sanitized, and no empty repository is left behind.

    The client raises a `ValueError`, which was once mistaken for a broken hub.
    """
    hub.misbehave("yaml", "refuse")
    words = ("push", trained.run, "alice/book", "--language", "xx")
    refused = textgen(*words, env=env)

    refused.assert_refused(65, "language is odd", "--language")
    assert "\x1b" not in refused.stderr
    assert "alice/book" not in hub.repositories


def test_a_warning_of_the_server_steers_no_terminal(textgen, trained, hub, env):
    """The client prints it as it comes, past the one place that sanitizes text."""
    hub.misbehave("yaml", "warn")
    with textgen.screen() as screen:
        done = textgen("push", trained.run, "alice/book", env=env, stderr=screen)

    assert done.code == 0
    assert "yaml" in hub.steps()
    assert "alice/book" in screen.text
    assert "\x1b" not in screen.text


def test_a_server_without_the_newer_protocol(textgen, trained, hub, env):
    """
    A push needs only what every hub can do.

    The client would prefer Xet where its package is installed, and does not ask
    whether the server has it. HF_HUB_DISABLE_XET=0 allows that, and it fails.
    """
    words = ("push", trained.run, "alice/book")

    textgen(*words, env=env | {"HF_HUB_DISABLE_XET": "0"}).assert_refused(
        69, "HF_HUB_DISABLE_XET"
    )
    assert textgen(*words, env=env).code == 0


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("raise ImportError('not here')", "not here"),
        ("__version__ = '0.36.0'", "0.36.0"),  # 0.x has other functions
    ],
    ids=["missing", "too old"],
)
def test_without_a_usable_client(textgen, trained, env, source, value):
    """The error says how to install it; a dry run of a push does without."""
    client = textgen.write("client/huggingface_hub.py", source)
    path = {"PYTHONPATH": str(client.parent)}
    textgen.environment = textgen.environment | env | path
    words = ("push", str(trained.run), "alice/book")

    for command in (("sample", "hf://alice/book"), words):
        textgen.run(*command).assert_refused(
            69, value, "pip install 'lstm-textgen[hub]'"
        )
    assert textgen.run(*words, "--dry-run").code == 0
