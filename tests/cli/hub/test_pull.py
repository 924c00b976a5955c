"""`textgen pull` and `hf://`: what comes from a hub is checked, or does not come."""

import pickle

import pytest

TAKEN = ["README.md", "config.json", "model.safetensors"]


def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def test_only_the_three_files_come(textgen, hub, env, trained, shared):
    """Whatever else a stranger has put there, also where names mean something here."""
    more = {"evil.pkl": b"x", "run.json": b"{}", "pytorch_model.bin": b"x"}
    commit = hub.seed_files("alice/book", more)
    done = textgen("pull", "alice/book", env=env)
    folder = textgen.folder / "checkpoints" / "book"

    assert done.code == 0, done.stderr
    assert done.stdout == "checkpoints/book/model.safetensors\n"
    assert sorted(path.name for path in folder.iterdir()) == TAKEN
    assert (folder / "model.safetensors").read_bytes() == trained.model.read_bytes()
    assert f"hf://alice/book is commit {commit}" in done.stderr
    assert not any("evil" in path or "bin" in path for path in hub.paths())


def test_the_login_goes_to_the_hub_only(textgen, hub, env, shared):
    """Large files come from another server, which is not told who asks."""
    textgen("pull", "alice/book", env=env)

    assert hub.users("head") == {"alice"}
    assert hub.users("get") == {None}


def test_json_tells_where_and_which(textgen, hub, env, shared):
    """One object on stdout."""
    told = textgen("pull", "alice/book", "-o", "mine", "--json", env=env).json

    assert told == {
        "checkpoint": "mine/model.safetensors",
        "repository": "alice/book",
        "commit": shared,
        "files": sorted(TAKEN),
    }


def test_an_earlier_commit_can_be_had(textgen, hub, env, shared, trained_on_bytes):
    """By its name, after the model has changed."""
    newer = {"model.safetensors": trained_on_bytes.model.read_bytes()}
    hub.seed_files("alice/book", newer)
    old = textgen("pull", f"alice/book@{shared}", "-o", "old", env=env)
    textgen("pull", "alice/book", "-o", "new", env=env)

    assert f"is commit {shared}" in old.stderr
    assert textgen("info", "old", "--json").json["vocabulary"]["kind"] == "char"
    assert textgen("info", "new", "--json").json["vocabulary"]["kind"] == "byte"


def test_a_model_without_page_and_settings_is_one(textgen, hub, env, trained):
    """The other two files are for people."""
    hub.seed_files("alice/bare", {"model.safetensors": trained.model.read_bytes()})
    done = textgen("pull", "alice/bare", env=env)

    assert done.code == 0, done.stderr
    assert done.stderr.endswith(": model.safetensors\n")


def test_nothing_is_overwritten(textgen, hub, env, shared):
    """A folder with something else is refused; the default takes the next name."""
    textgen.write("mine/notes.txt", "Dear diary")
    textgen.write("checkpoints/book/model.safetensors", "another one")
    refused = textgen("pull", "alice/book", "-o", "mine", env=env)
    steps = hub.steps()
    done = textgen("pull", "alice/book", env=env)
    again = textgen("pull", "alice/book", "-o", "checkpoints/book", env=env)

    refused.assert_refused(73, "mine", "-o")
    assert steps == []
    assert done.stdout == "checkpoints/book-2/model.safetensors\n"
    again.assert_refused(73, "checkpoints/book", "-o")


def test_a_place_that_cannot_be(textgen, hub, env, shared):
    """Told before anything is fetched, as what it is: not as a disk that fails."""
    refused = textgen("pull", "alice/book", "-o", "a" * 300, env=env)

    refused.assert_refused(73, "aaaa", "shorter name")
    assert hub.steps() == []


def test_an_empty_folder_may_be_there(textgen, hub, env, shared):
    """Also the one where the user stands; nothing hidden stays in it."""
    done = textgen("pull", "alice/book", "-o", ".", env=env)

    assert done.code == 0, done.stderr
    assert done.stdout == "model.safetensors\n"
    assert textgen.left() == TAKEN


def test_what_is_here_already_stays(textgen, hub, env, shared):
    """The same model twice is one folder, and that is told."""
    textgen("pull", "alice/book", env=env)
    done = textgen("pull", "alice/book", env=env)

    assert done.stdout == "checkpoints/book/model.safetensors\n"
    assert "which was here already" in done.stderr
    assert [path.name for path in (textgen.folder / "checkpoints").iterdir()] == [
        "book"
    ]


def test_a_private_model_is_its_owners(textgen, hub, env, trained):
    """Bob is told that it is not there, as hubs do; nobody is told to log in."""
    files = {"model.safetensors": trained.model.read_bytes()}
    hub.seed_files("alice/secret", files, private=True)
    nobody = {k: v for k, v in env.items() if k != "HF_TOKEN"}

    bob = textgen("pull", "alice/secret", env=env | {"HF_TOKEN": "hf_bob"})
    bob.assert_refused(66, "alice/secret")
    textgen("pull", "alice/secret", env=nobody).assert_refused(77, "hf auth login")
    assert textgen("pull", "alice/secret", env=env).code == 0


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("alice/nothing", ["alice/nothing"]),
        ("alice/book@v9", ["alice/book", "v9"]),
        ("alice/page", ["model.safetensors"]),
    ],
)
def test_what_is_not_there(textgen, hub, env, shared, argument, words):
    """No repository, no such revision, no model in it: each is told apart."""
    hub.seed("alice/page", **{"README.md": b"# page\n"})
    refused = textgen("pull", argument, env=env)

    refused.assert_refused(66, *words)
    assert textgen.left() == []


@pytest.mark.parametrize(
    ("mood", "code", "words"),
    [
        ("flipped", 65, ["sha256", "model.safetensors of hf://alice/book"]),
        ("short", 65, ["bytes"]),
        ("long", 65, ["bytes"]),
        ("endless", 65, ["more than the", "bytes"]),
        ("bomb", 65, ["more than the", "bytes"]),
        ("page", 65, ["web page"]),
        ("cut", 69, ["127.0.0.1", "again"]),
        ("drop", 69, ["127.0.0.1", "again"]),
        ("loop", 69, ["127.0.0.1"]),
        ("401", 77, ["hf auth login"]),
        ("403", 77, ["403"]),
        ("404", 66, ["alice/book"]),
        ("429", 69, ["429", "Wait"]),
        ("500", 69, ["500", "later"]),
    ],
)
def test_a_file_that_comes_wrong(
    textgen, hub, env, shared, left_by_a_failure, mood, code, words
):
    """The exit code, a message, no file anywhere; the next try gets it right."""
    hub.misbehave("get", mood)
    refused = textgen("pull", "alice/book", env=env)
    left = left_by_a_failure()
    hub.misbehave("get", "", 0)

    refused.assert_refused(code, *words)
    assert left == []
    assert textgen("pull", "alice/book", env=env).code == 0


def test_wrong_bytes_are_told_with_both_digests(textgen, hub, env, trained, shared):
    """
    The client checks how many bytes come, not which.

    What is written in the file and what its numbers give are both named.
    """
    hub.misbehave("get", "flipped")
    refused = textgen("pull", "alice/book", env=env)
    textgen.write("same.safetensors", flipped(trained.model.read_bytes()))
    local = textgen("info", "same.safetensors")
    digests = [word for word in local.stderr.split() if len(word.strip(",.")) == 64]

    assert len(digests) == 2
    refused.assert_refused(65, *digests)


@pytest.mark.parametrize(
    ("mood", "code", "words"),
    [
        ("html", 69, ["127.0.0.1"]),
        ("drop", 69, ["127.0.0.1"]),
        ("loop", 69, ["127.0.0.1"]),
        ("huge", 65, ["3,221,225,472 bytes"]),
        ("up etag", 69, ["127.0.0.1"]),
        ("up commit", 69, ["127.0.0.1"]),
        ("401", 77, ["hf auth login"]),
        ("403", 77, ["403"]),
        ("404", 66, ["alice/book"]),
        ("429", 69, ["429"]),
        ("500", 69, ["500"]),
    ],
)
def test_an_answer_about_a_file_that_is_wrong(
    textgen, hub, env, shared, left_by_a_failure, mood, code, words
):
    """Before any of the file has come: nothing is written, inside or outside."""
    hub.misbehave("head", mood)
    refused = textgen("pull", "alice/book", env=env)

    refused.assert_refused(code, *words)
    assert left_by_a_failure() == []
    assert "get" not in hub.steps()


def test_a_connection_that_breaks_once_goes_on(textgen, hub, env, shared):
    """The client asks for the rest, and the whole is checked."""
    hub.misbehave("get", "cut", 1)
    done = textgen("pull", "alice/book", env=env)

    assert done.code == 0, done.stderr
    assert hub.steps().count("get") == 2


def test_a_pickle_is_not_opened(textgen, hub, env, left_by_a_failure):
    """Under whichever name it comes."""
    hub.seed_files("alice/trap", {"model.safetensors": pickle.dumps({"w": 1})})

    textgen("pull", "alice/trap", env=env).assert_refused(65, "is a pickle")
    assert left_by_a_failure() == []


def test_settings_that_are_none_are_refused(textgen, hub, env, trained):
    """A folder appears whole or not at all."""
    files = {"model.safetensors": trained.model.read_bytes(), "config.json": b"<html>"}
    hub.seed_files("alice/odd", files)

    textgen("pull", "alice/odd", env=env).assert_refused(65, "config.json")
    assert textgen.left() in ([], ["checkpoints"])


def test_a_path_that_leads_out_is_not_followed(
    textgen, hub, env, shared, left_by_a_failure
):
    """
    Names are ours: not those of an address, of a header or of a listing.

    A listing is not asked for at all.
    """
    hub.misbehave("head", "up")
    hub.misbehave("get", "up")
    done = textgen("pull", "alice/book", env=env)

    assert done.code == 0, done.stderr
    assert set(hub.steps()) == {"head", "redirect", "get"}
    assert any("evil" in path for path in hub.paths())
    assert {path.name for path in left_by_a_failure()} == set(TAKEN)


def test_without_the_client(textgen, env, tmp_path):
    """huggingface_hub is an extra; the error says how to get it."""
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "huggingface_hub.py").write_text("raise ImportError('not here')\n")
    textgen.environment = textgen.environment | env | {"PYTHONPATH": str(absent)}
    refused = textgen.run("sample", "hf://alice/book")

    refused.assert_refused(69, "huggingface_hub", "pip install 'lstm-textgen[hub]'")


def test_with_an_older_client(textgen, env, tmp_path):
    """Versions 0.x talk otherwise; that was once told as a defect of this program."""
    old = tmp_path / "old"
    old.mkdir()
    (old / "huggingface_hub.py").write_text("__version__ = '0.36.0'\n")
    textgen.environment = textgen.environment | env | {"PYTHONPATH": str(old)}
    refused = textgen.run("sample", "hf://alice/book")

    refused.assert_refused(69, "0.36.0", "pip install 'lstm-textgen[hub]'")
