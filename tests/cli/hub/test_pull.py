"""`textgen pull`: a model from a hub in a folder of its own."""

import pickle

import pytest

FILES = ["README.md", "config.json", "model.safetensors"]


def test_only_the_three_files_come(textgen, hub, env, trained, shared):
    """Not what else a stranger has put there, even where its name has a meaning."""
    more = {"evil.pkl": b"x", "run.json": b"{}", "pytorch_model.bin": b"x"}
    commit = hub.seed("alice/book", more)
    done = textgen("pull", "alice/book", env=env)
    folder = textgen.folder / "checkpoints" / "book"

    assert done.code == 0, done.stderr
    assert done.stdout == "checkpoints/book/model.safetensors\n"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert (folder / "model.safetensors").read_bytes() == trained.model.read_bytes()
    assert commit in done.stderr
    assert not any("evil" in path or "bin" in path for path in hub.paths())


def test_the_login_goes_to_the_hub_only(textgen, hub, env, shared):
    """Large files come from another server, which is not told who asks."""
    textgen("pull", "alice/book", env=env)

    assert hub.users("head") == {"alice"}
    assert hub.users("get") == {None}


def test_an_earlier_commit_can_be_pulled(textgen, hub, env, shared, trained_on_bytes):
    """By its hash, after the model has changed."""
    newer = {"model.safetensors": trained_on_bytes.model.read_bytes()}
    hub.seed("alice/book", newer)
    old = textgen("pull", f"alice/book@{shared}", "-o", "old", env=env)
    textgen("pull", "alice/book", "-o", "new", env=env)

    assert shared in old.stderr
    assert textgen("info", "old", "--json").json["vocabulary"]["kind"] == "char"
    assert textgen("info", "new", "--json").json["vocabulary"]["kind"] == "byte"


def test_card_and_settings_are_optional(textgen, hub, env, trained):
    """They are for people; the JSON says which files there are, where, and whose."""
    model = {"model.safetensors": trained.model.read_bytes()}
    commit = hub.seed("alice/bare", model)
    pulled = textgen("pull", "alice/bare", "-o", "mine", "--json", env=env).json

    assert pulled == {
        "checkpoint": "mine/model.safetensors",
        "repository": "alice/bare",
        "commit": commit,
        "files": ["model.safetensors"],
    }


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


def test_a_name_that_is_too_long(textgen, hub, env, shared):
    """Refused before anything is downloaded, and not as a disk that fails."""
    textgen("pull", "alice/book", "-o", "a" * 300, env=env).assert_refused(73, "aaaa")

    assert hub.steps() == []


def test_an_empty_folder_may_exist(textgen, hub, env, shared):
    """Even the current directory; nothing hidden stays in it."""
    done = textgen("pull", "alice/book", "-o", ".", env=env)

    assert done.stdout == "model.safetensors\n", done.stderr
    assert textgen.left() == FILES


def test_what_is_here_already_stays(textgen, hub, env, shared):
    """The same model twice is one folder."""
    first, second = (textgen("pull", "alice/book", env=env) for _ in range(2))

    assert first.stdout == second.stdout == "checkpoints/book/model.safetensors\n"
    assert first.stderr != second.stderr
    assert [p.name for p in (textgen.folder / "checkpoints").iterdir()] == ["book"]


def test_a_private_model_is_its_owner_s(textgen, hub, env, trained):
    """For Bob it does not exist, as hubs do it; without a login it may."""
    files = {"model.safetensors": trained.model.read_bytes()}
    hub.seed("alice/secret", files, private=True)
    words = ("pull", "alice/secret")
    nobody = {k: v for k, v in env.items() if k != "HF_TOKEN"}

    textgen(*words, env=env | {"HF_TOKEN": "hf_bob"}).assert_refused(66, "alice/secret")
    textgen(*words, env=nobody).assert_refused(77, "hf auth login", "HF_TOKEN")
    assert textgen(*words, env=env).code == 0


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("alice/nothing", ["alice/nothing"]),
        ("alice/book@v9", ["alice/book", "v9"]),
        ("alice/page", ["model.safetensors"]),
    ],
)
def test_what_does_not_exist(textgen, hub, env, shared, name, values):
    """No repository, no such revision, no model in it: each is named."""
    hub.seed("alice/page", {"README.md": b"# page\n"})

    textgen("pull", name, env=env).assert_refused(66, *values)
    assert textgen.left() == []


def test_invalid_files_are_refused(textgen, hub, env, trained, files_left):
    """A pickle is not opened, whatever its name; settings must be a JSON object."""
    model = trained.model.read_bytes()
    hub.seed("alice/trap", {"model.safetensors": pickle.dumps({"w": 1})})
    hub.seed("alice/odd", {"model.safetensors": model, "config.json": b"<html>"})

    textgen("pull", "alice/trap", env=env).assert_refused(65, "pickle")
    textgen("pull", "alice/odd", env=env).assert_refused(65, "config.json")
    assert files_left() == []
