"""`hf://user/repo` is a model wherever a command takes one."""

import pytest

FAR = "hf://alice/book"


def test_a_name_on_the_hub_is_that_model(textgen, hub, env, trained, shared):
    """Its loss and its facts are those of the file, also by the hash of the commit."""
    results = [
        [
            textgen("evaluate", model, trained.text, "--split", "validation", env=env),
            textgen("info", model, "--json", env=env),
        ]
        for model in (f"{FAR}@{shared}", trained.model)
    ]
    far, near = ([outcome.stdout for outcome in row] for row in results)

    assert all(far)
    assert far == near


@pytest.mark.parametrize(
    "words",
    [
        "checkpoints verify {}",
        "checkpoints diff {} fables",
        "checkpoints average {} {} -o mean.safetensors",
        "export {} --format npz -o model.npz",
        "inspect {} --text Said --json",
        "push {} alice/again --dry-run",
        "sample --mix {}:0.7 --mix {} -n 50",
    ],
)
def test_every_command_takes_a_name_on_the_hub(textgen, hub, env, shared, words):
    """As well as the file; `verify` once looked for a file of that name."""
    done = textgen(*words.replace("{}", FAR).split(), env=env)

    assert done.code == 0, done.stderr


def test_an_export_is_named_after_the_repository(textgen, hub, env, shared):
    """It was once `blobs.npz`, after a folder of the cache."""
    done = textgen("export", f"{FAR}@{shared}", "--format", "npz", env=env)

    assert done.stdout == "book.npz\n"
    assert textgen.left() == ["book.npz"]


def test_names_on_the_hub_are_verified(textgen, hub, env, trained, shared):
    """With the digest of the weights; one that does not exist is one bad file."""
    names = (FAR, "hf://alice/none")
    near = textgen("checkpoints", "verify", trained.model, "--json").json
    outcome = textgen("checkpoints", "verify", *names, "--json", env=env)
    good, absent = outcome.json["checkpoints"]

    assert outcome.code == 66
    assert good["path"] == FAR
    assert good["tensors_sha256"] == near["checkpoints"][0]["tensors_sha256"]
    assert "alice/none" in absent["problem"]


@pytest.mark.parametrize(
    "name", ["hf://alice", "hf://alice/book/model.safetensors", "hf://a/b@../c"]
)
def test_an_invalid_name(textgen, hub, env, name):
    """A name with `hf://` is never taken for a file."""
    textgen("sample", name, env=env).assert_refused(2, name, "user/repo")
